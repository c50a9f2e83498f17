"""Every kind of picture file comes out upright, flat and of the right size, or with a reason."""

from __future__ import annotations

import threading
import warnings
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from leadline.data.pictures.decoding import attempt, decode, fit, measure
from leadline.errors import DataError, SourceNotFoundError


def halves(
    left: tuple[int, ...] | int, right: tuple[int, ...] | int, mode: str, size: tuple[int, int] = (40, 20)
) -> Image.Image:
    """A picture whose left half has one colour and whose right half another."""
    image = Image.new(mode, size, left)
    image.paste(right, (size[0] // 2, 0, size[0], size[1]))
    return image


def test_a_picture_of_the_right_size_keeps_its_pixels(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 256, (12, 10, 3), dtype=np.uint8)
    Image.fromarray(values).save(tmp_path / "a.png")
    np.testing.assert_array_equal(decode(tmp_path / "a.png", 12, 10, 3), values)


def test_grey_stays_grey_and_becomes_three_equal_channels(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 256, (9, 9), dtype=np.uint8)
    Image.fromarray(values).save(tmp_path / "a.bmp")
    np.testing.assert_array_equal(decode(tmp_path / "a.bmp", 9, 9, 1)[:, :, 0], values)
    np.testing.assert_array_equal(decode(tmp_path / "a.bmp", 9, 9, 3), np.repeat(values[:, :, None], 3, axis=2))


def test_the_short_side_is_scaled_and_the_middle_kept() -> None:
    image = Image.new("RGB", (300, 100), "black")
    image.paste("white", (100, 0, 200, 100))
    np.testing.assert_array_equal(fit(image, 50, 50, 3)[5:-5, 5:-5], 255)
    tall = fit(image.rotate(90, expand=True), 50, 50, 3)
    np.testing.assert_array_equal(tall[5:-5, 5:-5], 255)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "CMYK", "L", "1", "LA"])
@pytest.mark.parametrize("extension", ["png", "jpg", "webp", "gif", "tif", "bmp"])
def test_all_modes_and_formats(mode: str, extension: str, tmp_path: Path) -> None:
    white, black = Image.new("RGB", (16, 16), "white").convert(mode), Image.new("RGB", (16, 16), "black").convert(mode)
    image = Image.new(mode, (32, 16))
    if mode == "P":
        image = halves((255, 255, 255), (0, 0, 0), "RGB", (32, 16)).quantize(4)
    else:
        image.paste(white, (0, 0))
        image.paste(black, (16, 0))
    path = tmp_path / f"a.{extension}"
    try:
        image.save(path)
    except (OSError, ValueError, KeyError):
        pytest.skip(f"PIL does not write {mode} as {extension}")
    for channels in (1, 3):
        picture = decode(path, 16, 32, channels)
        assert picture.shape == (16, 32, channels)
        assert picture[:, :12].min() > 240
        assert picture[:, 20:].max() < 15


def test_transparency_shows_white(tmp_path: Path) -> None:
    Image.new("RGBA", (8, 8), (255, 0, 0, 0)).save(tmp_path / "a.png")
    assert decode(tmp_path / "a.png", 8, 8, 3).min() == 255
    palette = Image.new("P", (8, 8), 1)
    palette.putpalette([0, 0, 0, 0, 0, 255] + [0] * 762)
    palette.save(tmp_path / "b.gif", transparency=1)
    assert decode(tmp_path / "b.gif", 8, 8, 3).min() == 255


def test_sixteen_bits_are_scaled_to_eight(tmp_path: Path) -> None:
    values = np.array([[0, 257, 32896, 65535]] * 4, dtype=np.uint16)
    Image.fromarray(values).save(tmp_path / "a.png")
    np.testing.assert_array_equal(decode(tmp_path / "a.png", 4, 4, 1)[0, :, 0], [0, 1, 128, 255])
    assert measure(tmp_path / "a.png") == (4, 4, True)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_turns_the_picture_upright(orientation: int, tmp_path: Path) -> None:
    values = np.zeros((30, 50), dtype=np.uint8)
    values[:15, :25], values[:15, 25:], values[15:, :25] = 250, 170, 90
    upright = Image.fromarray(values)
    back = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # the PIL transposition that undoes each orientation
    stored = upright.transpose(Image.Transpose(back[orientation])) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(decode(tmp_path / "a.png", 30, 50, 1)[:, :, 0], values)
    assert measure(tmp_path / "a.png") == (30, 50, True)


def test_the_first_frame_of_a_film_is_taken(tmp_path: Path) -> None:
    frames = [Image.new("L", (8, 8), value) for value in (200, 10)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(decode(tmp_path / "a.gif", 8, 8, 1), 200)


def test_a_jpeg_is_scaled_down_while_it_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    halves((255, 255, 255), (0, 0, 0), "RGB", (1600, 800)).save(tmp_path / "a.jpg")
    seen: list[tuple[int, int]] = []
    resize = Image.Image.resize

    def watched(self: Image.Image, *rest: Any, **more: Any) -> Image.Image:
        seen.append(self.size)
        return resize(self, *rest, **more)

    monkeypatch.setattr(Image.Image, "resize", watched)
    picture = decode(tmp_path / "a.jpg", 32, 64, 3)
    assert seen[0][0] <= 400
    assert picture[:, :28].min() > 240
    assert picture[:, 36:].max() < 15


def test_a_hundred_megapixels_are_decoded_without_a_warning(tmp_path: Path) -> None:
    Image.new("L", (10_000, 10_000), 99).save(tmp_path / "huge.jpg")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_allclose(decode(tmp_path / "huge.jpg", 32, 32, 1), 99, atol=2)


def test_far_too_many_pixels_have_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    Image.new("L", (100, 100)).save(tmp_path / "a.png")
    assert attempt(tmp_path / "a.png", 8, 8, 1) == "it has more than 200 pixels"


def test_what_is_no_picture_says_so(tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("These are words.")
    with pytest.raises(DataError, match=r"text\.jpg cannot be read as a picture: its content is not a picture"):
        decode(tmp_path / "text.jpg", 8, 8, 3)
    (tmp_path / "empty.png").write_bytes(b"")
    assert isinstance(attempt(tmp_path / "empty.png", 8, 8, 3), str)
    assert isinstance(measure(tmp_path / "empty.png"), str)
    with pytest.raises(SourceNotFoundError, match="There is no file"):
        decode(tmp_path / "nowhere.png", 8, 8, 3)


@pytest.mark.parametrize("extension", ["jpg", "png", "webp", "bmp", "gif"])
def test_a_truncated_picture_has_a_reason(extension: str, tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(values).save(tmp_path / f"a.{extension}")
    content = (tmp_path / f"a.{extension}").read_bytes()
    for kept in (0.1, 0.5, 0.9):
        (tmp_path / f"a.{extension}").write_bytes(content[: int(kept * len(content))])
        assert isinstance(attempt(tmp_path / f"a.{extension}", 32, 32, 3), str)
    with pytest.raises(DataError, match=f"a.{extension} cannot be read"):
        decode(tmp_path / f"a.{extension}", 32, 32, 3)


def test_heic_gets_a_hint(tmp_path: Path) -> None:
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x18ftypheic")
    with pytest.raises(DataError, match=r"Convert \.heic pictures to jpg"):
        decode(tmp_path / "a.heic", 8, 8, 3)


def test_postscript_is_never_handed_to_another_program(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.eps")
    (tmp_path / "a.eps").rename(tmp_path / "a.jpg")
    assert attempt(tmp_path / "a.jpg", 8, 8, 3) == "its content is not a picture"


def test_bytes_are_decoded_like_the_file(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 256, (300, 200, 3), dtype=np.uint8)
    Image.fromarray(values).save(tmp_path / "a.jpg")
    np.testing.assert_array_equal(decode((tmp_path / "a.jpg").read_bytes(), 16, 16, 3), decode(tmp_path / "a.jpg", 16, 16, 3))


def test_filters_of_warnings_are_as_before_after_many_threads(tmp_path: Path) -> None:
    buffer = BytesIO()
    Image.new("RGB", (64, 64)).save(buffer, "JPEG")
    before = list(warnings.filters)
    threads = [threading.Thread(target=lambda: [attempt(buffer.getvalue(), 8, 8, 3) for _ in range(30)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(warnings.filters) == before


def test_only_grey_and_colour() -> None:
    with pytest.raises(DataError, match="1 channel"):
        fit(Image.new("RGB", (8, 8)), 8, 8, 2)
