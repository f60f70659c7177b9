"""What runs inside the engine's own process: the llama.cpp server, until whoever started it lets go.

Started as a file, not imported: it needs nothing of Servemark, so it starts as fast as its engine does.
Its one argument is a JSON object of settings. It answers with one line of JSON, the address it listens on.
"""

import importlib
import json
import os
import sys
from typing import Any


def fill_parameters(parameters: Any, wanted: dict[str, Any]) -> Any:
    """The engine's own parameter object, set as asked."""
    parameters.model.path = wanted["model_path"]
    # without an alias the engine publishes the path of the file as the name of the model
    parameters.model_alias = {wanted["model_name"]}
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = wanted["port"]
    parameters.n_parallel = wanted["slots"]
    parameters.n_ctx = wanted["context_tokens"]
    # never let the engine shrink what was asked for to what it thinks fits
    parameters.fit_params = False
    parameters.kv_unified = wanted["shared_pool"]
    parameters.ctx_shift = wanted["context_shift"]
    parameters.cpuparams.n_threads = wanted["threads"]
    parameters.cpuparams_batch.n_threads = wanted["threads"]
    parameters.endpoint_metrics = True
    parameters.endpoint_slots = True
    parameters.endpoint_props = True
    return parameters


def run(wanted: dict[str, Any]) -> None:
    """Serve until standard input ends, which it also does when the parent dies."""
    # the engine may write to standard output; only our one line may reach the parent
    answer = os.dup(1)
    os.dup2(2, 1)
    # a compiled module without type stubs
    engine: Any = importlib.import_module("xllamacpp")
    try:
        server = engine.Server(fill_parameters(engine.CommonParams(), wanted))
    except RuntimeError as error:
        sys.exit(str(error))
    os.write(answer, json.dumps({"address": server.listening_address}).encode() + b"\n")
    os.close(answer)
    sys.stdin.buffer.read()
    # the server would wait for its open streams; nobody listens to them any more
    os._exit(0)


if __name__ == "__main__":
    run(json.loads(sys.argv[1]))
