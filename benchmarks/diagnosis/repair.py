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
from judging import chance, shown
from mending_ways import ways_to_mend
from programs import Trained, train
from recipe import Recipe
from repairing import Repairing, copied, errors_as_judged, row_weights
from run import Subject, read
from tally import harms_of

sys.path.append(str(Path(__file__).resolve().parents[1]))
RESTORED = 0.9


def mended(recipe: Recipe, seed: int, confirm: float) -> dict[str, Any]:
    """Train, diagnose, change, train again, verify: one change, and as long as there are others, up to three trainings."""
    from leadline.diagnose import watch

    watched = train(recipe, seed, watch=watch)
    began = time.perf_counter()
    verdict = watched.probe.findings(confirm=confirm)
    finding = time.perf_counter() - began
    ways = ways_to_mend(verdict, watched.probe.readings)
    began = time.perf_counter()
    trained, refused = list[dict[str, Any]](), dict[str, str]()
    if ways:
        before = errors_as_judged(watched.model, copied(recipe, watched.probe, "trained"), recipe)
        repairing = Repairing(recipe, watched.probe, len(watched.losses), seed, confirm, row_weights(verdict, recipe), before)
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
