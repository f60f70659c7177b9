"""An endpoint whose behaviour is known: each request says in its body how it is to be answered.

Runs as a process of its own, so that it shares no event loop with what is tested:
`python truth_server.py` prints its base URL. The field `truth` of a chat completion scripts the answer:

    first_s, gap_s   absolute schedule: token i is written at first_s + i gap_s after the request came
    tokens           text tokens to send (default: max_tokens)
    per_chunk        tokens in one event
    fault            one of FAULTS

`GET /v1/log` gives, per `truth.id`, when tokens really were written. A prompt of w words counts 2 w + 10 tokens.
"""

import asyncio
import json
import time

from aiohttp import web

FAULTS = (
    "cut", "reset", "error_event", "error_field", "error_object", "empty", "role_only", "no_finish", "stop",
    "length", "abort", "no_usage", "status", "html", "json", "garbage", "die", "die_if_reused", "no_done",
    "done_then_reset", "reasoning", "bytewise", "crlf", "hang", "stall", "blanket", "echo_key",
)  # fmt: skip


class Connections:
    """How many requests each connection has brought."""

    def __init__(self):
        self.counts = {}

    def reused(self, transport):
        peer = transport.get_extra_info("peername")
        self.counts[peer] = self.counts.get(peer, 0) + 1
        return self.counts[peer] > 1


LOG = {}
CONNECTIONS = Connections()
STATS = {"in_flight": 0, "peak": 0, "requests": 0, "bodies": []}


def event(payload):
    return b"data: " + json.dumps(payload, separators=(",", ":")).encode() + b"\n\n"


def delta(finish=None, **fields):
    choice = {"index": 0, "delta": fields, "logprobs": None, "finish_reason": finish}
    return event(
        {"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": "truth", "choices": [choice]}
    )


async def chat(request):
    came_s = time.monotonic()
    body = await request.json()
    script = body.get("truth", {})
    fault = script.get("fault")
    reused = CONNECTIONS.reused(request.transport)
    STATS["requests"] += 1
    STATS["bodies"].append({k: v for k, v in body.items() if k != "messages"})
    if fault == "die" or (fault == "die_if_reused" and reused):
        request.transport.abort()
        return web.Response()
    if fault == "status":
        error = {"error": {"message": "queue full", "type": "overloaded", "code": script["status"]}}
        return web.json_response(error, status=script["status"])
    if fault == "echo_key":
        words = f"no such key: {request.headers.get('Authorization', '')}"
        return web.json_response({"error": {"message": words}}, status=401)
    if fault == "html":
        return web.Response(text="<html><body>hello</body></html>", content_type="text/html")
    if fault == "json":
        return web.json_response({"choices": [{"message": {"content": "hello"}, "finish_reason": "stop"}]})
    STATS["in_flight"] += 1
    STATS["peak"] = max(STATS["peak"], STATS["in_flight"])
    try:
        return await stream(request, body, script, fault, came_s)
    finally:
        STATS["in_flight"] -= 1


async def stream(request, body, script, fault, came_s):
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    if fault == "empty":
        await response.write_eof()
        return response

    async def write(data):
        if fault == "crlf":
            data = b": keep-alive\r\n" + data.replace(b"\n", b"\r\n")
        if fault == "bytewise":
            for i in range(len(data)):
                await response.write(data[i : i + 1])
                await asyncio.sleep(0)
        else:
            await response.write(data)

    first_s, gap_s = script.get("first_s", 0.0), script.get("gap_s", 0.0)
    tokens = script.get("tokens", body["max_tokens"])
    step = script.get("per_chunk", 1)
    field = "reasoning_content" if fault == "reasoning" else "content"
    await write(delta(role="assistant", content=""))
    written = []
    texts = 0 if fault == "role_only" else tokens
    if fault == "blanket":
        pieces = b"".join(delta(**{field: f" w{i}"}) for i in range(texts))
        await write(pieces)
        texts = 0
    for i in range(0, texts, step):
        due_s = (
            came_s + first_s + (i // step) * gap_s + (0.3 if fault == "stall" and i >= tokens // 2 else 0)
        )
        if (late_s := due_s - time.monotonic()) > 0:
            await asyncio.sleep(late_s)
        if fault == "hang" and i == 1:
            await asyncio.sleep(3600)
        if i >= tokens // 2 and fault in (
            "cut",
            "reset",
            "error_event",
            "error_field",
            "error_object",
            "garbage",
        ):
            return await break_off(request, response, fault)
        written.append(time.monotonic() - came_s)
        await write(delta(**{field: "".join(f" w{j}" for j in range(i, min(i + step, texts)))}))
    if "id" in script:
        LOG[script["id"]] = written
    if fault == "no_finish":
        await write(b"data: [DONE]\n\n")
        await response.write_eof()
        return response
    finish = {"stop": "stop", "abort": "abort"}.get(fault, "length")
    await write(delta(finish, content=""))
    if fault != "no_usage":
        words = sum(len(message["content"].split()) for message in body["messages"])
        usage = {
            "prompt_tokens": 2 * words + 10,
            "completion_tokens": tokens,
            "prompt_tokens_details": {"cached_tokens": 3},
        }
        await write(event({"object": "chat.completion.chunk", "choices": [], "usage": usage}))
    if fault != "no_done":
        await write(b"data: [DONE]\n\n")
    if fault == "done_then_reset":
        await asyncio.sleep(0.05)
        request.transport.abort()
        return response
    await response.write_eof()
    return response


async def break_off(request, response, fault):
    """End a stream in the middle."""
    words = "Context size has been exceeded."
    if fault == "error_event":
        await response.write(event({"error": {"code": 500, "message": words, "type": "server_error"}}))
        await response.write(b"data: [DONE]\n\n")
    elif fault == "error_object":
        await response.write(event({"object": "error", "message": words, "code": 400}))
    elif fault == "error_field":
        await response.write(b'error: {"code":500,"message":"' + words.encode() + b'"}\n\n')
    elif fault == "garbage":
        await response.write(b"data: {not json\n\n")
    else:
        await asyncio.sleep(0.02)  # so that what was written is read before the end
        request.transport.abort() if fault == "reset" else request.transport.close()
        return response
    await response.write_eof()
    return response


async def models(request):
    STATS["requests"] += 1
    return web.json_response(
        {"object": "list", "data": [{"id": "truth", "object": "model", "owned_by": "tests"}]}
    )


async def log(request):
    return web.json_response({"log": LOG, "stats": STATS})


async def serve():
    app = web.Application(client_max_size=2**26)
    app.add_routes(
        [web.post("/v1/chat/completions", chat), web.get("/v1/models", models), web.get("/v1/log", log)]
    )
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}/v1", flush=True)
    await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    asyncio.run(serve())
