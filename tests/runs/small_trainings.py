"""Small trainings that several test files share."""

from __future__ import annotations

from typing import Any

import numpy as np

from leadline.runs import Observer

QUICK = {"training.epochs": 4, "model": "convnet", "model.width": 8, "training.threads": 1, "training.layout": "contiguous"}


def tables(task: str, rows: int = 200) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    generator = np.random.default_rng(0)
    inputs = generator.normal(size=(rows, 5)).astype(np.float32)
    if task == "number":
        return inputs, (3 * inputs[:, 0] - inputs[:, 1] + 100).astype(np.float32)
    if task == "labels":
        return inputs, (inputs[:, :3] > 0).astype(np.float32)
    return inputs, (inputs[:, 0] > 0).astype(np.int64)


class AtStep(Observer):
    """Does something in the middle of the training."""

    def __init__(self, step: int, action: Any) -> None:
        self.at, self.action = step, action

    def advance(self, step: int) -> None:
        if step == self.at:
            self.action()
