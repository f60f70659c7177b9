"""The house rules, enforced. The plan they come from is docs/architecture.md."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import servemark

SOURCE = Path(servemark.__file__).parent
FILES = sorted(SOURCE.rglob("*.py"))
FLOORS = [
    {"units", "errors", "version"},
    {"domain"},
    {"physics", "catalogue", "stats", "traffic", "store", "client"},
    {"simulation", "cost", "diagnosis", "load", "capacity", "quality", "telemetry", "engines", "cluster"},
    {"planning", "calibration", "measurement", "auditing", "tuning", "launching", "quantization", "twins"},
    {"reports"},
    {"api"},
    {"faces"},
]
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
ROOF = {"__init__", "__main__"}
DEFERRED = {"__init__.py", "faces/cli.py"}
OPTIONAL = {"xllamacpp", "huggingface_hub", "IPython", "torch", "lingua"}
BANNED = {"utils", "util", "common", "helpers", "helper", "base", "core", "misc", "manager", "managers"}
VERBS = {"fit", "predict", "simulate", "measure", "report", "demo", "twin", "gpus", "models", "runs",
         "accuracy", "calibrate", "plan", "guide", "check", "suite", "explain"}  # fmt: skip


def trees():
    return [(path, path.relative_to(SOURCE).as_posix(), ast.parse(path.read_text())) for path in FILES]


def room_of(relative):
    return relative.split("/")[0].removesuffix(".py")


def imported_rooms(tree):
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names = [node.module]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] == "servemark":
                yield parts[1] if len(parts) > 1 else "__init__"


@pytest.mark.parametrize(
    ("path", "relative", "tree"), trees(), ids=lambda v: v if isinstance(v, str) else ""
)
def test_arrows_only_run_down(path, relative, tree):
    room = room_of(relative)
    if room in ROOF:
        return
    assert room in FLOOR, f"{room} stands on no floor: add it to FLOORS and to docs/architecture.md"
    for other in imported_rooms(tree):
        assert other != "__init__", f"{relative} imports the package itself"
        same_room = other == room or (FLOOR[other] == FLOOR[room] == 0)
        assert same_room or FLOOR[other] < FLOOR[room], f"{relative} imports {other}, which is not below it"


def test_no_circles_inside_a_room():
    graph = {}
    for _, relative, tree in trees():
        module = "servemark." + relative.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        graph[module] = {
            name
            for node in tree.body
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("servemark.")
            # `from servemark.room import module` names the module only with the alias
            for name in (node.module, *(f"{node.module}.{alias.name}" for alias in node.names))
        }
    done, path = set(), []

    def visit(module):
        assert module not in path, f"circle: {' -> '.join([*path[path.index(module) :], module])}"
        if module in done:
            return
        path.append(module)
        for other in graph.get(module, ()):
            visit(other)
        path.pop()
        done.add(module)

    for module in graph:
        visit(module)


def test_files_and_functions_stay_small():
    for path, relative, tree in trees():
        assert len(path.read_text().splitlines()) <= 400, f"{relative}: a noun is missing"
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                body = node.body[1:] if ast.get_docstring(node) else node.body
                lines = body[-1].end_lineno - body[0].lineno + 1 if body else 0
                assert lines <= 60, f"{relative}:{node.name} has {lines} lines"


def test_median_file_under_200_lines():
    sizes = sorted(len(path.read_text().splitlines()) for path in FILES)
    assert sizes[len(sizes) // 2] < 200


def test_names_are_nouns_of_the_field():
    for _, relative, _ in trees():
        parts = set(relative.removesuffix(".py").split("/"))
        assert not parts & BANNED, relative
        assert not parts & VERBS, f"{relative} carries the name of a public verb"


def test_classes_are_shallow():
    depth = {}
    classes = [
        (node, relative)
        for _, relative, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    ]
    own = {node.name: node for node, _ in classes}

    def depth_of(name, seen=()):
        if name not in own or name in seen:
            return 0
        if name not in depth:
            bases = [b.id for b in own[name].bases if isinstance(b, ast.Name)]
            depth[name] = 1 + max((depth_of(b, (*seen, name)) for b in bases), default=0)
        return depth[name]

    for node, relative in classes:
        # the exception tree of errors.py is drawn in its docstring and may be deeper
        assert relative == "errors.py" or depth_of(node.name) <= 2, f"{relative}:{node.name}"


def test_imports_inside_functions_only_for_optional_packages():
    for _, relative, tree in trees():
        if relative in DEFERRED:
            continue
        for function in ast.walk(tree):
            if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
                for node in ast.walk(function):
                    if isinstance(node, (ast.Import, ast.ImportFrom)):
                        name = node.names[0].name if isinstance(node, ast.Import) else node.module
                        assert name.split(".")[0] in OPTIONAL, (
                            f"{relative}:{function.name} imports {name} late"
                        )


TERMINAL = {"print", "sys.stdout", "sys.stderr"}
ENVIRONMENT = {"os.environ", "os.getenv"}


def test_only_the_faces_print_and_nothing_below_the_api_reads_the_environment():
    for _, relative, tree in trees():
        nodes = list(ast.walk(tree))
        used = {ast.unparse(node) for node in nodes if isinstance(node, (ast.Name, ast.Attribute))}
        for node in nodes:
            if isinstance(node, ast.ImportFrom):
                used |= {f"{node.module}.{alias.name}" for alias in node.names}
        floor = FLOOR.get(room_of(relative), len(FLOORS))
        assert floor >= FLOOR["faces"] or not used & TERMINAL, relative
        assert floor >= FLOOR["api"] or not used & ENVIRONMENT, relative


def test_the_plan_of_the_house_is_true():
    plan = (Path(__file__).parents[1] / "docs" / "architecture.md").read_text("utf-8")
    table = re.findall(r"^\| (\d) \| ([^|]*)\|", plan, re.M)
    drawn = {int(n): set(re.findall(r"`(\w+)(?:/|\.py)`", rooms)) for n, rooms in table}
    stands = {room_of(relative) for _, relative, _ in trees()} - ROOF
    assert drawn == {i + 1: rooms & stands for i, rooms in enumerate(FLOORS)}
    root = Path(__file__).parents[1]
    for path in re.findall(r"`([\w/]+/[\w./]*)`", plan):
        planned = path.rstrip("/") in FLOOR
        assert planned or any((folder / path).exists() for folder in (SOURCE, root, root / "src")), path


UNITS = (
    "_s", "_bytes", "_bytes_per_s", "_flop", "_flop_per_s", "_w", "_hz", "_c", "_usd", "_ratio", "_tokens",
    "_usd_per_hour", "usd_per_month", "usd_per_gpu_hour", "_tokens_per_s",
    "_per_s", "_per_token", "_ps", "_params", "_cores", "_in_flight", "_dim", "_per_value",
)  # fmt: skip
PURE = {
    "limit", "margin", "value", "mean", "p50", "p95", "p99", "relative_error", "burstiness", "time_scale",
    "time_factor", "sigma", "load_average", "gpu_memory_utilization", "measured", "before", "after", "held_out",
    "low", "high", "threshold", "mean_replicas", "p_value", "homogeneity_p", "alpha", "statistic", "effect",
    "ratio", "difference", "weight",
}  # fmt: skip


def test_every_float_of_the_domain_carries_its_unit():
    for _, relative, tree in trees():
        if room_of(relative) != "domain":
            continue
        for node in ast.walk(tree):
            if not (isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)):
                continue
            name = node.target.id
            if ast.unparse(node.annotation) in ("float", "float | None"):
                assert name in PURE or name.endswith(UNITS), f"{relative}: {name} has no unit"


LIGHT = [["--help"], ["gpus"], ["models"], ["fit", "llama-3.1-8b", "--gpu", "l40s"],
         ["predict", "llama-3.1-8b", "--gpu", "l40s", "--slo", "ttft_p95=2s"]]  # fmt: skip


@pytest.mark.parametrize("arguments", LIGHT, ids=lambda a: a[0])
def test_light_verbs_load_neither_scipy_nor_aiohttp(arguments, tmp_path):
    slow = ["scipy", "aiohttp", "asyncio", "pynvml", "xllamacpp"]
    # only where something is predicted
    slow += [] if arguments[0] == "predict" else ["numpy"]
    code = (
        "import sys\nfrom servemark.faces.cli import main\n"
        f"try: main({arguments!r})\nexcept SystemExit as e: assert e.code == 0, e.code\n"
        f"heavy = [m for m in {slow!r} if m in sys.modules]\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_the_public_list_is_true():
    assert set(servemark._HOMES) | {"__version__"} == set(servemark.__all__)
    for name in servemark.__all__:
        assert getattr(servemark, name) is not None


def test_unknown_public_name():
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        servemark.nonsense  # noqa: B018
