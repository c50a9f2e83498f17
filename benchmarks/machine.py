"""What a benchmark says of its machine: names, versions and two ceilings, and where its results go."""

from __future__ import annotations

import json
import platform
import statistics
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from leadline.runs.environment import processor

RESULTS = Path(__file__).parent / "results"


def median_seconds(action: Any, times: int = 7) -> float:
    """The median of some runs, after one that does not count."""
    action()
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        action()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def machine(*packages: str) -> dict[str, Any]:
    """Hardware, versions, and the ceilings: a 2048³ product in float32, and a copy of 256 MB."""
    a, b = torch.randn(2048, 2048), torch.randn(2048, 2048)
    large = torch.empty(64 * 2**20)
    return {
        "processor": processor(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "packages": {name: metadata.version(name) for name in ("leadline", "torch", *packages)},
        "matrix_product_gflops": round(2 * 2048**3 / median_seconds(lambda: a @ b) / 1e9, 1),
        "copy_gbytes_per_second": round(2 * large.nbytes / median_seconds(lambda: large.clone()) / 1e9, 1),
    }


def spread(values: list[float]) -> dict[str, float]:
    """Median, quartiles and number of some measurements."""
    quartiles = statistics.quantiles(values, n=4) if len(values) > 1 else [values[0]] * 3
    return {"median": statistics.median(values), "low": quartiles[0], "high": quartiles[2], "n": len(values)}


def write(name: str, record: dict[str, Any]) -> None:
    """Write `results/NAME.json` and say so."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(record, indent=1) + "\n")
    print(f"\nwritten to {path}")
