"""`leadline predict`: three forms of answer, many kinds of input, and bad ones that stop nothing."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from leadline.data import Classes, Excluded, Labels, Numbers
from leadline.data.answers import Answers
from leadline.runs import Predictions

TypeIn = Callable[..., tuple[int, str, str]]
CLASSES = Classes(("daisy", "rose", "tulip, double"))


class FakePredictor:
    """Answers every input alike, except those whose name begins with "bad"."""

    def __init__(self, answers: Answers, values: Sequence[float]) -> None:
        self.answers, self.row, self.sizes = answers, values, list[int]()

    def many(self, raws: Sequence[Any], ids: Sequence[str]) -> Predictions:
        self.sizes.append(len(raws))
        good = [name for name in ids if not name.startswith("bad")]
        values = np.array([self.row] * len(good), dtype=np.float32).reshape(len(good), len(self.row))
        excluded = [Excluded(name, f"{name} cannot be read.") for name in ids if name.startswith("bad")]
        return Predictions(good, values, self.answers, excluded)


def trained(monkeypatch: pytest.MonkeyPatch, answers: Answers, values: Sequence[float]) -> FakePredictor:
    predictor = FakePredictor(answers, values)
    opened = SimpleNamespace(predictor=predictor, schema=SimpleNamespace(inputs=None, task="classes"))
    monkeypatch.setattr("leadline.runs.open", lambda folder: opened)
    return predictor


@pytest.fixture
def classes(monkeypatch: pytest.MonkeyPatch) -> FakePredictor:
    return trained(monkeypatch, CLASSES, (0.25, 0.7, 0.05))


def pipe(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))


def test_the_likeliest_comes_first(classes: FakePredictor, type_in: TypeIn) -> None:
    assert type_in("predict", "last", "a.png") == (0, "a.png  rose (70.0 %), daisy (25.0 %), tulip, double (5.0 %)\n", "")
    assert type_in("predict", "last", "a.png", "--top", "1")[1] == "a.png  rose (70.0 %)\n"


def test_json_is_one_object_a_line(classes: FakePredictor, type_in: TypeIn) -> None:
    status, out, _ = type_in("predict", "last", "a.png", "b.png", "--json")
    rows = [json.loads(line) for line in out.splitlines()]
    assert status == 0
    assert [row["id"] for row in rows] == ["a.png", "b.png"]
    assert rows[0]["answer"] == "rose"
    assert rows[0]["probabilities"] == pytest.approx({"rose": 0.7, "daisy": 0.25, "tulip, double": 0.05})
    (top,) = [json.loads(line) for line in type_in("predict", "last", "a.png", "--json", "--top", "1")[1].splitlines()]
    assert list(top["probabilities"]) == ["rose"]


def test_csv_has_a_column_for_each_class(classes: FakePredictor, type_in: TypeIn) -> None:
    status, out, _ = type_in("predict", "last", "a,b.png", "--csv")
    assert status == 0
    assert list(csv.DictReader(io.StringIO(out))) == [
        {"id": "a,b.png", "answer": "rose", "daisy": "0.25", "rose": "0.7", "tulip, double": "0.05"}
    ]


def test_labels_are_listed(monkeypatch: pytest.MonkeyPatch, type_in: TypeIn) -> None:
    trained(monkeypatch, Labels(("sun", "sea", "dog")), (0.75, 0.5, 0.25))
    assert type_in("predict", "last", "a.png")[1] == "a.png  sun + sea: sun (75.0 %), sea (50.0 %), dog (25.0 %)\n"
    assert type_in("predict", "last", "a.png", "--csv")[1] == "id,answer,sun,sea,dog\na.png,sun;sea,0.75,0.5,0.25\n"
    trained(monkeypatch, Labels(("sun", "sea", "dog")), (0.25, 0.25, 0.25))
    assert type_in("predict", "last", "a.png", "--top", "1")[1] == "a.png  none: sun (25.0 %)\n"


def test_numbers_have_their_names(monkeypatch: pytest.MonkeyPatch, type_in: TypeIn) -> None:
    trained(monkeypatch, Numbers(("price", "area"), (0.0, 0.0), (1.0, 1.0)), (12.5, 3.0))
    assert type_in("predict", "last", "a.png")[1] == "a.png  price 12.5, area 3\n"
    assert type_in("predict", "last", "a.png", "--csv")[1] == "id,price,area\na.png,12.5,3\n"
    assert json.loads(type_in("predict", "last", "a.png", "--json")[1])["answer"] == {"price": 12.5, "area": 3.0}


def test_one_bad_input_is_an_error(classes: FakePredictor, type_in: TypeIn) -> None:
    assert type_in("predict", "last", "bad.png") == (2, "", "Error: bad.png cannot be read.\n")


def test_a_bad_input_among_many_stops_nothing(classes: FakePredictor, type_in: TypeIn) -> None:
    names = [f"{number}.png" for number in range(150)]
    names[70] = "bad.png"
    status, out, err = type_in("predict", "last", *names, "--json")
    assert status == 2
    assert [json.loads(line)["id"] for line in out.splitlines()] == [name for name in names if name != "bad.png"]
    assert err == "bad.png cannot be read.\nError: 1 of 150 inputs could not be used, as told above.\n"
    assert max(classes.sizes) <= 64


@pytest.mark.parametrize("words", [(), ("-",)])
def test_paths_come_from_standard_input(
    words: tuple[str, ...], classes: FakePredictor, type_in: TypeIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe(monkeypatch, b"a.png\nb.png\n")
    assert [line.split()[0] for line in type_in("predict", "last", *words)[1].splitlines()] == ["a.png", "b.png"]


def test_nobody_waits_for_a_terminal(classes: FakePredictor, type_in: TypeIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: True))
    status, out, err = type_in("predict", "last")
    assert (status, out) == (2, "")
    assert "at least one INPUT" in err


def test_a_name_that_is_no_text_is_passed_on_in_csv_and_shown_harmlessly(
    classes: FakePredictor, type_in: TypeIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe(monkeypatch, b"caf\xe9\x1b[2J.png\n")
    assert type_in("predict", "last", "-")[1].startswith("caf��[2J.png  rose")


def test_a_class_name_cannot_steer_the_terminal(monkeypatch: pytest.MonkeyPatch, type_in: TypeIn) -> None:
    trained(monkeypatch, Classes(("\x1b[2J", "b")), (0.9, 0.1))
    assert "\x1b" not in type_in("predict", "last", Path("a.png"))[1]


def test_json_and_csv_at_once_is_a_mistake(type_in: TypeIn) -> None:
    status, _, err = type_in("predict", "last", "x.png", "--json", "--csv")
    assert status == 2
    assert "one of --json, --csv" in err


def test_one_number_stands_alone(monkeypatch: pytest.MonkeyPatch, type_in: TypeIn) -> None:
    trained(monkeypatch, Numbers(("price",), (0.0,), (1.0,)), (12.5,))
    assert type_in("predict", "last", "a.png")[1] == "a.png  12.5\n"
    assert type_in("predict", "last", "a.png", "--csv")[1] == "id,answer\na.png,12.5\n"
    assert json.loads(type_in("predict", "last", "a.png", "--json")[1])["answer"] == 12.5
