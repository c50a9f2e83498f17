"""Photos from disk: decoded once into a memory map and gathered from there, against opening each in each epoch with workers.

The flowers' photos are written out again at several sizes until there are about 3,000 files, so that nothing is found twice.
Ours: the first `data.load` decodes, the second finds what was decoded, then batches are gathered (and once more varied as the
Plan would). The peer is the usual `DataLoader` with two workers: open, reduce by `draft`, resize, crop to the same size, to a
tensor. The share of waiting is the time between steps of a training of the small convolutional network, in the second epoch.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import machine, spread, write
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from leadline import data, plan
from leadline.data import Batches
from leadline.training import Callback, Training, run_loop

BATCH, ROUNDS, SIZE = 64, 3, 96


def many(source: Path, folder: Path) -> int:
    """Every photo at four sizes, as JPEG of quality 90."""
    count = 0
    for path in sorted(source.rglob("*.jpg")):
        target = folder / path.parent.name
        target.mkdir(parents=True, exist_ok=True)
        with Image.open(path) as photo:
            for percent in (100, 125, 150, 200):
                width, height = (side * percent // 100 for side in photo.size)
                photo.resize((width, height), Image.Resampling.BICUBIC).save(target / f"{path.stem}-{percent}.jpg", quality=90)
                count += 1
    return count


class Opened(TorchDataset[Tensor]):
    """One photo at a time, as a DataLoader's workers read them."""

    def __init__(self, paths: list[Path], size: int) -> None:
        self.paths, self.size = paths, size

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, row: int) -> Tensor:
        with Image.open(self.paths[row]) as photo:
            photo.draft("RGB", (self.size, self.size))
            scale = self.size / min(photo.size)
            sides = [max(self.size, round(side * scale)) for side in photo.size]
            small = photo.convert("RGB").resize((sides[0], sides[1]), Image.Resampling.BILINEAR)
        left, top = (sides[0] - self.size) // 2, (sides[1] - self.size) // 2
        pixels = np.asarray(small.crop((left, top, left + self.size, top + self.size)))
        return torch.from_numpy(pixels.copy()).permute(2, 0, 1).float() / 255


class Waiting(Callback):
    """Seconds from the end of each step to the start of the next, and seconds of the epochs, from the second epoch on."""

    def __init__(self) -> None:
        self.waited, self.whole, self._began = 0.0, 0.0, 0.0

    def epoch_start(self, now: Training) -> None:
        self._began = time.perf_counter()

    def epoch_end(self, now: Training) -> None:
        if now.epoch > 1:
            self.whole += time.perf_counter() - self._began


class Watched:
    """Batches that tell how long each was waited for."""

    def __init__(self, batches: Batches, waiting: Waiting) -> None:
        self.batches, self.waiting = batches, waiting

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Any:
        return self.epoch(0)

    def epoch(self, number: int, first: int = 0) -> Any:
        stream = self.batches.epoch(number, first)
        while True:
            began = time.perf_counter()
            batch = next(stream, None)
            if number:
                self.waiting.waited += time.perf_counter() - began
            if batch is None:
                return
            yield batch


def seconds(action: Any) -> tuple[float, Any]:
    began = time.perf_counter()
    result = action()
    return time.perf_counter() - began, result


def pass_over(batches: Any) -> int:
    return sum(len(batch[0]) if isinstance(batch, (tuple, list)) else len(batch) for batch in batches)


def main() -> None:
    photos = Path(os.environ.get("LEADLINE_DATA", "data")) / "photos" / "flowers"
    with tempfile.TemporaryDirectory() as folder:
        root, cache = Path(folder) / "photos", Path(folder) / "cache"
        count = many(photos, root)
        first, _ = seconds(lambda: data.load(root, size=SIZE, cache=cache))
        again, dataset = seconds(lambda: data.load(root, size=SIZE, cache=cache))
        resolved = plan.measure(plan.propose(dataset, {"model": "convnet", "training.epochs": 3}), dataset).plan
        built = plan.build(resolved, dataset)
        plain = Batches(dataset.train, dataset.schema, BATCH, shuffle=True)
        rows = len(dataset.train)
        peer = DataLoader(Opened(sorted(root.rglob("*.jpg")), SIZE), BATCH, shuffle=True, num_workers=2)
        taken: dict[str, list[float]] = {"gathered": [], "gathered and varied": [], "opened by two workers": []}
        for turn in range(ROUNDS):
            taken["gathered"].append(rows / seconds(lambda turn=turn: pass_over(plain.epoch(turn)))[0])
            taken["gathered and varied"].append(rows / seconds(lambda turn=turn: pass_over(built.batches.epoch(turn)))[0])
            taken["opened by two workers"].append(count / seconds(lambda: pass_over(peer))[0])
        waiting = Waiting()
        run_loop(built.step, Watched(built.batches, waiting), epochs=3, callbacks=[waiting])
    rates = {name: spread(values) for name, values in taken.items()}
    record = {
        "machine": machine("pillow"),
        "photos": count,
        "size": SIZE,
        "pictures_per_second": {"decoded once": count / first, "found again": count / again, **rates},
        "times_the_workers": rates["gathered"]["median"] / rates["opened by two workers"]["median"],
        "waiting_share": waiting.waited / waiting.whole,
    }
    print(
        f"{count:,} photos to {SIZE} pixels: decoded {count / first:,.0f} a second, found again {count / again:,.0f} a second"
    )
    for name, rate in rates.items():
        print(f"  {name:24} {rate['median']:10,.0f} pictures a second")
    print(f"  waiting for batches: {record['waiting_share']:.2%} of the training after its first epoch")
    write("pictures", record)


if __name__ == "__main__":
    main()
