"""A binary Tree-LSTM on the Stanford Sentiment Treebank: seconds an epoch, and accuracy at the roots.

Speed: one epoch of the training steps of the proposed plan (dropout, forward, backward, optimizer) at 300 features a word and
150 hidden units, beside what its matrix products alone take at this machine's ceiling, measured in the same run, and beside the
plain recursion over single nodes in PyTorch, on a sample of trees and reckoned up by nodes. Both must give the same loss.

Accuracy: the plan that is proposed, from random vectors or from a file of word vectors, on the official parts; several seeds.

What is measured takes the place of the same part in the results; the others stay.

    LEADLINE_DATA=… python benchmarks/trees.py [--part speed|accuracy] [--seeds 3] [--vectors FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from machine import RESULTS, machine, spread, write
from torch import Tensor, nn

import leadline
from leadline.data.trees.tree_batches import TreeBatches
from leadline.losses import cross_entropy
from leadline.optim import make_optimizer
from leadline.plan import build, propose
from leadline.training.steps import BEGINNING

TREES = Path(os.environ.get("LEADLINE_DATA", "data")) / "trees"
FEATURES, HIDDEN, LABELS = 300, 150, 5
BATCHES = (25, 128)  # trees; 25 are those of Tai, Socher and Manning
SAMPLE, ROUNDS = 50, 5  # trees of the plain recursion; epochs that are timed
PUBLISHED = {
    "Tree-LSTM, constituency, GloVe, vectors trained (Tai et al. 2015)": 0.510,
    "recursive neural tensor network (Socher et al. 2013)": 0.457,
    "recursive neural network (Socher et al. 2013)": 0.432,
    "naive Bayes on words (Socher et al. 2013)": 0.410,
    "support vector machine on words (Socher et al. 2013)": 0.407,
}


def floating_operations(dataset: Any) -> float:
    """Multiplications and additions of the matrix products of an epoch: forward, and twice as many backward."""
    inputs = dataset.train.inputs
    leaves = int((inputs.values[:, 0] > 0).sum())
    inner = len(inputs.values) - leaves
    forward = 2 * (leaves * FEATURES * 3 * HIDDEN + inner * 2 * HIDDEN * 5 * HIDDEN + len(inputs.values) * HIDDEN * LABELS)
    return 3.0 * forward


class PlainRecursion(nn.Module):
    """The same network as a person would write it down: a function that calls itself, one node at a time."""

    def __init__(self, ours: nn.Module) -> None:
        super().__init__()
        self.words, self.tree, self.head = ours.words, ours.tree, ours.head

    def node(self, at: int, words: list[int], children: list[list[int]], states: list[Tensor]) -> tuple[Tensor, Tensor]:
        if not children[at]:
            o, i, u = self.tree.leaf(self.words.weight[words[at]][None]).chunk(3, dim=1)
            c = i.sigmoid() * u.tanh()
        else:
            (left, left_cell), (right, right_cell) = (self.node(child, words, children, states) for child in children[at])
            o, i, f, g, u = self.tree.inner(torch.cat([left, right], dim=1)).chunk(5, dim=1)
            c = i.sigmoid() * u.tanh() + f.sigmoid() * left_cell + g.sigmoid() * right_cell
        h = o.sigmoid() * c.tanh()
        states[at] = h
        return h, c

    def forward(self, trees: list[Any]) -> Tensor:
        found: list[Tensor] = []
        for stored in trees:
            words, distances = stored[:, 0].tolist(), stored[:, 1].tolist()
            children: list[list[int]] = [[] for _ in words]
            for at, distance in enumerate(distances):
                if distance:
                    children[at + distance].append(at)
            states: list[Any] = [None] * len(words)
            self.node(len(words) - 1, words, children, states)
            found += states
        return self.head(torch.cat(found))


def epoch_seconds(step: Any, batches: Any, epoch: int) -> float:
    began = time.perf_counter()
    for batch in batches.epoch(epoch):
        step(batch, BEGINNING)
    return time.perf_counter() - began


def plain_seconds(dataset: Any, model: nn.Module, batch: int) -> tuple[float, float]:
    """Seconds a node of the plain recursion, and how far its loss is from ours."""
    trees = [dataset.train.inputs.row(row) for row in range(SAMPLE)]
    targets = [torch.from_numpy(dataset.train.targets.row(row).copy()) for row in range(SAMPLE)]
    plain = PlainRecursion(model)
    model.words.sparse = False
    levels, wanted = TreeBatches(dataset.train.take(torch.arange(SAMPLE).numpy()), dataset.schema, SAMPLE).batch_of(
        torch.arange(SAMPLE)
    )
    model.eval()  # dropout would make two networks of one
    with torch.no_grad():
        difference = abs(float(cross_entropy(model(levels), wanted) - cross_entropy(plain(trees), torch.cat(targets))))
    optimizer = make_optimizer("adagrad", model, learning_rate=0.05)
    taken = []
    for _ in range(3):
        began = time.perf_counter()
        for start in range(0, SAMPLE, batch):
            optimizer.zero_grad()
            cross_entropy(plain(trees[start : start + batch]), torch.cat(targets[start : start + batch])).backward()
            optimizer.step()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken) / sum(map(len, trees)), difference


def speed(dataset: Any) -> dict[str, Any]:
    """Seconds an epoch, beside the ceiling and the plain recursion."""
    about = machine()
    operations, nodes = floating_operations(dataset), len(dataset.train.inputs.values)
    ceiling = operations / (1e9 * about["matrix_product_gflops"])
    found: dict[str, Any] = {"machine": about, "tera_operations": operations / 1e12, "matrix_product_seconds": ceiling}
    print(f"{operations / 1e12:.3f} T operations an epoch are {ceiling:.2f} s of matrix products on this machine")
    for batch in BATCHES:
        changes = {"model.embedding": FEATURES, "model.hidden": HIDDEN, "training.batch": batch, "training.threads": 0}
        built = build(propose(dataset, {**changes, "training.device": "cpu", "training.precision": "float32"}), dataset)
        model, step, batches = built.model, built.step, built.batches
        epoch_seconds(step, batches, 0)
        seconds = spread([epoch_seconds(step, batches, 1 + number) for number in range(ROUNDS)])
        a_node, difference = plain_seconds(dataset, model, batch)
        plain = a_node * nodes
        found[f"batch {batch}"] = {
            "seconds": seconds,
            "times_the_products": seconds["median"] / ceiling,
            "plain_seconds_reckoned": plain,
            "plain_sample_trees": SAMPLE,
            "times_faster_than_plain": plain / seconds["median"],
            "difference_of_losses": difference,
        }
        print(
            f"batch {batch:>3}: {seconds['median']:.2f} s an epoch, {seconds['median'] / ceiling:.2f} × the matrix products, "
            f"{plain / seconds['median']:.1f} × as fast as the plain recursion ({plain:.0f} s, from {SAMPLE} trees); "
            f"losses differ by {difference:.1e}"
        )
    return found


def accuracy(seeds: int, vectors: str | None) -> dict[str, Any]:
    """The proposed plan on the official parts."""
    rows = []
    for seed in range(seeds):
        with tempfile.TemporaryDirectory() as folder:
            changes: dict[str, Any] = {"training.seed": seed}
            if vectors:
                changes["start.vectors"] = vectors
            run = leadline.train(TREES, changes=changes, folder=Path(folder) / "run")
            row = {name: run.results["scores"][name]["value"] for name in ("accuracy", "node_accuracy", "polar_accuracy")}
            row |= {"epochs": run.results["epochs"], "seconds": run.results["seconds"]["training"]}
            row["baselines"] = {each["name"]: each["scores"]["accuracy"]["value"] for each in run.results["baselines"]}
        rows.append(row)
        print(
            f"seed {seed}: roots {row['accuracy']:.4f}, all nodes {row['node_accuracy']:.4f}, sides {row['polar_accuracy']:.4f}"
        )
    told = {name: spread([row[name] for row in rows]) for name in ("accuracy", "node_accuracy", "polar_accuracy", "seconds")}
    return {**told, "runs": rows, "vectors": vectors or "random", "published": PUBLISHED}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=("speed", "accuracy"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--vectors")
    given = parser.parse_args()
    path = RESULTS / "trees.json"
    record: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    if given.part != "accuracy":
        record["speed"] = speed(leadline.data.load(TREES))
    if given.part != "speed":
        record["accuracy"] = accuracy(given.seeds, None)
        if given.vectors:
            record["accuracy with vectors"] = accuracy(given.seeds, given.vectors)
    write("trees", record)


if __name__ == "__main__":
    main()
