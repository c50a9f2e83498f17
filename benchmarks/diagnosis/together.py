"""Trials from tapes and in one program against plain ones one after another: seconds of the processor, in turn.

    python benchmarks/diagnosis/together.py [ROUNDS]

Ten programs, sound ones and such with a fault, are trained under the probe and examined; then their trials run with as much
time as they want: plainly, from tapes, and from tapes with copies that are alike in one program. How many copies were judged
by each way is told, and how far apart the gains are, in standard errors: rounding grows in a long training.
"""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path
from typing import Any

import torch
from families import BY_NAME
from faults import injections
from programs import train
from run import Subject, warmed

sys.path.insert(0, str(Path(__file__).parents[1]))

from machine import machine, spread, write

from leadline.diagnose import watch
from leadline.diagnose.checklists import Checklist
from leadline.diagnose.examining import examine_subject, read_course
from leadline.diagnose.readings import Branch, Readings
from leadline.diagnose.rules.judging import worth_trying
from leadline.diagnose.subject import undisturbed
from leadline.diagnose.trials import branches, tapes, together

ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 3
PROGRAMS = (
    ("moons", ""), ("digits mlp", ""), ("friedman", ""), ("table", ""), ("digits convnet", ""), ("gru", ""),
    ("spirals", "rate too low"), ("digits mlp", "softmax before cross entropy"), ("noisy", "inputs scaled up"),
    ("digits convnet", "gradients not zeroed"),
)  # fmt: skip
LARGEST = tapes._MOST_OPERATIONS, together._MOST_OPERATIONS
WAYS = {"plain": (0.0, 0.0), "tapes": (LARGEST[0], 0.0), "together": LARGEST}


def subject_of(family: str, fault: str) -> Subject:
    if not fault:
        return Subject(family, next(iter(BY_NAME[family].configurations)), "", (), 0)
    every = injections(limit=len(BY_NAME))
    name, strengths, _, configuration = next(each for each in every if each[0] == fault and each[2] == family)
    return Subject(family, configuration, name, strengths, 0)


def trials_of(probe: Any, subject: Any, readings: Readings, way: str) -> tuple[float, list[Branch]]:
    """Seconds of the processor, and what the trials found."""
    tapes._MOST_OPERATIONS, together._MOST_OPERATIONS = WAYS[way]
    began = time.process_time()
    tried = branches(subject, worth_trying(readings), seconds=3600.0, readings=readings)
    return time.process_time() - began, tried


def measured(family: str, fault: str) -> dict[str, Any]:
    subject = subject_of(family, fault)
    probe = train(subject.recipe(), subject.seed, watch=watch).probe
    readings, examined = probe.readings, probe.subject()
    with undisturbed(examined):
        read_course(probe, readings)
        examine_subject(examined, Checklist(readings))
    took: dict[str, list[float]] = {way: [] for way in WAYS}
    found: dict[str, list[Branch]] = {}
    for _ in range(ROUNDS):
        for way in WAYS:
            seconds, found[way] = trials_of(probe, examined, readings, way)
            took[way].append(seconds)
    pairs = list(zip(found["together"], found["plain"], strict=True))
    medians = {way: statistics.median(each) for way, each in took.items()}
    return {
        "program": subject.key,
        "trials": [f"{each.change}({each.argument}): {len(each.losses)}" for each in found["together"]],
        "steps": found["plain"][0].steps if found["plain"] else 0,
        "seconds": {way: spread(each) for way, each in took.items()},
        "times": {way: round(medians["plain"] / each, 2) for way, each in medians.items()},
        "seeds": {way: sum(len(each.losses) for each in tried) for way, tried in found.items()},
        "apart": max((abs(one.gain - other.gain) / max(other.gain_se, 1e-9) for one, other in pairs), default=0.0),
    }


def main() -> None:
    torch.set_num_threads(1)
    warmed()
    records = []
    for family, fault in PROGRAMS:
        record = measured(family, fault)
        records.append(record)
        told = ", ".join(f"{way} {each['median']:.2f} s ({record['times'][way]:.2f} times, {record['seeds'][way]} copies)"
                         for way, each in record["seconds"].items())  # fmt: skip
        print(f"{record['program']:45} {told}; {record['apart']:.2g} s.e. apart", flush=True)
    write("together", {"machine": machine(), "rounds": ROUNDS, "programs": records})


if __name__ == "__main__":
    main()
