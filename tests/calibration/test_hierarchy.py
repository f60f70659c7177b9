import numpy as np
import pytest

from servemark.calibration.hierarchy import Effect, Rows, Start, design, fit, gradient, group_parameters

WIDTH = np.array([1.0, 0.0])


def layout(levels, widths=WIDTH, **options):
    return design([Effect("side", levels, widths)], np.zeros(2), np.array([10.0, 1e-3]), **options)


def first(parameters):
    return parameters[:, 0]


def rows(measured, group):
    count = len(measured)
    return Rows(first, np.array(measured, float), np.array(group), np.zeros(count, dtype=np.int64))


def solved(plan, data, noise=0.1, **options):
    start = Start(plan.mean, plan.assumed, np.array([noise]))
    return fit(plan, data, start, **options)


def test_unknowns_are_the_means_and_one_for_each_level():
    plan = layout(("left", "right", "left"))
    assert plan.columns == (("mean", "*", 0), ("mean", "*", 1), ("side", "left", 0), ("side", "right", 0))
    assert [list(own) for own in plan.members] == [[0, 1, 2], [0, 1, 3], [0, 1, 2]]
    sums = group_parameters(plan, np.array([1.0, 5.0, 0.25, -0.5]))
    assert sums.tolist() == [[1.25, 5.0], [0.5, 5.0], [1.25, 5.0]]


def test_one_group_finds_its_measurement():
    plan = layout(("left",))
    found = solved(plan, rows([2.0] * 50, [0] * 50), estimate_after=None)
    assert found.parameters()[0, 0] == pytest.approx(2.0, abs=0.01)


def test_a_group_with_few_rows_is_drawn_to_the_others():
    levels = tuple("abcdef")
    values, group = [], []
    for i in range(5):
        values += [1.0] * 40
        group += [i] * 40
    values.append(3.0)
    group.append(5)
    plan = layout(levels, np.array([0.2, 0.0]))
    found = solved(plan, rows(values, group), noise=0.5, estimate_after=None)
    parameters = found.parameters()[:, 0]
    assert parameters[:5] == pytest.approx(1.0, abs=0.05)
    # one row of noise 0.5 against a width of 0.2: nearer to the others than to its own
    assert 1.0 < parameters[5] < 1.6
    errors = np.sqrt(np.diag(found.covariance))
    assert errors[plan.columns.index(("side", "f", 0))] > errors[plan.columns.index(("side", "a", 0))]


def test_a_broken_row_pulls_little():
    plan = layout(("left",))
    found = solved(plan, rows([1.0] * 20 + [50.0], [0] * 21), estimate_after=None)
    assert found.parameters()[0, 0] == pytest.approx(1.0, abs=0.02)


def test_widths_and_noise_are_learned():
    draw = np.random.default_rng(1)
    levels = tuple(f"g{i}" for i in range(60))
    centres = draw.normal(0.0, 0.5, 60)
    group = np.repeat(np.arange(60), 30)
    values = centres[group] + draw.normal(0.0, 0.05, len(group))
    plan = layout(levels, np.array([0.1, 0.0]))
    found = solved(plan, rows(values.tolist(), group), noise=0.3, turns=30)
    assert found.widths[-1] == pytest.approx(0.5, rel=0.25)
    # a t distribution of 4 degrees of freedom is a little narrower than the normal it stands for
    assert found.noise[0] == pytest.approx(0.05, rel=0.3)
    assert found.parameters()[:, 0] == pytest.approx(centres, abs=0.08)


def test_anchored_effects_leave_what_is_shared_to_the_mean():
    plan = layout(("a", "b"), np.array([1.0, 0.0]), kept=0)
    found = solved(plan, rows([2.0] * 30 + [3.0] * 30, [0] * 30 + [1] * 30), noise=0.05)
    assert found.unknowns[0] == pytest.approx(2.5, abs=0.02)
    assert found.unknowns[2:].sum() == pytest.approx(0.0, abs=0.02)
    assert found.widths[2:] == pytest.approx([1.0, 1.0])


def test_slopes():
    theta = np.array([[1.0, 2.0], [3.0, 4.0]])

    def forward(x):
        return x[:, 0] ** 2 + 3 * x[:, 1]

    assert gradient(forward, theta, forward(theta)) == pytest.approx(np.array([[2, 3], [6, 3]]), abs=0.01)
