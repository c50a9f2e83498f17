"""Nine tables, five seeds: the proposed plan beside gradient boosting, a linear model and scikit-learn's own network.

All learn from the same training rows, choose by the same validation rows and are judged on the same test rows; a seed is
another split (where the source has none of its own), other first weights and another order. Boosting and the linear model are
those of `leadline.baselines`: scikit-learn's, with the settings that do best on the validation rows, in two minutes.
scikit-learn's network gets the columns that the linear model gets, and the best of three settings by the validation rows.

    LEADLINE_DATA=… python benchmarks/tables.py [NAME …] [--rows FOLDER]    # tables not named keep the results they have
    python benchmarks/tables.py --peer FOLDER/peer.json     # adds to the results what tables_peer.py measured on those rows
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import RESULTS, machine, write
from numpy.typing import NDArray

import leadline
from leadline.baselines import fit_baselines
from leadline.data import Dataset, Split
from leadline.data.sources import Reading, frame_of
from leadline.data.tables.bundled import bundled_frame
from leadline.layers import OneHot
from leadline.metrics import for_task
from leadline.plan import build, measure, propose
from leadline.runs.predicting import Predictor
from leadline.training import run_loop

TABLES = Path(os.environ.get("LEADLINE_DATA", "data")) / "tables"
SEEDS = range(5)
ENOUGH = 120.0  # seconds for the baselines: all the rows, and the settings there is time for


@dataclass(frozen=True)
class Case:
    """One table: what `leadline.data.load` is given, and the metric by which methods are compared."""

    source: Any
    metric: str
    options: dict[str, Any] = field(default_factory=dict)


CASES = {
    "adult": Case([TABLES / "adult-train.csv", TABLES / "adult-test.csv"], "auroc", {"target": "15"}),
    "california": Case(TABLES / "california_housing.csv", "rmse", {"target": "median_house_value"}),
    "titanic": Case(TABLES / "titanic.csv", "auroc", {"target": "survived"}),
    "bike-sharing": Case(TABLES / "bike-sharing.csv", "rmse", {"target": "Count", "time": "Year,Month"}),
    "red-wine": Case(TABLES / "winequality-red.csv", "accuracy", {"target": "-1"}),
    "penguins": Case(TABLES / "penguins.csv", "accuracy", {"target": "species"}),
    "mpg": Case(TABLES / "mpg.csv", "rmse", {"target": "mpg"}),
    "breast-cancer": Case("breast-cancer", "auroc"),
    "diabetes": Case("diabetes", "rmse"),
}


def network_answers(dataset: Dataset, seed: int) -> tuple[NDArray[Any], float]:
    """What the proposed plan says of the test rows, and the seconds it took, measuring its ways included."""
    began = time.perf_counter()
    plan = measure(propose(dataset, {"training.seed": seed, "training.device": "cpu"}), dataset).plan
    built = build(plan, dataset)
    run_loop(built.step, built.batches, epochs=plan.training.epochs, evaluate=built.evaluate, best=built.best)
    values = Predictor(built.model, dataset.schema, built.device).all_values(dataset.test.inputs)
    return values, time.perf_counter() - began


def sklearn_network(dataset: Dataset, seed: int) -> tuple[NDArray[Any], float]:
    """scikit-learn's MLP on one-hot columns: the best of three settings by its score on the validation rows."""
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    began = time.perf_counter()
    table = dataset.schema.inputs
    one_hot = OneHot(table.numbers, table.categories)

    def inputs(split: Split) -> NDArray[Any]:
        return one_hot(torch.from_numpy(split.inputs)).numpy()

    mean, std = inputs(dataset.train).mean(0), inputs(dataset.train).std(0)
    scaled = {name: (inputs(getattr(dataset, name)) - mean) / np.where(std > 0, std, 1) for name in ("train", "valid", "test")}
    answers = dataset.schema.answers
    best: tuple[float, NDArray[Any]] | None = None
    for hidden, alpha in (((100,), 1e-4), ((100,), 1e-1), ((128, 64), 1e-2)):
        arguments = {"hidden_layer_sizes": hidden, "alpha": alpha, "random_state": seed, "early_stopping": True}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if dataset.task == "classes":
                model = MLPClassifier(**arguments).fit(scaled["train"], dataset.train.targets)
                said = {name: model.predict_proba(scaled[name]) for name in ("valid", "test")}
            else:
                learned = answers.prepare(torch.from_numpy(dataset.train.targets)).numpy()[:, 0]
                model = MLPRegressor(**arguments).fit(scaled["train"], learned)
                said = {
                    name: answers.values(torch.from_numpy(model.predict(scaled[name])[:, None])).numpy()
                    for name in ("valid", "test")
                }
        score = model.score(
            scaled["valid"],
            dataset.valid.targets
            if dataset.task == "classes"
            else answers.prepare(torch.from_numpy(dataset.valid.targets)).numpy()[:, 0],
        )
        if best is None or score > best[0]:
            best = (score, said["test"])
    assert best is not None
    return best[1], time.perf_counter() - began


def write_rows(folder: Path, case: Case, dataset: Dataset, seconds: float) -> None:
    """The rows of each split as they came, without the columns that are copies of the target, for a peer elsewhere."""
    import polars as pl

    frame = bundled_frame(case.source)[0] if isinstance(case.source, str) else frame_of(case.source, Reading())
    assert frame is not None
    place = {name: row for row, name in enumerate(frame.ids)}
    table, target = dataset.schema.inputs, dataset.schema.inputs.targets[0]
    kept = frame.data.select(target, *(column.name for column in table.used))
    # As the training took them: classes without the full stops of Adult's test file, numbers as numbers.
    kept = kept.with_columns(
        pl.col(column.name).cast(pl.Float64, strict=False) for column in table.used if column.kind == "number"
    )
    said = (
        pl.col(target).cast(pl.Float64) if dataset.task == "number" else pl.col(target).cast(pl.String).str.strip_chars_end(".")
    )
    kept = kept.with_columns(said)
    folder.mkdir(parents=True, exist_ok=True)
    for part in ("train", "valid", "test"):
        kept[[place[name] for name in getattr(dataset, part).ids]].write_parquet(folder / f"{part}.parquet")
    (folder / "case.json").write_text(json.dumps({"target": target, "metric": case.metric, "seconds": seconds}))


def run_case(name: str, case: Case, rows_folder: Path | None, before: dict[str, Any] | None) -> dict[str, Any]:
    """Scores and seconds of every method for every seed; of Leadline alone where the others' on the same rows are kept."""
    found: dict[str, dict[str, list[float]]] = {"leadline": {"scores": [], "seconds": []}}
    if before is not None:
        found |= {
            method: {"scores": record["scores"], "seconds": [record["seconds"]]}
            for method, record in before["methods"].items()
            if method != "leadline"
        }
    rows: dict[str, int] = {}
    for seed in SEEDS:
        dataset = leadline.data.load(case.source, seed=seed, **case.options)
        rows = {part: len(getattr(dataset, part)) for part in ("train", "valid", "test")}
        metric = for_task(dataset.task, dataset.schema.answers.outputs)[case.metric]
        truth = torch.from_numpy(dataset.test.targets)
        told = {"leadline": network_answers(dataset, seed)}
        if rows_folder is not None:
            write_rows(rows_folder / name / f"seed-{seed}", case, dataset, told["leadline"][1])
        if before is None:
            told["sklearn network"] = sklearn_network(dataset, seed)
        for baseline in fit_baselines(dataset, seconds=0 if before else ENOUGH):
            told[baseline.name] = (baseline.probabilities, baseline.seconds)
        for method, (values, seconds) in told.items():
            record = found.setdefault(method, {"scores": [], "seconds": []})
            record["scores"].append(float(metric.function(torch.from_numpy(values), truth)))
            record["seconds"].append(round(seconds, 1))
        print(
            f"  {name} seed {seed}: " + ", ".join(f"{method} {r['scores'][-1]:.4f}" for method, r in found.items()), flush=True
        )
    return {
        "metric": case.metric,
        "higher_is_better": metric.higher_is_better,
        "rows": rows,
        "methods": {method: _summary(record) for method, record in found.items()},
        "leadline_ahead_of": {
            method: _ahead(found["leadline"]["scores"], record["scores"], metric.higher_is_better)
            for method, record in found.items()
            if method != "leadline"
        },
    }


def _summary(record: dict[str, list[float]]) -> dict[str, Any]:
    return {
        "mean": statistics.mean(record["scores"]),
        "standard_error": _standard_error(record["scores"]),
        "scores": record["scores"],
        "seconds": statistics.median(record["seconds"]),
    }


def _ahead(ours: list[float], theirs: list[float], higher_is_better: bool) -> dict[str, float]:
    """The mean of the differences seed by seed, above 0 where Leadline is better, and its standard error."""
    sign = 1 if higher_is_better else -1
    differences = [sign * (one - other) for one, other in zip(ours, theirs, strict=True)]
    return {"mean": statistics.mean(differences), "standard_error": _standard_error(differences)}


def _standard_error(values: list[float]) -> float:
    return statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0.0


def verdicts(cases: dict[str, Any]) -> dict[str, list[str]]:
    """Where Leadline is within one standard error of boosting or better, and where it is worse than scikit-learn's network."""
    beside = {name: case["leadline_ahead_of"] for name, case in cases.items()}
    boosting, network = "gradient boosting", "sklearn network"
    return {
        "within_one_standard_error_of_boosting_or_better": [
            name
            for name, case in cases.items()
            if beside[name][boosting]["mean"] >= -case["methods"][boosting]["standard_error"]
        ],
        "the_same_by_the_standard_error_of_the_paired_differences": [
            name for name in cases if beside[name][boosting]["mean"] >= -beside[name][boosting]["standard_error"]
        ],
        "worse_than_sklearn_network": [
            name for name in cases if beside[name][network]["mean"] < -beside[name][network]["standard_error"]
        ],
    }


def add_peer(path: Path) -> None:
    """Beside what was measured before, what another tool made of the same rows."""
    results, peer = json.loads((RESULTS / "tables.json").read_text()), json.loads(path.read_text())
    for name, record in peer["cases"].items():
        case = results["cases"][name]
        case["methods"][peer["name"]] = _summary(record)
        ahead = _ahead(case["methods"]["leadline"]["scores"], record["scores"], case["higher_is_better"])
        case["leadline_ahead_of"][peer["name"]] = ahead
        print(f"{name:14} {peer['name']} {statistics.mean(record['scores']):.4f}, Leadline ahead by {ahead['mean']:.4f}")
    write("tables", results)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", choices=[*CASES, []], default=[])
    parser.add_argument("--rows", type=Path, help="write the rows of each split here, for a peer")
    parser.add_argument("--peer", type=Path, help="add what a peer made of them")
    parser.add_argument("--keep", action="store_true", help="keep what the others did before on the same rows")
    asked = parser.parse_args()
    if asked.peer:
        add_peer(asked.peer)
        return
    cases = {}
    path = RESULTS / "tables.json"
    before = json.loads(path.read_text())["cases"] if path.exists() else {}
    for name in asked.names or list(CASES):
        cases[name] = case = run_case(name, CASES[name], asked.rows, before.get(name) if asked.keep else None)
        for method, record in case["methods"].items():
            scores = f"{record['mean']:10.4f} ± {record['standard_error']:.4f}"
            print(f"{name:14} {case['metric']:8} {method:18} {scores} {record['seconds']:7.1f} s", flush=True)
    cases = {name: case for name in CASES if (case := cases.get(name) or before.get(name))}
    found = verdicts(cases)
    for question, names in found.items():
        print(f"{question.replace('_', ' ')}: {len(names)} of {len(cases)}: {', '.join(names) or 'none'}")
    write("tables", {"machine": machine("scikit-learn", "polars"), "seeds": len(SEEDS), "cases": cases, "verdicts": found})


if __name__ == "__main__":
    main()
