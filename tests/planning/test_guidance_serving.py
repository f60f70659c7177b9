"""The largest models that some money serves, and to how many users."""

from guide_questions import asked, section

from servemark.catalogue.architectures import find_model
from servemark.planning.guidance import guide_of


def test_serving_names_models_and_users():
    rows = {row[0]: row for row in section(guide_of(asked(2920, ("serving",))), "serving").rows}
    model, users = rows["1 x rtx-4090"][1:3]
    assert model == "llama-3.1-8b"
    assert 5 < users < 200
    # 4 x 48 GB hold 70B in 8 bits, one does not
    assert find_model(rows["4 x l40s"][3]).params > 65e9
    for row in rows.values():
        sizes = [find_model(key).params for key in row[1::2] if key is not None]
        assert sizes == sorted(sizes)


def test_more_money_never_serves_fewer_users():
    users = []
    for budget in (730, 2920):
        found = guide_of(asked(budget, ("serving",), model=find_model("llama-3.1-8b")))
        row = next(row for row in section(found, "serving").rows if "l40s" in row[0])
        users.append(row[2])
    assert users[1] > 2 * users[0]
