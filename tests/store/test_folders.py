"""A run folder: written as it goes, readable after a kill at any moment."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from servemark.domain.capacity import Capacity
from servemark.domain.engine_sample import EngineSample
from servemark.domain.exchange import CheckResult, Item, Judgement, Message
from servemark.domain.run import (
    Distribution,
    Endpoint,
    GpuSample,
    Level,
    Provenance,
    RequestRecord,
    Run,
    StepRecord,
)
from servemark.domain.workload import Rate, Slo, Users, Workload
from servemark.errors import StoreError
from servemark.store.folders import create_run, find_run, list_runs, load_run, open_level
from servemark.store.provenance import provenance_now


def record(index, **fields):
    return RequestRecord(index=index, scheduled_s=0.25, sent_s=0.5, end_s=1.5, outcome="complete", **fields)


def level(users, rows=()):
    return Level(
        load=Users(users=users),
        requests_sent=len(rows),
        outcomes={"complete": len(rows)},
        metrics={"ttft_s": Distribution(n=len(rows), p50=0.1, ci={"p50": (0.09, 0.11), "p95": None})},
        output_tokens_per_s=12.5,
        requests_per_s=None,
        requests=tuple(rows),
    )


def run(model="meta/Llama-3.1-8B Instruct", **fields):
    return Run(
        origin="measured",
        method="load test",
        title="a run",
        endpoint=Endpoint(url="http://h/v1", model=model),
        workload=Workload(),
        slos=(Slo(metric="ttft_s", statistic="p95", limit=2.0),),
        provenance=Provenance(servemark="0", started="2026-11-20T12:00:00+00:00", seed=1),
        **fields,
    )


def test_what_is_written_is_read_again(tmp_path):
    rows = (record(0, warmup=True), record(1, chunk_s=(0.7, 0.9), text="ä", finish_reason="stop"))
    step = StepRecord(start_s=0.0, count=3, first_s=0.01, last_s=0.02, decodes=4)
    sample = GpuSample(at_s=0.5, gpu=0, power_w=300.0)
    first = replace(level(1, rows), steps=(step,), samples=(sample,))
    second = level(2, (record(0),))
    whole = run(levels=(first, second), capacity=Capacity(load=Users(users=2)), notes=("a note",))
    writer = create_run(tmp_path / "runs", run())
    for row in rows:
        writer.request(0, row)
    writer.step(0, step)
    writer.sample(0, sample)
    writer.request(1, record(0))
    path = writer.finish(whole)
    assert path.name == "0001-measured-llama-3.1-8b-instruct"
    assert load_run(tmp_path / "runs", "last") == replace(whole, id=path.name)


def test_the_files_are_one_json_object_per_line_with_the_level(tmp_path):
    writer = create_run(tmp_path, run())
    writer.request(3, record(7))
    line = json.loads((writer.path / "requests.jsonl").read_text())
    assert line["level"] == 3 and line["row"]["index"] == 7
    assert sorted(path.name for path in writer.path.iterdir()) == ["requests.jsonl", "run.json"]
    manifest = json.loads((writer.path / "run.json").read_text())
    assert manifest["schema"] == "servemark.run/1" and manifest["provenance"]["finished"] is False
    writer.close()


def test_the_manifest_has_no_raw_rows(tmp_path):
    writer = create_run(tmp_path, run())
    writer.level(0, level(1, (record(0),)))
    assert json.loads((writer.path / "run.json").read_text())["levels"][0]["requests"] == []


def test_numbers_go_up_and_references_find_their_run(tmp_path):
    for model in ("alpha", "beta", "beta-2"):
        create_run(tmp_path, run(model)).finish(run(model))
    names = [entry.id for entry in list_runs(tmp_path)]
    assert names == ["0001-measured-alpha", "0002-measured-beta", "0003-measured-beta-2"]
    assert find_run(tmp_path, "last").name == names[2]
    assert find_run(tmp_path, "2").name == find_run(tmp_path, "0002").name == names[1]
    assert find_run(tmp_path, "0002-measured-beta").name == names[1]
    assert find_run(tmp_path, "0001-m").name == names[0]
    assert find_run(tmp_path, tmp_path / names[0]).name == names[0]
    assert load_run(Path("nowhere"), str(tmp_path / names[0])).endpoint.model == "alpha"


def test_references_that_mean_no_run_or_several(tmp_path):
    with pytest.raises(StoreError, match=r"'last' \(no such run in"):
        find_run(tmp_path / "absent", "last")
    for model in ("alpha", "beta"):
        create_run(tmp_path, run(model))
    with pytest.raises(StoreError, match="'000', which 2 begin with; nearest: 0001-measured-alpha, 0002-"):
        find_run(tmp_path, "000")
    with pytest.raises(StoreError, match="'9' "):
        find_run(tmp_path, "9")


def test_the_list_reads_manifests_only_and_names_the_unreadable(tmp_path):
    first = create_run(tmp_path, run("alpha"))
    first.finish(run("alpha", levels=(level(1),), capacity=Capacity(load=None)))
    (first.path / "requests.jsonl").write_text("not json\n")
    second = create_run(tmp_path, run("beta"))
    (second.path / "run.json").write_text('{"schema": "servemark.run/99"}')
    (tmp_path / "something-else").mkdir()
    good, bad = list_runs(tmp_path)
    assert (good.number, good.title, good.levels, good.finished) == (1, "a run", 1, True)
    assert good.capacity == Capacity(load=None) and good.problem == ""
    assert bad.number == 2 and "expected schema servemark.run/1, found servemark.run/99" in bad.problem
    assert list_runs(tmp_path / "absent") == ()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (
            '{"schema": "servemark.run/2", "new": 1}',
            "expected schema servemark.run/1, found servemark.run/2",
        ),
        ("{}", "expected the manifest of a run"),
        ("{", "expected the manifest of a run"),
        ('{"schema": "servemark.run/1"}', "missing required field"),
    ],
)
def test_a_manifest_that_cannot_be_read_is_one_line(tmp_path, content, says):
    writer = create_run(tmp_path, run())
    (writer.path / "run.json").write_text(content)
    with pytest.raises(StoreError) as caught:
        load_run(tmp_path, "1")
    assert says in str(caught.value) and "\n" not in str(caught.value)


def test_a_torn_last_line_is_left_out_with_a_note(tmp_path):
    writer = create_run(tmp_path, run())
    writer.level(0, level(1))
    for index in range(3):
        writer.request(0, record(index))
    writer.close()
    file = writer.path / "requests.jsonl"
    file.write_bytes(file.read_bytes()[:-20])
    found = load_run(tmp_path, "last")
    assert [each.index for each in found.levels[0].requests] == [0, 1]
    assert found.notes == ("requests.jsonl: torn last line left out",)


def test_a_bad_line_elsewhere_is_named(tmp_path):
    writer = create_run(tmp_path, run())
    writer.level(0, level(1))
    writer.request(0, record(0))
    writer.close()
    file = writer.path / "requests.jsonl"
    file.write_text('{"level": 0, "row": {"index": 1}}\n' + file.read_text())
    with pytest.raises(
        StoreError, match=r"requests.jsonl:1: expected a RequestRecord, found .*required field"
    ):
        load_run(tmp_path, "last")


def test_the_level_in_progress_is_rebuilt_from_its_rows(tmp_path):
    def summarise(load, requests, steps, *, samples, notes):
        return replace(level(load.users, requests), notes=tuple(notes))

    writer = create_run(tmp_path, run())
    writer.level(0, open_level(Users(users=1)))
    writer.request(0, record(0))
    writer.level(0, level(1, (record(0),)))
    writer.level(1, open_level(Users(users=2)))
    writer.request(1, record(0))
    writer.request(1, record(1))
    writer.close()
    bare = load_run(tmp_path, "last")
    assert bare.levels[1].requests_sent == 0 and len(bare.levels[1].requests) == 2
    rebuilt = load_run(tmp_path, "last", summarise)
    assert rebuilt.levels[0] == bare.levels[0]
    assert rebuilt.levels[1].outcomes == {"complete": 2} and not rebuilt.provenance.finished
    assert rebuilt.levels[1].notes == ("interrupted: summarised from the rows written so far",)


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(
        StoreError, match=r"runs: expected a folder that can be written, found .*Not a directory"
    ):
        create_run(tmp_path / "file" / "runs", run())


CREATE = """
import os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_folders import run
from servemark.store.folders import create_run
for _ in range(40):
    create_run(Path(sys.argv[2]), run(f"process-{os.getpid()}"))
"""


def test_two_processes_never_share_a_number(tmp_path):
    command = [sys.executable, "-c", CREATE, str(Path(__file__).parent), str(tmp_path)]
    processes = [subprocess.Popen(command) for _ in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]
    numbers = [entry.number for entry in list_runs(tmp_path)]
    assert len(numbers) == len(set(numbers)) == 120
    assert sorted(path.name[:4] for path in tmp_path.iterdir()) == [f"{n:04d}" for n in sorted(numbers)]


FULL = """
import resource, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_folders import level, record, run
from servemark.store.folders import create_run
writer = create_run(Path(sys.argv[2]), run())
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, resource.RLIM_INFINITY))
rows = [record(index, text="x" * 500) for index in range(40)]
for row in rows:
    writer.request(0, row)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
for row in rows:
    writer.request(0, row)
writer.finish(run(levels=(level(1, rows),)))
print(writer.problem)
"""


def test_a_file_that_can_no_longer_grow_costs_its_rows_alone(tmp_path):
    """The row at the edge is written in part; nothing may be written behind that."""
    command = [sys.executable, "-c", FULL, str(Path(__file__).parent), str(tmp_path)]
    problem = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout.strip()
    assert problem.startswith("not all of the run could be written to")
    found = load_run(tmp_path, "last")
    indices = [each.index for each in found.levels[0].requests]
    assert 5 < len(indices) < 20 and indices == list(range(len(indices)))
    assert found.levels[0].requests_sent == 40
    assert found.notes == (problem, "requests.jsonl: torn last line left out")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_does_not_end_the_run(tmp_path):
    writer = create_run(tmp_path, run())
    (writer.path / "requests.jsonl").symlink_to("/dev/full")
    (writer.path / ".run.json").symlink_to("/dev/full")
    writer.request(0, record(0))
    writer.level(0, level(1))
    assert (
        writer.problem == f"not all of the run could be written to {writer.path}: No space left on device"
    )
    (writer.path / ".run.json").unlink()
    writer.finish(run(levels=(level(1, (record(0),)),)))
    (writer.path / "requests.jsonl").unlink()
    assert load_run(tmp_path, "last").levels[0].requests_sent == 1


def test_every_truncation_of_a_manifest_is_one_line(tmp_path):
    writer = create_run(tmp_path, run(levels=(level(1), level(2)), notes=("größe",)))
    whole = (writer.path / "run.json").read_bytes()
    for size in range(0, len(whole) - 1, 7):
        (writer.path / "run.json").write_bytes(whole[:size])
        with pytest.raises(StoreError) as caught:
            load_run(tmp_path, "last")
        assert "\n" not in str(caught.value)
        assert list_runs(tmp_path)[0].problem


WRITE_FOREVER = """
import itertools, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_folders import level, record, run
from servemark.domain.workload import Users
from servemark.store.folders import create_run, open_level
writer = create_run(Path(sys.argv[2]), run())
writer.level(0, open_level(Users(users=1)))
for index in itertools.count():
    writer.request(0, record(index, text="x" * 500))
    if index == 200:
        print("started", flush=True)
    if index % 50 == 49:
        writer.level(0, open_level(Users(users=1)))
"""


def test_a_run_is_readable_after_kill_9(tmp_path):
    command = [sys.executable, "-c", WRITE_FOREVER, str(Path(__file__).parent), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"started\n"
        os.kill(process.pid, signal.SIGKILL)
    found = load_run(tmp_path, "last")
    assert not found.provenance.finished
    indices = [each.index for each in found.levels[0].requests]
    assert len(indices) > 200 and indices == list(range(len(indices)))


def test_a_predicted_run_is_named_by_what_was_deployed_or_by_its_title(tmp_path):
    predicted = Run(
        origin="predicted",
        method="closed form",
        title="Llama / L40S!",
        workload=Workload(),
        levels=(replace(open_level(Rate(per_s=2.0)), outcomes={}),),
        provenance=provenance_now(3, "servemark predict"),
    )
    writer = create_run(tmp_path, predicted)
    assert writer.finish(predicted).name == "0001-predicted-llama-l40s"
    again = load_run(tmp_path, 1)
    assert again.levels[0].load == Rate(per_s=2.0) and again.provenance.finished


def test_provenance_names_version_machine_and_moment():
    made = provenance_now(5, "servemark measure")
    assert (made.seed, made.command, made.cores) == (5, "servemark measure", os.cpu_count())
    assert made.started.endswith("+00:00") and made.python == sys.version.split()[0]


def answered_run():
    """Two levels and a control of an experiment: questions, judgements, what the engine said."""
    item = Item(id="q0", messages=(Message(role="user", content="Why ä?"),), options={"A": "x"})
    fault = CheckResult(check="repetition", severity="major", excerpt="ä ä ä")
    judgement = Judgement(findings=(fault,), passed=("gibberish",))
    said = EngineSample(at_s=0.3, running=2, finished={"stop": 4}, queue_s=(0.5, 3.0))
    rows = (
        record(0, item="q0", warmup=True, nonce="SM-1"),
        record(1, item="q0", text="ä", reasoning="so", block=1, judgement=judgement),
    )
    levels = tuple(replace(level(users, rows), engine=(said,)) for users in (1, 2))
    return run(items=(item,), levels=levels, controls=(replace(level(1, rows[:1]), engine=(said, said)),))


def written(root, whole):
    """Rows as they come in: without what is only known at the end."""
    opened = replace(
        whole,
        levels=tuple(open_level(each.load) for each in whole.levels),
        controls=tuple(open_level(each.load) for each in whole.controls),
    )
    writer = create_run(root, opened)
    for index, each in enumerate((*whole.levels, *whole.controls)):
        for row in each.requests:
            writer.request(index, replace(row, judgement=None))
        for sample in each.engine:
            writer.engine(index, sample)
    return writer


def test_an_experiment_is_read_again_as_it_was(tmp_path):
    whole = answered_run()
    path = written(tmp_path, whole).finish(whole)
    assert load_run(tmp_path, "last") == replace(whole, id=path.name)
    manifest = json.loads((path / "run.json").read_text())
    assert manifest["items"] == [] and manifest["controls"][0]["requests"] == []
    assert [json.loads(line)["level"] for line in (path / "judgements.jsonl").read_text().splitlines()] == [
        0,
        1,
    ]


def test_an_experiment_cut_short_keeps_its_questions_and_its_answers(tmp_path):
    written(tmp_path, answered_run()).close()
    found = load_run(tmp_path, "last", lambda load, rows, steps, **known: level(load.users, rows))
    assert [len(each.requests) for each in (*found.levels, *found.controls)] == [2, 2, 1]
    assert found.items == answered_run().items and found.quality is None
    assert found.levels[0].requests[1].text == "ä" and found.levels[0].requests[1].judgement is None


def test_questions_that_cannot_be_read_are_said_in_words(tmp_path):
    whole = answered_run()
    path = written(tmp_path, whole).finish(whole)
    (path / "items.jsonl").write_text('{"id": 3}\n')
    with pytest.raises(StoreError, match=r"items\.jsonl: expected one item a line"):
        load_run(tmp_path, "last")
