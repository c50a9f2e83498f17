"""Repair: the first confirmed remedy applied and trained to the end, against random search in as much time.

    python benchmarks/diagnosis/repair.py [--folder runs/diagnosis] [--shard 0/2] [--seeds 2] [--confirm 20] [--table] [--write]

Of the faults that hurt (by the records of `run.py`) and can be repaired by a change to the program. The program is trained
and diagnosed; the change of the first confirmed finding is made in a copy, which is trained in full on all its rows and kept
only if it is better on the held-out rows by more than two standard errors. A repair restores when the clean test score has at
least 90 % of the skill above chance that the same program has without the fault. Healthy programs go the same way: none
should be made worse. Random search draws what people tune (rate, optimizer, batch, activation, dropout, decay, epochs),
trains as often as the same time allows, at least once, and keeps what is best on the held-out rows.
"""

from __future__ import annotations

import argparse
import copy
import gzip
import json
import sys
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
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


def change_of(verdict: Any, readings: Any) -> tuple[str, Any, str] | None:
    """The change of the first confirmed finding, and its kind: of its trials the one that gained most, or the usual change."""
    from leadline.diagnose.remedies import apply_changes
    from leadline.diagnose.rules.judging import candidates_of
    from leadline.diagnose.rules.outcomes import outcome_of
    from leadline.diagnose.trials.gains import is_sure

    candidates = candidates_of(readings, outcome_of(readings))
    for finding in verdict:
        if not finding.confirmed:
            continue
        own = [change for each in candidates if each.kind == finding.kind for change in each.changes]
        own += apply_changes(finding.kind, readings)
        tried = [branch for branch in readings.branches if (branch.change, branch.argument) in own]
        gained = [branch for branch in tried if is_sure(branch.gain, branch.gain_se)]
        if gained:
            best = max(gained, key=lambda branch: branch.gain)
            return best.change, best.argument, finding.kind
        if own:
            return *own[0], finding.kind
    return None


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
    errors = np.nan_to_num(copy.judge().errors.double().numpy(), nan=1.0, posinf=1.0)
    targets = recipe.arrays.test[1].numpy()
    held, test = errors[: -len(targets)], errors[-len(targets) :]
    if recipe.metric != "balanced":
        return held, float(1 - test.mean())
    return held, float(1 - np.mean([test[targets == each].mean() for each in np.unique(targets)]))


def errors_as_judged(model: torch.nn.Module, old: Any, recipe: Recipe) -> np.ndarray[Any, Any]:
    """Errors of the held-out rows as the program itself reads its answers, which may be part of what is wrong with it."""
    inputs, targets = recipe.arrays.valid
    if recipe.metric == "r2":
        return judged(old, recipe)[0]
    said = answers(outputs_of(copy.deepcopy(model).train(recipe.mode == "train"), recipe.arrays.valid), recipe, recipe.arrays)
    wrong = (said.reshape(targets.shape) != targets).double()
    return wrong.reshape(len(inputs), -1).mean(1).numpy()


def sure_gain(before: np.ndarray[Any, Any], after: np.ndarray[Any, Any]) -> bool:
    """Fewer errors by more than two standard errors; row by row, unless some rows were left out as unfit."""
    from leadline.diagnose.trials.gains import is_sure

    if len(before) == len(after):
        gain = before - after
        return bool(is_sure(gain.mean(), gain.std() / np.sqrt(len(gain))))
    spread = np.sqrt(before.var() / len(before) + after.var() / max(len(after), 1))
    return bool(len(after) and is_sure(before.mean() - after.mean(), spread))


def mended(recipe: Recipe, seed: int, confirm: float) -> dict[str, Any]:
    """Train, diagnose, change, train again, verify."""
    from leadline.diagnose import watch
    from leadline.diagnose.trials.changes import CHANGES, change_copy
    from leadline.diagnose.trials.changes import parts_of as parts_of_change

    watched = train(recipe, seed, watch=watch)
    began = time.perf_counter()
    verdict = watched.probe.findings(confirm=confirm)
    finding = time.perf_counter() - began
    record = {
        "before": shown(watched.clean),
        "after": shown(watched.clean),
        "kept": False,
        "training_seconds": shown(watched.seconds),
        "finding_seconds": shown(finding),
        "repair_seconds": 0.0,
        "kinds": [each.kind for each in verdict],
    }
    chosen = change_of(verdict, watched.probe.readings)
    if chosen is None:
        return record
    change, argument, kind = chosen
    began = time.perf_counter()
    start = CHANGES[parts_of_change(change, argument)[0][0]].start
    old, new = copied(recipe, watched.probe, "trained"), copied(recipe, watched.probe, start)
    torch.manual_seed(seed)
    refused = change_copy(new, change, argument)
    if not refused:
        new.run(len(watched.losses))
        before, (after, score) = errors_as_judged(watched.model, old, recipe), judged(new, recipe)
        if sure_gain(before, after):
            record |= {"kept": True, "after": shown(score)}
    record |= {
        "change": change,
        "argument": argument,
        "kind": kind,
        "refused": refused,
        "repair_seconds": shown(time.perf_counter() - began),
    }
    return record


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
        "restored by the first confirmed remedy": (lambda record: skill(record, "after") >= RESTORED, faulty),
        "a remedy was confirmed": (lambda record: "change" in record, faulty),
        "restored by random search in the same time": (lambda record: skill(record, "searched") >= RESTORED, faulty),
        "healthy programs that were changed": (lambda record: record["kept"], healthy),
        "healthy programs made worse by more than two standard errors of their seeds": (
            lambda record: record["before"] - record["after"] > 2 * max(spread(record), 1e-3),
            healthy,
        ),
    }
    for name, (hit, of) in names.items():
        found[name] = share(hit, of)
    whole = [1 + record["repair_seconds"] / max(record["training_seconds"], 1e-3) for record in faulty if "change" in record]
    found["training_and_repair_over_training"] = float(np.median(whole)) if whole else None
    print(f"  training and repair over one training, median: {found['training_and_repair_over_training']}")
    return found


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--folder", type=Path, default=Path("runs/diagnosis"))
    options.add_argument("--shard", default="0/1")
    options.add_argument("--seeds", type=int, default=2)
    options.add_argument("--confirm", type=float, default=20.0)
    options.add_argument("--write", action="store_true", help="results/diagnosis_repair.json")
    options.add_argument("--table", action="store_true", help="only print the table of what is there")
    chosen = options.parse_args()
    torch.set_num_threads(1)
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
            print(f"{number}/{len(left)} {subject.key}: {told} {record.get('change', 'nothing confirmed')}", flush=True)
    found = table(done, spreads_of(chosen.folder))
    if chosen.write:
        from machine import machine, write

        write("diagnosis_repair", {"machine": machine(), "confirm": chosen.confirm, "rates": found, "runs": done})


if __name__ == "__main__":
    main()
