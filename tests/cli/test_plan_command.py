"""`leadline plan SOURCE --plan FILE`: a plan that leaves something out, shown as it would be trained."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from leadline.plan import Plan
from leadline.plan.record import CHOSEN, GIVEN

TypeIn = Callable[..., tuple[int, str, str]]
PARTIAL = "[model]\nname = 'linear'\n[training]\noptimizer = 'sgd'\nepochs = 2\nthreads = 1\nstep = 'plain'\n"


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "part.toml").write_text(PARTIAL, encoding="utf-8")
    return tmp_path


def rows(plan: Plan) -> dict[str, Any]:
    return {row["key"]: row["value"] for row in plan.rows()}


def test_what_the_file_leaves_out_is_proposed_for_the_source(type_in: TypeIn) -> None:
    status, out, err = type_in("plan", "digits", "--plan", "part.toml", "--set", "training.batch=50")
    assert (status, err) == (0, "")
    plan = Plan.from_toml(out)
    assert (plan.model.name, plan.training.optimizer, plan.training.epochs) == ("linear", "sgd", 2)
    # As with --set: the rate is one for this optimizer, not the one proposed for another.
    changes = {"model": "linear", "training.optimizer": "sgd", "training.epochs": 2, "training.batch": 50}
    words = [word for key, value in changes.items() for word in ("--set", f"{key}={value}")]
    bare = Plan.from_toml(type_in("plan", "digits", *words)[1])
    assert plan.training.learning_rate == bare.training.learning_rate
    assert "# from the plan you gave\noptimizer" in out
    assert "# chosen by you\nbatch = 50" in out
    assert plan.data.source == "digits"


def test_it_is_the_plan_that_is_trained(type_in: TypeIn, place: Path) -> None:
    words = ["digits", "--plan", "part.toml", "--set", "training.batch=50"]
    shown = rows(Plan.from_toml(type_in("plan", *words)[1]))
    assert type_in("train", *words, "--quiet", "--folder", "run")[0] == 0
    trained = Plan.from_json(json.loads((place / "run" / "plan.json").read_text(encoding="utf-8")))
    settled = {key: value for key, value in rows(trained).items() if key in shown and value != shown[key]}
    assert set(settled) <= {"training.layout", "training.device", "training.precision", "training.accumulate"}
    assert [trained.why[f"training.{name}"] for name in ("batch", "optimizer")] == [CHOSEN, GIVEN]


def test_it_can_be_written_and_given_back(type_in: TypeIn, place: Path) -> None:
    status, out, _ = type_in("plan", "digits", "--plan", "part.toml", "--output", "whole.toml")
    assert (status, out) == (0, "leadline train digits --plan whole.toml\n")
    again = type_in("plan", "digits", "--plan", "whole.toml")[1]
    assert rows(Plan.from_toml(again)) == rows(Plan.from_toml((place / "whole.toml").read_text(encoding="utf-8")))


def test_a_plan_for_other_data_is_told(type_in: TypeIn) -> None:
    type_in("plan", "digits", "--output", "whole.toml")
    assert type_in("plan", "digits", "--plan", "whole.toml")[2] == ""
    status, _, err = type_in("plan", "digits", "--plan", "whole.toml", "--seed", "5")
    assert status == 0
    assert "the plan was made for other data" in " ".join(err.split())


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--plan", "gone.toml"], "There is no plan at gone.toml"),
        (["--plan", "part.toml", "--set", "model.widht=3"], "linear"),
        (["--plan", "part.toml", "--set", "training.batsh=3"], "Did you mean 'training.batch'?"),
        (["--plan", "part.toml", "--set", "data.hash=x"], "data.hash is not a choice"),
        (["--set", "data.source=iris"], "data.source is not a choice"),
    ],
)
def test_a_slip_is_one_paragraph(words: list[str], says: str, type_in: TypeIn) -> None:
    status, out, err = type_in("plan", "digits", *words)
    assert (status, out) == (2, "")
    assert says in " ".join(err.split())
