"""Fashion-MNIST on a CPU: pictures a second of one engine against others, and seconds of training to a test score.

`python fashion_mnist.py engine` trains the convolutional network of the Keras example (two convolutions, half of the units
dropped, Adam at 0.001, batch 128) with Leadline as `leadline train` would, with a hand-written PyTorch loop, Lightning, and
Keras on torch and on JAX: one epoch of 6,400 pictures each in turn, after one that does not count.

`python fashion_mnist.py recipe [COMPETITOR …]` trains each recipe for several lengths, each whole and from the start, and
takes the first that reaches 90, 92 or 93 % of the test pictures; what a recipe that goes on evenly (Keras) reaches is read off
epoch by epoch. All see the same 51,000 training pictures; seconds are those of training alone, at most 20 minutes a
competitor. What is there already is kept, so competitors can be run one at a time.
"""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from machine import RESULTS, machine, spread, write
from processes import Process
from small_networks import resnet20
from torch import Tensor, nn
from torch.nn import functional as F

from leadline import data, metrics, plan
from leadline.training import run_loop

BATCH, PICTURES, ROUNDS = 128, 6_400, 5
LEVELS, CAP = (0.90, 0.92, 0.93), 20 * 60
LENGTHS = {"leadline": (1, 2, 3, 4, 6, 8, 12), "one-cycle ResNet-20": (2, 3, 4, 5)}
ROWS = [
    {"conv": 32, "kernel": 3, "padding": "valid", "activation": "relu"},
    {"pool": 2},
    {"conv": 64, "kernel": 3, "padding": "valid", "activation": "relu"},
    {"pool": 2},
    {"flatten": True},
    {"dropout": 0.5},
]


def example() -> nn.Module:
    """The network of the Keras example "Simple MNIST convnet" (34,826 parameters)."""
    return nn.Sequential(
        nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Dropout(0.5), nn.Linear(1600, 10),
    )  # fmt: skip


def pictures(dataset: data.Dataset) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Training and test pictures [N, 1, 28, 28], scaled to [0, 1] as the Keras example does, with their classes."""

    def of(split: Any) -> tuple[Tensor, Tensor]:
        inputs = torch.from_numpy(np.asarray(split.inputs)).reshape(-1, 1, 28, 28).float() / 255
        return inputs, torch.from_numpy(np.asarray(split.targets)).long()

    return of(dataset.train), of(dataset.test)


def accuracy(outputs: Tensor, targets: Tensor) -> Tensor:
    return (outputs.argmax(1) == targets).float().mean()


# Engine: each competitor is a generator that gives the seconds of one epoch each time it is asked.


def leadline_engine() -> Iterator[float]:
    dataset = data.load("fashion-mnist")
    part = dataset.train.take(np.arange(PICTURES))
    dataset = data.Dataset(dataset.name, part, dataset.valid, dataset.test, dataset.schema, dataset.origin)
    changes = {
        "model": "layers",
        "model.rows": ROWS,
        "training.optimizer": "adam",
        "training.learning_rate": 1e-3,
        "training.weight_decay": 0.0,
        "training.schedule": "constant",
        "training.label_smoothing": 0.0,
        "training.average": "",
        "training.batch": BATCH,
        "training.augment": {},
    }
    resolved = plan.measure(plan.propose(dataset, changes), dataset).plan
    built = plan.build(resolved, dataset)
    while True:
        began = time.perf_counter()
        run_loop(built.step, built.batches, epochs=1)
        yield time.perf_counter() - began


def torch_engine() -> Iterator[float]:
    (inputs, targets), _ = pictures(data.load("fashion-mnist"))
    inputs, targets = inputs[:PICTURES], targets[:PICTURES]
    model = example()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    while True:
        began = time.perf_counter()
        total, right = torch.zeros(()), torch.zeros(())
        for rows in torch.randperm(PICTURES).split(BATCH):
            optimizer.zero_grad()
            outputs = model(inputs[rows])
            loss = F.cross_entropy(outputs, targets[rows])
            loss.backward()
            optimizer.step()
            total += loss.detach() * len(rows)
            right += (outputs.detach().argmax(1) == targets[rows]).sum()
        total.item(), right.item()
        yield time.perf_counter() - began


def lightning_engine() -> Iterator[float]:
    import lightning
    from torch.utils.data import DataLoader, TensorDataset

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.model = example()

        def training_step(self, batch: Any, index: int) -> Tensor:
            inputs, targets = batch
            outputs = self.model(inputs)
            loss = F.cross_entropy(outputs, targets)
            self.log("loss", loss, on_step=False, on_epoch=True)
            self.log("accuracy", accuracy(outputs, targets), on_step=False, on_epoch=True)
            return loss

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.Adam(self.parameters(), lr=1e-3)

    (inputs, targets), _ = pictures(data.load("fashion-mnist"))
    loader = DataLoader(TensorDataset(inputs[:PICTURES], targets[:PICTURES]), batch_size=BATCH, shuffle=True)
    module = Module()
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}
    while True:
        trainer = lightning.Trainer(max_epochs=1, accelerator="cpu", **quiet)  # type: ignore[arg-type]
        began = time.perf_counter()
        trainer.fit(module, loader)
        yield time.perf_counter() - began


def keras_model() -> Any:
    import keras

    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)), layers.Conv2D(32, 3, activation="relu"), layers.MaxPooling2D(2),
            layers.Conv2D(64, 3, activation="relu"), layers.MaxPooling2D(2), layers.Flatten(), layers.Dropout(0.5),
            layers.Dense(10, activation="softmax"),
        ]
    )  # fmt: skip
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def keras_engine() -> Iterator[float]:
    (inputs, targets), _ = pictures(data.load("fashion-mnist"))
    rows, classes = inputs[:PICTURES].permute(0, 2, 3, 1).numpy(), targets[:PICTURES].numpy()
    model = keras_model()
    while True:
        began = time.perf_counter()
        model.fit(rows, classes, batch_size=BATCH, epochs=1, verbose=0)
        yield time.perf_counter() - began


Competitors = dict[str, tuple[Callable[[], Iterator[Any]], dict[str, str]]]
"""Name → what it gives one after another, and what its process finds in the environment."""

ENGINES: Competitors = {
    "leadline": (leadline_engine, {}),
    "PyTorch by hand": (torch_engine, {}),
    "Lightning": (lightning_engine, {}),
    "Keras on torch": (keras_engine, {"KERAS_BACKEND": "torch"}),
    "Keras on JAX": (keras_engine, {"KERAS_BACKEND": "jax"}),
}


def serve(kind: str, name: str) -> None:
    """For each line on standard input, what the competitor gives next; null after its last."""
    said = os.dup(1)
    os.dup2(2, 1)  # what a library prints must not come between the numbers
    given: Iterator[Any] = (ENGINES if kind == "engine" else RECIPES)[name][0]()
    for _ in sys.stdin:
        os.write(said, f"{json.dumps(next(given, None))}\n".encode())


def engine() -> dict[str, Any]:
    tools: dict[str, Process] = {}
    for name, (_, environment) in ENGINES.items():
        tools[name] = Process("fashion_mnist.py", "--serve", "engine", name, **environment)
        tools[name].epoch()  # it has started and compiled before the next one starts
    taken: dict[str, list[float]] = {name: [] for name in tools}
    for _ in range(ROUNDS):
        for name, tool in tools.items():
            tool.epoch()
            taken[name].append(PICTURES / tool.epoch())
    for tool in tools.values():
        tool.close()
    rates = {name: spread(values) for name, values in taken.items()}
    best = max(rate["median"] for name, rate in rates.items() if name != "leadline")
    for name, rate in rates.items():
        print(f"  {name:20} {rate['median']:8,.0f} pictures a second", flush=True)
    print(f"  Leadline: {rates['leadline']['median'] / best:.2f} × the best of the others")
    return {"pictures_per_second": rates, "times_the_best_other": rates["leadline"]["median"] / best}


# Recipes: each gives (epochs, seconds of training, test accuracy) after each length.

Reached = Iterator[tuple[int, float, float]]


def leadline_recipe() -> Reached:
    dataset = data.load("fashion-mnist")
    for epochs in LENGTHS["leadline"]:
        began = time.perf_counter()
        proposed = plan.propose(dataset, {"training.epochs": epochs, "training.patience": 0})
        resolved = plan.measure(proposed, dataset).plan  # measuring is part of what a person waits for
        built = plan.build(resolved, dataset)
        run_loop(built.step, built.batches, epochs=epochs)
        seconds = time.perf_counter() - began
        with built.step.evaluating():
            yield epochs, seconds, _right(built.model, dataset)


def _right(model: nn.Module, dataset: data.Dataset) -> float:
    """Share of the test pictures that are recognised, each seen once, not mirrored too."""
    prepare = dataset.schema.inputs.preparer(torch.device("cpu"))
    with torch.inference_mode():
        outputs = torch.cat([model(prepare(part)) for part in torch.from_numpy(np.asarray(dataset.test.inputs)).split(500)])
    return float(metrics.accuracy(outputs, torch.from_numpy(np.asarray(dataset.test.targets)).long()))


def one_cycle_resnet() -> Reached:
    """ResNet-20, SGD with Nesterov momentum, one cycle to 0.1, weight decay 5e-4, mirrored and shifted by up to 2 pixels."""
    (inputs, targets), (test, classes) = pictures(data.load("fashion-mnist"))
    mean, deviation = inputs.mean(), inputs.std()
    inputs, test = (inputs - mean) / deviation, (test - mean) / deviation
    for epochs in LENGTHS["one-cycle ResNet-20"]:
        torch.manual_seed(0)
        model = resnet20(channels=1).to(memory_format=torch.channels_last)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4)
        steps = epochs * -(-len(inputs) // BATCH)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=steps)
        began = time.perf_counter()
        for _ in range(epochs):
            for rows in torch.randperm(len(inputs)).split(BATCH):
                optimizer.zero_grad()
                batch = _varied(inputs[rows]).contiguous(memory_format=torch.channels_last)
                F.cross_entropy(model(batch), targets[rows]).backward()
                optimizer.step()
                schedule.step()
        seconds = time.perf_counter() - began
        model.eval()
        with torch.inference_mode():
            outputs = torch.cat([model(part) for part in test.split(500)])
        yield epochs, seconds, float((outputs.argmax(1) == classes).float().mean())


def _varied(batch: Tensor) -> Tensor:
    down, right = torch.randint(0, 5, (2,)).tolist()  # one shift a batch, as cheap as it can be
    batch = F.pad(batch, (2, 2, 2, 2))[:, :, down : down + 28, right : right + 28]
    mirrored = torch.rand(len(batch), 1, 1, 1) < 0.5
    return torch.where(mirrored, batch.flip(3), batch)


def keras_example() -> Reached:
    (inputs, targets), (test, classes) = pictures(data.load("fashion-mnist"))
    rows, seen = inputs.permute(0, 2, 3, 1).numpy(), test.permute(0, 2, 3, 1).numpy()
    model, seconds, epochs = keras_model(), 0.0, 0
    while seconds < CAP:
        began = time.perf_counter()
        model.fit(rows, targets.numpy(), batch_size=BATCH, epochs=1, verbose=0)
        seconds, epochs = seconds + time.perf_counter() - began, epochs + 1
        yield epochs, seconds, float(model.evaluate(seen, classes.numpy(), verbose=0)[1])


RECIPES: Competitors = {
    "leadline": (leadline_recipe, {}),
    "one-cycle ResNet-20": (one_cycle_resnet, {}),
    "Keras example on torch": (keras_example, {"KERAS_BACKEND": "torch"}),
    "Keras example on JAX": (keras_example, {"KERAS_BACKEND": "jax"}),
}


def recipe(name: str) -> dict[str, Any]:
    """Each length with its seconds and score, and the seconds to each level, None where it was not reached within the cap."""
    lengths: list[dict[str, Any]] = []
    total = 0.0
    process = Process("fashion_mnist.py", "--serve", "recipe", name, **RECIPES[name][1])
    while (given := process.ask("length")) is not None:
        epochs, seconds, score = given
        lengths.append({"epochs": epochs, "seconds": round(seconds, 1), "test_accuracy": score})
        print(f"  {name}: {epochs} epochs, {seconds:.0f} s, {score:.2%} of the test pictures", flush=True)
        total = seconds if name.startswith("Keras") else total + seconds
        if score >= max(LEVELS) or total > CAP:
            break
    process.close()
    reached = {
        f"{level:.0%}": min((run["seconds"] for run in lengths if run["test_accuracy"] >= level), default=None)
        for level in LEVELS
    }
    return {"lengths": lengths, "seconds_to": reached, "cap_seconds": CAP}


def main() -> None:
    warnings.filterwarnings("ignore")
    what, *names = sys.argv[1:] or ["engine"]
    if what == "--serve":
        serve(*names)
        return
    path = RESULTS / "fashion_mnist.json"
    record = json.loads(path.read_text()) if path.exists() else {}
    record["machine"] = machine("keras", "jax", "lightning")
    if what == "engine":
        record["engine"] = engine()
    for name in names or (list(RECIPES) if what == "recipe" else []):
        record.setdefault("recipe", {})[name] = recipe(name)
        write("fashion_mnist", record)
    write("fashion_mnist", record)


if __name__ == "__main__":
    main()
