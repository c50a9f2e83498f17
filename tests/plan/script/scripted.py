"""Small data sets, and trainings by Leadline and by the script it writes, for the tests of scripts."""

from __future__ import annotations

import contextlib
import functools
import io
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from leadline import data
from leadline.data import Dataset
from leadline.plan import Plan, build, propose
from leadline.plan.script import save_script
from leadline.training import run_loop
from leadline.training.devices import preserved

SETTLED = {
    "training.device": "cpu",
    "training.threads": 1,
    "training.layout": "contiguous",
    "training.precision": "float32",
    "training.epochs": 3,
    "training.step": "plain",
}
CITIES = ("Bonn", "Ulm", "Kiel", "Aachen")


@functools.lru_cache(maxsize=32)
def dataset(name: str) -> Dataset:
    """A few hundred rows of pictures, vectors or a table, for one of the three tasks."""
    kind, _, task = name.partition(" ")
    generator = np.random.default_rng(0)
    rows = 200
    if kind == "digits":
        whole = data.load("digits")
        first = np.arange(rows)
        return data.load(whole.train.inputs[first], whole.train.targets[first])
    if kind in (shapes := {"pictures": (rows, 9, 12, 3), "large": (32, 32, 32, 3), "larger": (32, 64, 64, 3)}):
        shape = shapes[kind]
        inputs = generator.integers(0, 256, shape, dtype=np.uint8)
        return data.load(inputs, answers(task, inputs[:, 3:6].mean(axis=(1, 2)) - 127, generator))
    if kind == "vectors":
        rows_of_numbers = generator.normal(size=(rows, 11)).astype(np.float32) * 3 + 1
        return data.load(rows_of_numbers, answers(task, rows_of_numbers[:, :3] - 1, generator))
    assert kind == "table"
    numbers = generator.normal(size=(rows, 3))
    places = generator.integers(0, len(CITIES), rows)
    signal = numbers + (places % 2)[:, None]
    columns: dict[str, Any] = {f"n{at}": numbers[:, at] for at in range(3)} | {"city": [CITIES[at] for at in places]}
    wanted = answers(task, signal, generator)
    import polars as pl

    if task == "labels":
        frame = pl.DataFrame(columns | {f"y{at}": wanted[:, at].astype(int) for at in range(wanted.shape[1])})
        return data.load(frame, target="y0,y1,y2", task="labels")
    return data.load(pl.DataFrame(columns | {"y": wanted}), target="y", task=task)


def answers(task: str, signal: np.ndarray[Any, Any], generator: np.random.Generator) -> np.ndarray[Any, Any]:
    """Targets that depend on three signals."""
    noisy = signal + generator.normal(scale=signal.std() / 4, size=signal.shape)
    if task == "labels":
        return (noisy > 0).astype(np.float32)
    if task == "number":
        return 100 + 3 * noisy[:, 0] - noisy[:, 1]
    return np.array(["left", "middle", "right"])[noisy.argmax(axis=1)]


def plan_for(name: str, changes: dict[str, Any]) -> Plan:
    """The proposed Plan of such a data set with these changes."""
    return propose(dataset(name), {**SETTLED, **changes})


def by_leadline(plan: Plan, rows: Dataset) -> dict[str, Tensor]:
    """The weights as `leadline.train` gives them."""
    with preserved():
        built = build(plan, rows)
        run_loop(
            built.step,
            built.batches,
            epochs=plan.training.epochs,
            evaluate=built.evaluate,
            best=built.best,
            callbacks=built.callbacks,
            log_every=50,
        )
    return built.model.state_dict()


def by_script(path: Path) -> dict[str, Tensor]:
    """The weights that running a script leaves behind."""
    with preserved(), contextlib.redirect_stdout(io.StringIO()):
        exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), {"__file__": str(path), "__name__": "__main__"})
    return load_file(path.with_name("model.safetensors"))


def assert_same_weights(plan: Plan, rows: Dataset, folder: Path) -> str:
    """Script and Leadline give the same names and the same bits; returns the text of the script."""
    path, _ = save_script(plan, rows, folder / "train.py")
    ours, scripted = by_leadline(plan, rows), by_script(path)
    assert list(ours) == list(scripted) or set(ours) == set(scripted)
    different = [name for name in ours if not torch.equal(ours[name], scripted[name])]
    assert not different, different
    return path.read_text(encoding="utf-8")
