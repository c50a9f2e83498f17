"""Pictures of sequences: PNG of ours, on light and dark, that show what they are given."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from leadline.errors import ArgumentError
from leadline.explain.colored_text import text_png
from leadline.explain.gates_in_time import GateReading
from leadline.explain.gradients_in_time import TimeGradient
from leadline.explain.sequence_drawing import gates_png, time_gradient_png


def pixels(png: bytes) -> np.ndarray:
    picture = Image.open(io.BytesIO(png))
    assert picture.info["Software"] == "Leadline explain"
    return np.asarray(picture.convert("RGB")).astype(int)


def near(picture: np.ndarray, color: str, within: int = 24) -> int:
    """How many pixels have about this colour."""
    wanted = np.array([int(color[at : at + 2], 16) for at in (1, 3, 5)])
    return int((np.abs(picture - wanted).max(axis=2) <= within).sum())


def reading(steps: int = 40, units: int = 6) -> GateReading:
    time = np.arange(steps)[:, None]
    wave = np.sin(time / 5 + np.arange(units))
    return GateReading("lstm", "lstm", False, {"forget": (wave + 1) / 2, "cell": 3 * wave, "hidden": np.tanh(3 * wave)})


@pytest.mark.parametrize(("dark", "paper"), [(False, "#ffffff"), (True, "#15191d")])
def test_they_stand_on_light_and_on_dark(dark: bool, paper: str) -> None:
    curves = {"rnn": TimeGradient("rnn", False, 0.5 ** np.arange(20))}
    pictures = [
        time_gradient_png(curves, dark=dark),
        gates_png(reading(), series=np.arange(40.0), dark=dark),
        text_png(list("some text"), np.linspace(-1, 1, 9), dark=dark),
    ]
    for png in pictures:
        picture = pixels(png)
        assert near(picture, paper, 2) > 0.25 * picture[:, :, 0].size
        assert near(picture[:3], paper, 2) == picture[:3, :, 0].size


def test_the_colours_of_a_text_are_its_numbers() -> None:
    below = pixels(text_png(["word"], np.array([-1.0])))
    above = pixels(text_png(["word"], np.array([1.0])))
    nothing = pixels(text_png(["word"], np.array([0.0]), limit=1.0))
    half = pixels(text_png(["word"], np.array([0.5]), limit=1.0))
    blue, orange = ((picture[:, :, 2] - picture[:, :, 0]) for picture in (below, above))
    assert blue.max() > 60
    assert orange.min() < -60
    assert abs(nothing[:, :, 2] - nothing[:, :, 0]).max() < 16
    assert orange.min() < (half[:, :, 2] - half[:, :, 0]).min() < -20


def test_a_long_text_is_broken_into_lines_and_line_breaks_are_kept() -> None:
    one = pixels(text_png(list("a" * 90), np.ones(90))).shape
    two = pixels(text_png(list("a" * 110), np.ones(110))).shape
    broken = pixels(text_png(list("ab\ncd"), np.ones(5))).shape
    assert two[0] - one[0] == broken[0] - one[0] > 10
    assert broken[1] < one[1]
    twice = pixels(text_png(list("ab\ncd"), np.ones((5, 2)), names=["first", "second"])).shape
    assert twice[0] > 2 * broken[0] - 40


def test_gaps_may_differ_and_what_has_none_between_stays_together() -> None:
    words, numbers = ["word"] * 20 + ["!"], np.ones(21)
    spaced = pixels(text_png(words, numbers, between=" ")).shape
    glued = pixels(text_png(words, numbers, between=[" "] * 19 + ["", ""])).shape
    assert glued[0] < spaced[0], "100 letters fill a line, a space more does not fit"
    # A mark that does not fit takes its word with it: two lines either way, but not a lone mark.
    words = ["word"] * 19 + ["words", "!"]
    with_mark = pixels(text_png(words, np.r_[np.zeros(20), 1.0], between=[" "] * 19 + ["", ""]))
    apart = pixels(text_png(words, np.r_[np.zeros(20), 1.0], between=" "))
    orange = [np.flatnonzero((each[:, :, 0] - each[:, :, 2] > 60).any(axis=0)) for each in (with_mark, apart)]
    assert orange[0].min() == orange[1].min() + 5 * 8, "the mark stands behind its word, not at the beginning of a line"
    with pytest.raises(ArgumentError, match="gaps do not fit"):
        text_png(["a", "b"], np.zeros(2), between=[" "])


def test_a_long_heading_has_room() -> None:
    short, long = (pixels(text_png(["a"], np.ones(1), heading="x" * count)).shape[1] for count in (10, 70))
    assert long > short + 200


def test_letters_of_any_kind() -> None:
    pieces = ["日本", "naïve", "\x07", "\t", "\n", "", "$x^2$", "e\u0301", "🙂", "x" * 300]
    assert pixels(text_png(pieces, np.linspace(-1, 1, len(pieces)), between=" ", heading="$\\frac")).size
    assert pixels(gates_png(reading(10), pieces=pieces, heading="$\\frac")).size


def test_a_gate_that_opens_is_seen_to_open() -> None:
    values = np.zeros((60, 5))
    values[30:] = 1.0
    shut = np.full((60, 5), 1e-3)
    picture = pixels(gates_png(GateReading("x", "lstm", False, {"forget": values, "hidden": shut})))
    dark = picture.sum(axis=2) < 120
    middle = picture.shape[1] // 2
    assert dark[:, middle:].sum() > 4 * dark[:, :middle].sum()


def test_units_are_chosen_and_ordered() -> None:
    few, all_units = gates_png(reading(40, 60), units=4), gates_png(reading(40, 60), units=60)
    assert pixels(few).shape[0] < pixels(all_units).shape[0]
    assert pixels(gates_png(GateReading("rnn", "rnn", True, {"hidden": np.zeros((5, 2))}))).size


def test_lines_and_names_that_end_together_stand_apart() -> None:
    same = {name: TimeGradient(name, False, 0.5 ** np.arange(20)) for name in ("one", "two", "three")}
    picture = pixels(time_gradient_png(same, heading="All alike"))
    names = picture[:, int(0.76 * picture.shape[1]) :]
    rows = [np.flatnonzero((np.abs(names - np.array(color)).max(axis=2) < 40).any(axis=1)) for color in
            ((0, 114, 178), (213, 94, 0), (0, 158, 115))]  # fmt: skip
    middles = sorted(float(np.median(each)) for each in rows)
    assert min(np.diff(middles)) > 25
    zero = {"lost": TimeGradient("lost", False, np.array([1.0, 0.0, 0.0])), "kept": TimeGradient("kept", False, np.ones(3))}
    assert pixels(time_gradient_png(zero)).size


def test_what_does_not_fit() -> None:
    with pytest.raises(ArgumentError, match="from 1 to 8 of them; got 0"):
        time_gradient_png({})
    with pytest.raises(ArgumentError, match="The gates and the series are not of one length. Expected 40 steps; got 39"):
        gates_png(reading(), series=np.zeros(39))
    with pytest.raises(ArgumentError, match="The gates and the pieces are not of one length"):
        gates_png(reading(), pieces=["a"])
    with pytest.raises(ArgumentError, match="no units to draw"):
        gates_png(reading(), units=0)
    with pytest.raises(ArgumentError, match=r"no text to colour.*got \[3\]"):
        text_png(["a"], np.zeros(3))
    for values, limit in ((np.array([np.nan]), None), (np.array([1.0]), 0.0)):
        with pytest.raises(ArgumentError, match="The text cannot be coloured"):
            text_png(["a"], values, limit=limit)
