"""Digits: the proposed plan in 3 × 5-fold cross-validation, beside nearest neighbours and an RBF support vector machine.

The test fold is seen by nothing; an inner split of the other four, stratified, stops the training early. The support
vector machine and nearest neighbours choose their settings by cross-validation on the same rows that Leadline learns and
chooses from.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from machine import machine, write
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, RepeatedStratifiedKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

from leadline.data import load
from leadline.plan import build, measure, propose
from leadline.runs.predicting import Predictor
from leadline.training import run_loop

CHANGES = {"training.threads": 0}


def leadline_score(inputs: NDArray[Any], targets: NDArray[Any], train: NDArray[Any], test: NDArray[Any], seed: int) -> float:
    source = {
        "train": inputs[train],
        "train_targets": targets[train],
        "test": inputs[test],
        "test_targets": targets[test],
    }
    dataset = load(source, valid=0.15, seed=seed)
    plan = measure(propose(dataset, {"training.seed": seed, **CHANGES}), dataset).plan
    built = build(plan, dataset)
    run_loop(built.step, built.batches, epochs=plan.training.epochs, evaluate=built.evaluate, best=built.best)
    values = Predictor(built.model, dataset.schema, built.device).all_values(dataset.test.inputs)
    return float((values.argmax(1) == dataset.test.targets).mean())


def main() -> None:
    digits = load_digits()
    pictures, rows, targets = digits.images.astype(np.uint8), digits.data, digits.target
    peers = {
        "nearest neighbours": GridSearchCV(KNeighborsClassifier(), {"n_neighbors": [1, 3, 5]}, cv=5),
        "rbf support vector machine": GridSearchCV(SVC(), {"C": [3, 10, 30], "gamma": [5e-4, 1e-3, 2e-3]}, cv=5),
    }
    scores: dict[str, list[float]] = {name: [] for name in ("leadline", *peers)}
    seconds = []
    folds = RepeatedStratifiedKFold(n_splits=5, n_repeats=3, random_state=0)
    for number, (train, test) in enumerate(folds.split(rows, targets)):
        start = time.perf_counter()
        scores["leadline"].append(leadline_score(pictures, targets, train, test, number))
        seconds.append(time.perf_counter() - start)
        for name, peer in peers.items():
            scores[name].append(float(peer.fit(rows[train], targets[train]).score(rows[test], targets[test])))
        print(f"fold {number + 1:2}: " + ", ".join(f"{name} {values[-1]:.4f}" for name, values in scores.items()), flush=True)
    summary = {}
    for name, values in scores.items():
        differences = np.array(scores["leadline"]) - np.array(values)
        summary[name] = {
            "mean": float(np.mean(values)),
            "standard_deviation": float(np.std(values, ddof=1)),
            "folds": values,
            "leadline_minus_this": float(differences.mean()),
            "folds_where_leadline_is_better_or_equal": int((differences >= 0).sum()),
        }
        print(f"{name:28} {np.mean(values):.4f} ± {np.std(values, ddof=1):.4f} (n = {len(values)} folds)")
    print(f"seconds a fold, measuring included: {np.median(seconds):.1f}")
    write("digits", {"machine": machine("scikit-learn"), "scores": summary, "seconds_a_fold": float(np.median(seconds))})


if __name__ == "__main__":
    main()
