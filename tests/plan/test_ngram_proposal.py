"""What is proposed for counting, by how much text there is and how it is read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from leadline import data
from leadline.errors import PlanError
from leadline.plan import Plan, propose
from leadline.plan.ngrams import boundary_of, check_ngram_plan


def text(path: Path, words: int, *, line: int = 12, kinds: int = 50) -> Path:
    draw = np.random.default_rng(0)
    tokens = [f"w{each}" for each in draw.integers(0, kinds, words)]
    path.write_text("".join(" ".join(tokens[at : at + line]) + "\n" for at in range(0, words, line)))
    return path


@pytest.mark.parametrize(
    ("words", "line", "order"), [(2_000, 12, 3), (130_000, 12, 4), (2_000, 1, 3), (130_000, 2, 4), (130_000, 1, 3)]
)
def test_the_order_follows_the_text_and_its_lines(tmp_path: Path, words: int, line: int, order: int) -> None:
    dataset = data.load(text(tmp_path / "t.txt", words, line=line), task="ngram", unit="spaced words", cache=tmp_path)
    plan = propose(dataset)
    assert plan.model.name == "ngram"
    assert plan.data.task == "ngram"
    assert plan.model.arguments["order"] == order
    assert ("no line is longer" in plan.why["model.order"]) == (line == 1 and words > 2_000)
    settings = check_ngram_plan(plan)
    assert settings.order == order
    assert boundary_of(dataset.schema.inputs, settings) == dataset.schema.inputs.start  # type: ignore[arg-type]
    for key in ("order", "smoothing", "k", "min_count", "sentences"):
        assert plan.why[f"model.{key}"]


def test_characters_are_read_across_lines(tmp_path: Path) -> None:
    plan = propose(data.load(text(tmp_path / "t.txt", 2_000), task="ngram", unit="characters", cache=tmp_path))
    assert plan.model.arguments["sentences"] is False
    assert plan.model.arguments["order"] == 5


def test_a_plan_comes_back_from_toml_and_json(tmp_path: Path) -> None:
    dataset = data.load(text(tmp_path / "t.txt", 2_000), task="ngram", unit="spaced words", cache=tmp_path)
    plan = propose(dataset, {"model.order": 2, "model.smoothing": "katz"})
    assert plan.why["model.order"] == "chosen by you"
    for again in (Plan.from_json(plan.to_json()), Plan.from_toml(plan.to_toml())):
        assert check_ngram_plan(again) == check_ngram_plan(plan)


def test_settings_that_belong_to_counting_are_told(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="belongs to model = ngram"):
        Plan().but({"model": "mlp", "model.smoothing": "katz"})
    with pytest.raises(PlanError, match="training.batch and training.epochs cannot be chosen"):
        check_ngram_plan(Plan().but({"model": "ngram", "training.batch": 7, "training.epochs": 9}))
