"""Faults that people asked about, as plain loops: what the diagnosis says of each, and of the same program mended.

    python benchmarks/diagnosis/questions.py [WORDS] [--seeds 3] [--confirm 8] [--jobs 2] [--write]

Each program of `asked_*.py` restates a public question in a loop of a few dozen lines on data that it makes or scikit-learn
ships, written before anyone looked at what the rules say of it. It runs with the fault and without. Told are, for the faulty
ones, whether anything is found, whether the right kind comes first or among the first three; for the mended ones, any alarm.
A program whose fault does not lower its score on clean test rows counts as healthy for nobody: it is listed, and left out.
"""

from __future__ import annotations

import argparse
import importlib
import statistics
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from asked import QUESTIONS, Question

from leadline.diagnose import Verdict, watch

HURTS = 0.02  # of the score, that a fault must cost to count


def answered(one: Question, *, mended: bool, seed: int, confirm: float) -> dict[str, Any]:
    """One run: its score, and what the diagnosis says."""
    torch.manual_seed(seed)
    began = time.perf_counter()
    probe, score = one.program(mended, watch)
    trained = time.perf_counter() - began
    verdict: Verdict = probe.findings(confirm=confirm)
    return {
        "name": one.name,
        "asked": one.asked,
        "kinds": list(one.kinds),
        "mended": mended,
        "seed": seed,
        "score": score,
        "said": [finding.kind for finding in verdict],
        "causes": [finding.cause for finding in verdict],
        "unchecked": list(verdict.unchecked),
        "seconds": [round(trained, 2), round(time.perf_counter() - began - trained, 2)],
    }


def table(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Counts over all runs: faults that hurt, found, right first, among three; mended programs with an alarm."""
    scores: dict[tuple[str, bool], list[float]] = {}
    for run in runs:
        scores.setdefault((run["name"], run["mended"]), []).append(run["score"])
    hurts = {
        name: statistics.median(scores.get((name, True), [1.0])) - statistics.median(scores[name, False]) >= HURTS
        for name, mended in scores
        if not mended
    }
    faulty = [run for run in runs if not run["mended"] and hurts[run["name"]]]
    healthy = [run for run in runs if run["mended"]]
    right = [[kind in run["kinds"] for kind in run["said"]] for run in faulty]
    return {
        "programs": len(hurts),
        "harmless": sorted(name for name, hurt in hurts.items() if not hurt),
        "faulty": len(faulty),
        "found": sum(bool(run["said"]) for run in faulty),
        "first": sum(any(each[:1]) for each in right),
        "three": sum(any(each[:3]) for each in right),
        "healthy": len(healthy),
        "alarms": sum(bool(run["said"]) for run in healthy),
    }


def load() -> None:
    """Read all files of programs, which registers them."""
    torch.set_num_threads(1)
    for path in sorted(Path(__file__).parent.glob("asked_*.py")):
        if path.stem != "asked_made":
            importlib.import_module(path.stem)


def run(place: int, mended: bool, seed: int, confirm: float) -> dict[str, Any]:
    """One run of a program by its place among them."""
    return answered(QUESTIONS[place], mended=mended, seed=seed, confirm=confirm)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", help="of the names of programs or files to run")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--confirm", type=float, default=8.0)
    parser.add_argument("--jobs", type=int, default=1, help="programs at a time, each on one thread")
    parser.add_argument("--write", action="store_true", help="results/diagnosis_questions.json")
    options = parser.parse_args()
    load()
    chosen = [
        place
        for place, one in enumerate(QUESTIONS)
        if not options.words or any(word in f"{one.program.__module__} {one.name}" for word in options.words)
    ]
    tasks = [(place, mended, seed) for seed in range(options.seeds) for place in chosen for mended in (False, True)]
    runs = []
    with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn"), initializer=load) as pool:
        for found in pool.map(run, *zip(*tasks, strict=True), [options.confirm] * len(tasks)):
            runs.append(found)
            mark = "mended" if found["mended"] else "  ".join(found["kinds"])
            print(f"{found['score']:6.3f}  {found['name']:48} {mark:32} → {', '.join(found['said']) or 'healthy'}", flush=True)
    print(table(runs))
    if options.write:
        sys.path.append(str(Path(__file__).resolve().parents[1]))
        from machine import machine, write

        record = {"machine": machine(), "seeds": options.seeds, "confirm": options.confirm, "table": table(runs), "runs": runs}
        write("diagnosis_questions", record)


if __name__ == "__main__":
    main()
