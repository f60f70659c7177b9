"""`make test-vllm`: a real vLLM on the CPU, out of blocks. Not part of the default suite."""

import importlib.util
import os
from pathlib import Path

import pytest

from servemark.engines import tiny

pytestmark = [pytest.mark.needs("vllm"), pytest.mark.filterwarnings("default")]
LOOP = Path(__file__).parents[2] / "benchmarks" / "vllm_loop.py"


@pytest.fixture(scope="module")
def loop():
    spec = importlib.util.spec_from_file_location("vllm_loop", LOOP)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def found(loop):
    found = loop.loop(os.environ["SERVEMARK_VLLM"])
    print(loop.keep(found))
    return found


def rows(found, users):
    return [row for part in found["parts"] for row in part["visits"] if row["users"] == users]


def test_32_users_queue_and_are_preempted(found):
    for row in rows(found, 32):
        assert row["kv_used_ratio_max"] == 1.0
        assert row["waiting_max"] >= 20 and row["running_max"] < 12
        assert row["preemptions"] > 0


def test_one_user_is_never_preempted_and_never_waits(found):
    for row in rows(found, 1):
        assert (row["preemptions"], row["waiting_max"], row["running_max"]) == (0, 0, 1)
        assert row["kv_used_ratio_max"] < 1.0


def test_every_answer_is_complete_and_right_however_many_ask(found):
    natural, forced = found["parts"]
    for row in natural["visits"]:
        assert row["outcomes"] == {"complete": row["requests"]}
        assert row["right"] == row["requests"] == len(tiny.bank())
    for row in forced["visits"]:
        assert row["outcomes"] == {"complete": row["requests"]} and row["requests"] == 96


def test_no_text_differs_beyond_the_two_visits_of_its_load(found):
    for part in found["parts"]:
        noise = max(part["differ"]["alone_twice"], part["differ"]["32_users_twice"])
        assert part["differ"]["32_users_against_alone"] <= noise


def test_the_pool_is_as_the_engine_says(found):
    facts = found["parts"][0]["facts"]
    assert (facts["engine"], facts["block_size"], facts["kv_blocks"]) == ("vllm", 32, 24)
    assert (facts["kv_pool_tokens"], facts["max_model_len"], facts["shared_pool"]) == (768, 512, True)


def test_the_whole_experiment_finds_queueing_and_preemption_and_answers_unharmed(tmp_path, loop):
    run = loop.experiment(os.environ["SERVEMARK_VLLM"], tmp_path)
    print(loop.keep_experiment(run))
    words = {each.family: each.word for each in run.quality.families}
    assert words["quality"] == words["failures"] == "not harmed"
    (noise,) = [each for each in run.quality.controls if each.kind == "noise"]
    assert run.levels[-1].quality.changed_ratio <= noise.changed_text / noise.pairs
    assert run.endpoint.engine.kv_blocks == 24 and run.endpoint.engine.slots == 32
    counted = [sample.preemptions for sample in run.levels[-1].engine]
    assert counted[-1] > counted[0]
    assert "preemption_and_recompute" in {finding.key for finding in run.findings}
    assert "engine_corruption" not in {finding.key for finding in run.findings}
