"""The proposed plan on real pictures: digits, Fashion-MNIST and a folder of flower photos; test score and minutes, nothing set.

Seconds are those of the whole command: reading, measuring, training, judging, baselines and the report.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from machine import machine, write

import leadline


def train(source: str) -> dict[str, Any]:
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        run = leadline.train(source, folder=Path(folder) / "run")
    seconds = time.perf_counter() - began
    results = run.results
    accuracy = results["scores"]["accuracy"]
    record = {
        "accuracy": {name: accuracy[name] for name in ("value", "low", "high")},
        "calibration_error": results["scores"]["calibration_error"]["value"],
        "baselines": {row["name"]: row["scores"]["accuracy"]["value"] for row in results["baselines"]},
        "rows": results["rows"],
        "model": run.plan.model.name,
        "parameters": results["parameters"],
        "epochs": results["epochs"],
        "seconds": round(seconds, 1),
        "seconds_training": results["seconds"]["training"],
        "threads": results["threads"],
        "layout": run.plan.training.layout,
    }
    beside = ", ".join(f"{name} {value:.1%}" for name, value in record["baselines"].items())
    between = f"{accuracy['low']:.1%} to {accuracy['high']:.1%}"
    print(f"{source}: {accuracy['value']:.2%} ({between}); {beside}; {seconds:.0f} s", flush=True)
    return record


def main() -> None:
    photos = Path(os.environ.get("LEADLINE_DATA", "data")) / "photos" / "flowers"
    sources = {"digits": "digits", "fashion-mnist": "fashion-mnist", "flowers": str(photos)}
    asked = sys.argv[1:] or list(sources)
    write("proposed_plans", {"machine": machine(), **{name: train(sources[name]) for name in asked}})


if __name__ == "__main__":
    main()
