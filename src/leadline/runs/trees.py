"""Judging and finishing a training on trees, beside linear models on the words of the same sentences."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from leadline import files, metrics
from leadline.data.answers import Classes
from leadline.data.dataset import Dataset, Split
from leadline.data.schema import Schema
from leadline.data.trees.tree_batches import TreeBatches
from leadline.data.trees.tree_loading import read_trees
from leadline.data.trees.trees import NO_CLASS, NodeClasses
from leadline.metrics.table import Metric
from leadline.models.tree_evaluation import tree_outputs
from leadline.plan.record import Plan
from leadline.report.sentences import better_baseline
from leadline.runs import results as judging
from leadline.runs.drawn_trees import shown_trees
from leadline.runs.node_labels import most_children
from leadline.runs.observer import Observer
from leadline.runs.reloading import load_for
from leadline.runs.restarts import Trained
from leadline.runs.results import more_epochs, training_record
from leadline.runs.tree_baselines import beside_words

_OWN = "This is what the network was trained on, so only its test split counts."
_RESAMPLES = 1000
_AT_ONCE = 128  # trees
_BASELINE_SHARE, _BASELINE_LEAST = 0.1, 20.0  # of the training's time; seconds


def evaluate(model: nn.Module, schema: Schema, device: torch.device, plan: Plan, source: Any) -> dict[str, Any]:
    """Scores on other labelled trees; the source of the training stands for its test split."""
    note = ""
    if _same(source, plan.data.source) and (dataset := load_for(plan)).fingerprint() == plan.data.hash:
        split, note = dataset.test, _OWN
    else:
        split = read_trees(source, schema, most_children=most_children(model))
        note = " ".join(split.notes)
    outputs = tree_outputs(model.eval(), TreeBatches(split, schema, _AT_ONCE, device=device)).cpu()
    return {"note": note, "rows": len(split), **judge_trees(schema, outputs, split)}


def judge_trees(schema: Schema, outputs: Tensor, split: Split) -> dict[str, Any]:
    """Scores of the roots, which answer for whole trees, and of all nodes, with their 95 % intervals.

    Trees are redrawn whole, so that the nodes of one do not count as if they were independent. On a scale of whole numbers,
    such as 0 … 4, `polar_accuracy` asks of the roots that are not in its middle on which side of it they are.

    Args:
        schema: of trees.
        outputs: logits of all nodes [N, K], on the CPU.
        split: whose nodes they are.
    """
    answers = _answers(schema)
    roots = torch.from_numpy(split.inputs.offsets[1:] - 1)  # type: ignore[union-attr]
    targets = torch.from_numpy(split.targets.values)
    p, t = answers.probabilities(outputs[roots]), targets[roots]
    judged = judging.judge(Classes(answers.names, answers.temperature), p.numpy(), t.numpy())
    scores = judged["scores"]
    scores["accuracy"]["title"] = "Accuracy at the roots"
    more = {"node_accuracy": _node_score(outputs, targets, split)}
    if answers.middle is not None and bool((t != answers.middle).any()):
        more["polar_accuracy"] = _polar_score(p, t, answers.middle)
    first, *rest = scores
    judged["scores"] = {first: scores[first], **more, **{name: scores[name] for name in rest}}
    return judged | {"task": answers.task}


def finish_trees(path: Path, plan: Plan, dataset: Dataset, trained: Trained, observer: Observer) -> dict[str, Any]:
    """Judge the best weights on the test split and write trees to look at and the results; the results come back."""
    built = trained.built
    model, schema = built.model.eval(), dataset.schema
    outputs = tree_outputs(model, TreeBatches(dataset.test, schema, _AT_ONCE, device=built.device)).cpu()
    results = judge_trees(schema, outputs, dataset.test)
    observer.note("baselines", "linear models on the words of the same sentences, and of all phrases in them")
    seconds = max(_BASELINE_LEAST, _BASELINE_SHARE * trained.seconds)
    roots = dataset.test.inputs.offsets[1:] - 1  # type: ignore[union-attr]
    results |= training_record(path, plan, dataset, trained)
    results |= {
        "noun": "trees",
        "rows": {"train": len(dataset.train), "valid": len(dataset.valid), "test": len(dataset.test)},
        "baselines": beside_words(dataset, schema.answers.probabilities(outputs[roots]).numpy(), seconds=seconds),  # type: ignore[union-attr]
        "balance": _balance(dataset),
        "temperature": schema.answers.temperature,  # type: ignore[union-attr]
    }
    results["next"] = _next(results, path, plan)
    files.write_json(path / "examples.json", {"trees": shown_trees(schema, outputs, dataset.test)})
    files.write_json(path / "results.json", results)
    return results


def tell_trees(results: dict[str, Any], observer: Observer) -> None:
    """The result in two lines."""
    told = []
    for name, what in (("accuracy", "at the roots"), ("node_accuracy", "at all nodes"), ("polar_accuracy", "of sides")):
        score = results["scores"].get(name)
        if score is not None and score["value"] is not None:
            told.append(f"{what} {_percent(score['value'])} ({_percent(score['low'])} to {_percent(score['high'])})")
    observer.note("result", f"test accuracy {', '.join(told)}, from epoch {results['best_epoch']}")
    if results["baselines"]:
        beside = (f"{row['name']} {_percent(row['scores']['accuracy']['value'])}" for row in results["baselines"])
        observer.note("beside it", "; ".join(beside) + ", at the roots")


def root_outputs(model: nn.Module, built_batches: TreeBatches) -> tuple[Tensor, Tensor]:
    """Logits and targets of the roots that have a label, for the temperature.

    Args:
        model: in evaluation mode.
        built_batches: of the validation split.
    """
    outputs = tree_outputs(model, built_batches)
    places = built_batches.root_places.to(outputs.device)
    targets = built_batches.targets.to(outputs.device)[places]
    return outputs[places], targets


def _answers(schema: Schema) -> NodeClasses:
    assert isinstance(schema.answers, NodeClasses)
    return schema.answers


def _sums(p: Tensor, t: Tensor, /, *, weights: Tensor | None = None) -> Tensor:
    right, counts = p[:, 0].double(), t[:, 0].double()
    return right.sum() / counts.sum() if weights is None else (weights.double() @ right) / (weights.double() @ counts)


def _node_score(outputs: Tensor, targets: Tensor, split: Split) -> dict[str, Any]:
    """The share of nodes that is right; a tree is redrawn as one."""
    known = (targets != NO_CLASS).double()
    right = (outputs.argmax(1) == targets).double() * known
    starts = split.inputs.offsets[:-1]  # type: ignore[union-attr]
    sums, counts = (torch.from_numpy(np.add.reduceat(each.numpy(), starts))[:, None] for each in (right, known))
    metric = Metric("node_accuracy", _sums, True, "Accuracy at all nodes")
    return _scored(metric, sums, counts)


def _polar_score(p: Tensor, t: Tensor, middle: int) -> dict[str, Any]:
    """Of the roots that are not in the middle, the share on whose side of it more of the probability is."""
    sides = torch.stack([p[:, :middle].sum(1), p[:, middle + 1 :].sum(1)], dim=1)[t != middle]
    metric = Metric("polar_accuracy", metrics.accuracy, True, "Accuracy of sides, without the middle")
    return _scored(metric, sides, (t[t != middle] > middle).long())


def _scored(metric: Metric, p: Tensor, t: Tensor) -> dict[str, Any]:
    low, high = metrics.bootstrap_interval(metric, p, t, resamples=_RESAMPLES)
    value = float(metric.function(p, t))
    return {"value": value, "low": low, "high": high, "title": metric.title, "higher_is_better": True}


def _balance(dataset: Dataset) -> dict[str, dict[str, int]]:
    """Roots with each label in each split."""
    names = dataset.schema.answers.names
    counted = {}
    for part in ("train", "valid", "test"):
        split = getattr(dataset, part)
        counts = np.bincount(split.targets.values[split.inputs.offsets[1:] - 1], minlength=len(names))
        counted[part] = {name: int(count) for name, count in zip(names, counts, strict=True)}
    return counted


def _next(results: dict[str, Any], path: Path, plan: Plan) -> list[str]:
    advice, epochs = [better] if (better := better_baseline(results)) else [], plan.training.epochs
    advice += more_epochs(results, epochs)
    if not plan.start.vectors:
        advice.append("Word vectors from a larger text often help more than anything else: `--set start.vectors=FILE`.")
    return [
        *advice,
        f'Use it: `leadline predict {path} "((a) ((good) (film)))"`',
        f"Judge it on other trees: `leadline evaluate {path} FILE`",
    ]


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def _same(source: Any, own: str) -> bool:
    if not isinstance(source, (str, Path)):
        return False
    return str(source) == own or (Path(source).exists() and Path(own).exists() and Path(source).samefile(own))
