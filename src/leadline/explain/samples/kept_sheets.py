"""What a generator draws while it learns: one sheet an epoch, from the same noise each time, kept as files."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from leadline import files
from leadline.errors import ArgumentError
from leadline.explain.overlays import Bytes
from leadline.explain.samples.sample_sheets import animated, drawn_bytes, sample_sheet
from leadline.models.adversarial.adversarial_samples import drawn_pictures
from leadline.training.callbacks import Callback
from leadline.training.state import Training

_NAME = re.compile(r"epoch-(\d{4,})\.png")


class KeptSheets(Callback):
    """Draws a sheet when a training begins and after each epoch, always from the same noise, and writes it as epoch-0007.png.

    The generator is asked as it would be used: with averaged weights, in evaluation. Nothing of torch's random numbers is used
    up. A training that is resumed goes on beside what lies there; sheets of epochs that are then done again are written anew.

    Args:
        folder: for the sheets; it is made where it is missing.
        count: pictures on a sheet.
        columns: pictures a row; 0 for about a square.
        classes: a class number for each picture, for a generator that knows classes; they go round when left out.
        seed: of the noise.
        every: epochs from one sheet to the next; the last epoch's is always kept.

    Errors: `ArgumentError` for an argument out of range; `StorageError` where the folder cannot be written.

    Example:
        >>> import tempfile
        >>> import torch
        >>> from leadline.models.adversarial.adversarial_networks import dcgan
        >>> from leadline.models.adversarial.adversarial_steps import AdversarialStep
        >>> from leadline.training import run_loop
        >>> pair = dcgan((1, 8, 8), latent=4, width=4)
        >>> adam = [torch.optim.Adam(part.parameters(), lr=1e-3) for part in (pair.generator, pair.discriminator)]
        >>> folder = Path(tempfile.mkdtemp())
        >>> step, batches = AdversarialStep(pair, tuple(adam)), [torch.rand(16, 1, 8, 8)] * 2
        >>> _ = run_loop(step, batches, epochs=2, callbacks=[KeptSheets(folder, count=4)])
        >>> sorted(path.name for path in folder.iterdir())
        ['epoch-0000.png', 'epoch-0001.png', 'epoch-0002.png']
    """

    def __init__(
        self,
        folder: Path,
        *,
        count: int = 64,
        columns: int = 0,
        classes: Sequence[int] | None = None,
        seed: int = 0,
        every: int = 1,
    ) -> None:
        if count < 1 or every < 1:
            raise ArgumentError("The sheets cannot be kept", expected="count and every of at least 1", got=(count, every))
        self.folder, self.count, self.classes, self.seed, self.every = Path(folder), count, classes, seed, every
        self.columns = columns

    def fit_start(self, now: Training) -> None:
        with files.storage(self.folder / "epoch-0000.png"):
            self.folder.mkdir(parents=True, exist_ok=True)
        # A training may have been ended between its checkpoint and the sheet.
        if now.batch == 0 and now.epoch % self.every == 0 and not self._path(now).exists():
            self._draw(now)

    def evaluated(self, now: Training) -> None:
        if now.epoch % self.every == 0 or now.epoch == now.epochs or now.stopped:
            self._draw(now)

    def _path(self, now: Training) -> Path:
        return self.folder / f"epoch-{now.epoch:04d}.png"

    def _draw(self, now: Training) -> None:
        with now.runner.evaluating():
            pair = now.runner.modules()["model"]
            pictures = drawn_pictures(pair, self.count, seed=self.seed, classes=self.classes)
        file = io.BytesIO()
        Image.fromarray(sample_sheet(drawn_bytes(pictures), columns=self.columns)).save(file, format="PNG", optimize=True)
        with files.writing(self._path(now)) as out:
            out.write(file.getvalue())


def sheet_frames(folder: Path, *, most: int = 60) -> list[Bytes]:
    """The sheets that `KeptSheets` has left in a folder, in the order of their epochs: the frames of a film.

    Shapes: uint8 [H, W, 3] each.

    Args:
        folder: where they lie.
        most: no more than so many, evenly spread, with the first and the last.

    Errors: `ArgumentError` for a folder without any, or fewer than 2 asked for.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> for epoch in range(12):
        ...     Image.fromarray(np.full((4, 4, 3), 20 * epoch, np.uint8)).save(folder / f"epoch-{epoch:04d}.png")
        >>> [int(frame[0, 0, 0]) for frame in sheet_frames(folder, most=4)]
        [0, 80, 140, 220]
    """
    if most < 2:
        raise ArgumentError("A film has a first and a last frame", expected="at least 2", got=most)
    found = {int(match[1]): path for path in Path(folder).glob("epoch-*.png") if (match := _NAME.fullmatch(path.name))}
    if not found:
        raise ArgumentError(f"There are no sheets in {folder}", expected="files like epoch-0001.png, as KeptSheets writes them")
    epochs = sorted(found)
    if len(epochs) > most:
        epochs = [epochs[round(at)] for at in np.linspace(0, len(epochs) - 1, most)]
    return [_read(found[epoch]) for epoch in epochs]


def kept_film(folder: Path, *, kind: str = "gif", most: int = 60, smaller: int = 1) -> bytes:
    """The kept sheets of a folder as a film, the bytes of a GIF or an animated PNG.

    Args:
        folder: where they lie.
        kind: "gif" or "png".
        most: frames.
        smaller: pixels of a sheet, a side, whose mean is one of the film.

    Errors: as `sheet_frames` and `animated`; `ArgumentError` for a number of pixels below 1.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> for epoch in range(3):
        ...     Image.fromarray(np.full((4, 4, 3), 100 * epoch, np.uint8)).save(folder / f"epoch-{epoch:04d}.png")
        >>> kept_film(folder)[:3]
        b'GIF'
    """
    if smaller < 1:
        raise ArgumentError("There are no such pixels in a film", expected="smaller of at least 1", got=smaller)
    frames = sheet_frames(folder, most=most)
    if smaller > 1:
        frames = [np.asarray(Image.fromarray(frame).reduce(smaller)) for frame in frames]
    return animated(frames, kind=kind)


def _read(path: Path) -> Any:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))
