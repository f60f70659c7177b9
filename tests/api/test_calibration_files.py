"""`--calibration FILE|last`: what it stands for, what it is refused for, what is said of it."""

import pytest
from msgspec.structs import replace

import servemark as sm
from servemark.api.calibration_files import calibrated, coefficient_source
from servemark.api.deployments import build_deployment, coefficients_of
from servemark.catalogue.coefficients import find_coefficients
from servemark.catalogue.gpu_types import find_gpu
from servemark.domain.calibration import Calibration
from servemark.domain.coefficients import Fitted
from servemark.domain.gpu import Source
from servemark.errors import InputError, StoreError, UnknownName
from servemark.physics.step import CoefficientValues
from servemark.store.calibrations import keep_calibration

GPU = find_gpu("l40s")
CPU = replace(
    GPU,
    key="cpu-x-1t",
    name="X, 1 thread",
    aliases=("cpu",),
    sources={"*": Source(text="measured", date="2026-11-20", checked=True)},
)


def calibration(gpu=GPU, *, version=None, **changes):
    prior = find_coefficients(GPU, dtype="bf16", engine="vllm", version=None)
    own = replace(
        prior,
        gpu=gpu.key,
        engine_version=version,
        memory_efficiency=Fitted(value=0.55, relative_error=0.01),
        source="4 loads of 0001-measured-x",
        inherited_from=None,
    )
    return Calibration(
        method="load test", started="2026-11-20", device=gpu, coefficients=(own,), prior=(prior,),
        models=("llama-3.1-8b",), **changes,
    )  # fmt: skip


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """Keeps a calibration where `last` looks, and returns its file."""
    monkeypatch.setenv("SERVEMARK_RUNS", str(tmp_path))
    return lambda found: keep_calibration(tmp_path, found)[1]


def test_it_stands_in_place_of_the_catalogue_and_says_so(kept):
    kept(calibration())
    options = {"gpu": "l40s", "calibration": "last"}
    found = coefficients_of(build_deployment("llama-3.1-8b", options), options)
    assert found.memory_efficiency.value == 0.55
    assert found.source == "calibration 0001-l40s-bf16-vllm (4 loads of 0001-measured-x)"
    assert found.inherited_from is None


def test_a_file_by_its_path(kept):
    file = kept(calibration())
    options = {"gpu": "l40s", "calibration": file}
    assert (
        coefficients_of(build_deployment("llama-3.1-8b", options), options).memory_efficiency.value == 0.55
    )


def test_gpu_dtype_and_engine_are_taken_from_it_where_they_are_not_given(kept):
    kept(calibration(version="0.19.0"))
    found = build_deployment("qwen2.5-7b", {"calibration": "last"})
    assert (found.node.gpu.key, found.dtype) == ("l40s", "bf16")
    assert (found.engine.name, found.engine.version) == ("vllm", "0.19.0")


def test_without_a_model_the_measured_deployment_is_meant(kept):
    measured = build_deployment(
        "llama-3.1-8b", {"gpu": "l40s", "tp": 2, "set_": "max_num_seqs=32", "kv_dtype": "fp8"}
    )
    kept(calibration(deployment=measured))
    assert build_deployment(None, {"calibration": "last"}) == measured
    assert (
        build_deployment(None, {"calibration": "last", "set_": "max_num_seqs=64"}).engine.max_num_seqs == 64
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"gpu": "h100"}, "expected one for gpu h100-sxm, found 0001-l40s-bf16-vllm, measured with l40s"),
        ({"gpu": "l40s", "dtype": "fp8"}, "expected one for dtype fp8"),
        ({"gpu": "l40s", "engine": "sglang"}, "expected one for engine sglang"),
    ],
)
def test_another_gpu_dtype_or_engine_is_refused_in_one_line(kept, options, said):
    kept(calibration())
    with pytest.raises(InputError, match=said) as raised:
        build_deployment("llama-3.1-8b", {**options, "calibration": "last"})
    assert "\n" not in str(raised.value)


def test_another_model_or_version_is_said(kept):
    kept(calibration(version="0.19.0"))
    options = {"gpu": "l40s", "engine": "vllm@0.25.0", "calibration": "last"}
    found = coefficients_of(build_deployment("qwen2.5-7b", options), options)
    assert found.memory_efficiency.value == 0.55
    assert found.inherited_from == "measurements with llama-3.1-8b and vllm 0.19.0"


def test_another_model_takes_over_what_is_the_devices_own_share():
    measured = calibration()
    before = replace(
        measured.prior[0],
        time_ratio=Fitted(value=1.0, relative_error=0.1),
        residual_log_errors={"tpot": 0.2, "throughput": 0.2, "ttft": 0.2},
    )
    after = replace(measured.coefficients[0], time_ratio=Fitted(value=1.5, relative_error=0.03))
    known = replace(before, time_ratio=Fitted(value=0.9, relative_error=0.04))
    found = calibrated(
        replace(measured, prior=(before,), coefficients=(after,)), known, model="qwen2.5-7b", version=None
    )
    # 0.2^2 of 0.2^2 + 0.1^2 is four fifths
    assert found.time_ratio.value == pytest.approx(0.9 * 1.5**0.8)
    assert found.time_ratio.relative_error == pytest.approx(0.05)


def test_a_device_that_stands_in_no_catalogue(kept):
    kept(calibration(CPU))
    assert build_deployment("llama-3.1-8b", {"gpu": "cpu", "calibration": "last"}).node.gpu == CPU
    with pytest.raises(UnknownName):
        build_deployment("llama-3.1-8b", {"gpu": "cpu"})


def test_none_kept_no_such_file_and_no_reference(kept, tmp_path):
    for reference, error in (("last", StoreError), (tmp_path / "none.json", StoreError), (3, InputError)):
        with pytest.raises(error):
            build_deployment("llama-3.1-8b", {"gpu": "l40s", "calibration": reference})


def test_every_predicting_verb_takes_it(kept):
    kept(calibration())
    common = {"gpu": "l40s", "calibration": "last"}
    assert sm.fit("llama-3.1-8b", **common).memory.fits
    for verb in (sm.predict, sm.simulate):
        more = {} if verb is sm.predict else {"requests": 20}
        before = verb("llama-3.1-8b", gpu="l40s", users=1, **more)
        after = verb("llama-3.1-8b", users=1, **common, **more)
        assert after.levels[0].metrics["tpot_s"].mean > before.levels[0].metrics["tpot_s"].mean
        assert after.coefficients.source.startswith("calibration 0001")


def test_the_models_factor_is_the_last_of_the_correlated_fields():
    """What another model's factor is put in place of."""
    assert CoefficientValues._fields[-1] == "time_ratio"


def test_a_plan_takes_it_for_the_gpu_it_speaks_for(kept):
    kept(calibration())
    asked = {"users": 4, "gpus": "l40s,a10g", "closed_form": True, "slo": "tpot_p95=100ms"}
    before, after = (sm.plan("llama-3.1-8b", **asked, calibration=each) for each in (None, "last"))
    assert "calibration 0001-l40s-bf16-vllm" in " ".join(after.notes)
    assert "calibration" not in " ".join(before.notes)
    with pytest.raises(InputError, match="expected one for a GPU of the search"):
        sm.plan("llama-3.1-8b", **{**asked, "gpus": "a10g"}, calibration="last")


def test_a_search_gets_own_coefficients_only_where_they_speak():
    find = coefficient_source(calibration())
    asked = {"engine": "vllm", "version": None, "model": "llama-3.1-8b"}
    assert find(GPU, dtype="bf16", **asked).memory_efficiency.value == 0.55
    assert find(GPU, dtype="fp8", **asked) == find_coefficients(GPU, dtype="fp8", **asked)
