"""The public `simulate` and `twin`: what the api adds to the rooms below."""

import pytest

import servemark as sm
from servemark.twins.fault_log import read_fault_log


def test_an_encoder_is_predicted_but_not_simulated():
    run = sm.predict("bert-base-uncased", gpu="l4", users=1)
    # 512 tokens of context: 511 in, and one step
    assert (run.workload.input.tokens, run.workload.output.tokens) == (511, 1)
    assert sm.fit("bert-base-uncased", gpu="t4").memory.fits
    for verb in (sm.simulate, sm.twin):
        with pytest.raises(sm.InputError, match="an encoder: use predict"):
            verb("bert-base-uncased", gpu="l4")


def test_a_request_longer_than_the_models_context_is_refused(tmp_path):
    trace = tmp_path / "long.csv"
    # Llama 3.1's context: 131,072 tokens; the KV pool of an L40S holds 195,440
    trace.write_text("at_s,input_tokens,output_tokens\n0,1000,10\n1,131063,10\n2,131062,10\n")
    (level,) = sm.simulate("llama-3.1-8b", gpu="l40s", trace=trace).levels
    assert (level.outcomes["complete"], level.outcomes["refused"]) == (2, 1)


def test_the_model_by_name_too():
    assert sm.simulate(model="llama-3.1-8b", gpu="l40s", users=1, requests=2).levels[0].requests_sent == 2


@pytest.mark.parametrize(
    ("options", "path"),
    [({"port": "8000"}, "port"), ({"port": 70000}, "port"), ({"time_factor": 0}, "time_factor"),
     ({"time_factor": 2000}, "time_factor"), ({"max_waiting": -1}, "max_waiting"), ({"seed": 0.5}, "seed"),
     ({"log": "/dev/null/twin.log"}, "log"), ({"suite": "exan"}, "suite"), ({"faults": "absent.toml"}, "faults"),
     ({"fault_log": "log.jsonl"}, "fault_log")],
)  # fmt: skip
def test_twins_that_cannot_be(options, path):
    with pytest.raises(sm.InputError) as refused:
        sm.twin("llama-3.1-8b", gpu="l40s", **{"port": 0, **options})
    assert refused.value.path == path


def test_several_twins_at_once():
    with sm.twin("llama-3.1-8b", gpu="l40s", port=0) as one, sm.twin("phi-4", gpu="h100", port=0) as other:
        runs = [sm.measure(t.base_url, users=1, requests=1, output=2, runs=None) for t in (one, other)]
    assert [run.endpoint.model for run in runs] == ["llama-3.1-8b", "phi-4"]
    assert not one.is_running() and not other.is_running()


def test_a_twin_with_faults_says_so_and_takes_them_down(tmp_path):
    plan, log = tmp_path / "plan.toml", tmp_path / "log.jsonl"
    plan.write_text('[[fault]]\nkind = "refusal"\n')
    with sm.twin("llama-3.1-8b", gpu="l40s", port=0, faults=plan, fault_log=log, time_factor=20) as twin:
        run = sm.measure(twin.base_url, users=1, requests=3, output=40, runs=None)
    assert run.endpoint.server.endswith(", faults: refusal")
    rows = read_fault_log(log)
    # request 0 is the preflight's: its 4 tokens have no room for a refusal; then one warm-up and the three
    assert [row.request for row in rows] == [1, 2, 3, 4]
    with pytest.raises(sm.InputError) as refused:
        sm.twin("llama-3.1-8b", gpu="l40s", port=0, faults=plan, fault_log=tmp_path)
    assert refused.value.path == "fault_log"
