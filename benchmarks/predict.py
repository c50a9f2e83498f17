"""One prediction: `run.predict(picture)` against the same preprocessing and `model(x)` by hand; memory over 10,000 calls.

By hand means what a careful person would write for one picture: array to tensor, cast, standardize, network, calibrated
softmax, back to plain numbers with the class names; everything prepared outside the loop that can be.
"""

from __future__ import annotations

import resource
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import machine, spread, write

import leadline

PAIRS, CALLS = 40, 100


def by_hand(run: leadline.runs.Run) -> Any:
    inputs, names, model = run.schema.inputs, run.schema.answers.names, run.model
    temperature = run.schema.answers.temperature
    scale = (1 / torch.tensor(inputs.std)).reshape(1, -1, 1, 1)
    shift = (-torch.tensor(inputs.mean) / torch.tensor(inputs.std)).reshape(1, -1, 1, 1)

    def predict(picture: Any) -> tuple[str, dict[str, float]]:
        with torch.inference_mode():
            x = torch.from_numpy(picture)[None, :, :, None].permute(0, 3, 1, 2).float().mul_(scale).add_(shift)
            probabilities = torch.softmax(model(x) / temperature, dim=1)[0].tolist()
        best = max(range(len(names)), key=probabilities.__getitem__)
        return names[best], dict(zip(names, probabilities, strict=True))

    return predict


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        record: dict[str, Any] = {"machine": machine(), "calls_a_measurement": CALLS}
        for model in ("mlp", "convnet"):
            run = leadline.train("digits", folder=Path(folder) / model, changes={"model": model, "training.epochs": 2})
            record[model] = compare(run)
        record["memory"] = memory(run)
    write("predict", record)


def compare(run: leadline.runs.Run) -> dict[str, Any]:
    picture = np.random.default_rng(0).integers(0, 17, (8, 8), dtype=np.uint8)
    ours, hand = run.predict, by_hand(run)
    assert ours(picture).answer == hand(picture)[0]
    taken: dict[str, list[float]] = {"leadline": [], "by hand": []}
    for _ in range(PAIRS):
        for name, predict in (("leadline", ours), ("by hand", hand)):
            start = time.perf_counter()
            for _ in range(CALLS):
                predict(picture)
            taken[name].append((time.perf_counter() - start) / CALLS * 1e6)
    ratio = statistics.median(a / b for a, b in zip(taken["leadline"], taken["by hand"], strict=True))
    medians = {name: statistics.median(values) for name, values in taken.items()}
    print(f"{run.plan.model.name}: {medians['leadline']:.0f} µs, by hand {medians['by hand']:.0f} µs: {ratio:.3f} ×")
    return {"microseconds": {name: spread(values) for name, values in taken.items()}, "ratio": ratio}


def memory(run: leadline.runs.Run) -> dict[str, float]:
    """Peak resident memory after 1,000 calls and after 10,000 more."""
    picture = np.zeros((8, 8), np.uint8)
    peaks = []
    for calls in (1_000, 10_000):
        for _ in range(calls):
            run.predict(picture)
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    print(f"peak memory after 1,000 calls {peaks[0]:.1f} MiB, after 10,000 more {peaks[1]:.1f} MiB")
    return {"mebibytes_after_1000": peaks[0], "mebibytes_after_11000": peaks[1]}


if __name__ == "__main__":
    main()
