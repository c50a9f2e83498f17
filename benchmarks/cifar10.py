"""CIFAR-10 on a CPU by the plan that is proposed: accuracy and minutes after 1, 2 and 4 epochs, each trained whole.

38,000 pictures train, 2,000 stop and choose, `x_train[40000:]` judges, and beside it the first 1,000 of the official test set
(the rest of it is not here). Reads `cifar10.npz` in the folder that CIFAR10 names.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from machine import machine, write

import leadline
from leadline import data

EPOCHS = (1, 2, 4)


def main() -> None:
    with np.load(Path(os.environ.get("CIFAR10", "data")) / "cifar10.npz") as arrays:
        x, y, official, classes = (arrays[name] for name in ("x_train", "y_train", "x_test", "y_test"))
    y, classes = y.flatten(), classes.flatten()
    parts = {"train": slice(0, 38_000), "valid": slice(38_000, 40_000), "test": slice(40_000, None)}
    sources = {name: x[rows] for name, rows in parts.items()} | {f"{name}_targets": y[rows] for name, rows in parts.items()}
    dataset = data.load(sources, name="cifar10")
    record: dict[str, Any] = {"machine": machine()}
    for epochs in EPOCHS:
        began = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            run = leadline.train(dataset, folder=Path(folder) / "run", changes={"training.epochs": epochs})
            seconds = time.perf_counter() - began
            held_out = run.results["scores"]["accuracy"]
            first = float((run.predict(official).values.argmax(1) == classes).mean())
        record[f"{epochs} epochs"] = {
            "held_out": {name: held_out[name] for name in ("value", "low", "high")},
            "first_1000_official": first,
            "scores": {name: score["value"] for name, score in run.results["scores"].items()},
            "seconds_training": run.results["seconds"]["training"],
            "seconds": round(seconds, 1),
            "model": run.plan.model.name,
        }
        print(
            f"{epochs} epochs: {held_out['value']:.2%} of the 10,000 held out, {first:.1%} of the official 1,000, "
            f"{run.results['seconds']['training'] / 60:.1f} minutes of training",
            flush=True,
        )
    write("cifar10", record)


if __name__ == "__main__":
    main()
