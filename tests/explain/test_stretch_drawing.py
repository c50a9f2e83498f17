"""Pictures of series: ours, with the colours where they belong, and a paragraph for what does not fit."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from leadline.errors import ArgumentError
from leadline.explain.stretch_drawing import cells_png, stretches_png

WAVE = np.sin(np.arange(40.0))[:, None]


def pixels(png: bytes) -> np.ndarray[Any, Any]:
    picture = Image.open(io.BytesIO(png))
    assert picture.info["Software"] == "Leadline explain"
    return np.asarray(picture.convert("RGB")).astype(int)


def orange(picture: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    found: np.ndarray[Any, Any] = (picture[..., 0] > picture[..., 2] + 60).sum(axis=0)
    return found


def blue(picture: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    found: np.ndarray[Any, Any] = (picture[..., 2] > picture[..., 0] + 60).sum(axis=0)
    return found


@pytest.mark.parametrize("dark", [False, True])
def test_orange_stands_where_it_spoke_for_and_blue_where_against(dark: bool) -> None:
    worth = np.where(np.arange(40) < 10, 2.0, np.where(np.arange(40) >= 30, -2.0, 0.0))
    picture = pixels(stretches_png(WAVE, worth, heading="$5 a.csv", dark=dark))
    middle = picture.shape[1] * 0.17 + picture.shape[1] * 0.81 / 2
    columns = np.arange(picture.shape[1])
    assert orange(picture)[columns < middle].sum() > 1000
    assert orange(picture)[columns > middle].sum() == 0
    assert blue(picture)[columns > middle].sum() > 1000
    assert blue(picture)[columns < middle].sum() == 0


def test_of_many_channels_those_that_count_are_drawn() -> None:
    series, worth = np.tile(WAVE, (1, 30)), np.zeros((40, 30))
    worth[5, 17] = 1.0
    names = [f"channel {number}" for number in range(30)]
    picture = pixels(stretches_png(series, worth, channels=names))
    assert picture.shape[0] < 1000
    assert orange(picture).sum() > 10
    assert pixels(stretches_png(series, worth[:, 17], note="a note")).shape == (picture.shape[0] + 20, picture.shape[1], 3)


def test_a_constant_series_and_one_of_one_step_are_drawn() -> None:
    assert pixels(stretches_png(np.zeros((9, 1)), np.zeros(9))).shape[1] == 860
    assert pixels(stretches_png(np.full((1, 1), 1e9), np.ones(1))).shape[1] == 860


def test_cells_are_filled_by_their_sign() -> None:
    cells = np.stack([np.ones(40), -np.ones(40)], axis=1)
    picture = pixels(cells_png(WAVE, cells, ["unit 3", "unit 9"], channels=["value"], heading="Units"))
    above, below = np.array_split(picture[150:], 2)
    assert orange(above).sum() > 1000
    assert blue(below).sum() > 1000


@pytest.mark.parametrize(
    ("series", "worth", "names"),
    [
        (WAVE, np.zeros(39), ()),
        (WAVE[:, 0], np.zeros(40), ()),
        (WAVE, np.zeros(40), ("a", "b")),
        (WAVE, np.full(40, np.nan), ()),
        (np.full((40, 1), np.inf), np.zeros(40), ()),
        (np.zeros((0, 1)), np.zeros(0), ()),
    ],
)
def test_what_does_not_fit(series: Any, worth: Any, names: Any) -> None:
    with pytest.raises(ArgumentError):
        stretches_png(series, worth, channels=names)


def test_cells_that_do_not_fit() -> None:
    for cells, names in ((np.zeros((39, 1)), ["a"]), (np.zeros((40, 2)), ["a"]), (np.full((40, 1), np.nan), ["a"])):
        with pytest.raises(ArgumentError, match="do not fit together"):
            cells_png(WAVE, cells, names)
    with pytest.raises(ArgumentError, match="1 to 12 names"):
        cells_png(WAVE, np.zeros((40, 13)), list("abcdefghijklm"))
