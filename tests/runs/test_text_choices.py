"""How texts with classes are read can be chosen, is in the plan with its reason, and is the same when they are loaded again."""

from __future__ import annotations

from pathlib import Path

import pytest

from leadline import data
from leadline.data.texts.texts import Texts
from leadline.errors import ArgumentError, LeadlineError
from leadline.plan import Plan, propose
from leadline.runs.reloading import load_for


@pytest.fixture
def sms(tmp_path: Path) -> Path:
    texts = [f"message {n % 7} of {n % 3} says so, and {'not ' * (n % 5)}more" for n in range(80)]
    rows = "".join(f"{'ham' if n % 2 else 'spam'}\t{text}\n" for n, text in enumerate(texts))
    (tmp_path / "sms.tsv").write_text(f"label\ttext\n{rows}", encoding="utf-8")
    return tmp_path / "sms.tsv"


def inputs_of(dataset: data.Dataset) -> Texts:
    assert isinstance(dataset.schema.inputs, Texts)
    return dataset.schema.inputs


def test_by_itself_nothing_is_chosen_and_all_is_said(sms: Path) -> None:
    dataset = data.load(sms)
    plan = propose(dataset)
    inputs = inputs_of(dataset)
    assert (plan.data.unit, plan.data.vocabulary, plan.data.longest) == ("words", 0, 0)
    assert f"up to {inputs.longest} words of a text are read; 0 is" in plan.why["data.longest"]
    assert f"{len(inputs.vocabulary) - 2} different words are known; 0 is" in plan.why["data.vocabulary"]
    assert "read by their words, as sentences are" in plan.why["data.unit"]


@pytest.mark.parametrize(
    ("changes", "unit", "longest", "vocabulary"),
    [
        ({}, "words", None, None),
        ({"data.unit": "characters"}, "characters", None, None),
        ({"data.longest": 4}, "words", 4, None),
        ({"data.vocabulary": 3, "data.longest": 600}, "words", 600, 3),
    ],
)
def test_what_is_chosen_is_what_is_read_and_read_again(
    changes: dict[str, object], unit: str, longest: int | None, vocabulary: int | None, sms: Path
) -> None:
    dataset = load_for(Plan().but(changes), sms)
    inputs = inputs_of(dataset)
    assert inputs.unit == unit
    assert longest is None or inputs.longest == longest
    assert vocabulary is None or len(inputs.vocabulary) == 2 + vocabulary
    assert max(dataset.train.inputs.lengths) <= inputs.longest  # type: ignore[union-attr]
    plan = propose(dataset, changes)
    assert (plan.data.unit, plan.data.longest, plan.data.vocabulary) == (unit, longest or 0, vocabulary or 0)
    assert all(plan.why[key] == "chosen by you" for key in changes)
    again = load_for(Plan.from_json(plan.to_json()))
    assert again.schema == dataset.schema
    assert again.fingerprint() == dataset.fingerprint()


def test_what_is_no_choice(sms: Path, tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="Only texts have a choice of 'longest'"):
        data.load("iris", longest=7)
    with pytest.raises(LeadlineError, match="There is no unit of text 'spaced words'"):
        data.load(sms, unit="spaced words")
    with pytest.raises(ArgumentError, match="longest ≥ 1"):
        data.load(sms, longest=-1)
    with pytest.raises(LeadlineError, match=r"data\.longest is out of range"):
        Plan().but({"data.longest": -1})
    (tmp_path / "a.txt").write_text("to be or not to be, " * 200)
    with pytest.raises(ArgumentError, match="A language model has no choice of 'longest'"):
        data.load(tmp_path / "a.txt", longest=7)
