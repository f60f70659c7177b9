import pytest

from servemark.api.deployments import build_deployment, family_taken
from servemark.api.engine_settings import parse_settings
from servemark.errors import InputError, UnknownName


def refused(model, **options):
    with pytest.raises(InputError) as caught:
        build_deployment(model, options)
    return caught.value


def test_defaults_come_from_the_checkpoint_and_the_engine():
    deployment = build_deployment("llama-3.1-8b", {"gpu": "L40S"})
    assert (deployment.dtype, deployment.kv_dtype) == ("bf16", "bf16")
    assert deployment.engine.name == "vllm"
    assert deployment.gpus == 1
    assert deployment.title == "Llama 3.1 8B (bf16) on 1 x L40S"


def test_parallelism():
    deployment = build_deployment(
        "llama-3.1-70b", {"gpu": "h100", "gpus_per_replica": 8, "pp": 2, "replicas": 3}
    )
    assert (deployment.parallelism.tensor, deployment.parallelism.pipeline) == (4, 2)
    assert deployment.gpus == 24
    assert deployment.node.gpu.key == "h100-sxm"
    assert refused("llama-3.1-70b", gpu="h100", tp=2, gpus_per_replica=8).path == "gpus_per_replica"
    error = refused("llama-3.1-8b", gpu="h100", tp=3)
    assert (error.path, error.expected) == ("tp", "a divisor of the model's 32 attention heads")
    assert refused("llama-3.1-8b", gpu="h100", tp=0).path == "tp"
    assert refused("llama-3.1-8b", gpu="h100", pp=64).path == "pp"


def test_engine_settings():
    deployment = build_deployment(
        "llama-3.1-8b", {"gpu": "l40s", "set_": "max_num_seqs=64,enforce_eager=true"}
    )
    assert deployment.engine.max_num_seqs == 64
    assert deployment.engine.enforce_eager is True
    error = refused("llama-3.1-8b", gpu="l40s", set_="max_num_seq=64")
    assert (error.path, error.nearest[0]) == ("set.max_num_seq", "max_num_seqs")
    assert refused("llama-3.1-8b", gpu="l40s", set_="max_num_seqs=many").path == "set.max_num_seqs"
    assert refused("llama-3.1-8b", gpu="l40s", set_="max_num_seqs=0").path == "set.max_num_seqs"
    assert (
        refused("llama-3.1-8b", gpu="l40s", set_="gpu_memory_utilization=1.5").path
        == "set.gpu_memory_utilization"
    )
    assert refused("llama-3.1-8b", gpu="l40s", set_="max_num_seqs").path == "set"


def test_engine_with_version():
    engine = build_deployment("llama-3.1-8b", {"gpu": "l40s", "engine": "vllm@0.15.1"}).engine
    assert (engine.name, engine.version) == ("vllm", "0.15.1")


def test_unknown_names():
    error = refused("llama-3.1-8b", gpu="l40z")
    assert error.path == "gpu"
    assert set(error.nearest) >= {"l40", "l40s"}
    assert "llama-3.1-8b" in refused("llama-3.1-8bb", gpu="l40s").nearest
    assert refused("llama-3.1-8b", gpu="l40s", dtype="fp9").path == "dtype"
    assert refused("llama-3.1-8b", gpu="l40s", router="random").path == "router"
    assert refused("llama-3.1-8b").path == "gpu"
    assert refused(None, gpu="l40s").path == "model"


def test_options_that_are_none_of_ours_are_refused():
    error = refused("llama-3.1-8b", gpu="l40s", replica=2)
    assert (error.path, error.nearest[0]) == ("replica", "replicas")


def test_settings_as_a_mapping():
    options = {"gpu": "l40s", "set_": {"max_num_seqs": 64}}
    assert build_deployment("llama-3.1-8b", options).engine.max_num_seqs == 64
    assert refused("llama-3.1-8b", gpu="l40s", set_=5).path == "set"
    assert refused("llama-3.1-8b", gpu="l40s", set_="max_model_len=200000").path == "set.max_model_len"
    assert refused("llama-3.1-8b", gpu="l40s", peer_to_peer="no").path == "peer_to_peer"


def test_a_family_is_said_to_be_one():
    assert "h100-sxm" in family_taken("llama-3.1-8b", {"gpu": "h100"})
    assert family_taken("llama-3.1-8b", {"gpu": "h100-pcie"}) is None


def test_dtype_spellings():
    assert build_deployment("llama-3.1-8b", {"gpu": "l40s", "dtype": "bfloat16"}).dtype == "bf16"
    assert build_deployment("llama-3.1-8b", {"gpu": "l40s", "dtype": "FP8"}).dtype == "fp8"


def test_deployment_file_and_options_over_it(tmp_path):
    file = tmp_path / "deployment.toml"
    file.write_text('model = "llama-3.1-8b"\ngpu = "l40s"\nreplicas = 2\nset = {max_num_seqs = 32}\n')
    deployment = build_deployment(None, {"deployment": file, "replicas": 4})
    assert (deployment.replicas, deployment.engine.max_num_seqs) == (4, 32)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("gpuz = 1", "deployment.gpuz"),
        ("gpu = ", "deployment"),
        ('model = "llama-3.1-8b"\ngpu = "l40s"\ntp = "x"', "tp"),
    ],
)
def test_bad_deployment_files(tmp_path, text, path):
    file = tmp_path / "deployment.toml"
    file.write_text(text)
    assert refused(None, deployment=file).path == path


def test_missing_deployment_file(tmp_path):
    assert refused(None, deployment=tmp_path / "none.toml").path == "deployment"


def test_settings_text():
    assert parse_settings("a=1, b = 2,") == {"a": "1", "b": "2"}
    with pytest.raises(UnknownName):
        build_deployment("llama-3.1-8b", {"gpu": "l40s", "set_": "colour=red"})


def test_what_joins_the_gpus_is_an_input():
    options = {"gpu": "l40s", "tp": 4, "topology": "pcie-numa"}
    assert build_deployment("llama-3.1-8b", options).node.joined_by == "pcie-numa"
    assumed = build_deployment("llama-3.1-8b", {"gpu": "l40s", "tp": 4}).node
    assert (assumed.topology, assumed.joined_by) == (None, "pcie-switch")
    slow = build_deployment("llama-3.1-8b", {"gpu": "l40s", "tp": 4, "peer_to_peer": False}).node
    assert slow.joined_by == "host"


def test_a_topology_that_cannot_be_is_refused():
    misspelt = refused("llama-3.1-8b", gpu="l40s", tp=4, topology="pcie-swich")
    assert (misspelt.path, misspelt.nearest[0]) == ("topology", "pcie-switch")
    absent = refused("llama-3.1-8b", gpu="l40s", tp=4, topology="nvswitch")
    assert (absent.path, absent.found) == ("topology", "nvswitch")
    assert "pcie-switch, pcie-numa, host for L40S" in str(absent)
