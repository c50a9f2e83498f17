"""Whether the transfer adviser is right: each of the four ways trained to the end on new classes, and the way that it chose.

    LEADLINE_DATA=… python benchmarks/transfer_adviser.py [--seeds 5] [--epochs 12] [--case WORDS]

A small convolutional network is trained on pictures of 14 × 14 of Fashion-MNIST's first five classes. The new tasks are its
other five classes and the handwritten digits, with few and with many rows. Regret is the test accuracy of the best way less
that of the chosen one.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from machine import machine, write
from torch import Tensor, nn

from leadline import data
from leadline.data.idx import read_idx_folder
from leadline.models import convnet
from leadline.transfer.attempts import Attempts
from leadline.transfer.brief_training import train_briefly
from leadline.transfer.grids import fit_head_grid, predictions_of
from leadline.transfer.kept import keep_features
from leadline.transfer.networks import backbone_of, schema_for
from leadline.transfer.situation import measure_situation

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
SHAPE, TEST_ROWS = (1, 14, 14), 1000
CASES = {
    "other clothes, few": ("fashion_mnist", (5, 6, 7, 8, 9), 20),
    "other clothes, many": ("fashion_mnist", (5, 6, 7, 8, 9), 600),
    "digits, few": ("mnist", tuple(range(10)), 10),
    "digits, many": ("mnist", tuple(range(10)), 300),
    "same clothes, few": ("fashion_mnist", (0, 1, 2, 3, 4), 10),
    "shoes and bags, very few": ("fashion_mnist", (5, 7, 8, 9), 5),
    "two digits, many": ("mnist", (4, 9), 500),
    "all clothes, many": ("fashion_mnist", tuple(range(10)), 300),
}


Arrays = dict[str, tuple[np.ndarray, np.ndarray]]


def arrays_of(folder: str) -> Arrays:
    """The parts of a folder of IDX files, pictures averaged down to 14 × 14 so that the whole takes minutes."""
    raw = read_idx_folder(Path(os.environ.get("LEADLINE_DATA", "data")) / folder)
    small = raw.inputs.reshape(-1, 14, 2, 14, 2, 1).mean((2, 4)).round().astype(np.uint8)
    return {part: (small[raw.parts == part], np.asarray(raw.targets)[raw.parts == part]) for part in ("train", "test")}


def rows_of(
    part: tuple[np.ndarray, np.ndarray], classes: tuple[int, ...], each: int, seed: int, skip: int = 0
) -> list[np.ndarray]:
    """So many rows of each class, numbered anew."""
    pictures, targets = part
    order = np.random.default_rng(seed).permutation(len(targets))
    chosen = [order[targets[order] == name][skip : skip + each] for name in classes]
    return [pictures[np.concatenate(chosen)], np.repeat(np.arange(len(classes)), [len(rows) for rows in chosen])]


def task_of(source: Arrays, classes: tuple[int, ...], each: int, seed: int, known: data.Pictures) -> data.Dataset:
    """A task of these classes; a quarter more rows to validate on, at least 20 of each class, as a person would have."""
    train = rows_of(source["train"], classes, each, seed)
    valid = rows_of(source["train"], classes, max(20, each // 4), seed, skip=each)
    test = rows_of(source["test"], classes, TEST_ROWS // len(classes), 0)
    made = data.load({"train": train[0], "train_targets": train[1], "valid": valid[0], "valid_targets": valid[1],
                      "test": test[0], "test_targets": test[1]})  # fmt: skip
    return replace(made, schema=schema_for(made.schema, known))


def backbone(source: Arrays, epochs: int) -> tuple[nn.Module, data.Pictures]:
    """The network that knows the first five classes of clothes."""
    torch.manual_seed(0)
    own = data.Pictures.learn(rows_of(source["train"], (0, 1, 2, 3, 4), 2000, 0)[0])
    known = task_of(source, (0, 1, 2, 3, 4), 2000, 0, own)
    network = convnet(SHAPE, 5, width=16).to(DEVICE)
    p = train_briefly(network, known, epochs * len(known.train), learning_rate=3e-3)
    print(
        f"backbone: {float((p.argmax(1) == torch.tensor(known.valid.targets)).float().mean()):.3f} on five classes of clothes"
    )
    return network, known.schema.inputs


def accuracy(p: Tensor, split: data.Split) -> float:
    return 100 * float((p.argmax(1) == torch.tensor(split.targets)).float().mean())


def all_ways(model: nn.Module, task: data.Dataset, epochs: int, seed: int, cache: str) -> dict[str, tuple[float, float]]:
    """Test accuracy and seconds of each way, trained to the end; "early head" is the best earlier depth by validation."""
    found: dict[str, tuple[float, float]] = {}
    attempts, earlier = Attempts(model, task, seed=seed, cache=cache), []
    for depth in attempts.depths:
        started = time.perf_counter()
        cut = backbone_of(model, depth.layer, SHAPE, grid=depth.grid)
        x, v, t = (keep_features(cut, part, task.schema, cache=cache).rows() for part in (task.train, task.valid, task.test))
        head = fit_head_grid(x, torch.tensor(task.train.targets), v, torch.tensor(task.valid.targets), task.schema.answers)
        with torch.no_grad():
            score = accuracy(predictions_of(head.head(t), task.schema.answers), task.test)
        if depth is attempts.depths[-1]:
            found["head"], attempts.late = (score, time.perf_counter() - started), head
        else:
            earlier.append((head.score, score, time.perf_counter() - started))
    if earlier:
        found["early head"] = max(earlier)[1:]
    judged_on_test = replace(task, valid=task.test)
    for way in ("fine-tune", "scratch"):
        started = time.perf_counter()
        p = attempts.train(way, judged_on_test, epochs * len(task.train))
        found[way] = accuracy(p, task.test), time.perf_counter() - started
    return found


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seeds", type=int, default=5)
    options.add_argument("--epochs", type=int, default=12)
    options.add_argument("--case", default="")
    chosen = options.parse_args()
    sources = {name: arrays_of(name) for name in ("fashion_mnist", "mnist")}
    model, known = backbone(sources["fashion_mnist"], 3)
    records = []
    for case, (source, classes, each) in CASES.items():
        if chosen.case not in case:
            continue
        for seed in range(chosen.seeds):
            task = task_of(sources[source], classes, each, seed, known)
            with tempfile.TemporaryDirectory() as cache:
                situation = measure_situation(model, task, epochs=chosen.epochs, seed=seed, cache=cache)
                ways = all_ways(model, task, chosen.epochs, seed, cache)
            regret = max(score for score, _ in ways.values()) - ways[situation.decision][0]
            longest = max(seconds for _, seconds in ways.values())
            records.append({"case": case, "seed": seed, "decision": situation.decision, "words": situation.words(),
                            "regret": round(regret, 2), "cost_in_rows": situation.cost,
                            "seconds": situation.seconds, "share_of_seconds": round(situation.seconds / longest, 3),
                            "test_accuracy": {way: round(score, 2) for way, (score, _) in ways.items()}})  # fmt: skip
            scores = " · ".join(f"{way} {score:.1f}" for way, (score, _) in ways.items())
            told = {skill.name: round(skill.value, 3) for skill in situation.skills}
            print(f"{case} [{seed}]: {situation.decision}, regret {regret:.2f} ({scores}); {situation.words()}; "
                  f"{situation.seconds:.1f} s of {longest:.1f} s\n    {told}", flush=True)  # fmt: skip
    regrets = [record["regret"] for record in records]
    print(f"mean regret {statistics.mean(regrets):.2f}, worst {max(regrets):.2f}, n {len(regrets)}")
    if not chosen.case:
        write("transfer_adviser", {"machine": machine(), "device": str(DEVICE), "epochs": chosen.epochs, "cases": records,
                                   "mean_regret": statistics.mean(regrets), "worst_regret": max(regrets)})  # fmt: skip


if __name__ == "__main__":
    main()
