"""Repair: the remedies that a verdict names applied and trained to the end, against random search in as much time.

    python benchmarks/diagnosis/repair.py [--folder runs/diagnosis] [--shard 0/2] [--seeds 2] [--confirm 20] [--table] [--write]
                                          [--only KEY]

Of the faults that hurt (by the records of `run.py`) and can be repaired by a change to the program. The program is trained
and diagnosed; the change of the first confirmed finding that a copy takes is made in it; it is trained in full on all its rows
and kept only if it is better on the held-out rows by more than two standard errors. Then the changes of the other findings,
and of what is only suspected, are added, one at a time, up to three trainings: most real programs have two faults. Both are
told: what the first did, and what came of all. A repair restores when the clean test score has at least 90 % of the skill above
chance that the same program has without the fault. Healthy programs go the same way: none should be made worse. Random search
draws what people tune (rate, optimizer, batch, activation, dropout, decay, epochs), trains as often as the same time allows, at
least once, and keeps what is best on the held-out rows. `--only` runs one subject and prints all of its record.
"""

from __future__ import annotations

import argparse
import copy
import gzip
import json
import math
import sys
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from faults import parts_of
from harm import rate_of
from judging import answers, chance, shown
from programs import Trained, outputs_of, train
from recipe import Recipe
from run import Subject, read
from tally import harms_of

sys.path.append(str(Path(__file__).resolve().parents[1]))
RESTORED = 0.9
TRAININGS = 3  # anew, at most


def copied(recipe: Recipe, probe: Any, start: str) -> Any:
    """A copy of the program with all its rows, as the probe saw it being trained; judged on held-out, then on test rows.

    Both kinds are there before anything is changed, so that what is done to inputs is done to all of them.
    """
    from leadline.diagnose.subject import Rows
    from leadline.diagnose.trials.copied_training import copy_of
    from leadline.diagnose.trials.habits import habits_of

    subject = probe.subject()
    subject.task, subject.classes = probe.readings.program.task, probe.readings.program.classes
    subject.train, subject.valid = Rows(*recipe.arrays.train), Rows(*recipe.arrays.valid)
    both = Rows(*(torch.cat(parts) for parts in zip(recipe.arrays.valid, recipe.arrays.test, strict=True)))
    habits = habits_of(subject, probe.readings)
    return copy_of(subject, habits, (subject.train, both), start=start, readings=probe.readings)


def judged(copy: Any, recipe: Recipe) -> tuple[np.ndarray[Any, Any], float]:
    """Errors of the held-out rows, one by one, and the score on the test rows in the recipe's metric."""
    copy.judging = None  # weights of the rows, where a change had given them some: whoever compares weighs both sides
    if recipe.arrays.task == "reconstruct":
        errors = squares_of(copy)
    else:
        errors = np.nan_to_num(copy.judge().errors.double().numpy(), nan=1.0, posinf=1.0)
    targets = recipe.arrays.test[1].numpy()
    held, test = errors[: -len(targets)], errors[-len(targets) :]
    if recipe.metric != "balanced":
        return held, float(1 - test.mean())
    return held, float(1 - np.mean([test[targets == each].mean() for each in np.unique(targets)]))


def squares_of(copy: Any) -> np.ndarray[Any, Any]:
    """Of what is rebuilt: the squared error of each row over the variance, bounded as that of a number is."""
    from leadline.diagnose.trials.scoring import WORST

    copy.set_training(False)
    with torch.no_grad():
        given = copy.outputs_of(copy.answer(copy.held.inputs)).double()
    wanted = copy.held.targets.double()
    errors = (given - wanted).square().mean(1) / wanted.var(0, correction=0).mean()
    return np.asarray(errors.nan_to_num(WORST).clamp(max=WORST).numpy())


def errors_as_judged(model: torch.nn.Module, old: Any, recipe: Recipe) -> np.ndarray[Any, Any]:
    """Errors of the held-out rows as the program itself reads its answers, which may be part of what is wrong with it."""
    inputs, targets = recipe.arrays.valid
    if recipe.metric == "r2":
        return judged(old, recipe)[0]
    said = answers(outputs_of(copy.deepcopy(model).train(recipe.mode == "train"), recipe.arrays.valid), recipe, recipe.arrays)
    wrong = (said.reshape(targets.shape) != targets).double()
    return wrong.reshape(len(inputs), -1).mean(1).numpy()


def row_weights(verdict: Any, recipe: Recipe) -> np.ndarray[Any, Any]:
    """Of the held-out rows: each class counts as much as any other where rare classes were ignored, as in `--mend`."""
    from leadline.diagnose.mending import row_weights as weights_by

    targets = recipe.arrays.valid[1]
    classes = targets.reshape(len(targets), -1)[:, 0].long()
    weights = weights_by(verdict, classes) if recipe.arrays.task in ("classes", "binary") else None
    return np.ones(len(targets)) if weights is None else weights.double().numpy()


def sure_gain(before: np.ndarray[Any, Any], after: np.ndarray[Any, Any]) -> bool:
    """Fewer errors by more than two standard errors; row by row, unless some rows were left out as unfit."""
    from leadline.diagnose.trials.gains import is_sure

    if len(before) == len(after):
        gain = before - after
        return bool(is_sure(gain.mean(), gain.std() / np.sqrt(len(gain))))
    spread = np.sqrt(before.var() / len(before) + after.var() / max(len(after), 1))
    return bool(len(after) and is_sure(before.mean() - after.mean(), spread))


@dataclass
class Repairing:
    """What was tried so far: the changes that stay, the best errors of the held-out rows, and each training with its score.

    `done` are the kinds against which something stays changed, `pending` the ways that gained nothing alone.
    """

    recipe: Recipe
    probe: Any
    steps: int
    seed: int
    weights: np.ndarray[Any, Any]
    best: np.ndarray[Any, Any]
    stays: list[str] = field(default_factory=list)
    done: set[str] = field(default_factory=set)
    pending: list[Any] = field(default_factory=list)
    trained: list[dict[str, Any]] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)

    def run(self, ways: Sequence[Any]) -> None:
        """Go through the ways; where the first two gained nothing, the last training has both of them."""
        for way in ways:
            nothing = len(self.pending) > 1 and not any(each["kept"] for each in self.trained)
            if len(self.trained) == TRAININGS - nothing:
                break
            self._attempt(way)
        if len(self.trained) < TRAININGS and len(self.pending) > 1 and not any(each["kept"] for each in self.trained):
            both = self.pending[:2]
            if self._train(both[0], [*self.stays, *(way.text for way in both)]):
                self.stays += [way.text for way in both]

    def _attempt(self, way: Any) -> None:
        """Train with a change beside those that stay: those that were better, and those that are certain."""
        if way.kind in self.done:
            return
        if told := self._refusal(way.text):
            self.refused[way.text] = told
        elif self._train(way, [*self.stays, way.text]) or (way.certain and not self.trained[-1]["worse"]):
            self.stays.append(way.text)
            self.done.add(way.kind)
        else:
            self.pending.append(way)

    def _refusal(self, text: str) -> str:
        from leadline.diagnose.trials.changes import change_copy, parts_of

        if {name for name, _ in parts_of(text)} & {name for made in self.stays for name, _ in parts_of(made)}:
            return "it was changed already"
        try:
            return str(change_copy(copied(self.recipe, self.probe, "initial"), text))
        except (RuntimeError, ValueError, IndexError) as error:
            return f"{type(error).__name__}: {error}"[:200]

    def _train(self, way: Any, texts: list[str]) -> bool:
        """Train a copy with these changes to its end; whether it is surely better than the best so far."""
        from leadline.diagnose.trials.changes import TOGETHER, change_copy

        began, text = time.perf_counter(), TOGETHER.join(texts)
        new = copied(self.recipe, self.probe, "initial")
        torch.manual_seed(self.seed)
        try:
            change_copy(new, text)
            new.run(self.steps)
            errors, score = judged(new, self.recipe)
            kept, worse = self._better(self.best, errors), self._better(errors, self.best)
        except (RuntimeError, ValueError, IndexError) as error:  # what a copy cannot be trained with helps nobody
            self.refused[text] = f"{type(error).__name__}: {error}"[:200]
            errors, score, kept, worse = self.best, math.nan, False, True
        self.trained.append({"changes": text, "kind": way.kind, "confirmed": way.confirmed, "kept": kept, "worse": worse,
                             "score": shown(score), "seconds": shown(time.perf_counter() - began)})  # fmt: skip
        if kept:
            self.best = errors
        return kept

    def _better(self, before: np.ndarray[Any, Any], after: np.ndarray[Any, Any]) -> bool:
        if len(before) == len(after) == len(self.weights):
            return sure_gain(before * self.weights, after * self.weights)
        return sure_gain(before, after)


def mended(recipe: Recipe, seed: int, confirm: float) -> dict[str, Any]:
    """Train, diagnose, change, train again, verify: one change, and as long as there are others, up to three trainings."""
    from leadline.diagnose import watch
    from leadline.diagnose.mending_ways import ways_to_mend

    watched = train(recipe, seed, watch=watch)
    began = time.perf_counter()
    verdict = watched.probe.findings(confirm=confirm)
    finding = time.perf_counter() - began
    ways = ways_to_mend(verdict, watched.probe.readings)
    began = time.perf_counter()
    trained, refused = list[dict[str, Any]](), dict[str, str]()
    if ways:
        before = errors_as_judged(watched.model, copied(recipe, watched.probe, "trained"), recipe)
        repairing = Repairing(recipe, watched.probe, len(watched.losses), seed, row_weights(verdict, recipe), before)
        repairing.run(ways)
        trained, refused = repairing.trained, repairing.refused
    kept = [each for each in trained if each["kept"]]
    return {
        "before": shown(watched.clean),
        "after_first": trained[0]["score"] if trained and trained[0]["kept"] else shown(watched.clean),
        "after": kept[-1]["score"] if kept else shown(watched.clean),
        "kept": bool(kept),
        "training_seconds": shown(watched.seconds),
        "finding_seconds": shown(finding),
        "repair_seconds": shown(time.perf_counter() - began),
        "kinds": [each.kind for each in verdict],
        "trained": trained,
        "refused": refused,
    }


def searched(recipe: Recipe, seed: int, seconds: float) -> float:
    """The clean score of what random search finds."""
    draw, began = np.random.default_rng(seed), time.perf_counter()
    best: Trained | None = None
    while best is None or time.perf_counter() - began < seconds:
        changes = {
            "rate": float(10 ** draw.uniform(-4, -0.5)),
            "optimizer": str(draw.choice(["adam", "sgd", "rmsprop"])),
            "batch": int(draw.choice([16, 32, 64, 128])),
            "activation": str(draw.choice(["relu", "tanh", "gelu"])),
            "dropout": float(draw.choice([0.0, 0.2, 0.5])),
            "weight_decay": float(draw.choice([0.0, 1e-4, 1e-2])),
            "epochs": int(recipe.epochs * draw.choice([1, 2])),
        }
        found = train(recipe.but(**changes), seed)
        if best is None or found.promised > best.promised:
            best = found
    return best.clean


def record_of(subject: Subject, confirm: float) -> dict[str, Any]:
    recipe = subject.recipe()
    healthy = train(subject._replace(fault="", strengths=()).recipe(), subject.seed).clean
    record = {
        "key": subject.key,
        **subject._asdict(),
        "healthy": shown(healthy),
        "chance": shown(chance(recipe.arrays, recipe.metric)),
        **mended(recipe, subject.seed, confirm),
    }
    if subject.fault:
        record["searched"] = shown(searched(recipe, subject.seed, record["finding_seconds"] + record["repair_seconds"]))
    return record


def subject_of(key: str) -> Subject:
    """The subject of a key."""
    family, configuration, fault, *strengths, seed = key.split("|")
    return Subject(family, configuration, fault, tuple(map(int, strengths)), int(seed.removeprefix("seed ")))


def wanted(folder: Path, seeds: int) -> Iterator[Subject]:
    """Harmful programs that a change can repair, and all healthy ones."""
    names = ("family", "configuration", "fault", "strengths", "seed", "clean", "promised", "chance", "crashed")
    records = [{name: record[name] for name in names} for record in read(folder)]
    harms = harms_of(records)
    for program, harm in harms.items():
        faults = parts_of(program.fault)
        if harm.verdict == "hurts" and all(fault.repairable and fault.outcome == "clean" for fault in faults):
            for seed in range(seeds):
                yield Subject(program.family, program.configuration, program.fault, program.strengths, seed)
    for family, configuration in sorted(
        {(record["family"], record["configuration"]) for record in records if not record["fault"]}
    ):
        for seed in range(seeds):
            yield Subject(family, configuration, "", (), seed)


def skill(record: dict[str, Any], name: str) -> float:
    """The share of the healthy skill above chance."""
    return (record[name] - record["chance"]) / max(record["healthy"] - record["chance"], 1e-9)


def confirmed(record: dict[str, Any]) -> bool:
    """Whether the first change that was made belongs to a confirmed finding."""
    return bool(record["trained"]) and bool(record["trained"][0]["confirmed"])


def spreads_of(folder: Path) -> dict[tuple[str, str], float]:
    """The standard deviation of a healthy configuration's score over its seeds, by the records of `run.py`."""
    scores: dict[tuple[str, str], dict[int, float]] = {}
    for record in read(folder):
        if not record["fault"]:
            scores.setdefault((record["family"], record["configuration"]), {})[record["seed"]] = record["clean"]
    return {name: float(np.std(list(own.values()), ddof=1)) for name, own in scores.items() if len(own) > 1}


def table(records: Sequence[dict[str, Any]], spreads: dict[tuple[str, str], float]) -> dict[str, Any]:
    """The rates, printed."""
    faulty = [record for record in records if record["fault"] and all(each.repairable for each in parts_of(record["fault"]))]
    healthy = [record for record in records if not record["fault"]]

    def share(hit: Callable[[dict[str, Any]], bool], of: Sequence[dict[str, Any]] = faulty) -> dict[str, float]:
        rate = rate_of([(record["family"], hit(record)) for record in of])
        print(f"  {name:58} {rate}")
        return rate.record()

    def spread(record: dict[str, Any]) -> float:
        return spreads.get((record["family"], record["configuration"]), 0.0)

    found: dict[str, Any] = {}
    names: dict[str, tuple[Callable[[dict[str, Any]], bool], Sequence[dict[str, Any]]]] = {
        "restored by the first confirmed remedy": (
            lambda record: confirmed(record) and skill(record, "after_first") >= RESTORED,
            faulty,
        ),
        "restored by at most three trainings": (lambda record: skill(record, "after") >= RESTORED, faulty),
        "a remedy was confirmed": (confirmed, faulty),
        "restored by random search in the same time": (lambda record: skill(record, "searched") >= RESTORED, faulty),
        "healthy programs that were changed": (lambda record: record["kept"], healthy),
        "healthy programs made worse by more than two standard errors of their seeds": (
            lambda record: record["before"] - record["after"] > 2 * max(spread(record), 1e-3),
            healthy,
        ),
    }
    for name, (hit, of) in names.items():
        found[name] = share(hit, of)
    for name, seconds in (
        ("training_and_first_repair_over_training", lambda record: record["trained"][0]["seconds"]),
        ("training_and_repair_over_training", lambda record: record["repair_seconds"]),
    ):
        whole = [1 + seconds(record) / max(record["training_seconds"], 1e-3) for record in faulty if record["trained"]]
        found[name] = float(np.median(whole)) if whole else None
        print(f"  {name.replace('_', ' ')}, median: {found[name]}")
    return found


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--folder", type=Path, default=Path("runs/diagnosis"))
    options.add_argument("--shard", default="0/1")
    options.add_argument("--seeds", type=int, default=2)
    options.add_argument("--confirm", type=float, default=20.0)
    options.add_argument("--write", action="store_true", help="results/diagnosis_repair.json")
    options.add_argument("--table", action="store_true", help="only print the table of what is there")
    options.add_argument("--only", default="", help="a subject's key, as 'moons|adam|two sigmoids|0|seed 0'")
    chosen = options.parse_args()
    torch.set_num_threads(1)
    if chosen.only:
        print(json.dumps(record_of(subject_of(chosen.only), chosen.confirm), indent=1))
        return
    part, parts = map(int, chosen.shard.split("/"))
    paths = sorted(chosen.folder.glob("repair-*.jsonl.gz"))
    done = [json.loads(line) for path in paths for line in gzip.decompress(path.read_bytes()).splitlines()]
    if not chosen.table:
        known = {record["key"] for record in done}
        left = [
            each
            for each in wanted(chosen.folder, chosen.seeds)
            if each.key not in known and zlib.crc32(each.key.encode()) % parts == part
        ]
        for number, subject in enumerate(left, 1):
            record = record_of(subject, chosen.confirm)
            with gzip.open(chosen.folder / f"repair-{part}-of-{parts}.jsonl.gz", "at") as file:
                file.write(json.dumps(record) + "\n")
            done.append(record)
            told = f"{record['before']:.3f} → {record['after']:.3f} (healthy {record['healthy']:.3f}"
            told += f", search {record['searched']:.3f})" if subject.fault else ")"
            changes = "; ".join(each["changes"] for each in record["trained"]) or "nothing to change"
            print(f"{number}/{len(left)} {subject.key}: {told} {changes}", flush=True)
    found = table(done, spreads_of(chosen.folder))
    if chosen.write:
        from machine import machine, write

        write("diagnosis_repair", {"machine": machine(), "confirm": chosen.confirm, "rates": found, "runs": done})


if __name__ == "__main__":
    main()
