"""Finishing a training on inputs alone: the threshold, the judgement beside principal components, and what is drawn."""

from __future__ import annotations

import base64
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import torch

from leadline import files
from leadline.data.dataset import Dataset, Split
from leadline.data.tables.table import Table
from leadline.data.unlabelled.reconstructions import Reconstructions
from leadline.models import OF_UNITS, active_units
from leadline.models.autoencoders.variational_autoencoders import VariationalAutoencoder
from leadline.models.boltzmann.boltzmann_machines import RestrictedBoltzmannMachine
from leadline.plan.building import Built
from leadline.plan.record import Plan
from leadline.runs.observer import Observer
from leadline.runs.predicting import Predictor
from leadline.runs.reconstructing.code_figures import CodeFigures, class_name
from leadline.runs.reconstructing.evaluating_rows import keep_components
from leadline.runs.reconstructing.judging_rows import (
    COMPONENTS,
    Baseline,
    beside,
    fit_baseline,
    judged,
    measured_rows,
    usual_or_all,
    with_chosen_threshold,
)
from leadline.runs.reconstructing.likelihoods import NO_TIME, likelihood_of, likelihood_sentence
from leadline.runs.reconstructing.telling_again import tell_again
from leadline.runs.restarts import Trained
from leadline.runs.results import more_epochs, training_record
from leadline.spelling import counted

_ODD_ROWS = 12  # rows of a table that the report shows
_FEW_ACTIVE = 0.25  # of the numbers of a variational code: fewer say that the decoder has learned to do without it


def calibrated_reconstruct(dataset: Dataset, built: Built) -> Dataset:
    """The same Dataset with the threshold that its validation rows choose."""
    predictor = Predictor(built.model, dataset.schema, built.device)
    answers, _ = with_chosen_threshold(predictor, dataset.schema, dataset.valid)
    return dataclasses.replace(dataset, schema=dataclasses.replace(dataset.schema, answers=answers))


def finish_reconstruct(
    path: Path, plan: Plan, dataset: Dataset, trained: Trained, predictor: Predictor, observer: Observer
) -> dict[str, Any]:
    """Judge the best weights on the test rows and write examples and results; the results come back."""
    answers = dataset.schema.answers
    assert isinstance(answers, Reconstructions)
    observer.note("baselines", "principal components, as many as the code has numbers, and the mean, on the same rows")
    baseline = fit_baseline(predictor, dataset)
    rows, targets = measured_rows(predictor, dataset.test, baseline.components), dataset.test.targets
    results = judged(answers, rows, targets, len(baseline.components.mean))
    results["oddness"]["chosen"] = with_chosen_threshold(predictor, dataset.schema, dataset.valid)[1]
    results["baselines"] = beside(answers, rows, targets, baseline)
    keep_components(path, baseline)
    results |= training_record(path, plan, dataset, trained)
    usual = usual_or_all(dataset.test, answers)
    code = _code(predictor, usual, baseline)
    results |= {
        "noun": {"unit pictures": "pictures"}.get(dataset.schema.inputs.kind, "rows"),
        "rows": {part: len(getattr(dataset, part)) for part in ("train", "valid", "test")},
        "code": code,
        "balance": _balance(answers, dataset),
        "model": plan.model.name,
        "score": "free energy" if plan.model.name == "rbm" else "reconstruction" if plan.model.name in OF_UNITS else "surprise",
    }
    if (likelihood := likelihood_of(predictor, dataset.train, usual)) is not None:
        results["likelihood"] = likelihood
    elif isinstance(predictor.model, RestrictedBoltzmannMachine | VariationalAutoencoder):
        results["notes"].append(NO_TIME)
    observer.note("drawing", "what is told again, the codes, and what they say")
    figures = CodeFigures(predictor, dataset.test)
    drawn = [
        {"name": each.name.removeprefix("network-").removesuffix(".png"), "says": each.says, "picture": png_uri_of(each.png)}
        for each in figures
    ]
    results["notes"] += [*figures.notes, *_about_code(results, baseline)]
    results["next"] = what_next_of_codes(results, path, plan)
    examples: dict[str, Any] = {"told_again": drawn}
    if isinstance(dataset.schema.inputs, Table):
        examples["odd_rows"] = _odd_rows(predictor, dataset.test, rows.scores)
    files.write_json(path / "examples.json", examples)
    files.write_json(path / "results.json", results)
    return results


def tell_reconstruct(results: dict[str, Any], observer: Observer) -> None:
    """The result in a few lines."""
    score = results["scores"]["explained"]
    observer.note(
        "result",
        f"of the variance of the test rows {_percent(score['value'])}{_between(score)} is told by "
        f"{counted(results['code']['numbers'], 'number')} a row, from epoch {results['best_epoch']}",
    )
    observer.note("beside it", "; ".join(map(baseline_sentence, results["baselines"])))
    if "likelihood" in results:
        observer.note("likely", likelihood_sentence(results["likelihood"]))
    observer.note("odd", oddness_sentence(results))


def baseline_sentence(baseline: dict[str, Any]) -> str:
    """What principal components, or the mean, tell of the same rows, and who is ahead.

    Example:
        >>> ahead = {"value": 0.05, "low": 0.04, "high": 0.06}
        >>> row = {"detail": "8 of them, as many as the code has numbers", "network_ahead": ahead}
        >>> baseline_sentence(row | {"name": "principal components", "scores": {"explained": {"value": 0.8}}})
        'principal components (8 of them, as many as the code has numbers) 80.0 %, the network is ahead by 5.0 points'
    """
    value, ahead = baseline["scores"]["explained"]["value"], baseline["network_ahead"]
    if baseline["name"] == "mean":
        return f"the mean {_percent(value)}"
    told = f"{baseline['name']} ({baseline['detail']}) {_percent(value)}"
    if ahead["value"] is None:
        return told
    points = f"by {abs(100 * ahead['value']):.1f} points"
    if ahead["low"] is not None and ahead["low"] <= 0 <= ahead["high"]:
        return f"{told}, which is as good as far as chance allows to say"
    return f"{told}, the network is {'ahead' if ahead['value'] > 0 else 'behind'} {points}"


def oddness_sentence(results: dict[str, Any]) -> str:
    """What the threshold is, how it was chosen, and what it makes of the test rows.

    Example:
        >>> chosen = {"by": "quantile", "false_alarms": 0.05, "rows": 99}
        >>> oddness = {"threshold": 9.5, "chosen": chosen, "rows": 100, "usual": 100, "above": 4, "false_alarms": 0.04}
        >>> oddness_sentence({"oddness": oddness, "scores": {}})
        'a score above 9.5 is odd, as 5 % of 99 usual validation rows are; of 100 test rows 4 are above it'
    """
    told, chosen = results["oddness"], results["oddness"].get("chosen") or {}
    if not chosen:
        how = "as was chosen on the validation rows of the training"
    elif chosen["by"] == "f1":
        how = f"which tells {chosen['odd']:,} odd validation rows best (F1 {chosen['f1']:.3f})"
    else:
        how = f"as {100 * chosen['false_alarms']:.3g} % of {chosen['rows']:,} usual validation rows are"
    noun = "test rows" if chosen else "rows"
    text = f"a score above {told['threshold']:.4g} is odd, {how}; of {told['rows']:,} {noun} {told['above']:,} are above it"
    if "odd" not in told:
        return text
    auroc = results["scores"].get("anomaly_auroc") or {}
    area = f"; AUROC {auroc['value']:.3f}{_plain_between(auroc)}" if auroc.get("value") is not None else ""
    linear = [row["scores"] for row in results.get("baselines") or () if row["name"] == COMPONENTS]
    theirs = linear[0].get("anomaly_auroc") if linear else None
    if area and theirs and theirs.get("value") is not None:
        area += f", by the errors of principal components {theirs['value']:.3f}"
    alarms = ""
    if told["false_alarms"] is not None:
        alarms = f", and {_percent(told['false_alarms'])} of {told['usual']:,} usual ones"
    return f"{text}: {told['found']:,} of {told['odd']:,} odd ones{alarms}{area}"


def what_next_of_codes(results: dict[str, Any], path: Path, plan: Plan) -> list[str]:
    """Plain sentences: what to do with this network, and what would probably make it better."""
    advice, first = [], results["baselines"][0]
    ahead, components = first["network_ahead"], first["detail"].split(" ")[0]
    if first["name"] == COMPONENTS and ahead["value"] is not None and ahead["value"] < 0:
        certain = "are better" if ahead["high"] is not None and ahead["high"] < 0 else "do as well"
        advice.append(
            f"Principal components ({components}) {certain} on the same rows: use them, or try more epochs, more rows or a "
            "longer code."
        )
    advice += more_epochs(results, plan.training.epochs)
    advice.append(f"What it makes of other inputs, and how odd they are: `leadline predict {path} INPUT…`")
    advice.append(f"Its codes as features for another method: `leadline predict {path} INPUT… --features`")
    if results["noun"] == "pictures":
        advice.append(f"A classifier that starts with its first layers: `leadline train LABELLED --from {path}`")
        advice.append(f"Pictures that are alike to it: `leadline similar {path} PICTURE --among FOLDER`")
    if not results["classes"] and not results["oddness"].get("odd"):
        advice.append(f"How well it finds odd rows, where you know some: `leadline evaluate {path} SOURCE`")
    return advice


def png_uri_of(png: bytes) -> str:
    """A PNG as a data URI.

    Example:
        >>> png_uri_of(b"x")
        'data:image/png;base64,eA=='
    """
    return "data:image/png;base64," + base64.b64encode(png).decode()


def _code(predictor: Predictor, test: Split, baseline: Baseline) -> dict[str, Any]:
    """How many numbers the code has, and of a variational one how many say anything."""
    codes = predictor.features(np.ascontiguousarray(test.array[:2000]))
    record: dict[str, Any] = {"numbers": codes.shape[1], "values": len(baseline.components.mean)}
    if isinstance(predictor.model, VariationalAutoencoder) and len(codes) > 1:
        record["active"] = int(active_units(torch.from_numpy(codes)).sum())
    return record


def _about_code(results: dict[str, Any], baseline: Baseline) -> list[str]:
    code = results["code"]
    if not baseline.tells:
        return [
            f"The code has {code['numbers']:,} numbers and a row {code['values']:,} values, so as many principal components "
            "would tell everything, and are no comparison. What such a code is good for shows in odd rows, and as features."
        ]
    if results["model"] in OF_UNITS and (results["baselines"][0]["network_ahead"]["value"] or 0) < 0:
        return [
            "A hidden unit says little more than yes or no, a principal component any number, so as many components tell rows "
            "better. What a machine is good for shows in odd rows, as features, and in what it draws."
        ]
    if "active" not in code or code["active"] > _FEW_ACTIVE * code["numbers"]:
        return []
    return [
        f"Only {code['active']} of {code['numbers']} numbers of the code say anything: the decoder does without the others. A "
        "longer warm-up, a smaller beta or free bits bring them back, such as training.loss = "
        "variational_bound(warm_up=0.5, free_bits=0.1)."
    ]


def _balance(answers: Reconstructions, dataset: Dataset) -> dict[str, dict[str, int]]:
    """Rows of each class in each split; empty where there are no classes."""
    parts = {"train": dataset.train, "valid": dataset.valid, "test": dataset.test}
    return (
        {
            part: {name: int((split.targets == number).sum()) for number, name in enumerate(answers.classes)}
            for part, split in parts.items()
        }
        if answers.classes
        else {}
    )


def _odd_rows(predictor: Predictor, test: Split, scores: Any) -> list[dict[str, Any]]:
    """The oddest test rows of a table, with the columns that others contradict."""
    chosen = np.argsort(-scores, kind="stable")[:_ODD_ROWS]
    answers = predictor.schema.answers
    assert isinstance(answers, Reconstructions)
    rows = tell_again(predictor, test.array[chosen], [str(test.ids[at]) for at in chosen])
    return [
        {**row.to_json(), "class": class_name(answers, int(test.targets[at]))} for row, at in zip(rows, chosen, strict=True)
    ]


def _percent(value: float | None) -> str:
    return "unknown" if value is None else f"{100 * value:.1f} %"


def _between(score: dict[str, Any]) -> str:
    return "" if score.get("low") is None else f" ({_percent(score['low'])} to {_percent(score['high'])})"


def _plain_between(score: dict[str, Any]) -> str:
    return "" if score.get("low") is None else f" ({score['low']:.3f} to {score['high']:.3f})"
