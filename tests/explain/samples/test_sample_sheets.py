"""Sheets, films and what is kept of a training: pixels where they belong, frames in their order."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from leadline.errors import ArgumentError
from leadline.explain.samples.kept_sheets import KeptSheets, kept_film, sheet_frames
from leadline.explain.samples.sample_sheets import animated, beside_nearest_sheet, drawn_bytes, sample_sheet, sheet_size
from leadline.models.adversarial.adversarial_networks import dcgan
from leadline.models.adversarial.adversarial_samples import drawn_pictures
from leadline.models.adversarial.adversarial_steps import AdversarialStep
from leadline.training import checkpoints, run_loop
from leadline.training.callbacks import Callback, Checkpoint


def frames_of(film: bytes) -> list[tuple[np.ndarray[Any, Any], int]]:
    image = Image.open(io.BytesIO(film))
    found = []
    for number in range(image.n_frames):
        image.seek(number)
        found.append((np.asarray(image.convert("RGB")), image.info["duration"]))
    return found


def test_bytes_and_back() -> None:
    stored = np.random.default_rng(0).integers(0, 256, (3, 4, 5, 3), np.uint8)
    prepared = (torch.from_numpy(stored).permute(0, 3, 1, 2).float() - 127.5) / 127.5
    assert np.array_equal(drawn_bytes(prepared), stored)
    assert np.array_equal(drawn_bytes(prepared.double().numpy()), stored)
    with pytest.raises(ArgumentError, match="NaN"):
        drawn_bytes(torch.full((1, 1, 2, 2), torch.nan))
    with pytest.raises(ArgumentError, match="no drawn pictures"):
        drawn_bytes(torch.zeros(1, 5, 2, 2))


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_each_picture_has_its_place_and_opacity_is_over_white(channels: int) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (5, 8, 6, channels), np.uint8)
    if channels in (2, 4):
        pictures[:, :, :, -1] = 255
        pictures[4, 0, 0, -1] = 0
    sheet = sample_sheet(pictures, columns=2, scale=1)
    assert sheet.shape == (3 * 9 - 1, 2 * 7 - 1, 3)
    found = sheet[18:26, 0:6]
    expected = np.repeat(pictures[4, :, :, :1], 3, axis=2) if channels < 3 else pictures[4, :, :, :3]
    assert np.array_equal(found[1:], expected[1:])
    assert found[0, 0].tolist() == ([255] * 3 if channels in (2, 4) else expected[0, 0].tolist())


def test_small_pictures_are_enlarged() -> None:
    assert sample_sheet(np.zeros((1, 8, 8, 1), np.uint8)).shape[0] == 56
    assert sample_sheet(np.zeros((1, 128, 128, 3), np.uint8)).shape[0] == 128


@pytest.mark.parametrize(("count", "columns", "scale"), [(1, 0, 0), (5, 0, 0), (5, 2, 3), (3, 9, 1), (7, 1, 2)])
def test_the_size_of_a_sheet_is_known_before(count: int, columns: int, scale: int) -> None:
    sheet = sample_sheet(np.zeros((count, 8, 6, 1), np.uint8), columns=columns, scale=scale)
    assert sheet_size(count, 8, 6, columns=columns, scale=scale) == sheet.shape[:2]


def test_neighbours_stand_beside_their_drawing() -> None:
    drawn = np.zeros((2, 4, 4, 1), np.uint8)
    nearest = np.stack([np.full((3, 4, 4, 1), value, np.uint8) for value in (100, 200)])
    sheet = beside_nearest_sheet(drawn, nearest, scale=1)
    assert sheet.shape == (9, 4 + 6 + 14, 3)
    assert (sheet[:4, :4] == 0).all()
    assert (sheet[:4, 10:14] == 100).all()
    assert (sheet[5:, 20:] == 200).all()
    with pytest.raises(ArgumentError, match="do not fit together"):
        beside_nearest_sheet(drawn, nearest[:1])


@pytest.mark.parametrize("kind", ["gif", "png"])
def test_a_film_shows_every_frame_exactly_and_the_last_one_longer(kind: str) -> None:
    rng = np.random.default_rng(0)
    frames = [np.repeat(rng.integers(0, 256, (6, 7, 1), np.uint8), 3, axis=2) for _ in range(4)]
    found = frames_of(animated(frames, kind=kind, seconds=0.1, last=1.5))
    assert len(found) == 4
    for (shown, duration), frame, milliseconds in zip(found, frames, [100, 100, 100, 1500], strict=True):
        assert np.array_equal(shown, frame)
        assert duration == milliseconds


def test_a_film_in_colors() -> None:
    frames = [np.full((6, 7, 3), color, np.uint8) for color in ([250, 20, 30], [10, 200, 90])]
    for kind in ("gif", "png"):
        shown = [frame for frame, _ in frames_of(animated(frames, kind=kind))]
        assert all(np.abs(a.astype(int) - b).max() <= 4 for a, b in zip(shown, frames, strict=True))


@pytest.mark.parametrize("kind", ["gif", "png"])
def test_a_film_of_one_frame_is_a_picture(kind: str) -> None:
    frame = np.random.default_rng(0).integers(0, 256, (6, 7, 3), np.uint8).repeat(2, axis=0)
    image = Image.open(io.BytesIO(animated([frame], kind=kind)))
    assert image.n_frames == 1
    assert kind == "gif" or np.array_equal(np.asarray(image.convert("RGB")), frame)


def test_what_is_no_film_is_refused() -> None:
    frame = np.zeros((4, 4, 3), np.uint8)
    with pytest.raises(ArgumentError, match="at least 1"):
        animated([])
    with pytest.raises(ArgumentError, match="one size"):
        animated([frame, frame[:2]])
    with pytest.raises(ArgumentError, match="Expected one of gif, png"):
        animated([frame], kind="mp4")
    with pytest.raises(ArgumentError, match=r"0\.05"):
        animated([frame], seconds=0)


class Pause(Callback):
    def batch_end(self, now: Any) -> str | None:
        return "enough" if now.step == 5 else None


def training(folder: Path, epochs: int, callbacks: list[Callback], state: Any = None, every: int = 1) -> Any:
    torch.manual_seed(0)
    pair = dcgan((1, 8, 8), latent=4, width=4)
    adam = tuple(torch.optim.Adam(part.parameters(), lr=1e-2) for part in (pair.generator, pair.discriminator))
    step = AdversarialStep(pair, adam, average=0.5)
    batches = [torch.rand(16, 1, 8, 8, generator=torch.Generator().manual_seed(n)) for n in range(2)]
    kept = KeptSheets(folder, count=4, seed=3, every=every)
    run_loop(step, batches, epochs=epochs, callbacks=[*callbacks, kept], state=state)
    return pair


def test_sheets_of_a_training_and_of_one_that_was_interrupted(tmp_path: Path) -> None:
    pair = training(tmp_path / "whole", 4, [])
    frames = sheet_frames(tmp_path / "whole")
    assert len(frames) == 5
    # The loop leaves the averaged weights in the network, and those are what the last sheet shows.
    assert np.array_equal(frames[-1], sample_sheet(drawn_bytes(drawn_pictures(pair.eval(), 4, seed=3))))
    path = tmp_path / "training.safetensors"
    training(tmp_path / "parts", 4, [Checkpoint(path, every=0.0), Pause()])
    training(tmp_path / "parts", 4, [], checkpoints.load(path))
    again = sheet_frames(tmp_path / "parts")
    assert len(again) == 5
    assert all(np.array_equal(one, other) for one, other in zip(frames, again, strict=True))
    assert len(frames_of(kept_film(tmp_path / "whole"))) == 5
    assert len(sheet_frames(tmp_path / "whole", most=3)) == 3
    small = frames_of(kept_film(tmp_path / "whole", kind="png", smaller=5))
    blocks = frames[2][:55, :55].reshape(11, 5, 11, 5, 3).mean((1, 3))
    np.testing.assert_allclose(small[2][0][:11, :11], blocks, atol=1)


def test_a_sheet_that_is_missing_for_the_checkpoint_is_drawn(tmp_path: Path) -> None:
    path = tmp_path / "training.safetensors"
    training(tmp_path / "sheets", 2, [Checkpoint(path, every=0.0)])
    expected = sheet_frames(tmp_path / "sheets")[2]
    (tmp_path / "sheets" / "epoch-0002.png").unlink()
    training(tmp_path / "sheets", 3, [], checkpoints.load(path))
    found = sheet_frames(tmp_path / "sheets")
    assert len(found) == 4
    assert np.array_equal(found[2], expected)


def test_every_third_epoch_and_the_last(tmp_path: Path) -> None:
    training(tmp_path, 5, [], every=3)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["epoch-0000.png", "epoch-0003.png", "epoch-0005.png"]


def test_where_nothing_was_kept(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="no sheets"):
        sheet_frames(tmp_path)
    with pytest.raises(ArgumentError, match="at least 1"):
        KeptSheets(tmp_path, count=0)
    with pytest.raises(ArgumentError, match="smaller"):
        kept_film(tmp_path, smaller=0)
