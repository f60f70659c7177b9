"""The largest models that some money trains."""

from guide_questions import asked, section

from servemark.catalogue.architectures import find_model
from servemark.planning.guidance import guide_of


def test_training_takes_less_memory_from_full_to_qlora():
    for row in section(guide_of(asked(2920, ("training",))), "training").rows:
        sizes = [find_model(key).params if key else 0 for key in row[1:4]]
        assert sizes == sorted(sizes)
