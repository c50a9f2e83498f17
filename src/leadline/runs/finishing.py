"""Finishing a Run: the best weights judged on the test split, and everything written that the folder promises."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from leadline import files
from leadline.baselines import fit_baselines
from leadline.data.answers import Classes, Labels, Numbers
from leadline.data.dataset import Dataset
from leadline.data.tables.table import Table
from leadline.data.trees.trees import NodeClasses
from leadline.metrics import fit_temperature
from leadline.plan import Built, Plan
from leadline.report.restart_section import spread_text
from leadline.runs import folder as folders
from leadline.runs import results as judging
from leadline.runs.diagnoses import tell_verdict, with_collapse
from leadline.runs.diagnosing import concluded
from leadline.runs.drawings import finish_drawings, golden_seeds, tell_drawings
from leadline.runs.examples import find_examples
from leadline.runs.explaining_sequences import find_deciding
from leadline.runs.forecasts import calibrated_forecasts, finish_forecasts, tell_forecasts
from leadline.runs.known_baselines import beside_of
from leadline.runs.observer import Observer
from leadline.runs.pairs import finish_pairs, tell_pairs
from leadline.runs.reconstructing.finishing_rows import calibrated_reconstruct, finish_reconstruct, tell_reconstruct
from leadline.runs.restarts import Trained
from leadline.runs.run import Run
from leadline.runs.seeing_pictures import find_seeing
from leadline.runs.solving import forget_first
from leadline.runs.steps import calibrated_steps, finish_steps, tell_steps
from leadline.runs.table_results import describe_table, values_of
from leadline.runs.tokens import finish_tokens, golden_tokens, tell_tokens
from leadline.runs.transfer_verdicts import with_transfer
from leadline.runs.trees import finish_trees, root_outputs, tell_trees
from leadline.runs.word_runs import finish_words, golden_words, tell_words
from leadline.training import outputs_of

_BASELINE_SHARE, _BASELINE_LEAST = 0.1, 20.0  # of the training's time; seconds
# Of a linear model on tf-idf: 21,000 film reviews take 15 s of a core of their own; twice that is granted, 60 s at most.
_BASELINE_A_TEXT, _BASELINE_TEXTS = 0.0015, 60.0
_SEEING_SHARE, _SEEING_LEAST = 0.05, 5.0
_BESIDE = {"table": " and gradient boosting", "texts": " on tf-idf"}  # what else is fitted
_NOUNS = {"pictures": "pictures", "texts": "texts", "series": "series"}  # what the report calls rows


def finish(path: Path, plan: Plan, dataset: Dataset, trained: Trained, observer: Observer) -> Run:
    """Judge the best weights on the test split and write all that remains, the record of being finished last."""
    built, seconds = trained.built, trained.seconds
    if dataset.task in _APART:
        return _finish_apart(path, plan, dataset, trained, observer)
    dataset = _calibrated(dataset, built)
    files.write_json(path / "schema.json", dataset.schema.to_json())
    run = Run(path, plan, dataset.schema, built.model, built.device)
    values = run.predictor.all_values(dataset.test.inputs)
    results = judging.judge(dataset.schema.answers, values, dataset.test.targets)
    quantile = judging.learned_quantile(plan.training.loss)
    if not quantile:
        others = _BESIDE.get(dataset.schema.inputs.kind, " and nearest neighbours")
        observer.note("baselines", f"a linear model{others} on the same rows")
    results |= judging.training_record(path, plan, dataset, trained)
    # They answer means, so that a quantile would lose against them.
    limit = 0.0 if quantile else max(_least(dataset), _BASELINE_SHARE * seconds)
    baselines = fit_baselines(dataset, seconds=limit)
    results |= {
        "noun": _NOUNS.get(dataset.schema.inputs.kind, "rows"),
        "rows": {"train": len(dataset.train), "valid": len(dataset.valid), "test": len(dataset.test)},
        "baselines": judging.beside_baselines(dataset, values, baselines),
        "balance": judging.balance(dataset),
        "temperature": getattr(dataset.schema.answers, "temperature", None),
    }
    if mirrored := judging.seen_mirrored_too(dataset, plan.training.augment, values, run.predictor.all_values):
        results["mirrored"] = mirrored
    transfer = folders.read_record(path).get("transfer")
    if transfer:
        results["transfer"] = transfer
    if trained.restarts is not None:
        observer.note("restarts", spread_text(trained.restarts))
    if isinstance(table := dataset.schema.inputs, Table):
        observer.note("explain", "which columns matter, on test rows whose values are shuffled column by column")
        results |= describe_table(dataset, table, run.predictor.all_values)
    if quantile:
        # R² compares with a mean as well.
        results["coverage"] = {"quantile": quantile, "share": float((dataset.test.targets <= values).mean())}
        results["scores"].pop("r2", None)
    results["next"] = judging.what_next(results, str(path), plan.training.epochs)
    folders.save_model(path, run, dataset.test.inputs)
    files.write_json(path / "results.json", results)
    examples: dict[str, Any] = find_examples(dataset, values, plan.training)
    if isinstance(table, Table):
        row_of = {name: row for row, name in enumerate(dataset.test.ids)}
        for example in (*examples["wrong"], *examples["uncertain"]):
            example["values"] = values_of(table, results["importance"], dataset.test.inputs[row_of[example["id"]]])
    looking = max(_SEEING_LEAST, _SEEING_SHARE * seconds)
    examples["seeing"] = find_seeing(run, dataset, values, seconds=looking)
    examples["deciding"] = find_deciding(run, dataset, values, seconds=looking)
    files.write_json(path / "examples.json", examples)
    known = beside_of(dataset, baselines)
    diagnosis = concluded(plan, dataset, built, trained.history, trained.watching, beside=known)
    diagnosis = with_transfer(diagnosis, transfer)
    diagnosis.keep(path, dataset)
    run.report()
    folders.write_record(path, "finished", sha256=folders.hashes(path))
    forget_first(path)
    _tell_results(results, observer)
    tell_verdict(diagnosis.verdict, path, observer)
    return run


def _finish_apart(path: Path, plan: Plan, dataset: Dataset, trained: Trained, observer: Observer) -> Run:
    """The same where pictures, what comes in time, tokens, steps or nodes are answered, each judged in its own way."""
    apart = _APART[dataset.task]
    dataset = apart.calibrated(dataset, trained.built)
    files.write_json(path / "schema.json", dataset.schema.to_json())
    run = Run(path, plan, dataset.schema, trained.built.model, trained.built.device)
    results = apart.finish(path, plan, dataset, trained, run, observer)
    folders.save_model(path, run, apart.golden(dataset))
    diagnosis = concluded(plan, dataset, trained.built, trained.history, trained.watching)
    diagnosis = with_collapse(diagnosis, results.get("collapse") or "")
    diagnosis.keep(path, dataset)
    run.report()
    folders.write_record(path, "finished", sha256=folders.hashes(path))
    forget_first(path)
    if trained.restarts is not None:
        observer.note("restarts", spread_text(trained.restarts))
    apart.tell(results, observer)
    tell_verdict(diagnosis.verdict, path, observer)
    return run


def _least(dataset: Dataset) -> float:
    """The seconds that baselines get however short the training was."""
    if dataset.schema.inputs.kind != "texts":
        return _BASELINE_LEAST
    return max(_BASELINE_LEAST, min(_BASELINE_TEXTS, _BASELINE_A_TEXT * len(dataset.train)))


def _calibrated(dataset: Dataset, built: Built) -> Dataset:
    """The same Dataset with the temperature at which the validation rows are most likely, where outputs are probabilities."""
    answers = dataset.schema.answers
    if isinstance(answers, Numbers):
        return dataset
    assert isinstance(answers, (Classes, Labels, NodeClasses))
    model, batches = built.model.eval(), built.evaluate.batches
    outputs, targets = root_outputs(model, batches) if isinstance(answers, NodeClasses) else outputs_of(model, batches)  # type: ignore[arg-type]
    answers = dataclasses.replace(answers, temperature=fit_temperature(outputs, targets))
    return dataclasses.replace(dataset, schema=dataclasses.replace(dataset.schema, answers=answers))


@dataclasses.dataclass(frozen=True)
class _Apart:
    """How a task that is not an answer for each row is judged and told.

    `golden` are the inputs whose outputs are kept, so that a Run that is opened again can be seen to be the same.
    """

    finish: Callable[[Path, Plan, Dataset, Trained, Run, Observer], dict[str, Any]]
    tell: Callable[[dict[str, Any], Observer], None]
    calibrated: Callable[[Dataset, Built], Dataset] = lambda dataset, _: dataset
    golden: Callable[[Dataset], Any] = lambda dataset: dataset.test.inputs


_APART: dict[str, _Apart] = {
    "pairs": _Apart(lambda path, plan, data, done, _, observer: finish_pairs(path, plan, data, done, observer), tell_pairs),
    "generate": _Apart(
        lambda path, plan, data, done, _, observer: finish_drawings(path, plan, data, done, observer),
        tell_drawings,
        golden=golden_seeds,
    ),
    "forecast": _Apart(
        lambda path, plan, data, done, run, observer: finish_forecasts(path, plan, data, done, run.predictor, observer),
        tell_forecasts,
        calibrated_forecasts,
    ),
    "reconstruct": _Apart(
        lambda path, plan, data, done, run, observer: finish_reconstruct(path, plan, data, done, run.predictor, observer),
        tell_reconstruct,
        calibrated_reconstruct,
    ),
    "sequence": _Apart(
        lambda path, plan, data, done, run, observer: finish_steps(path, plan, data, done, run.predictor, observer),
        tell_steps,
        calibrated_steps,
    ),
    "trees": _Apart(
        lambda path, plan, data, done, _, observer: finish_trees(path, plan, data, done, observer), tell_trees, _calibrated
    ),
    "words": _Apart(
        lambda path, plan, data, done, _, observer: finish_words(path, plan, data, done, observer),
        tell_words,
        golden=golden_words,
    ),
    "tokens": _Apart(
        lambda path, plan, data, done, _, observer: finish_tokens(path, plan, data, done, observer),
        tell_tokens,
        golden=golden_tokens,
    ),
}


def _tell_results(results: dict[str, Any], observer: Observer) -> None:
    headline = results["headline"]
    score = results["scores"][headline]
    number = _percent if headline not in ("mae", "rmse", "r2") else _plain
    interval = f" ({number(score['low'])} to {number(score['high'])})" if score["low"] is not None else ""
    observer.note("result", f"test {score['title'].lower()} {number(score['value'])}{interval}, from {_whose(results)}")
    if mirrored := results.get("mirrored"):
        observer.note(
            "mirrored", f"{number(mirrored['scores'][headline]['value'])} where each picture is seen mirrored as well"
        )
    if coverage := results.get("coverage"):
        below = f"{_percent(coverage['share'])} of the test targets lie at or below the answers"
        observer.note("coverage", f"{below}, which aim at {_percent(coverage['quantile'])}")
    if results["baselines"]:
        beside = "; ".join(
            f"{row['name']} {number(row['scores'][headline]['value'])}{_fewer(row)}" for row in results["baselines"]
        )
        observer.note("beside it", beside)


def _whose(results: dict[str, Any]) -> str:
    """Which weights gave the result."""
    restarts = results.get("restarts") or {}
    if restarts.get("ensemble"):
        return f"{sum(row['value'] is not None for row in restarts['networks'])} networks together"
    if results["epochs"] is None:
        return f"a head with a penalty of {results['transfer']['l2']:g}"
    return f"epoch {results['best_epoch']}"


def _fewer(row: dict[str, Any]) -> str:
    """How many rows a baseline learned from, where these were not all."""
    used = next((part for part in row["detail"].split(", ") if " of " in part), None)
    return f" (on {used})" if used else ""


def _percent(value: float | None) -> str:
    return "unknown" if value is None else f"{100 * value:.1f} %"


def _plain(value: float | None) -> str:
    if value is None:
        return "unknown"
    return f"{value:,.0f}" if 1e4 <= abs(value) < 1e15 else f"{value:.4g}"
