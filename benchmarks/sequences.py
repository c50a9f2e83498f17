"""Texts, series and forecasts by the plan that is proposed, each beside its simple baselines and what has been published.

Each seed is another training, and other rows to choose by; where a source has no test rows of its own, other test rows as well.
Intervals of a score are those of its Run, drawn from the test rows. The baselines are those of the Run: they learned from the
same rows and answered for the same ones.

    LEADLINE_DATA=… python benchmarks/sequences.py [--case NAME …] [--seeds 5]     # other cases stay in the results
"""

from __future__ import annotations

import argparse
import json
import lzma
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from machine import RESULTS, machine, spread, write

import leadline

PLACE = Path(os.environ.get("LEADLINE_DATA", "data"))
SERIES, TEXT, TABLES = PLACE / "series", PLACE / "text", PLACE / "tables"


@dataclass(frozen=True)
class Case:
    """One source: what `leadline.data.load` is given, how often it is trained at most, and what others came to.

    `published` is (method, score, where it stands); scores are in the units of the metric.
    """

    source: tuple[Path, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    most_seeds: int = 5
    published: tuple[tuple[str, float, str], ...] = ()
    note: str = ""


REVIEW = "Ismail Fawaz et al. 2019, Deep learning for time series classification: a review; 10 trainings, official test rows"
ARCHIVE = "Bagnall et al. 2018, The UEA multivariate time series classification archive; official test rows"
SPAM = "Almeida, Gómez Hidalgo and Yamakami 2011, Contributions to the study of SMS spam filtering"
REVIEWS = "official test rows, those of them that training has word for word among them"
OTHER_ROWS = "none judged on the same rows is known to us"

CASES = {
    "gunpoint": Case(
        (SERIES / "GunPoint_TRAIN.ts",),
        published=(("fully convolutional network", 1.0, REVIEW), ("ResNet", 0.991, REVIEW)),
        note="official train and test rows",
    ),
    "italy-power-demand": Case(
        (SERIES / "ItalyPowerDemand_TRAIN.ts",),
        published=(("fully convolutional network", 0.961, REVIEW), ("ResNet", 0.963, REVIEW)),
        note="official train and test rows",
    ),
    "basic-motions": Case(
        (SERIES / "BasicMotions_TRAIN.ts",),
        published=(("nearest neighbour by dynamic time warping of all channels together", 0.975, ARCHIVE),),
        note="official train and test rows; 6 channels",
    ),
    "ecg5000": Case(
        (SERIES / "ECG5000_TRAIN.txt",),
        published=(("fully convolutional network", 0.94, REVIEW), ("ResNet", 0.934, REVIEW)),
        note="only the 500 official training rows are here: 350 of them train and 75 judge, where others train on 500 and are "
        "judged on 4,500",
    ),
    "names": Case(
        (TEXT / "names",),
        most_seeds=3,
        note=f"names in 18 languages, by letters; a name never stands on both sides; {OTHER_ROWS}",
    ),
    "sms-spam": Case(
        (TEXT / "sms.tsv",),
        published=(("support vector machine", 0.9764, f"{SPAM}; 30 % of the messages train, 70 % judge"),),
        note="70 % train, 15 % judge; copies never stand on both sides, and there are many",
    ),
    "imdb": Case(
        (TEXT / "imdb.train.tsv", TEXT / "imdb.test.tsv"),
        {"target": "label", "columns": {"id": "leave out", "rating": "leave out"}},
        most_seeds=3,
        published=(
            ("word vectors and bag of words, with 50,000 unlabelled reviews", 0.8889, f"Maas et al. 2011; {REVIEWS}"),
            ("NBSVM on word pairs", 0.9122, f"Wang and Manning 2012, Baselines and bigrams; {REVIEWS}"),
        ),
        note="official train and test rows, less the test reviews that stand word for word in training",
    ),
    "airline-passengers": Case(
        (TABLES / "airline-passengers.csv",),
        {"forecast": 12},
        note=f"144 months; from each moment of the last 15 % that has 12 months behind it; {OTHER_ROWS}",
    ),
    "bike-sharing": Case(
        (TABLES / "bike-sharing.csv",),
        {"forecast": 24, "target": "Count"},
        note=f"hourly; from each moment of the last 15 % that has 24 hours behind it; {OTHER_ROWS}",
    ),
}  # fmt: skip


def unpacked(paths: tuple[Path, ...], folder: Path) -> Any:
    """What `load` is given: the paths, of packed files that of a copy in `folder`."""
    found = []
    for path in paths:
        packed = path.with_name(f"{path.name}.xz")
        if not path.exists() and packed.exists():
            path = folder / path.name
            with lzma.open(packed) as source, path.open("wb") as target:
                shutil.copyfileobj(source, target)
        found.append(str(path))
    return "\n".join(found)  # as the command line names several files


def train_once(source: Any, case: Case, seed: int, folder: Path) -> dict[str, Any]:
    """One training of the proposed plan: its score and those beside it."""
    began = time.perf_counter()
    dataset = leadline.data.load(source, seed=seed, **case.options)
    run = leadline.train(dataset, folder=folder / f"run-{seed}", changes={"training.seed": seed})
    results = run.results
    headline = results["headline"]
    return {
        "network": run.plan.model.name,
        "arguments": dict(run.plan.model.arguments),
        "why": run.plan.why["model.name"],
        "rows": results["rows"],
        "metric": headline,
        "higher_is_better": results["scores"][headline]["higher_is_better"],
        "score": _bounded(results["scores"][headline]),
        "scores": {name: score["value"] for name, score in results["scores"].items()},
        "best_epoch": results["best_epoch"],
        "epochs": results["epochs"],
        "training_seconds": round(results["seconds"]["training"], 2),
        "seconds": round(time.perf_counter() - began, 2),
        "baselines": {
            each["name"]: {
                "detail": each["detail"],
                **_bounded(each["scores"][headline]),
                "network_ahead": _bounded(each["network_ahead"]),
            }
            for each in results["baselines"]
        },
    }


def _bounded(score: Mapping[str, Any]) -> dict[str, Any]:
    return {name: score[name] for name in ("value", "low", "high")}


def run_case(name: str, case: Case, seeds: int) -> dict[str, Any]:
    """Every training of a case, and what they come to together."""
    runs = []
    with tempfile.TemporaryDirectory() as folder:
        source = unpacked(case.source, Path(folder))
        for seed in range(min(seeds, case.most_seeds)):
            runs.append(train_once(source, case, seed, Path(folder)))
            found = runs[-1]
            print(
                f"  {name} seed {seed}: {found['score']['value']:.4f}, epoch {found['best_epoch']} of {found['epochs']}, "
                f"{found['training_seconds']:.1f} s of training",
                flush=True,
            )
    first = runs[0]
    shared = ("network", "arguments", "why", "rows", "metric", "higher_is_better")
    return {
        **{key: first[key] for key in shared},
        "seeds": len(runs),
        "note": case.note,
        "published": [{"method": method, "value": value, "source": where} for method, value, where in case.published],
        "leadline": summary([run["score"] for run in runs]),
        "baselines": {
            method: {"detail": first["baselines"][method]["detail"]}
            | summary([run["baselines"][method] for run in runs])
            | {"network_ahead": summary([run["baselines"][method]["network_ahead"] for run in runs])}
            for method in first["baselines"]
            if all(method in run["baselines"] for run in runs)
        },
        "training_seconds": spread([run["training_seconds"] for run in runs]),
        "seconds": spread([run["seconds"] for run in runs]),
        "runs": [{key: value for key, value in run.items() if key not in shared} for run in runs],
    }


def summary(scores: list[dict[str, Any]]) -> dict[str, Any]:
    """The mean over seeds, its standard error, and the interval of each Run on average; none where one has none."""
    values = [score["value"] for score in scores]
    ends = [(score["low"], score["high"]) for score in scores if score["low"] is not None]
    bounded = len(ends) == len(scores)
    return {
        "mean": statistics.mean(values),
        "standard_error": statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else None,
        "low": statistics.mean(low for low, _ in ends) if bounded else None,
        "high": statistics.mean(high for _, high in ends) if bounded else None,
    }


def line(name: str, record: Mapping[str, Any]) -> str:
    """A case in one line: what was trained, its score, what stood beside it, what is published, and the seconds."""
    ours, of_share = record["leadline"], record["metric"] == "accuracy"

    def told(value: float) -> str:
        return f"{100 * value:.2f} %" if of_share else f"{value:.4g}"

    error = "" if ours["standard_error"] is None else f" ± {told(ours['standard_error'])}"
    interval = "" if ours["low"] is None else f" ({told(ours['low'])} to {told(ours['high'])})"
    beside = ", ".join(f"{method} {told(each['mean'])}{_fewer(each)}" for method, each in record["baselines"].items())
    published = ", ".join(f"{each['method']} {told(each['value'])}" for each in record["published"]) or "none"
    return (
        f"{name:18} {record['network']:20} {record['metric']} {told(ours['mean'])}{error}{interval}, {record['seeds']} seeds; "
        f"beside it: {beside}; published: {published}; {record['training_seconds']['median']:.1f} s"
    )


def _fewer(baseline: Mapping[str, Any]) -> str:
    """How many rows a baseline learned from in the time it had, where these were not all."""
    used = next((part for part in baseline["detail"].split(", ") if " of " in part and "training rows" in part), None)
    return f" (on {used})" if used else ""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--case", action="append", choices=CASES, help="one case, or several; all when left out")
    parser.add_argument("--seeds", type=int, default=5, help="trainings of a case, fewer where they are long")
    asked = parser.parse_args()
    path = RESULTS / "sequences.json"
    kept = json.loads(path.read_text())["cases"] if asked.case and path.exists() else {}
    record = {}
    for name in asked.case or CASES:
        record[name] = run_case(name, CASES[name], asked.seeds)
        print(line(name, record[name]), flush=True)
    cases = {name: (kept | record)[name] for name in CASES if name in kept | record}
    write("sequences", {"machine": machine("scikit-learn", "polars"), "most_seeds": asked.seeds, "cases": cases})


if __name__ == "__main__":
    main()
