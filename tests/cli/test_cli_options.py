"""Options become changes to the plan; a plan file becomes a Plan."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from leadline.cli.options import given_changes, plan_from
from leadline.errors import LeadlineError, PlanError, SourceNotFoundError
from leadline.plan import Plan

OF_FORECASTS = ("forecast", "lookback", "series", "known", "usual")
NAMES = ("task", "target", "group", "time", *OF_FORECASTS, "size", "upscale", "seed", "device", "start", "restarts", "ensemble")
NOTHING: dict[str, Any] = dict.fromkeys(NAMES) | {"settings": ()}


def test_what_was_not_given_changes_nothing() -> None:
    assert given_changes(NOTHING) == {}


def test_every_option_is_a_key_that_a_plan_has() -> None:
    given = {"task": "classes", "target": "species", "group": "farm", "time": "day", "size": 64, "seed": 3, "device": "cpu"}
    given |= {"forecast": 24, "lookback": 48, "series": "shop", "known": "holiday,price", "usual": "good"}
    changes = given_changes({**given, "upscale": 2, "start": None, "restarts": 4, "ensemble": True, "settings": ()})
    plan = Plan().but(changes)
    assert (plan.start.restarts, plan.start.ensemble) == (4, True)
    assert (plan.data.group, plan.data.time, plan.data.usual) == ("farm", "day", "good")
    assert (plan.data.forecast, plan.data.lookback, plan.data.series, plan.data.known) == (24, 48, "shop", "holiday,price")
    assert (plan.data.task, plan.data.target, plan.data.size, plan.data.seed) == ("classes", "species", 64, 3)
    assert (plan.training.seed, plan.training.device) == (3, "cpu")
    assert set(plan.why) == set(changes)


def test_zero_is_a_seed_and_set_has_the_last_word() -> None:
    changes = given_changes({**NOTHING, "seed": 0, "settings": ("training.seed=5",)})
    assert changes == {"data.seed": 0, "training.seed": 5}


@pytest.mark.parametrize("setting", ["training.batsh=3", "training.batch=many", "model=resnt18", "trainig.batch=3"])
def test_a_slip_is_told_before_any_data_are_read(setting: str) -> None:
    with pytest.raises(PlanError):
        given_changes({**NOTHING, "settings": (setting,)})


def test_arguments_of_the_network_that_will_be_proposed_are_left_to_it() -> None:
    assert given_changes({**NOTHING, "settings": ("model.stages=3",)}) == {"model.stages": 3}
    with pytest.raises(PlanError):
        given_changes({**NOTHING, "settings": ("model.stages=3", "model=linear")})


def test_a_plan_comes_back_from_toml_and_from_json(tmp_path: Path) -> None:
    plan = Plan().but({"training.batch": 32, "model": "linear"})
    (tmp_path / "plan.toml").write_text(plan.to_toml(), encoding="utf-8")
    (tmp_path / "plan.json").write_text(json.dumps(plan.to_json()), encoding="utf-8")
    for name in ("plan.toml", "plan.json"):
        read = plan_from(tmp_path / name)
        assert (read.training.batch, read.model.name) == (32, "linear")


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("plan.toml", b"training = [", PlanError),
        ("plan.toml", b"\xff\xfe\x00", PlanError),
        ("plan.toml", b"[training]\nbatsh = 3\n", PlanError),
        ("plan.json", b"{", PlanError),
        ("plan.json", b"[1, 2]", PlanError),
        ("missing.toml", None, SourceNotFoundError),
        (".", None, PlanError),
    ],
)
def test_what_is_no_plan_is_said_so(name: str, content: bytes | None, error: type[LeadlineError], tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(error):
        plan_from(tmp_path / name)


def test_a_plan_file_that_says_nothing_is_refused(tmp_path: Path) -> None:
    (tmp_path / "plan.toml").write_text("# [training]\n", encoding="utf-8")
    with pytest.raises(PlanError, match="is empty"):
        plan_from(tmp_path / "plan.toml")
