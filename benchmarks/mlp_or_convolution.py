"""A page of the docs, measured: a multilayer perceptron against a convolutional network of as many parameters on CIFAR-10.

Both see the same 40,000 pictures and are judged by x_train[40000:], as they are and shifted by up to 8 pixels (zeros move in):
a convolution carries what it learnt to every place, a perceptron learns each place anew. Same optimizer, epochs and batch;
three seeds each. Reads `cifar10.npz` in the folder that CIFAR10 names.
"""

from __future__ import annotations

import os
import statistics
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import machine, write
from torch import Tensor, nn
from torch.nn import functional as F

from leadline.models import convnet, mlp
from leadline.training import Supervised, run_loop

EPOCHS, BATCH, SEEDS, SHIFTS = 4, 125, 3, (0, 2, 4, 8)


def pictures() -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    with np.load(Path(os.environ.get("CIFAR10", "data")) / "cifar10.npz") as arrays:
        x, y = arrays["x_train"], torch.from_numpy(arrays["y_train"].astype(np.int64)).flatten()
    inputs = torch.from_numpy(x).permute(0, 3, 1, 2).float() / 255
    seen = inputs[:40_000]
    mean, deviation = seen.mean((0, 2, 3), keepdim=True), seen.std((0, 2, 3), keepdim=True)
    inputs = (inputs - mean) / deviation
    return (inputs[:40_000], y[:40_000]), (inputs[40_000:], y[40_000:])


class Shuffled:
    """Batches in an order that seed and epoch decide."""

    def __init__(self, inputs: Tensor, targets: Tensor, seed: int) -> None:
        self.inputs, self.targets, self.seed = inputs, targets, seed

    def __len__(self) -> int:
        return len(self.inputs) // BATCH

    def epoch(self, number: int, first: int = 0) -> Any:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + number)
        for rows in torch.randperm(len(self.inputs), generator=generator).split(BATCH)[first:]:
            yield self.inputs[rows], self.targets[rows]

    def __iter__(self) -> Any:
        return self.epoch(0)


def shifted(x: Tensor, pixels: int, seed: int) -> Tensor:
    """Each picture moved by `pixels` to one of the eight sides, zeros moving in."""
    generator = torch.Generator().manual_seed(seed)
    sides = [(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1) if down or right]
    chosen = torch.randint(0, len(sides), (len(x),), generator=generator)
    padded, out, side = F.pad(x, (pixels,) * 4), torch.empty_like(x), x.shape[2]
    for at, (down, right) in enumerate(sides):
        top, left = pixels * (1 + down), pixels * (1 + right)
        out[chosen == at] = padded[chosen == at, :, top : top + side, left : left + side]
    return out


def score(model: nn.Module, x: Tensor, y: Tensor) -> float:
    model.eval()
    with torch.inference_mode():
        return float((torch.cat([model(part) for part in x.split(500)]).argmax(1) == y).float().mean())


def train(build: Any, seed: int, train: tuple[Tensor, Tensor], held_out: tuple[Tensor, Tensor]) -> dict[str, Any]:
    torch.manual_seed(seed)
    model = build().to(memory_format=torch.channels_last)
    steps = EPOCHS * (len(train[0]) // BATCH)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.05, fused=True)

    def falling(fraction: float) -> float:
        return min(1.0, 10 * fraction) * (1 - fraction)

    history = run_loop(Supervised(model, F.cross_entropy, optimizer, schedule=falling), Shuffled(*train, seed), epochs=EPOCHS)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    scores = {str(pixels): score(model, shifted(held_out[0], pixels, seed), held_out[1]) for pixels in SHIFTS}
    print(f"{parameters:,} parameters, seed {seed}, {steps} steps: " + ", ".join(f"{k} px {v:.1%}" for k, v in scores.items()))
    return {"parameters": parameters, "training_loss": history["loss"][-1], "accuracy_by_shift": scores}


def main() -> None:
    seen, held_out = pictures()
    networks = {
        "convolutional network": lambda: convnet((3, 32, 32), 10, width=32),
        "multilayer perceptron": lambda: mlp((3, 32, 32), 10, width=91, depth=2),
    }
    record: dict[str, Any] = {"machine": machine(), "epochs": EPOCHS, "batch": BATCH, "seeds": SEEDS}
    for name, build in networks.items():
        runs = [train(build, seed, seen, held_out) for seed in range(SEEDS)]
        middle = {
            shift: statistics.median(run["accuracy_by_shift"][shift] for run in runs) for shift in runs[0]["accuracy_by_shift"]
        }
        record[name] = {"parameters": runs[0]["parameters"], "median_accuracy_by_shift": middle, "runs": runs}
        print(f"{name}: " + ", ".join(f"shifted by {shift}: {value:.1%}" for shift, value in middle.items()), flush=True)
    write("mlp_or_convolution", record)


if __name__ == "__main__":
    main()
