"""Whether the transfer adviser is right: each of the four ways trained to the end on new classes, and the way that it chose.

    LEADLINE_DATA=… python benchmarks/transfer_adviser.py [--seeds 5] [--epochs 36] [--case WORDS]

A small convolutional network is trained on pictures of 14 × 14 of Fashion-MNIST's first five classes. The new tasks are its
other five classes and the handwritten digits, with few and with many rows. Beside it SqueezeNet, with its ImageNet weights, is
asked about photos of flowers of 96 pixels (at most three seeds: to train it takes minutes; h5py is needed to read its weights).
All trainings have 36 epochs, as the Plan proposes for so few rows. Regret is the test accuracy of the best way less that of the
chosen one. What deciding costs is its share of the longest of the four trainings, in seconds, and as the adviser counts it, in
rows.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from machine import RESULTS, machine, write
from torch import Tensor, nn

from leadline import data
from leadline.data.idx import read_idx_folder
from leadline.errors import LeadlineError
from leadline.models import IMAGENET_MEAN, IMAGENET_STD, convnet, load_weights, squeezenet
from leadline.transfer.attempts import Attempts
from leadline.transfer.brief_training import train_briefly
from leadline.transfer.grids import fit_head_grid, predictions_of
from leadline.transfer.kept import keep_features
from leadline.transfer.networks import backbone_of, schema_for
from leadline.transfer.situation import measure_situation

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
SHAPE, TEST_ROWS = (1, 14, 14), 1000
LONG = 2.0  # seconds: of shorter trainings everything costs a share, and nobody waits
FLOWERS, SIDE, OF_EACH, FLOWER_SEEDS = "photos/flowers", 96, 127, 3  # of each kind there are so many photos at least
SQUEEZENET = "weights/squeezenet_weights_th_dim_ordering_th_kernels_notop.h5"
CASES = {
    "other clothes, few": ("fashion_mnist", (5, 6, 7, 8, 9), 20),
    "other clothes, many": ("fashion_mnist", (5, 6, 7, 8, 9), 600),
    "digits, few": ("mnist", tuple(range(10)), 10),
    "digits, many": ("mnist", tuple(range(10)), 300),
    "same clothes, few": ("fashion_mnist", (0, 1, 2, 3, 4), 10),
    "shoes and bags, very few": ("fashion_mnist", (5, 7, 8, 9), 5),
    "two digits, many": ("mnist", (4, 9), 500),
    "all clothes, many": ("fashion_mnist", tuple(range(10)), 300),
    "flowers, few": (FLOWERS, tuple(range(5)), 20),
    "flowers, all there are": (FLOWERS, tuple(range(5)), 80),
}


Arrays = dict[str, tuple[np.ndarray, np.ndarray]]
PLACE = Path(os.environ.get("LEADLINE_DATA", "data"))


def arrays_of(folder: str) -> Arrays:
    """The parts of a folder of IDX files, pictures averaged down to 14 × 14 so that the whole takes minutes."""
    raw = read_idx_folder(PLACE / folder)
    small = raw.inputs.reshape(-1, 14, 2, 14, 2, 1).mean((2, 4)).round().astype(np.uint8)
    return {part: (small[raw.parts == part], np.asarray(raw.targets)[raw.parts == part]) for part in ("train", "test")}


def flowers() -> Arrays:
    """All photos, yet undivided."""
    made = data.load(PLACE / FLOWERS, size=SIDE, channels=3)
    pictures, targets = (np.concatenate([getattr(part, what) for part in (made.train, made.valid, made.test)])
                         for what in ("inputs", "targets"))  # fmt: skip
    return {"all": (pictures, targets)}


def divided(photos: Arrays, each: int) -> Arrays:
    """The photos parted, the same of each class to test by: as many as training and validation do not need."""
    pictures, targets = photos["all"]
    order = np.random.default_rng(0).permutation(len(targets))
    count = OF_EACH - each - validation_rows(each)
    test = np.concatenate([order[targets[order] == name][:count] for name in range(5)])
    rest = np.setdiff1d(order, test)
    return {"train": (pictures[rest], targets[rest]), "test": (pictures[test], targets[test])}


def validation_rows(each: int) -> int:
    """A quarter more rows of each class to validate on, at least 20, as a person would have."""
    return max(20, each // 4)


def of_imagenet() -> tuple[nn.Module, data.Pictures]:
    """SqueezeNet without its last layer, and the preprocessing that it knows."""
    network = squeezenet(classes=5)
    load_weights(network, PLACE / SQUEEZENET, head="new")
    mean, std = (tuple(255 * each for each in values) for values in (IMAGENET_MEAN, IMAGENET_STD))
    return network.eval().to(DEVICE), data.Pictures(SIDE, SIDE, 3, "uint8", mean, std)


def rows_of(
    part: tuple[np.ndarray, np.ndarray], classes: tuple[int, ...], each: int, seed: int, skip: int = 0
) -> list[np.ndarray]:
    """So many rows of each class, numbered anew."""
    pictures, targets = part
    order = np.random.default_rng(seed).permutation(len(targets))
    chosen = [order[targets[order] == name][skip : skip + each] for name in classes]
    return [pictures[np.concatenate(chosen)], np.repeat(np.arange(len(classes)), [len(rows) for rows in chosen])]


def task_of(source: Arrays, classes: tuple[int, ...], each: int, seed: int, known: data.Pictures) -> data.Dataset:
    """A task of these classes, with rows to validate and to test on."""
    train = rows_of(source["train"], classes, each, seed)
    valid = rows_of(source["train"], classes, validation_rows(each), seed, skip=each)
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
        cut = backbone_of(model, depth.layer, attempts.shape, grid=depth.grid)
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


def networks(wanted: set[str]) -> tuple[dict[str, tuple[Arrays, nn.Module, data.Pictures]], dict[str, str]]:
    """By source: its arrays, the network that is asked about it, and what that knows; and why others are left out."""
    found, missing = {}, {}
    if wanted - {FLOWERS}:
        clothes = arrays_of("fashion_mnist")
        network, known = backbone(clothes, 3)
        for source in wanted - {FLOWERS}:
            found[source] = (clothes if source == "fashion_mnist" else arrays_of(source), network, known)
    if FLOWERS in wanted:
        try:
            found[FLOWERS] = (flowers(), *of_imagenet())
        except LeadlineError as error:
            missing[FLOWERS] = str(error)
    return found, missing


def judged_case(case: str, seed: int, epochs: int, known: tuple[Arrays, nn.Module, data.Pictures]) -> dict[str, object]:
    """What the adviser says of one case, and what each way reaches."""
    source, model, inputs = known
    _, classes, each = CASES[case]
    task = task_of(divided(source, each) if "all" in source else source, classes, each, seed, inputs)
    with tempfile.TemporaryDirectory() as cache:
        situation = measure_situation(model, task, epochs=epochs, seed=seed, cache=cache)
        ways = all_ways(model, task, epochs, seed, cache)
    regret = max(score for score, _ in ways.values()) - ways[situation.decision][0]
    longest = max(seconds for _, seconds in ways.values())
    scores = " · ".join(f"{way} {score:.1f}" for way, (score, _) in ways.items())
    told = {skill.name: round(skill.value, 3) for skill in situation.skills}
    print(f"{case} [{seed}]: {situation.decision}, regret {regret:.2f} ({scores}); {situation.words()}; "
          f"{situation.seconds:.2f} s of {longest:.1f} s\n    {told}", flush=True)  # fmt: skip
    return {"case": case, "seed": seed, "rows": len(task.train), "decision": situation.decision, "words": situation.words(),
            "regret": round(regret, 2), "share_of_rows": situation.cost, "seconds": situation.seconds,
            "longest_training": round(longest, 2), "share_of_seconds": round(situation.seconds / longest, 3),
            "test_accuracy": {way: round(score, 2) for way, (score, _) in ways.items()}}  # fmt: skip


def summary(records: list[dict[str, object]]) -> dict[str, dict[str, float]]:
    """Mean and worst of what counts."""
    values = {what: [each[what] for each in records] for what in ("regret", "share_of_seconds", "share_of_rows")}
    return {what: {"mean": round(statistics.mean(each), 3), "worst": max(each)} for what, each in values.items()}


def kept(chosen: str) -> list[dict[str, object]]:
    """What is on file of the cases that are not measured this time."""
    path = RESULTS / "transfer_adviser.json"
    if not chosen or not path.exists():
        return []
    return [each for each in json.loads(path.read_text())["cases"] if chosen not in each["case"]]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seeds", type=int, default=5)
    options.add_argument("--epochs", type=int, default=36)
    options.add_argument("--case", default="")
    chosen = options.parse_args()
    cases = [case for case in CASES if chosen.case in case]
    if not cases:
        options.error(f"there is no case {chosen.case!r}; there are: {', '.join(CASES)}")
    found, missing = networks({CASES[case][0] for case in cases})
    records: list[dict[str, object]] = []
    for case in cases:
        source = CASES[case][0]
        if source in missing:
            print(f"{case}: left out. {missing[source]}")
            continue
        seeds = min(chosen.seeds, FLOWER_SEEDS) if source == FLOWERS else chosen.seeds
        records += [judged_case(case, seed, chosen.epochs, found[source]) for seed in range(seeds)]
    if not records:
        return
    records += kept(chosen.case)
    by_case = {case: own for case in CASES if (own := [each for each in records if each["case"] == case])}
    table = {case: {"seeds": len(own), "rows": own[0]["rows"], **summary(own)} for case, own in by_case.items()}
    longer = [each for each in records if float(str(each["longest_training"])) >= LONG]
    overall = {"all": records, f"trainings of {LONG:g} s and more": longer}
    over = {name: {"seeds": len(own), "rows": "", **summary(own)} for name, own in overall.items() if own}
    for case, row in {**table, **over}.items():
        told = ", ".join(f"{what.replace('_', ' ')} {row[what]['mean']:.2f} (worst {row[what]['worst']:.2f})"
                         for what in ("regret", "share_of_seconds", "share_of_rows"))  # fmt: skip
        rows = f"{row['rows']} rows, " if row["rows"] else ""
        print(f"{case}: {rows}n {row['seeds']}: {told}")
    if set(by_case) == set(CASES):
        write("transfer_adviser", {"machine": machine(), "device": str(DEVICE), "epochs": chosen.epochs, "by_case": table,
                                   "over": over, "left_out": missing, "cases": records})  # fmt: skip


if __name__ == "__main__":
    main()
