"""The proposed plan on a GPU beside the same plan on the CPU of the same machine: test score, seconds, seconds a step.

    LEADLINE_DATA=… python benchmarks/tables_device.py [NAME …]

Needs a CUDA device. Each table is trained on the GPU for three seeds, and on the CPU for the first of them.
"""

from __future__ import annotations

import statistics
import sys
import time
from typing import Any

import torch
from machine import machine, write
from tables import CASES

import leadline
from leadline.metrics import for_task
from leadline.plan import build, measure, propose
from leadline.runs.predicting import Predictor
from leadline.training import run_loop

SEEDS = range(3)
LARGE = ("adult", "california", "bike-sharing")


def train(dataset: leadline.data.Dataset, device: str, seed: int, metric: str) -> dict[str, float]:
    """One training: the score on the test rows, the seconds of its steps, and the milliseconds of one."""
    measured = measure(propose(dataset, {"training.seed": seed, "training.device": device}), dataset)
    built = build(measured.plan, dataset)
    began = time.perf_counter()
    history = run_loop(
        built.step, built.batches, epochs=measured.plan.training.epochs, evaluate=built.evaluate, best=built.best
    )
    seconds = time.perf_counter() - began
    values = Predictor(built.model, dataset.schema, built.device).all_values(dataset.test.inputs)
    function = for_task(dataset.task, dataset.schema.answers.outputs)[metric].function
    score = float(function(torch.from_numpy(values), torch.from_numpy(dataset.test.targets)))
    return {"score": score, "seconds": seconds, "milliseconds_a_step": 1e3 * seconds / history["step"][-1]}


def main() -> None:
    found: dict[str, Any] = {}
    for name in sys.argv[1:] or LARGE:
        case = CASES[name]
        runs: dict[str, list[dict[str, float]]] = {"cuda": [], "cpu": []}
        for seed in SEEDS:
            dataset = leadline.data.load(case.source, seed=seed, **case.options)
            for device in ("cuda", "cpu") if seed == 0 else ("cuda",):
                made = runs[device]
                made.append(train(dataset, device, seed, case.metric))
                print(name, seed, device, {key: round(value, 4) for key, value in made[-1].items()}, flush=True)
        found[name] = {
            "metric": case.metric,
            "rows": len(dataset.train),
            **{
                device: {key: round(statistics.median(run[key] for run in made), 5) for key in made[0]}
                for device, made in runs.items()
            },
            "runs": runs,
        }
    write(
        "tables_device",
        {"machine": machine("polars"), "accelerator": torch.cuda.get_device_name(), "seeds": len(SEEDS), "cases": found},
    )


if __name__ == "__main__":
    main()
