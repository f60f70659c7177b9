"""How long a scrape holds up the process that stamps the tokens: the reader of wanted lines, and prometheus_client's.

python benchmarks/expositions.py        # on what vLLM 0.32.0 said under load, once and as eight replicas would
"""

import time
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from servemark.client.engine_samples import engine_behind, sample_of

SAID = Path(__file__).parents[1] / "tests" / "client" / "data" / "vllm-0.32.0.txt"
ROUNDS = 20


def best_s(work):
    """The fastest of some rounds."""
    spent = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        work()
        spent.append(time.perf_counter() - begun)
    return min(spent)


if __name__ == "__main__":
    once = SAID.read_text(encoding="utf-8")
    engine = engine_behind(once)
    assert engine is not None
    for replicas in (1, 8):
        text = "".join(once.replace('engine="0"', f'engine="{i}"') for i in range(replicas))
        whole_s = best_s(lambda text=text: list(text_string_to_metric_families(text)))
        own_s = best_s(lambda text=text: sample_of(text, engine, 0.0))
        lines = text.count("\n")
        print(
            f"{lines:5} lines: prometheus_client {whole_s * 1e3:6.2f} ms, wanted lines {own_s * 1e3:5.2f} ms"
        )
