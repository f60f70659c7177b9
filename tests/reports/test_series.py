from example_runs import closed_form, faster_gpu, measured, simulated, tiny_model
from msgspec.structs import replace

from servemark.reports.series import series_of


def labels(*runs):
    return [each.label for each in series_of(runs)]


def test_one_subject_needs_only_the_origin():
    assert labels(closed_form(), measured()) == ["predicted", "measured"]


def test_the_same_origin_twice_is_told_apart_by_method_then_number():
    assert labels(closed_form(), simulated()) == ["predicted, closed form", "predicted, simulation"]
    assert labels(measured(), measured()) == ["measured, load test, #1", "measured, load test, #2"]


def test_several_subjects_are_named_by_what_differs():
    assert labels(closed_form(), faster_gpu()) == ["1 x L40S, predicted", "1 x H100 SXM, predicted"]
    assert labels(closed_form(), tiny_model()) == ["Llama 3.1 8B, predicted", "servemark-tiny, measured"]


def test_an_endpoint_joins_the_only_deployment_of_its_model():
    predicted, seen, other = series_of((closed_form(), measured(), tiny_model()))
    assert predicted.subject == seen.subject == "Llama 3.1 8B (bf16) on 1 x L40S"
    assert other.subject == "servemark-tiny on this machine"
    _, _, unsure = series_of((closed_form(), faster_gpu(), measured()))
    assert unsure.subject == "llama-3.1-8b at http://127.0.0.1:8000/v1"


def test_predicted_is_hollow_and_measured_filled():
    drawn = series_of((closed_form(), simulated(), measured()))
    assert [each.filled for each in drawn] == [False, False, True]
    assert [each.glyph for each in drawn] == ["◇", "○", "●"]
    assert len({each.colour for each in drawn}) == 3


def test_labels_stay_unique_however_many_runs():
    many = [replace(measured(), id=str(i)) for i in range(9)]
    assert len(set(labels(*many))) == 9
