"""What a change of a training is in a Plan: dotted keys that this Plan has, with values that differ from its own."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from leadline.errors import LeadlineError
from leadline.models import MODELS
from leadline.plan.changes import settable
from leadline.plan.record import Plan
from leadline.spelling import parse_call

_SATURATES = ("sigmoid", "tanh", "softsign", "hardtanh", "sign", "logistic")
_LOSSES = {"classes": "cross_entropy", "labels": "binary_cross_entropy", "number": "squared_error"}
_LARGEST_DROPOUT = 0.7


def changes_of_plan(plan: Plan, change: str, argument: float | str | None = None, *, task: str = "") -> dict[str, Any]:
    """Changes for `plan.but` that do what this change of `trials.CHANGES` does; empty where a Plan cannot say it.

    What Leadline always does (standardized inputs, gradients zeroed, rows shuffled, all modes right) needs no change of a Plan.

    Args:
        plan: to be changed.
        change: a name of `trials.CHANGES`.
        argument: of it.
        task: classes, labels or number, for the loss.

    Example:
        >>> changes_of_plan(Plan().but({"model": "mlp"}), "activation", "leaky_relu")
        {'model.activation': 'leaky_relu'}
        >>> changes_of_plan(Plan().but({"model": "resnet18"}), "activation", "leaky_relu")
        {}
    """
    return those_that_fit(plan, _proposed(plan, change, argument, task))


def those_that_fit(plan: Plan, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the changes that this Plan takes and that change something.

    Example:
        >>> those_that_fit(Plan(), {"training.batch": 64, "training.epochs": 9, "model.no": 1, "training.clip": "norm(-1)"})
        {'training.epochs': 9}
    """
    kept: dict[str, Any] = {}
    own = _own_values(plan)
    for key, value in changes.items():
        if key in own and own[key] == value:
            continue
        try:
            plan.but({**kept, key: value})
        except LeadlineError:
            continue
        kept[key] = value
    return kept


def _own_values(plan: Plan) -> dict[str, Any]:
    """What the Plan says, and for the arguments of its network that it leaves open what the builder takes by itself."""
    if (builder := MODELS.get(plan.model.name)) is None:
        return {row["key"]: row["value"] for row in plan.rows()}
    parameters = inspect.signature(builder).parameters
    usual = {f"model.{name}": parameters[name].default for name in settable(plan.model.name)}
    return {**usual, **{row["key"]: row["value"] for row in plan.rows()}}


def _proposed(plan: Plan, change: str, argument: Any, task: str) -> dict[str, Any]:
    training = plan.training
    factor = float(argument) if isinstance(argument, (int, float)) else 1.0
    arguments = settable(plan.model.name)
    match change:
        case "rate":
            return {"training.learning_rate": rounded(training.learning_rate * (factor if argument is not None else 0.1))}
        case "lower_rate_at_end" | "cooled":
            return {"training.schedule": "one_cycle" if training.schedule != "one_cycle" else "cosine"}
        case "optimizer":
            return _optimizer(plan, str(argument or "adam"))
        case "clip":
            return {"training.clip": f"norm({factor:g})"}
        case "momentum":
            return {"training.momentum": factor}
        case "constant_rate":
            return {"training.schedule": "constant"}
        case "no_decay":
            return {"training.weight_decay": 0.0}
        case "decay":
            return {"training.weight_decay": factor}
        case "batch":
            return {"training.batch": int(factor) if argument is not None else 32}
        case "balanced":
            return {"training.class_weights": "balanced"}
        case "longer" | "go_on":
            times = factor if change == "longer" else 1 + factor
            return {"training.epochs": max(training.epochs + 1, round(training.epochs * times)), "training.patience": 0}
        case "head_only":
            return {"start.transfer": "head"} if plan.start.weights else {}
        case "everything_trains":
            return {"start.transfer": "fine-tune"} if plan.start.weights else {}
        case "head":
            return {"training.loss": _LOSSES[task]} if task in _LOSSES else {}
        case "activation" | "nonlinearity":
            # A pointwise one: of those along an axis the layers before are wider.
            return {"model.activation": str(argument or "relu")} if "activation" in arguments else {}
        case "initialize":
            return {"start.initialize": "xavier" if _saturating(plan) else "he"}
        case "no_dropout":
            return dict.fromkeys(_dropouts(plan), 0.0)
        case "regularize":
            return _regularized(plan, factor if argument is not None else 0.3)
        case "normalization":
            return {"model.batch_norm": True} if "batch_norm" in arguments else {}
        case "gated":
            return {"model.cell": "lstm"} if plan.model.arguments.get("cell") == "rnn" else {}
        case "wider":
            return {f"model.{key}": _times(plan, key, int(factor)) for key in ("width", "hidden") if arguments.get(key) is int}
    return {}


def _optimizer(plan: Plan, name: str) -> dict[str, Any]:
    if name == "sgd":
        return {"training.optimizer": "sgd", "training.learning_rate": 0.05, "training.momentum": 0.9}
    # Where it is one of the two already, its rate is what was wrong.
    already = parse_call(plan.training.optimizer, "optimizer").name in ("adam", "adamw")
    return {**({} if already else {"training.optimizer": name}), "training.learning_rate": 1e-3, "training.momentum": 0.9}


def rounded(value: float) -> float:
    """To three figures.

    Example:
        >>> rounded(0.00300000000001)
        0.003
    """
    return float(f"{value:.3g}")


def _saturating(plan: Plan) -> bool:
    text = str(plan.model.arguments.get("activation", "relu"))
    return parse_call(text, "activation").name in _SATURATES


def _dropouts(plan: Plan) -> list[str]:
    return [f"model.{name}" for name, kind in settable(plan.model.name).items() if "drop" in name and kind is float]


def _regularized(plan: Plan, share: float) -> dict[str, Any]:
    own = _own_values(plan)
    keys = [key for key in _dropouts(plan) if key == "model.dropout"]
    changes: dict[str, Any] = {key: min(_LARGEST_DROPOUT, max(share, float(own[key]) + 0.1)) for key in keys}
    decay = plan.training.weight_decay
    return {**changes, "training.weight_decay": rounded(min(10 * decay, 0.1)) if decay else 0.01}


def _times(plan: Plan, key: str, factor: int) -> int:
    return int(_own_values(plan)[f"model.{key}"]) * max(2, factor)
