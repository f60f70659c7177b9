"""Everything that can be wrong with an endpoint, each said in words within the first seconds."""

import contextlib
import ssl
import time
from pathlib import Path

import pytest
from aiohttp import web

from servemark.client.credentials import Credentials
from servemark.client.preflight import Health, check_endpoint, read_health
from servemark.domain.exchange import Message
from servemark.errors import EndpointError

MESSAGES = (Message(role="user", content="one two three"),)
MODELS = {"object": "list", "data": [{"id": "llama-8b", "owned_by": "vllm"}, {"id": "qwen-7b"}]}
STREAM = b"".join(
    (
        b'data: {"choices":[{"delta":{"role":"assistant","content":""},"finish_reason":null}]}\n\n',
        b'data: {"choices":[{"delta":{"content":" a"},"finish_reason":"length"}]}\n\n',
        b'data: {"choices":[],"usage":{"prompt_tokens":16,"completion_tokens":4}}\n\n',
        b"data: [DONE]\n\n",
    )
)


def reply(content=None, *, status=200, text=None, body=None, content_type="application/json", headers=None):
    async def handle(request):
        if content is not None:
            return web.json_response(content, status=status, headers=headers)
        return web.Response(text=text, body=body, status=status, content_type=content_type, headers=headers)

    return handle


stream = reply(body=STREAM, content_type="text/event-stream")


@contextlib.asynccontextmanager
async def server(*, models=None, completion=None, health=None, prefix="/v1", tls=None):
    """A server of just these handlers; yields its root."""
    app = web.Application()
    asked = app[ASKED] = []

    @web.middleware
    async def note(request, handler):
        asked.append((request.method, request.path))
        return await handler(request)

    app.middlewares.append(note)
    if models:
        app.router.add_get(f"{prefix}/models", models)
    if completion:
        app.router.add_post(f"{prefix}/chat/completions", completion)
    if health:
        app.router.add_get("/health", health)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
        scheme = "https" if tls else "http"
        yield f"{scheme}://127.0.0.1:{runner.addresses[0][1]}", asked
    finally:
        await runner.cleanup()


ASKED = web.AppKey("asked", list)


async def refusal(url, **fields):
    """The one line that the check ends with, soon."""
    before = time.monotonic()
    with pytest.raises(EndpointError) as caught:
        await check_endpoint(url, messages=MESSAGES, **fields)
    assert time.monotonic() - before < 5.0
    assert "\n" not in str(caught.value)
    return caught.value


async def test_a_good_endpoint():
    async with server(models=reply(MODELS), completion=stream) as (root, asked):
        found = await check_endpoint(f"{root}/v1", messages=MESSAGES)
    assert (found.url, found.model, found.prompt_tokens) == (f"{root}/v1", "llama-8b", 16)
    assert found.server.startswith("vllm Python/") and found.health == Health()
    assert found.notes == ("the endpoint serves 2 models; the first is measured: llama-8b",)
    assert asked == [("GET", "/v1/models"), ("GET", "/health"), ("POST", "/v1/chat/completions")]


async def test_a_twin_announces_its_clock():
    said = {"twin": True, "time_factor": 4.0, "lag_p99_s": 0.0003, "deployment": "llama", "running": 0}
    async with server(models=reply(MODELS), completion=stream, health=reply(said)) as (root, _):
        found = await check_endpoint(f"{root}/v1", model="qwen-7b", messages=MESSAGES)
        again = await read_health(f"{root}/v1")
    assert (found.model, found.server, found.notes) == ("qwen-7b", "twin of llama", ())
    assert found.health == again == Health(twin=True, time_factor=4.0, lag_p99_s=0.0003, deployment="llama")


@pytest.mark.parametrize(
    "health",
    [
        reply({"status": "ok"}),
        reply(text="OK", content_type="text/plain"),
        reply({}, status=503),
        reply([1]),
    ],
)
async def test_other_words_under_health_announce_nothing(health):
    async with server(health=health) as (root, _):
        assert await read_health(f"{root}/v1") == Health()
    assert await read_health("http://127.0.0.1:9/v1") == Health()


async def test_v1_is_added_where_that_helps():
    async with server(models=reply(MODELS), completion=stream) as (root, _):
        found = await check_endpoint(root, model="llama-8b", messages=MESSAGES)
    assert found.url == f"{root}/v1"
    assert found.notes == (f"{root} answers under /v1: using {root}/v1",)


async def test_nothing_listens():
    error = await refusal("http://127.0.0.1:9/v1")
    assert str(error) == (
        "url: expected an endpoint that answers at http://127.0.0.1:9/v1, "
        "found nothing that listens on 127.0.0.1:9 (Connection refused)"
    )


async def test_a_host_that_does_not_resolve():
    error = await refusal("http://no-such-host.invalid/v1")
    assert "expected a host name that resolves, found 'no-such-host.invalid'" in str(error)


async def test_an_endpoint_that_never_answers(monkeypatch, raw_server):
    monkeypatch.setattr("servemark.client.preflight._ANSWER_S", 0.2)

    async def silent(reader, writer, number):
        await reader.read()

    async with raw_server(silent) as url:
        error = await refusal(url)
    assert "found no answer within 0.2 s" in str(error)


async def test_a_wrong_model_name_gets_the_nearest():
    async with server(models=reply(MODELS), completion=stream) as (root, asked):
        error = await refusal(f"{root}/v1", model="lama-8b")
        other = await refusal(f"{root}/v1", model="zzz")
    assert error.path == "model" and error.nearest == ("llama-8b",)
    assert other.nearest == ("llama-8b", "qwen-7b")
    assert all(method == "GET" for method, _ in asked)


@pytest.mark.parametrize(
    ("models", "says"),
    [
        (reply(text="<html>hi</html>", content_type="text/html"), "found text/html that lists no models"),
        (
            reply(text="<html>no</html>", content_type="text/html", status=404),
            "found HTTP 404: an HTML page",
        ),
        (reply({"detail": "Not Found"}, status=404), "found HTTP 404: Not Found"),
        (reply({"hello": 1}), "found application/json that lists no models"),
    ],
)
async def test_not_an_llm_endpoint(models, says):
    async with server(models=models) as (root, _):
        error = await refusal(f"{root}/v1")
    assert f"expected an LLM endpoint, with a list of models at {root}/v1/models" in str(error)
    assert says in str(error)


async def test_an_endpoint_without_models_and_one_that_is_not_ready():
    async with server(models=reply({"data": []})) as (root, _):
        assert "found an empty list" in str(await refusal(f"{root}/v1"))
    loading = reply({"error": {"message": "Loading model", "code": 503}}, status=503)
    async with server(models=loading) as (root, _):
        error = await refusal(f"{root}/v1")
    assert "expected an endpoint that is ready, found HTTP 503: Loading model" in str(error)


async def test_a_list_of_models_is_not_needed_where_the_model_is_named():
    async with server(completion=stream) as (root, _):
        found = await check_endpoint(f"{root}/v1", model="m", messages=MESSAGES)
    assert found.model == "m"
    async with server() as (root, _):
        error = await refusal(f"{root}/v1", model="m")
    assert f"expected an LLM endpoint, with chat completions at {root}/v1/chat/completions" in str(error)


async def test_a_key_that_the_server_echoes_is_not_repeated():
    async def echo(request):
        return web.json_response({"detail": f"what is {request.headers['Authorization']}?"}, status=500)

    async with server(models=echo) as (url, _):
        with pytest.raises(EndpointError, match=r"HTTP 500: what is Bearer \*\*\*\?"):
            await check_endpoint(f"{url}/v1", credentials=Credentials("sk-secret-0123"), messages=MESSAGES)


async def test_unauthorized_names_the_variable_and_not_the_key():
    denied = reply({"error": {"message": "wrong key sk-test-0123456789"}}, status=401)
    credentials = Credentials("sk-test-0123456789")
    async with server(models=denied, completion=denied) as (root, _):
        early = await refusal(f"{root}/v1", credentials=credentials)
    async with server(models=reply(MODELS), completion=denied) as (root, _):
        late = await refusal(f"{root}/v1", credentials=credentials)
    for error in (early, late):
        assert "a valid API key (set SERVEMARK_API_KEY), found HTTP 401" in str(error)
        assert "0123456789" not in str(error)


@pytest.mark.parametrize(
    ("completion", "says"),
    [
        (reply({"choices": [{"message": {"content": "hi"}}]}), "a body of application/json"),
        (reply(text="<html>hi</html>", content_type="text/html"), "a body of text/html"),
        (reply(body=b"", content_type="text/event-stream"), "200 without an event stream: nothing"),
    ],
)
async def test_no_streaming(completion, says):
    async with server(models=reply(MODELS), completion=completion) as (root, _):
        error = await refusal(f"{root}/v1")
    assert "expected an answer streamed as events (SSE) from" in str(error) and says in str(error)


async def test_a_refused_completion_is_quoted():
    refused = reply({"error": {"message": "unknown field ignore_eos"}}, status=400)
    async with server(models=reply(MODELS), completion=refused) as (root, _):
        error = await refusal(f"{root}/v1")
    assert "expected a completed answer from" in str(error)
    assert "found HTTP 400: unknown field ignore_eos" in str(error)
    assert """--body '{"ignore_eos": null}'""" in str(error)


async def test_a_server_without_usage_is_noted():
    without = STREAM.replace(b'"usage":{"prompt_tokens":16,"completion_tokens":4}', b'"usage":null')
    silent = reply(body=without, content_type="text/event-stream")
    async with server(models=reply(MODELS), completion=silent) as (root, _):
        found = await check_endpoint(f"{root}/v1", model="qwen-7b", messages=MESSAGES)
    assert found.prompt_tokens is None
    assert found.notes == ("the server sends no usage: output tokens are counted as text chunks",)


async def test_https_on_a_port_without_tls():
    async with server(models=reply(MODELS)) as (root, _):
        error = await refusal(root.replace("http:", "https:") + "/v1")
    assert "expected TLS, as https:// says, found a server that does not speak it" in str(error)
    assert error.nearest == (f"{root}/v1",)


def own_certificate():
    """Self-signed, for 127.0.0.1: nobody vouches for it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(Path(__file__).with_name("selfsigned.pem"))
    return context


async def test_a_certificate_that_nobody_vouches_for():
    async with server(models=reply(MODELS), tls=own_certificate()) as (root, _):
        error = await refusal(f"{root}/v1")
    assert "expected a certificate of 127.0.0.1 that can be verified" in str(error)
    assert "self-signed certificate" in str(error).replace("self signed", "self-signed")


async def test_http_on_a_port_with_tls():
    async with server(models=reply(MODELS), tls=own_certificate()) as (root, _):
        error = await refusal(root.replace("https:", "http:") + "/v1")
    assert "expected HTTP, as http:// says" in str(error) and error.nearest == (f"{root}/v1",)
