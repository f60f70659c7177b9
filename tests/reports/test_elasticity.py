import pytest
from msgspec.structs import replace

import servemark as sm
from servemark.reports.elasticity import elasticity_section
from servemark.reports.labels import subject_title
from servemark.reports.sections import compose
from servemark.reports.series import series_of


@pytest.fixture(scope="module")
def run():
    return sm.simulate(
        "llama-3.1-8b",
        gpu="l40s",
        rate=2,
        requests=60,
        slo="ttft_p95=2s",
        autoscale="load>16:1..2,cold=30s",
    )


def test_a_row_per_fleet_and_where_the_dollars_come_from(run):
    section = elasticity_section([run], series_of([run]))
    (table,) = section.tables
    assert [row[0].text for row in table.rows] == ["autoscaled", "static at the peak", "static at the mean"]
    elastic = run.levels[0].elasticity
    dollars = next(i for i, column in enumerate(table.columns) if column.label == "$")
    assert [row[dollars].text for row in table.rows] == [
        f"{fleet.paid_usd:,.2f}" for fleet in (elastic.autoscaled, *elastic.static)
    ]
    notes = " ".join(table.notes)
    assert elastic.offer.observed in notes
    assert elastic.offer.source in notes
    assert "Cold start 30.0 s, as given." in table.notes
    assert "load > 16 per replica, 1 to 2 replicas" in table.title


def test_only_where_a_fleet_is_autoscaled(run):
    assert compose([run]).section("elasticity") is not None
    plain = replace(run, levels=tuple(replace(level, elasticity=None) for level in run.levels))
    assert compose([plain]).section("elasticity") is None


def test_the_title_names_the_fewest_and_the_most(run):
    """Not the peak alone, as if so many were always there."""
    deployment = replace(run.deployment, replicas=2)
    assert subject_title(replace(run, deployment=deployment)) == "Llama 3.1 8B (bf16) on 1 to 2 x L40S"
    always_one = replace(run, deployment=replace(run.deployment, replicas=1))
    assert subject_title(always_one) == "Llama 3.1 8B (bf16) on 1 x L40S"


def test_without_a_price_there_is_a_dash(run):
    level = run.levels[0]
    fleets = {"autoscaled": replace(level.elasticity.autoscaled, paid_usd=None), "static": ()}
    unpriced = replace(level, elasticity=replace(level.elasticity, offer=None, **fleets))
    (table,) = elasticity_section([replace(run, levels=(unpriced,))], series_of([run])).tables
    assert table.rows[0][-1].text == "–"
    assert "No price is known for this GPU." in table.notes
