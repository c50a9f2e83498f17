"""Maps, weights and sheets as pictures: what is hot, where the frame lies, whose the file is."""

from __future__ import annotations

import io
import tracemalloc

import numpy as np
import pytest
from PIL import Image

from leadline.errors import ArgumentError
from leadline.explain import plane_drawing
from leadline.explain.boxes import Box
from leadline.explain.labelled_sheets import MADE_BY, Cell, sheet_png
from leadline.explain.overlays import framed, heat_picture, mosaic, overlay, shown_picture, weight_picture
from leadline.explain.plane_drawing import Group, plane_png


def opened(png: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(png))
    image.load()
    return image


def test_bytes_are_shown_as_they_are_and_others_stretched() -> None:
    photo = np.random.default_rng(0).integers(0, 256, (5, 4, 3), np.uint8)
    assert np.array_equal(shown_picture(photo), photo)
    digit = np.array([[0, 16], [8, 4]], np.uint8)
    assert shown_picture(digit)[:, :, 1].tolist() == [[0, 255], [128, 64]]
    assert shown_picture(np.array([[-1.0, 1.0]])).tolist() == [[[0] * 3, [255] * 3]]
    assert shown_picture(np.zeros((2, 2, 5))).shape == (2, 2, 3)
    with pytest.raises(ArgumentError, match="no picture"):
        shown_picture(np.zeros(3))


def test_the_overlay_is_grey_where_it_is_cold_and_coloured_where_it_is_hot() -> None:
    photo = np.random.default_rng(0).integers(40, 256, (8, 8, 3), np.uint8)
    heat = np.zeros((8, 8))
    heat[6, 1], heat[0, 0] = 2.0, -5.0
    shown = overlay(photo, heat).astype(int)
    spread = shown.max(axis=2) - shown.min(axis=2)
    assert spread[0:5].max() == 0
    assert spread[6, 1] > 60
    assert np.array_equal(overlay(photo, 0 * heat), overlay(photo, heat, peak=1e9))
    cooler = overlay(photo, heat, peak=20.0).astype(int)
    assert cooler[6, 1].sum() != shown[6, 1].sum()
    with pytest.raises(ArgumentError, match="cannot be laid over"):
        overlay(photo, heat, strength=2)


def test_a_frame_is_drawn_along_the_edge_of_the_box_and_nowhere_else() -> None:
    grey = np.full((30, 30, 3), 128, np.uint8)
    shown = framed(grey, Box(5, 8, 20, 25), thickness=1)
    changed = (shown != grey).any(axis=2)
    edge = np.zeros((30, 30), bool)
    edge[5:20, 8:25] = True
    edge[6:19, 9:24] = False
    assert np.array_equal(changed, edge)
    assert (grey == 128).all()
    assert framed(grey, Box(-4, -4, 99, 99)).shape == grey.shape


def test_weights_are_grey_or_white_at_zero_and_of_opposite_colours_beside_it() -> None:
    colours = weight_picture(np.stack([np.array([[1.0, -1.0, 0.0]]), np.zeros((1, 3)), np.zeros((1, 3))]))
    assert colours[0].tolist() == [[255, 128, 128], [0, 128, 128], [128, 128, 128]]
    low, middle, high = weight_picture(np.array([[[-2.0, 0.0, 2.0]]]))[0].astype(int)
    assert low[2] > low[0] + 40  # blue
    assert high[0] > high[2] + 40  # red
    assert middle.min() > 240
    assert weight_picture(np.ones((5, 2, 2))).shape == (2, 10, 3)


def test_a_single_pixel_does_not_darken_the_others() -> None:
    heat = np.ones((100, 100))
    heat[0, 0] = 1e6
    assert heat_picture(heat)[50, 50].sum() > 600


def test_what_cannot_be_drawn_is_said() -> None:
    dot = np.zeros((3, 3, 3), np.uint8)
    for peak in (0.0, -1.0, float("nan")):
        with pytest.raises(ArgumentError, match="peak above 0"):
            heat_picture(np.ones((2, 2)), peak=peak)
    with pytest.raises(ArgumentError, match=r"map \[H, W\]"):
        heat_picture(np.ones((2, 2, 3)))
    with pytest.raises(ArgumentError, match="at least 1 pixel"):
        framed(dot, Box(0, 0, 2, 2), thickness=0)
    with pytest.raises(ArgumentError, match="no map to draw"):
        plane_png(np.zeros((0, 2)), Group(("a",), np.zeros(0, np.int64), np.zeros(0, np.int64)), [])
    for wrong in ({"scale": 0}, {"columns": 0}, {"columns": -1}, {"gap": -1}):
        with pytest.raises(ArgumentError, match="scale ≥ 1, gap ≥ 0 and columns ≥ 1"):
            mosaic([dot], **wrong)


def test_a_mosaic_has_its_pictures_in_order() -> None:
    pictures = [np.full((2, 3, 3), 10 * at, np.uint8) for at in range(5)]
    sheet = mosaic(pictures, columns=2, gap=1, scale=2)
    assert sheet.shape == (3 * 4 + 2, 2 * 6 + 1, 3)
    assert [int(sheet[top, left, 0]) for top, left in ((0, 0), (0, 7), (5, 0), (5, 7), (10, 0), (10, 7))] == [
        0,
        10,
        20,
        30,
        40,
        255,
    ]
    with pytest.raises(ArgumentError, match="one size"):
        mosaic([pictures[0], np.zeros((1, 1, 3), np.uint8)])


def test_a_mosaic_holds_no_enlarged_copies_beside_itself() -> None:
    pictures = [np.zeros((10, 10, 3), np.uint8)] * 400
    tracemalloc.start()
    try:
        sheet = mosaic(pictures, scale=10)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1.2 * sheet.nbytes


def test_a_sheet_shows_each_picture_and_says_whose_it_is() -> None:
    red, blue = np.zeros((4, 4, 3), np.uint8), np.zeros((300, 200, 3), np.uint8)
    red[..., 0], blue[..., 2] = 255, 255
    png = sheet_png(
        [[Cell(red, "$x^2"), Cell(None), Cell(blue, "b" * 90)]], titles=["row"], heading="head", note="note", cell=64
    )
    image = opened(png)
    assert image.info["Software"] == MADE_BY
    pixels = np.asarray(image.convert("RGB"))
    assert (pixels == (255, 0, 0)).all(axis=2).sum() == 64 * 64
    assert (pixels == (0, 0, 255)).all(axis=2).sum() == 64 * 43  # as large as the cell allows, its shape kept
    with pytest.raises(ArgumentError, match="no sheet"):
        sheet_png([])
    with pytest.raises(ArgumentError, match="title for each row"):
        sheet_png([[Cell(red)]], titles=["a", "b"])
    with pytest.raises(ArgumentError, match="title for each column or none; got 1 rows of up to 1 cells, with 0 and 2 titles"):
        sheet_png([[Cell(red)]], columns=["a", "b"])


def test_a_sheet_has_each_picture_in_its_place_pixel_by_pixel_below_the_title_of_its_column() -> None:
    pictures = np.random.default_rng(0).integers(0, 200, (2, 3, 8, 8, 3), dtype=np.uint8)
    rows = [[Cell(each) for each in of_row] for of_row in pictures]
    plain, titled = (
        np.asarray(opened(sheet_png(rows, titles=["\x1b[2J", "wide " * 99], columns=columns, cell=112)).convert("RGB"))
        for columns in ((), ("as it is", "epoch 1", "x" * 300))
    )
    taller = len(titled) - len(plain)
    assert taller > 0
    for sheet, down in ((plain, 0), (titled, taller)):
        for row in range(2):
            for column in range(3):
                top, left = 14 + row * (112 + 10) + down, 14 + 96 + column * (112 + 10)
                cell = sheet[top : top + 112, left : left + 112]
                assert np.array_equal(cell, pictures[row, column].repeat(14, axis=0).repeat(14, axis=1))
    words = (titled[: 14 + taller] < 200).any(axis=2)
    assert words[:, 110 : 110 + 112].any()
    assert not (plain[:14] < 200).any()
    assert words[:, -12:].sum() == 0, "a title that is too long is cut off"


@pytest.mark.parametrize("by", ["class", "error"])
@pytest.mark.parametrize("classes", [8, 30])
def test_the_names_on_the_plane_cover_no_mark_and_no_thumbnail(by: str, classes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = np.random.default_rng(0)
    truth = drawn.integers(classes, size=900)
    points = drawn.normal(size=(classes, 2))[truth] + 0.15 * drawn.normal(size=(900, 2))
    said = np.where(drawn.random(900) < 0.1, (truth + 1) % classes, truth)
    group = Group(tuple(f"class {at}" for at in range(classes)), truth, said)
    thumbnails = [np.full((6, 6, 3), 90, np.uint8)] * 900
    named = np.asarray(opened(plane_png(points, group, thumbnails, by=by)).convert("RGB")).astype(int)
    monkeypatch.setattr(plane_drawing, "_names", lambda *_: None)
    bare = np.asarray(opened(plane_png(points, group, thumbnails, by=by)).convert("RGB")).astype(int)
    changed = np.abs(named - bare).max(axis=2)
    assert (changed > 75).sum() > 100 * classes, "the names are there"
    # A line below a mark, which lets a quarter of it through, changes it by less, save a few pixels of rims that are thinner.
    assert (changed > 75)[(255 - bare).max(axis=2) > 90].sum() < 30


@pytest.mark.parametrize("by", ["class", "error"])
@pytest.mark.parametrize("classes", [2, 60])
def test_the_plane_is_drawn_with_many_classes_and_odd_names(by: str, classes: int) -> None:
    drawn = np.random.default_rng(0)
    names = tuple(f"$c_{at}" for at in range(classes))
    truth, said = drawn.integers(classes, size=70), drawn.integers(classes, size=70)
    thumbnails = [drawn.integers(0, 256, (6, 6, 3), np.uint8) for _ in range(70)]
    image = opened(plane_png(drawn.normal(size=(70, 2)), Group(names, truth, said), thumbnails, by=by, heading="$"))
    assert image.info["Software"] == MADE_BY
    assert np.asarray(image.convert("L")).std() > 5


def test_a_flat_map_takes_no_more_room_than_it_needs() -> None:
    points = np.random.default_rng(0).random((20, 2)) * (1, 0.2)
    group = Group(("a", "b"), np.arange(20) % 2, np.zeros(20, np.int64))
    flat, tall = (opened(plane_png(each, group, [np.zeros((4, 4, 3), np.uint8)] * 20)) for each in (points, points[:, ::-1]))
    assert (flat.width, flat.height) == (1050, 460)
    assert tall.height == 860


def test_errors_are_coloured_and_right_answers_are_not() -> None:
    points, names = np.random.default_rng(0).normal(size=(40, 2)), ("a", "b")
    truth = np.zeros(40, np.int64)
    thumbnails = [np.full((4, 4, 3), 200, np.uint8)] * 40

    def coloured(said: np.ndarray) -> int:
        pixels = np.asarray(opened(plane_png(points, Group(names, truth, said), thumbnails, by="error")).convert("RGB")).astype(
            int
        )
        return int(((pixels.max(axis=2) - pixels.min(axis=2)) > 60).sum())

    wrong = truth.copy()
    wrong[:9] = 1
    assert coloured(wrong) > 5 * coloured(truth)
    with pytest.raises(ArgumentError, match="differ in length"):
        plane_png(points[:3], Group(names, truth, truth), thumbnails)
    with pytest.raises(ArgumentError, match="by 'class' or by 'error'"):
        plane_png(points, Group(names, truth, truth), thumbnails, by="size")
