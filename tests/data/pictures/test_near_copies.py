"""Near-copies: planted ones of every kind are found, pictures of one kind are not, and the splits are told of."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

from leadline.data import copy_notes
from leadline.data.copy_notes import about_near_copies
from leadline.data.dataset import Split
from leadline.data.fingerprints import WHOLE, Fingerprints, covered, crops, windowed
from leadline.data.pictures import near_copies as module
from leadline.data.pictures.decoding import fit
from leadline.data.pictures.near_copies import Thumbnails, find_near_copies
from leadline.errors import ArgumentError

Pixels = NDArray[np.uint8]
SIDE, COUNT = 64, 300


def scenes(count: int = COUNT, seed: int = 0, *, channels: int = 3) -> Pixels:
    """Pictures like photos: their contrast falls with frequency, and every one is another."""
    random = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE)[None]) + 1 / SIDE
    waves = np.fft.rfft2(0.5 * random.normal(size=(count, channels, SIDE, SIDE)) + random.normal(size=(count, 1, SIDE, SIDE)))
    values = np.fft.irfft2(waves / frequency**1.5, s=(SIDE, SIDE))
    values /= values.std(axis=(1, 2, 3), keepdims=True)
    return (128 + 45 * values).clip(0, 255).astype(np.uint8).transpose(0, 2, 3, 1)


def recompressed(image: Image.Image) -> Image.Image:
    content = io.BytesIO()
    image.save(content, "JPEG", quality=50)
    return Image.open(content)


def cropped(image: Image.Image) -> Image.Image:
    return image.crop((3, 1, 63, 61))  # a sixteenth of each side


KINDS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "recompressed": recompressed,
    "smaller": lambda image: image.resize((40, 40), Image.Resampling.BICUBIC),
    "larger": lambda image: image.resize((150, 150), Image.Resampling.BILINEAR),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.25),
    "paler": lambda image: ImageEnhance.Contrast(image).enhance(0.6),
    "mirrored": lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "cropped": cropped,
    "mirrored, cropped, recompressed": lambda image: recompressed(cropped(image).transpose(Image.Transpose.FLIP_LEFT_RIGHT)),
}


def changed(pictures: Pixels, how: Callable[[Image.Image], Image.Image]) -> Pixels:
    return np.stack([fit(how(Image.fromarray(picture)), SIDE, SIDE, 3) for picture in pictures])


@pytest.fixture(scope="module")
def photos() -> Pixels:
    return scenes()


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_copy_is_found(kind: str, photos: Pixels) -> None:
    rows = np.arange(0, COUNT, 3)
    found = find_near_copies(changed(photos[rows], KINDS[kind]), photos)
    assert len(found) >= 0.95 * len(rows)
    assert (found.others == rows[found.rows]).all()
    assert found.mirrored.all() if "mirrored" in kind else not found.mirrored.any()
    assert (found.similarity >= 0.95).all()


def test_different_pictures_are_no_copies(photos: Pixels) -> None:
    assert len(find_near_copies(photos)) == 0
    assert len(find_near_copies(scenes(seed=1), photos)) == 0


def test_pictures_of_one_kind_are_no_copies_but_their_copies_are() -> None:
    # Upright strokes, as digits and trousers are: all alike by any cosine of shades.
    random = np.random.default_rng(0)
    places = np.arange(28)
    middle, half = random.normal(14, 1.0, (2000, 1)), random.normal(3, 0.6, (2000, 1))
    smooth = np.exp(-((places[:, None] - np.linspace(0, 27, 8)) ** 2) / 8).T
    middle, half = (each + random.normal(0, 0.3, (2000, 8)) @ smooth for each in (middle, half))
    strokes = (255 / (1 + np.exp(3 * (np.abs(places - middle[:, :, None]) - half[:, :, None]))))[..., None].astype(np.uint8)
    plain = strokes.reshape(2000, -1) - strokes.reshape(2000, -1).mean(1, keepdims=True)
    plain /= np.linalg.norm(plain, axis=1, keepdims=True)
    alike = plain @ plain.T
    np.fill_diagonal(alike, 0)
    assert np.median(alike.max(1)) > 0.97  # so a plain cosine would call most of them copies
    assert len(find_near_copies(strokes)) <= 4
    noisy = (strokes[:100].astype(int) + random.integers(-6, 7, strokes[:100].shape)).clip(0, 255).astype(np.uint8)
    found = find_near_copies(noisy, strokes)
    assert len(found) >= 95
    assert (found.others == found.rows).all()


def test_a_group_of_many_copies_is_found(photos: Pixels) -> None:
    qualities = range(30, 95, 5)
    copies = []
    for quality in qualities:
        content = io.BytesIO()
        Image.fromarray(photos[5]).save(content, "JPEG", quality=quality)
        copies.append(np.asarray(Image.open(content)))
    found = find_near_copies(np.stack(copies), photos)
    assert found.others.tolist() == [5] * len(qualities)
    together = find_near_copies(np.concatenate([photos, np.stack(copies)]))
    assert len(together) >= len(qualities) - 2
    assert set(together.others) | set(together.rows) <= {5, *range(COUNT, COUNT + len(qualities))}


def test_colour_and_detail_must_agree(photos: Pixels) -> None:
    turned = photos[:20, :, :, [1, 2, 0]]
    assert len(find_near_copies(turned, photos)) < 5
    # Pages of text: the same blocks of grey with other letters in them.
    random = np.random.default_rng(0)
    blocks = random.integers(60, 200, (40, 16, 16, 1)).repeat(4, 1).repeat(4, 2)
    letters = random.choice([-55, 55], (2, 40, 32, 32, 1)).repeat(2, 2).repeat(2, 3)
    letters = letters - letters.reshape(2, 40, 16, 4, 16, 4, 1).mean((3, 5)).repeat(4, 2).repeat(4, 3)
    one, other = (blocks + letters).clip(0, 255).astype(np.uint8)
    assert len(find_near_copies(other, one)) == 0
    assert len(find_near_copies(changed(one.repeat(3, 3), recompressed), one.repeat(3, 3))) >= 38


def test_equal_pictures_flat_pictures_and_tiny_ones_are_left_out(photos: Pixels) -> None:
    assert len(find_near_copies(photos[:30], photos)) == 0  # these are exact copies, which are told apart
    flat = np.full((10, SIDE, SIDE, 3), 90, np.uint8)
    flat[np.arange(10), np.arange(10), 0] = 91
    assert len(find_near_copies(np.concatenate([photos[:40], flat]))) == 0
    assert len(find_near_copies(photos[:, :8, :8], photos[::2, :8, :8])) == 0


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_to_compare(count: int, photos: Pixels) -> None:
    assert len(find_near_copies(photos[:count])) == 0
    assert len(find_near_copies(photos[:0], photos)) == len(find_near_copies(photos, photos[:0])) == 0


def test_pictures_of_other_sizes_or_channels_are_refused(photos: Pixels) -> None:
    for other in (photos[:, :32, :32], photos[..., :1], photos[..., 0]):
        with pytest.raises(ArgumentError, match=r"arrays \[N, H, W, C\] with the same H, W and C; got \[300, 64, 64, 3\] and"):
            find_near_copies(photos, other)
    with pytest.raises(ArgumentError, match="no pictures that can be compared"):
        find_near_copies(Thumbnails.of(photos[:4]), photos[:4, :40])


def test_few_pictures_are_enough(photos: Pixels) -> None:
    copy = changed(photos[3:4], recompressed)
    found = find_near_copies(np.concatenate([photos[:8], copy]))
    assert (found.rows.tolist(), found.others.tolist()) == ([8], [3])


def test_floats_are_compared_like_bytes(photos: Pixels) -> None:
    copies = changed(photos[:20], recompressed)
    found = find_near_copies(copies / np.float32(255) - 0.5, photos / np.float32(255) - 0.5)
    assert found.rows.tolist() == find_near_copies(copies, photos).rows.tolist()


def test_neighbourhoods_find_what_an_exhaustive_search_finds(photos: Pixels, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = np.concatenate([photos, changed(photos[::5], recompressed), changed(photos[1::5], KINDS["mirrored"])])
    exact = find_near_copies(whole)
    monkeypatch.setattr(module, "_EXACT", 0)
    quick = find_near_copies(whole)
    assert exact.exhaustive
    assert not quick.exhaustive
    assert len(exact) == 120
    assert len(set(quick.rows.tolist()) & set(exact.rows.tolist())) >= 118


def test_pictures_on_disk_give_the_same(photos: Pixels, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save(tmp_path / "photos.npy", photos)
    monkeypatch.setattr(module, "_BYTES", 5 * photos[0].nbytes)
    mapped = Thumbnails.of(np.load(tmp_path / "photos.npy", mmap_mode="r")[:37])
    reference = photos[:37].reshape(37, 32, 2, 32, 2, 3).mean((2, 4, 5))
    np.testing.assert_allclose(mapped.shades.float(), reference / reference.max(), atol=1e-3)


def test_windows_are_means_of_what_they_cover() -> None:
    weights = covered(7, 4, 0.1, 0.8)
    assert weights.sum(1).tolist() == pytest.approx([1, 1, 1, 1])
    fine = np.repeat(np.arange(7.0), 1000)[700:6300].reshape(4, -1).mean(1)
    np.testing.assert_allclose(weights @ torch.arange(7.0), fine, atol=1e-5)
    picture = torch.rand(2, 32, 32, generator=torch.Generator().manual_seed(0))
    np.testing.assert_allclose(windowed(picture, WHOLE, (16, 16)), picture.reshape(2, 16, 2, 16, 2).mean((2, 4)), atol=1e-6)
    for top, left, side in crops([0.9]):
        assert max(top, left) + side <= 1 + 1e-9


def test_a_fingerprint_passes_over_brightness_and_contrast(photos: Pixels) -> None:
    shades = Thumbnails.of(photos).shades.float()
    prints = Fingerprints.learn(shades)
    assert prints(shades).norm(dim=1).numpy() == pytest.approx(1, abs=1e-5)
    cosines = (prints(shades) * prints(0.6 * shades + 0.2)).sum(1)
    assert cosines.numpy() == pytest.approx(1, abs=1e-4)
    # Mirroring both changes no cosine, for one learns from mirror images as well.
    plain, mirrored = prints(shades), prints(shades.flip(2))
    np.testing.assert_allclose(plain[:9] @ plain[9:20].T, mirrored[:9] @ mirrored[9:20].T, atol=2e-4)


def split_of(photos: Pixels, prefix: str) -> Split:
    return Split(photos, np.zeros(len(photos)), [f"{prefix}/{row}.jpg" for row in range(len(photos))])


def test_the_splits_are_told_of(photos: Pixels) -> None:
    parts = {"train": photos[:200].copy(), "valid": photos[200:250].copy(), "test": photos[250:].copy()}
    parts["test"][:5] = changed(photos[10:15], recompressed)
    parts["valid"][3] = photos[20, :, ::-1]
    parts["train"][150] = changed(photos[30:31], KINDS["brighter"])[0]
    notes = about_near_copies({part: split_of(each, part) for part, each in parts.items()})
    assert len(notes) == 3
    assert notes[0].startswith("5 of 50 test pictures are nearly the same as some in train")
    assert "test/" in notes[0]
    assert notes[0].count(" ~ ") == 3
    assert "train/1" in notes[0]
    assert ", …." in notes[0]
    assert "valid/3.jpg ~ train/20.jpg" in notes[1]
    assert "1 of 50 valid pictures is nearly the same as one in train" in notes[1]
    assert "train/150.jpg ~ train/30.jpg" in notes[2]
    assert "too good" in notes[0]
    assert "too good" not in notes[2]


def test_splits_without_copies_or_pictures_tell_nothing(photos: Pixels) -> None:
    assert about_near_copies({"train": split_of(photos[:200], "a"), "test": split_of(photos[200:], "b")}) == []
    rows = Split(np.eye(4), np.zeros(4), ["a"] * 4)
    assert about_near_copies({"train": rows, "valid": rows, "test": rows}) == []


def test_what_was_found_is_kept_and_damage_is_passed_over(
    photos: Pixels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = {"train": split_of(photos[:200], "a"), "test": split_of(changed(photos[:3], recompressed), "b")}
    first = about_near_copies(parts, key="k", cache=tmp_path)
    assert first[0].startswith("3 of 3 test pictures")
    (kept,) = (tmp_path / "near-copies").iterdir()
    monkeypatch.setattr(copy_notes, "_looked_for", lambda parts: ["looked again"])
    assert about_near_copies(parts, key="k", cache=tmp_path) == first
    assert about_near_copies(parts, key="other", cache=tmp_path) == ["looked again"]
    kept.write_text("{")
    assert about_near_copies(parts, key="k", cache=tmp_path) == ["looked again"]
    (tmp_path / "file").write_text("no folder")
    assert about_near_copies(parts, key="k", cache=tmp_path / "file") == ["looked again"]
