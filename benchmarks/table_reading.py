"""A csv of a million rows and 50 columns: seconds from start to the first training step, and peak memory.

Beside it, in turn (A B C, A B C, …), each in a process of its own: polars and pandas reading the same file into typed columns,
and polars reading it as text, which is what Leadline starts from.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from machine import machine, write

ROWS, NUMBERS, CATEGORIES, ROUNDS = 1_000_000, 40, 8, 3
_PEAK = (
    "import resource; print(json.dumps({**times, 'peak_mb': round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)}))"
)
_START = "import json, sys, time; began = time.perf_counter(); times = {}\n"
WAYS = {
    "leadline": _START
    + """
import leadline
from leadline.plan import build, measure, propose
dataset = leadline.data.load(sys.argv[1], target="target")
times["loaded"] = time.perf_counter() - began
plan = propose(dataset, {"training.device": "cpu"})
built = build(measure(plan, dataset).plan, dataset)
class Now: step, fraction = 0, 0.0
built.step(next(iter(built.batches)), Now())
times["seconds"] = time.perf_counter() - began
"""
    + _PEAK,
    "polars": _START + "import polars; polars.read_csv(sys.argv[1]); times['seconds'] = time.perf_counter() - began\n" + _PEAK,
    "polars, all as text": _START
    + "import polars; polars.read_csv(sys.argv[1], infer_schema=False); times['seconds'] = time.perf_counter() - began\n"
    + _PEAK,
    "pandas": _START + "import pandas; pandas.read_csv(sys.argv[1]); times['seconds'] = time.perf_counter() - began\n" + _PEAK,
}


def make_table(path: Path) -> None:
    """Numbers with missing ones, categories, a yes/no column and a target that depends on some of them."""
    import polars as pl

    draw = np.random.default_rng(0)
    numbers = {f"number {at}": draw.normal(size=ROWS).round(4) for at in range(NUMBERS)}
    columns = {
        name: pl.Series(np.where(draw.random(ROWS) < 0.02, np.nan, values)).fill_nan(None) for name, values in numbers.items()
    }
    for at in range(CATEGORIES):
        columns[f"category {at}"] = pl.Series(draw.integers(0, 5 * (at + 1), ROWS)).cast(pl.String).str.replace(r"^", "level ")
    columns["yes or no"] = pl.Series(draw.random(ROWS) < 0.3)
    columns["target"] = pl.Series((numbers["number 0"] + numbers["number 1"] ** 2 + draw.normal(size=ROWS)).round(4))
    pl.DataFrame(columns).write_csv(path)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "million.csv"
        make_table(path)
        found: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
        for _ in range(ROUNDS):
            for way, script in WAYS.items():
                done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True)
                found[way].append(json.loads(done.stdout.splitlines()[-1]))
                print(way, found[way][-1], flush=True)
        size = path.stat().st_size
    medians = {
        way: {key: round(statistics.median(run[key] for run in runs), 2) for key in runs[0]} for way, runs in found.items()
    }
    for way, record in medians.items():
        print(f"{way:20} {record}")
    write(
        "table_reading",
        {
            "machine": machine("polars", "pandas"),
            "rows": ROWS,
            "columns": NUMBERS + CATEGORIES + 2,
            "megabytes": round(size / 2**20),
            "rounds": ROUNDS,
            "medians": medians,
        },
    )


if __name__ == "__main__":
    main()
