"""Greedy pre-training beside none: digits with few labels and many, shallow and deep networks of sigmoid units.

python benchmarks/pretraining.py [--seeds 5] [--width 128] [--few 100] [--epochs 100] [--data digits] [--tiny]

Every network is `mlp` with sigmoid units and without batch normalization, trained by Adam at a constant rate until the loss on
the validation rows has not got better for 20 epochs; its best weights are judged on test rows that nothing else has seen. With
pre-training the layers first learn all training rows, labels unseen, as machines or as autoencoders; "few" means that only so
many of these rows, drawn by the seed, have a label (`leadline train` pre-trains on what it is given: there, train on all rows
with `--task reconstruct` first and begin `--from` that Run). The validation rows keep their labels. The seed also draws the
split, the weights and the order.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import statistics
import time
from typing import Any

import numpy as np
import torch
from machine import machine, write

from leadline import data
from leadline.metrics import accuracy
from leadline.plan import build, propose
from leadline.plan.pretraining import pretrained
from leadline.runs.predicting import Predictor
from leadline.training import run_loop

WAYS = {
    "none": "",
    "rbm": "rbm(epochs=30)",
    "autoencoder": "autoencoder(epochs=30)",
    "denoising": "autoencoder(epochs=30, corruption='masking(0.25)')",
}


def trained(dataset: data.Dataset, way: str, *, depth: int, few: int, width: int, epochs: int, seed: int) -> dict[str, Any]:
    """Test accuracy and seconds of one training."""
    plan = propose(
        dataset,
        {
            "model": "mlp",
            "model.width": width,
            "model.depth": depth,
            "model.activation": "sigmoid",
            "model.batch_norm": False,
            "model.dropout": 0.0,
            "training.optimizer": "adam",
            "training.learning_rate": 1e-3,
            "training.weight_decay": 0.0,
            "training.schedule": "constant",
            "training.label_smoothing": 0.0,
            "training.average": "",
            "training.augment.flip": False,
            "training.augment.shift": 0.0,
            "training.augment.rotate": 0.0,
            "training.augment.zoom": 0.0,
            "training.batch": 32,
            "training.epochs": epochs,
            "training.patience": 20,
            "training.seed": seed,
            "training.device": "cpu",
            "training.threads": 1,
            "training.step": "plain",
            "training.layout": "contiguous",
            **({"start.pretrain": WAYS[way]} if WAYS[way] else {}),
        },
    )
    began = time.perf_counter()
    first = pretrained(plan, dataset).weights if WAYS[way] else None
    before = time.perf_counter() - began
    labelled = dataset
    if few:
        rows = np.random.default_rng(seed).permutation(len(dataset.train))[:few]
        labelled = dataclasses.replace(dataset, train=dataset.train.take(np.sort(rows)))
    began = time.perf_counter()
    built = build(plan, labelled, first=first)
    history = run_loop(built.step, built.batches, epochs=epochs, evaluate=built.evaluate, best=built.best)
    seconds = time.perf_counter() - began
    values = torch.from_numpy(Predictor(built.model, dataset.schema, built.device).all_values(dataset.test.inputs))
    score = float(accuracy(values, torch.from_numpy(dataset.test.targets)))
    return {"accuracy": score, "pretraining": before, "training": seconds, "epochs": int(history["epoch"][-1])}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, usual in (("seeds", 5), ("width", 128), ("few", 100), ("epochs", 100)):
        parser.add_argument(f"--{name}", type=int, default=usual)
    parser.add_argument("--data", default="digits")
    parser.add_argument("--tiny", action="store_true", help="a few epochs, to see that it runs; writes nothing")
    asked = parser.parse_args()
    if asked.tiny:
        asked.seeds, asked.epochs = 1, 2
    record: dict[str, Any] = {"machine": machine("numpy"), "settings": vars(asked), "rows": []}
    print(f"one thread, {asked.seeds} seeds\n")
    print(f"{'labels':>8} {'layers':>7} " + " ".join(f"{way:>22}" for way in WAYS))
    for few in (asked.few, 0):
        for depth in (1, 4):
            cells = []
            for way in WAYS:
                found = [
                    trained(
                        data.load(asked.data, seed=seed),
                        way,
                        depth=depth,
                        few=few,
                        width=asked.width,
                        epochs=asked.epochs * (4 if few else 1),
                        seed=seed,
                    )
                    for seed in range(asked.seeds)
                ]
                scores = [100 * each["accuracy"] for each in found]
                error = statistics.stdev(scores) / math.sqrt(len(scores)) if len(scores) > 1 else math.nan
                seconds = statistics.median(each["pretraining"] + each["training"] for each in found)
                cells.append(f"{statistics.mean(scores):6.2f} ± {error:4.2f} % {seconds:5.1f} s")
                record["rows"].append({"few": few, "depth": depth, "way": way, "trainings": found})
            print(f"{few or 'all':>8} {depth:>7} " + " ".join(f"{cell:>22}" for cell in cells), flush=True)
    if not asked.tiny:
        write("pretraining", record)


if __name__ == "__main__":
    main()
