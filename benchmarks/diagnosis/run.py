"""Trains the subjects, healthy and faulty, and writes what was read of each: one JSON line a subject, compressed.

    python benchmarks/diagnosis/run.py [--shard 0/2] [--folder runs/diagnosis] [--seeds 5] [--confirm 20] [--each 3]
                                       [--families WORDS] [--faults WORDS] [--plain] [--tiny]

Each shard appends to a file of its own and skips what is already there, so that it can be stopped and started again; two
shards keep two cores busy. Every subject is trained twice with the same seed: once plainly, with the peers' signals taken
along, and once under `leadline.diagnose.watch`; that both leave the same weights to the bit is written down. One healthy
program of each family is trained longer, plainly, watched and plainly again, in seconds of the processor, for what watching
costs. `--confirm 0` leaves out trials. `--plain` trains without the diagnosis, to see which faults hurt. `--tiny` is a
handful of subjects, for CI, in 25 s: it ends with an error where a weight was changed, a check failed, a sound program has an
alarm, or most faults are missed.
"""

from __future__ import annotations

import argparse
import copy
import gzip
import json
import math
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
from families import BY_NAME, FAMILIES
from faults import A_HALF, faulty, injections
from judging import answers, chance, shown
from peer_signals import Signals
from programs import Trained, build, optimizer_of, outputs_of, same_weights, train
from recipe import Recipe

SAVED_EVERY = 500  # steps between the losses that SageMaker Debugger saves
KEPT_LOSSES = 400
TIMED = 4.0  # seconds of plain training, at least, where the cost of watching is measured
TINY_CONFIRM = 2.0
TINY_FAMILIES = ("logistic", "table", "moons")
TINY_FAULTS = ("rate too high", "rate too low", "softmax before cross entropy", "labels misaligned", "gradients not zeroed")


class Subject(NamedTuple):
    """One training: a family's configuration, healthy where there is no fault, and a seed."""

    family: str
    configuration: str
    fault: str
    strengths: tuple[int, ...]
    seed: int

    @property
    def key(self) -> str:
        return "|".join(map(str, (self.family, self.configuration, self.fault, *self.strengths, f"seed {self.seed}")))

    def recipe(self) -> Recipe:
        recipe = BY_NAME[self.family].recipe(self.configuration, self.seed)
        return faulty(recipe, self.fault, self.strengths, self.seed) if self.fault else recipe


def subjects(seeds: int, each: int = A_HALF) -> Iterator[Subject]:
    """All healthy ones, seed by seed; then all faults, seed by seed: whatever is there when one stops is balanced."""
    for seed in range(seeds):
        for family in FAMILIES:
            for configuration in family.configurations:
                yield Subject(family.name, configuration, "", (), seed)
    for seed in range(seeds):
        for fault, strengths, family_name, configuration in injections(each):
            yield Subject(family_name, configuration, fault, strengths, seed)


def tiny() -> Iterator[Subject]:
    """So few that CI can run them: three families, and what each fault does to the first in which it is injected."""
    for name in TINY_FAMILIES:
        yield Subject(name, next(iter(BY_NAME[name].configurations)), "", (), 0)
    seen = set()
    for fault, strengths, family, configuration in injections(limit=len(FAMILIES)):
        if fault in TINY_FAULTS and family in TINY_FAMILIES and fault not in seen and strengths[0] in (0, 2):
            seen.add(fault)
            yield Subject(family, configuration, fault, strengths, 0)


def thinned(losses: list[float]) -> list[float]:
    """At most so many; the ones that are not finite are never left out."""
    step = max(1, len(losses) // KEPT_LOSSES)
    return [shown(loss) for at, loss in enumerate(losses) if at % step == 0 or not math.isfinite(loss)][: 2 * KEPT_LOSSES]


def recalls(run: Trained, recipe: Recipe) -> list[float]:
    """By class, on the training rows, where there are classes."""
    if recipe.arrays.task != "classes" or run.crashed:
        return []
    model = copy.deepcopy(run.model).train(recipe.mode == "train")
    with torch.random.fork_rng(devices=[]):
        said = answers(outputs_of(model, recipe.arrays.train), recipe, recipe.arrays)
    targets = recipe.arrays.train[1]
    return [shown(float((said[targets == each] == each).float().mean())) for each in targets.unique()]


def diagnosed(recipe: Recipe, subject: Subject, plain: Trained, confirm: float, timed: bool) -> dict[str, Any]:
    """The same training, watched, and what is found."""
    from leadline.diagnose import watch

    watched = train(recipe, subject.seed, watch=watch)
    record: dict[str, Any] = {"same_weights": same_weights(plain.model, watched.model)}
    if watched.crashed != plain.crashed:
        record["failed"] = f"watching: {watched.crashed}"
    if timed:
        # Long enough to be timed, and the plain one before and after, so that neither has the warmer machine.
        long = recipe.but(epochs=recipe.epochs * math.ceil(TIMED / max(plain.seconds, 0.05)))
        runs = [train(long, subject.seed, watch=each).seconds for each in (None, watch, None)]
        record |= {"plain_seconds": [shown(runs[0]), shown(runs[2])], "watched_seconds": shown(runs[1])}
    if watched.probe is None or not watched.probe.count:
        return {**record, "refused": watched.crashed}
    before = {name: each.clone() for name, each in watched.model.state_dict().items()}
    started = time.perf_counter()
    try:
        verdict = watched.probe.findings(confirm=confirm)
    except Exception as error:  # a defect of Leadline: written down, counted, and no reason to lose a night's run
        return {**record, "failed": f"findings: {type(error).__name__}: {error}"[:300]}
    record["finding_seconds"] = shown(time.perf_counter() - started)
    after = watched.model.state_dict()
    record["left_alone"] = all(torch.equal(before[name].nan_to_num(), after[name].nan_to_num()) for name in before)
    return {**record, "verdict": verdict.to_json(), "readings": watched.probe.readings.to_json()}


def record_of(subject: Subject, confirm: float, *, plain_only: bool, timing: bool) -> dict[str, Any]:
    """Everything that the report needs of one subject."""
    recipe = subject.recipe()
    signals = Signals(recipe)
    started = time.perf_counter()
    plain = train(recipe, subject.seed, observer=signals)
    record: dict[str, Any] = {
        "key": subject.key,
        **subject._asdict(),
        "half": BY_NAME[subject.family].half,
        "inputs": BY_NAME[subject.family].inputs,
        "chance": shown(chance(recipe.arrays, recipe.metric)),
        "clean": shown(plain.clean),
        "promised": shown(plain.promised),
        "crashed": plain.crashed,
        "seconds": shown(plain.seconds),
        "steps": len(plain.losses),
        "history": plain.history,
        "losses": thinned(plain.losses),
        "saved_losses": [shown(loss) for loss in plain.losses[::SAVED_EVERY]],
        "recalls": recalls(plain, recipe),
        "signals": signals.record,
    }
    if not plain_only:
        first = subject.configuration == next(iter(BY_NAME[subject.family].configurations))
        timed = timing and first and subject.seed == 0 and not subject.fault
        record |= diagnosed(recipe, subject, plain, confirm, timed)
    record["whole_seconds"] = shown(time.perf_counter() - started)
    return record


def read(folder: Path) -> Iterator[dict[str, Any]]:
    """All records of a folder. A line that was cut off when a shard was stopped ends its file, and is trained again."""
    for path in sorted(folder.glob("shard-*.jsonl.gz")):
        with gzip.open(path, "rt") as lines:
            try:
                for line in lines:
                    yield json.loads(line)
            except (EOFError, json.JSONDecodeError, gzip.BadGzipFile):
                continue


def wrong_with(records: list[dict[str, Any]]) -> list[str]:
    """What is wrong whatever the rules are: changed weights, a check that fails, an alarm on a sound program.

    Of the faults of a tiny run most are found, but not each hurts enough to be one.
    """
    told, missed = [], []
    for record in records:
        key = record["key"]
        if not record.get("same_weights", True) or not record.get("left_alone", True):
            told.append(f"{key}: the diagnosis changed weights")
        if "failed" in record:
            told.append(f"{key}: {record['failed']}")
        found = [each["kind"] for each in record.get("verdict", {}).get("findings", [])]
        if found and not record["fault"]:
            told.append(f"{key}: sound, but {', '.join(found)}")
        missed += [key] * bool(record["fault"] and not found)
    faults = sum(bool(record["fault"]) for record in records)
    return told + [f"not found: {key}" for key in missed] * (2 * len(missed) > faults)


def warmed() -> None:
    """What torch and scikit-learn do once per process is not the first subject's."""
    recipe = BY_NAME["moons"].recipe("adam", 0).but(epochs=1)
    train(recipe, 0, observer=Signals(recipe))
    optimizer_of(recipe, build(recipe, 0))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--shard", default="0/1")
    options.add_argument("--folder", type=Path, default=Path("runs/diagnosis"))
    options.add_argument("--seeds", type=int, default=5)
    options.add_argument("--each", type=int, default=A_HALF, help="families of each half in which a fault is injected")
    options.add_argument("--confirm", type=float, default=20.0)
    options.add_argument("--families", default="", help="only those with these words in their names; several by comma")
    options.add_argument("--faults", default="", help="the same; 'none' is the healthy ones")
    options.add_argument("--plain", action="store_true")
    options.add_argument("--tiny", action="store_true")
    options.add_argument("--list", action="store_true", help="say how many subjects there are, and train none")
    chosen = options.parse_args()
    torch.set_num_threads(1)
    part, parts = map(int, chosen.shard.split("/"))
    wanted = [
        subject
        for subject in (tiny() if chosen.tiny else subjects(chosen.seeds, chosen.each))
        if zlib.crc32(subject.key.encode()) % parts == part
        and any(word in subject.family for word in chosen.families.split(","))
        and any(word in (subject.fault or "none") for word in chosen.faults.split(","))
    ]
    chosen.folder.mkdir(parents=True, exist_ok=True)
    # A plain training is trained again to be watched; the report takes the later record of a subject.
    done = {record["key"] for record in read(chosen.folder) if chosen.plain or "same_weights" in record}
    left = [subject for subject in wanted if subject.key not in done]
    healthy = sum(not subject.fault for subject in wanted)
    print(f"{len(wanted):,} subjects ({healthy} healthy), {len(left):,} left", flush=True)
    if chosen.list:
        return
    path = chosen.folder / f"shard-{part}-of-{parts}.jsonl.gz"
    mend_tail(path)
    warmed()
    began = time.perf_counter()
    for number, subject in enumerate(left, 1):
        confirm = min(chosen.confirm, TINY_CONFIRM) if chosen.tiny else chosen.confirm
        record = record_of(subject, confirm, plain_only=chosen.plain, timing=not chosen.tiny)
        with gzip.open(path, "at", compresslevel=4) as file:
            file.write(json.dumps(record) + "\n")
        found = ", ".join(each["kind"] for each in record.get("verdict", {}).get("findings", [])) or "healthy"
        told = found if "verdict" in record else record.get("failed", record.get("refused", ""))
        passed = time.perf_counter() - began
        print(f"{number}/{len(left)} {subject.key}: clean {record['clean']:.3f}, {record['seconds']:.1f} s; {told} "
              f"[{passed / number:.1f} s each]", flush=True)  # fmt: skip
    if chosen.tiny and (wrong := wrong_with(list(read(chosen.folder)))):
        raise SystemExit("\n".join(wrong))


def mend_tail(path: Path) -> None:
    """Write the whole lines anew where the last was cut off: nothing can be appended to half a line."""
    if not path.exists():
        return
    whole = list(read_whole(path))
    aside = path.with_suffix(".aside")
    with gzip.open(aside, "wt", compresslevel=4) as file:
        file.writelines(whole)
    aside.replace(path)


def read_whole(path: Path) -> Iterator[str]:
    with gzip.open(path, "rt") as lines:
        try:
            for line in lines:
                if line.endswith("\n"):
                    yield line
        except (EOFError, gzip.BadGzipFile):
            return


if __name__ == "__main__":
    main()
