"""Pictures: what is learned, how one raw picture is encoded however it comes, and how a batch is prepared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from leadline.data.pictures.pictures import Pictures, whole_bytes
from leadline.errors import ArgumentError, DataError

COLOUR = np.random.default_rng(0).integers(0, 256, (6, 7, 3), dtype=np.uint8)
SCHEMA = Pictures(6, 7, 3, "uint8", (100.0, 110.0, 120.0), (50.0, 60.0, 70.0))
GREY = Pictures(6, 7, 1, "uint8", (100.0,), (50.0,))
FLOATS = Pictures(6, 7, 3, "float32", (0.5,) * 3, (0.2,) * 3)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("count", [1, 3, 41, 700])
def test_mean_and_deviation_of_each_channel(dtype: type, count: int) -> None:
    pictures: np.ndarray = np.random.default_rng(0).integers(0, 256, (count, 5, 4, 3)).astype(dtype)
    learned = Pictures.learn(pictures)
    np.testing.assert_allclose(learned.mean, pictures.mean(axis=(0, 1, 2), dtype=np.float64), rtol=1e-9)
    np.testing.assert_allclose(learned.std, pictures.std(axis=(0, 1, 2), dtype=np.float64), rtol=1e-6)
    assert (learned.height, learned.width, learned.channels, learned.dtype) == (5, 4, 3, np.dtype(dtype).name)


def test_a_channel_without_contrast_has_deviation_one() -> None:
    assert Pictures.learn(np.full((3, 4, 4, 1), 7, dtype=np.uint8)).std == (1.0,)


@pytest.mark.parametrize("form", ["path", "str", "bytes", "image", "array", "channels first", "tensor", "floats", "int64"])
def test_one_picture_however_it_comes(form: str, tmp_path: Path) -> None:
    Image.fromarray(COLOUR).save(tmp_path / "a.png")
    raw: Any = {
        "path": tmp_path / "a.png",
        "str": str(tmp_path / "a.png"),
        "bytes": (tmp_path / "a.png").read_bytes(),
        "image": Image.fromarray(COLOUR),
        "array": COLOUR,
        "channels first": COLOUR.transpose(2, 0, 1),
        "tensor": torch.from_numpy(COLOUR).permute(2, 0, 1),
        "floats": COLOUR.astype(np.float64),
        "int64": COLOUR.astype(np.int64),
    }[form]
    encoded = SCHEMA.encode(raw)
    np.testing.assert_array_equal(encoded, COLOUR)
    assert encoded.dtype == np.uint8
    assert SCHEMA.is_one(raw)


@pytest.mark.parametrize("shape", [(60, 70, 3), (60, 70, 1), (60, 70), (60, 70, 4), (6, 7)])
def test_bytes_of_another_size_are_fitted(shape: tuple[int, ...]) -> None:
    assert SCHEMA.encode(np.full(shape, 255, dtype=np.uint8)).min() == 255
    assert GREY.encode(np.full(shape, 255, dtype=np.uint8)).shape == (6, 7, 1)


@pytest.mark.parametrize(
    ("schema", "raw", "error", "words"),
    [
        (SCHEMA, np.full((6, 7, 3), 0.5), ArgumentError, "whole numbers from 0 to 255"),
        (SCHEMA, np.full((6, 7, 3), 256), ArgumentError, "whole numbers from 0 to 255"),
        (SCHEMA, np.full((6, 7, 3), np.nan), ArgumentError, "whole numbers from 0 to 255"),
        (SCHEMA, np.full((6, 7, 3), "x"), ArgumentError, "whole numbers"),
        (SCHEMA, np.zeros((9, 9, 3)), ArgumentError, "wrong shape"),
        (SCHEMA, np.zeros(5, np.uint8), ArgumentError, "wrong shape"),
        (FLOATS, np.full((6, 7, 3), np.nan), DataError, "not finite"),
        (FLOATS, np.full((6, 7, 3), "x"), ArgumentError, "Expected numbers"),
        (FLOATS, Image.new("RGB", (7, 6)), ArgumentError, "arrays of floats"),
    ],
)
def test_pictures_that_do_not_fit(schema: Pictures, raw: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        schema.encode(raw)


@pytest.mark.parametrize(
    "raw",
    [
        np.zeros((2, 6, 7, 3), np.uint8),
        torch.zeros(2, 3, 6, 7),
        ["a.png", "b.png"],
        [Image.new("RGB", (7, 6)), Image.new("RGB", (9, 9))],
        [COLOUR, COLOUR[:3]],
    ],
)
def test_several_pictures_are_not_one(raw: Any) -> None:
    assert not SCHEMA.is_one(raw)


def test_one_grey_picture_and_several() -> None:
    assert GREY.is_one(np.zeros((6, 7)))
    assert GREY.is_one(np.zeros((6, 7)).tolist())
    assert GREY.is_one(np.zeros((1, 6, 7)))
    assert not GREY.is_one(np.zeros((5, 6, 7)))


@pytest.mark.parametrize("channels_last", [True, False])
def test_a_prepared_batch(channels_last: bool) -> None:
    stored = np.random.default_rng(1).integers(0, 256, (4, 6, 7, 3), dtype=np.uint8)
    prepared = SCHEMA.preparer(torch.device("cpu"), channels_last=channels_last)(torch.from_numpy(stored))
    expected = ((stored - np.array(SCHEMA.mean)) / np.array(SCHEMA.std)).transpose(0, 3, 1, 2)
    np.testing.assert_allclose(prepared.numpy(), expected, rtol=1e-5, atol=1e-5)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    assert prepared.is_contiguous(memory_format=layout)
    assert prepared.shape[1:] == SCHEMA.shape


def test_preparing_floats_leaves_them_as_they_were() -> None:
    stored = torch.rand(2, 6, 7, 3)
    before = stored.clone()
    FLOATS.preparer(torch.device("cpu"))(stored)
    torch.testing.assert_close(stored, before, rtol=0, atol=0)


def test_what_a_byte_can_hold() -> None:
    assert whole_bytes(np.array([[0, 255]]))
    assert not whole_bytes(np.array([[-1]]))
    values = np.zeros((3000, 2))
    assert whole_bytes(values)
    values[2900, 1] = 0.5
    assert not whole_bytes(values)
