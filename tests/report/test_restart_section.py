from typing import Any

import pytest

from leadline import report
from leadline.report.restart_section import restarts_view, spread_text


def record(values: list[float | None], **changes: list[float]) -> dict[str, Any]:
    networks = [
        {
            "changes": {f"training.{key}": each[at] for key, each in changes.items()},
            "value": value,
            "best_epoch": at + 1,
            "epochs": 9,
            "stopped": "" if value is not None else "The loss is no longer a number after step 3",
        }
        for at, value in enumerate(values)
    ]
    winner = min((at for at, value in enumerate(values) if value is not None), key=lambda at: values[at] or 0)
    return {"networks": networks, "winner": winner, "monitor": "valid_loss", "ensemble": False, "why": "measured"}


def test_the_best_stands_first_and_the_rest_by_its_side() -> None:
    view = restarts_view({"restarts": record([0.5, 0.2, 0.9, 0.3], seed=[7, 8, 9, 10])})
    assert view is not None
    assert [row["place"] for row in view["rows"]] == [2, 4, 1, 3]
    assert [row["kept"] for row in view["rows"]] == [True, False, False, False]
    assert view["rows"][0]["settings"] == ["8"]


def test_what_is_searched_over_is_drawn_rather_than_the_seed() -> None:
    searched = record([0.5, 0.2, 0.9, 0.3], seed=[0, 1, 0, 1], learning_rate=[0.001, 0.001, 0.1, 0.1])
    view = restarts_view({"restarts": searched})
    assert view is not None
    assert [panel.title for panel in view["panels"]] == ["Validation loss by learning rate"]


def test_networks_that_came_to_nothing_are_counted_with_their_reason() -> None:
    page = report.render({"results": {"restarts": record([None, 0.2, 0.3], seed=[0, 1, 2])}})
    assert "2 networks started differently" in page
    assert "1 of 3 came to nothing: The loss is no longer a number after step 3" in page
    assert "(1 failed)" in spread_text(record([None, 0.2, 0.3], seed=[0, 1, 2]))


def test_a_page_of_one_network_has_no_such_section() -> None:
    assert restarts_view({}) is None
    assert restarts_view({"restarts": record([0.2], seed=[0])}) is None
    assert "The restarts" not in report.render({"results": {"name": "digits"}})


@pytest.mark.parametrize("count", [2, 12, 300])
def test_of_many_networks_the_best_dozen_are_listed(count: int) -> None:
    view = restarts_view({"restarts": record([float(at + 1) for at in range(count)], seed=[float(at) for at in range(count)])})
    assert view is not None
    assert len(view["rows"]) + view["left_out"] == count
    assert len(view["rows"]) == min(count, 12)
