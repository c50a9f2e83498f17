"""AutoGluon's network on rows that `tables.py --rows FOLDER` wrote: the same rows, the same metric, as many seconds.

It runs in an environment of its own, since AutoGluon pins other versions than Leadline needs:

    python -m venv peer && peer/bin/pip install torch==2.13.0 autogluon.tabular
    python benchmarks/tables.py --rows rows
    peer/bin/python benchmarks/tables_peer.py rows
    python benchmarks/tables.py --peer rows/peer.json

A folder for each table and seed holds train, valid and test as parquet and `case.json` (target, task, metric, seconds).
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
import warnings
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from autogluon.tabular import TabularPredictor
from sklearn.metrics import accuracy_score, mean_squared_error, roc_auc_score

PROBLEMS = {
    "auroc": ("binary", "roc_auc"),
    "accuracy": ("multiclass", "accuracy"),
    "rmse": ("regression", "root_mean_squared_error"),
}
NETWORK = {"NN_TORCH": {}}  # its own network for tables, with its own defaults


def run_one(folder: Path) -> dict[str, Any]:
    """The score of the network on the test rows and the seconds it took."""
    case = json.loads((folder / "case.json").read_text())
    train, valid, test = (pd.read_parquet(folder / f"{part}.parquet") for part in ("train", "valid", "test"))
    kind, metric = PROBLEMS[case["metric"]]
    place = tempfile.mkdtemp()
    began = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        predictor = TabularPredictor(label=case["target"], problem_type=kind, eval_metric=metric, path=place, verbosity=0)
        predictor.fit(train, tuning_data=valid, hyperparameters=NETWORK, time_limit=max(10.0, case["seconds"]), num_cpus=2)
        seconds = time.perf_counter() - began
        score = _score(predictor, test, case)
    shutil.rmtree(place)
    return {"score": score, "seconds": round(seconds, 1)}


def _score(predictor: TabularPredictor, test: pd.DataFrame, case: dict[str, Any]) -> float:
    truth, target = test[case["target"]], case["target"]
    rows = test.drop(columns=[target])
    if case["metric"] == "auroc":
        return float(roc_auc_score(truth == predictor.positive_class, predictor.predict_proba(rows)[predictor.positive_class]))
    said = predictor.predict(rows)
    if case["metric"] == "accuracy":
        return float(accuracy_score(truth, said))
    return float(np.sqrt(mean_squared_error(truth, said)))


def main() -> None:
    root = Path(sys.argv[1])
    found: dict[str, dict[str, list[float]]] = {}
    for folder in sorted(root.glob("*/seed-*"), key=lambda path: (path.parent.name, int(path.name.split("-")[1]))):
        result = run_one(folder)
        record = found.setdefault(folder.parent.name, {"scores": [], "seconds": []})
        record["scores"].append(result["score"])
        record["seconds"].append(result["seconds"])
        print(folder.parent.name, folder.name, result, flush=True)
        name = f"AutoGluon {metadata.version('autogluon.tabular')} network"
        (root / "peer.json").write_text(json.dumps({"name": name, "cases": found}, indent=1))


if __name__ == "__main__":
    main()
