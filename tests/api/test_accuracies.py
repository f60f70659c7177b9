"""`accuracy` on small tables of one's own."""

import json

import pytest

from servemark import accuracy
from servemark.errors import InputError

HEADER = (
    "source,source_version,gpu,num_gpus,tp,pp,model,weight_dtype,kv_dtype,engine,isl,osl,"
    "concurrency_or_batch,metric,unit,value\n"
)
START = "own,v0.11,H100,1,1,1,llama-3.1-8b,bf16,bf16,vllm,1024,256"
MYSTERY = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 2048, "num_hidden_layers": 16,
    "num_attention_heads": 32, "num_key_value_heads": 8, "intermediate_size": 8192, "vocab_size": 32000,
    "max_position_embeddings": 8192, "torch_dtype": "bfloat16",
}  # fmt: skip


@pytest.fixture
def write(tmp_path):
    def write(*rows):
        path = tmp_path / "own.csv"
        path.write_text(HEADER + "".join(row + "\n" for row in rows), encoding="utf-8")
        return path

    return write


def curve(metric, unit, scale):
    return [f"{START},{n},{metric},{unit},{scale * (1 + n / 100):.4f}" for n in (1, 4, 16, 32, 64)]


def test_rows_of_ones_own_are_predicted(write):
    rows = [
        *curve("tpot_mean", "ms", 7.0),
        f"{START},8,ttft_mean,ms,60",
        f"{START},8,output_throughput_total,tok/s,900",
        f"{START},8,output_throughput_total,tok/s,1800",
        f"{START.replace('H100', 'Abacus')},8,tpot_mean,ms,9",
        f"{START.replace('llama-3.1-8b', 'mystery')},8,tpot_mean,ms,9",
    ]
    found = accuracy(data=write(*rows), by="gpu,model,version")
    (table,) = found.tables
    assert table.protocol == "shipped"
    assert found.rows == len(found.scored) + len(found.unpredicted) + 2 == 10
    assert [each.row.line for each in found.unpredicted] == [10, 11]
    assert [row.line for each in found.contradictions for row in each.rows] == [8, 9]
    (ttft,) = (score for score in table.overall if score.metric == "ttft_mean")
    assert ttft.regime == "below_saturation"
    assert (ttft.n, ttft.coverage80_ratio is None) == (1, False)
    groups = {(s.metric, s.group["gpu"], s.group["model"]): (s.n, s.n_unpredicted) for s in table.groups}
    assert groups["tpot_mean", "H100", "llama-3.1-8b"] == (5, 0)
    assert groups["tpot_mean", "Abacus", "llama-3.1-8b"] == (0, 1)
    assert all(0.3 < each.value / each.row.value < 3 for each in found.scored)


def test_configurations_of_other_models(write, tmp_path):
    (tmp_path / "configs" / "Mystery-Instruct").mkdir(parents=True)
    path = tmp_path / "configs" / "Mystery-Instruct" / "config.json"
    path.write_text(json.dumps(MYSTERY), encoding="utf-8")
    data = write(f"{START.replace('llama-3.1-8b', 'mystery')},8,tpot_mean,ms,9")
    assert not accuracy(data=data).scored
    (scored,) = accuracy(data=data, models=tmp_path / "configs").scored
    assert 0 < scored.value < 9


def test_three_loads_recalibrate_the_rest(write):
    found = accuracy(data=write(*curve("tpot_mean", "ms", 14.0)), recalibrate=3)
    after, before = found.tables
    assert (after.protocol, before.protocol) == ("recalibrated", "shipped")
    (now,), (was,) = after.overall, before.overall
    assert now.n == was.n == 2
    assert now.mape_ratio < 0.5 * was.mape_ratio
    assert "1 curves of 1" in found.notes[0]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"by": "gpu,colour"}, "colour"),
        ({"protocol": "unseen-planet"}, "unseen-planet"),
        ({"recalibrate": 0}, "recalibrate"),
    ],
)
def test_bad_options_are_named(options, words):
    with pytest.raises(InputError, match=words):
        accuracy(**options)


def test_rows_the_fit_has_not_seen_take_no_protocol(write):
    with pytest.raises(InputError, match="protocol"):
        accuracy(data=write(f"{START},8,tpot_mean,ms,9"), protocol="in-sample")


def test_a_bad_table_is_refused_in_one_line(write):
    with pytest.raises(InputError, match=r"own\.csv:3: value") as failure:
        accuracy(data=write(f"{START},8,tpot_mean,ms,9", f"{START},8,tpot_mean,ms,fast"))
    assert "\n" not in str(failure.value)
