"""Autoencoders on MNIST: what pre-training is worth, and the variational bound beside published ones.

deep: 784-1000-500-250-30 and back (sigmoid units, a linear code) from random weights and from a pre-trained stack of one-layer
autoencoders, in turn after each epoch, beside PCA with 30 components; squared error of a test picture, summed over its pixels.
The pre-trained network is also charged for its pre-training: its curve is told against all seconds of training.
bound: 784-200-200-50 (tanh), pictures binarized anew at each step, K = 1 draw; the bound and log p(x) from 5,000 draws of the
test pictures.

`python autoencoder.py [deep|bound]` runs one part and merges it into the results; LEADLINE_DATA says where MNIST lies.
Minutes are set by MINUTES (default 8 a part); EPOCHS, ROWS make it smaller, to try the script.
"""

from __future__ import annotations

import json
import math
import os
import sys
import time
from types import SimpleNamespace
from typing import Any

import torch
from machine import RESULTS, machine, write
from torch import Tensor

from leadline import data
from leadline.models.autoencoders.autoencoder_stacks import Pretrained, load_pretrained, pretrain_autoencoders
from leadline.models.autoencoders.autoencoders import Autoencoder, autoencoder, start_at_means
from leadline.models.autoencoders.reconstruction_objectives import Reconstruct
from leadline.models.autoencoders.reconstruction_scores import codes_of, log_likelihoods
from leadline.models.autoencoders.reconstruction_steps import ReconstructionEvaluation, ReconstructionStep
from leadline.models.autoencoders.variational_autoencoders import active_units, variational_autoencoder
from leadline.models.autoencoders.variational_bounds import VariationalBound
from leadline.training import run_loop
from leadline.training.callbacks import Callback

BATCH, SIZES = 100, (784, 1000, 500, 250, 30)
MINUTES, EPOCHS, ROWS = float(os.environ.get("MINUTES", "8")), int(os.environ.get("EPOCHS", "60")), os.environ.get("ROWS")
DRAWS = int(os.environ.get("DRAWS", "5000"))
PUBLISHED = {
    "squared error of a test picture, 784-1000-500-250-30 after RBM pre-training": 3.00,  # Hinton and Salakhutdinov (2006)
    "the same by PCA with 30 components": 13.87,
    "−log p(x), variational autoencoder of one stochastic layer, K = 1": 86.76,  # Burda et al. (2016), table 1, L_5000
    "−log p(x), importance weighted, K = 50": 84.78,
}


class Shuffled:
    """Batches in an order that seed and epoch decide."""

    def __init__(self, inputs: Tensor, targets: Tensor, seed: int = 0) -> None:
        self.inputs, self.targets, self.seed = inputs, targets, seed

    def __len__(self) -> int:
        return -(-len(self.inputs) // BATCH)

    def epoch(self, number: int, first: int = 0) -> Any:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + number)
        for rows in torch.randperm(len(self.inputs), generator=generator).split(BATCH)[first:]:
            yield self.inputs[rows], self.targets[rows]

    def __iter__(self) -> Any:
        return self.epoch(0)


class Deadline(Callback):
    """Ends a training after so many seconds."""

    def __init__(self, seconds: float) -> None:
        self.until = time.perf_counter() + seconds

    def evaluated(self, now: Any) -> str | None:
        return "the time is over" if time.perf_counter() > self.until else None


def mnist() -> dict[str, tuple[Tensor, Tensor]]:
    """Pixels from 0 to 1 and digits: 60,000 to learn from, 10,000 official test pictures."""
    dataset = data.load("mnist")
    splits = {}
    for name, parts in (("train", (dataset.train, dataset.valid)), ("test", (dataset.test,))):
        pixels = torch.cat([torch.as_tensor(part.inputs).flatten(1).float() / 255 for part in parts])
        digits = torch.cat([torch.as_tensor(part.targets).long() for part in parts])
        splits[name] = (pixels, digits)
    if ROWS:
        splits = {name: (x[: int(ROWS)], y[: int(ROWS)]) for name, (x, y) in splits.items()}
    return splits


def summed_error(model: Autoencoder, x: Tensor) -> float:
    """The squared error of a picture, summed over its pixels: Hinton and Salakhutdinov's figure."""
    model.eval()
    with torch.inference_mode():
        return sum(float((model.reconstruct(part) - part).square().sum()) for part in x.split(1000)) / len(x)


def principal_components(train: Tensor, test: Tensor, count: int = SIZES[-1]) -> float:
    """The same error of the best linear code of as many numbers."""
    mean = train.mean(0)
    _, basis = torch.linalg.eigh((train - mean).double().T @ (train - mean).double())
    top = basis[:, -count:].float()
    return float(((test - mean) - (test - mean) @ top @ top.T).square().sum(1).mean())


def deep_network(stack: Pretrained | None) -> Autoencoder:
    torch.manual_seed(0)
    hidden = "-".join(map(str, SIZES[1:-1]))
    model = autoencoder((SIZES[0],), hidden=hidden, code=SIZES[-1], activation="sigmoid", output="bernoulli")
    if stack is not None:
        load_pretrained(model, stack.layers)
    return model


def deep() -> dict[str, Any]:
    splits = mnist()
    (train, digits), (test, _) = splits["train"], splits["test"]
    record: dict[str, Any] = {"principal_components": principal_components(train, test)}
    print(f"PCA, {SIZES[-1]} components: {record['principal_components']:.2f}")
    began = time.perf_counter()
    epochs = max(1, min(10, EPOCHS // 2))
    stack = pretrain_autoencoders(SIZES, Shuffled(train, digits), epochs=epochs, last_activation="identity", learning_rate=1e-3)
    spent = {"random": 0.0, "pretrained": time.perf_counter() - began}
    record |= {"pretraining_seconds": spent["pretrained"], "pretraining_epochs_a_layer": epochs, "layers": stack.records}
    print(f"pre-trained in {spent['pretrained']:.0f} s, {epochs} epochs a layer", flush=True)
    ways = {}
    for name in spent:
        model = deep_network(stack if name == "pretrained" else None)
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
        ways[name] = (model, ReconstructionStep(model, Reconstruct(), optimizer))
    curves: dict[str, list[dict[str, float]]] = {
        name: [{"epoch": 0, "seconds": spent[name], "test": summed_error(model, test)}] for name, (model, _) in ways.items()
    }
    until = time.perf_counter() + 60 * MINUTES
    for epoch in range(1, EPOCHS + 1):
        for name, (model, step) in ways.items():  # A B A B: whatever slows the machine slows both
            model.train()
            start = time.perf_counter()
            _one_epoch(step, Shuffled(train, digits), epoch)
            spent[name] += time.perf_counter() - start
            curves[name].append({"epoch": epoch, "seconds": round(spent[name], 2), "test": summed_error(model, test)})
        print(f"epoch {epoch}: " + ", ".join(f"{name} {curve[-1]['test']:.2f}" for name, curve in curves.items()), flush=True)
        if time.perf_counter() > until:
            break
    return record | {"curves": curves, "published": PUBLISHED}


def _one_epoch(step: Any, batches: Shuffled, epoch: int) -> None:
    for at, batch in enumerate(batches.epoch(epoch)):
        step(batch, SimpleNamespace(step=epoch * len(batches) + at, epoch=epoch, batch=at, fraction=min(1.0, epoch / EPOCHS)))


def bound() -> dict[str, Any]:
    splits = mnist()
    (train, digits), (test, _) = splits["train"], splits["test"]
    torch.manual_seed(0)
    model = variational_autoencoder((784,), hidden="200-200", code=50, activation="tanh")
    start_at_means(model, train.mean(0))
    objective = VariationalBound(binarize=True)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)

    def falling(fraction: float) -> float:
        return 0.1 ** (2 * fraction)

    step = ReconstructionStep(model, objective, optimizer, schedule=falling)
    held_out = list(test.split(1000))
    began = time.perf_counter()
    history = run_loop(
        step,
        Shuffled(train, digits),
        epochs=EPOCHS,
        evaluate=ReconstructionEvaluation(model, held_out, objective),
        callbacks=[Deadline(60 * MINUTES)],
    )
    seconds = time.perf_counter() - began
    model.eval()
    few = test[:: max(1, len(test) // 1000)]  # the first half of the test pictures is easier than the second
    estimate = log_likelihoods(model, few.split(100), samples=DRAWS, binarize=True)
    record = {
        "seconds": seconds,
        "epochs": len(history["valid_loss"]),
        "pictures_a_second": len(history["valid_loss"]) * len(train) / seconds,
        "test_bound": history["valid_loss"],
        "test_log_likelihood": {
            "mean": float(estimate.mean()),
            "standard_error": float(estimate.std() / math.sqrt(len(few))),
            "draws": DRAWS,
            "pictures": len(few),
        },
        "active_units": int(active_units(codes_of(model, held_out)).sum()),
        "published": PUBLISHED,
    }
    print(json.dumps({name: value for name, value in record.items() if name != "test_bound"}, indent=1, ensure_ascii=False))
    print(f"bound of the test pictures: {-history['valid_loss'][-1]:.2f} nats", flush=True)
    return record


def main() -> None:
    parts = {"deep": deep, "bound": bound}
    chosen = sys.argv[1:] or list(parts)
    path = RESULTS / "autoencoder.json"
    record = json.loads(path.read_text()) if path.exists() else {}
    for name in chosen:
        record[name] = {"machine": machine("numpy"), **parts[name]()}
        write("autoencoder", record)


if __name__ == "__main__":
    main()
