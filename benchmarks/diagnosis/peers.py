"""The peers in the same table: what other tools would say of the same training, from its history and its signals.

Their rules are stated anew from what was published, with the thresholds given there:

- NaN stop and early stop: Keras's `TerminateOnNaN`, and `EarlyStopping` on the held-out loss with a patience of 5.
- AUTOTRAINER (Zhang et al., ICSE 2021): the conditions of `AutoTrainer/utils/monitor.py` in the authors' repository, thresholds
  of its demos (β₁ 1e-3, β₂ 1e-4, β₃ 70, γ 0.7, ζ 0.03, η 0.2, δ 0.01, Θ 0.6), looked at every three epochs.
- DeepDiagnosis (Wardat et al., ICSE 2022): symptoms and their mapping to fixes of `callback/callbacks.py` in the authors'
  repository.
- UMLAUT (Schoop et al., CHI 2021): `umlaut/heuristics.py` of the authors' repository in its last form.
- SageMaker Debugger: the built-in rules for deep learning with the default parameters of Amazon's documentation, losses saved
  every 500 steps as by default. Its code is not public; what the documentation leaves open is decided in the rule's favor.

Where a rule speaks of accuracy and the program predicts numbers, the share of the variance that it explains stands in.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

Record = dict[str, Any]
Alarm = tuple[str, tuple[str, ...]]  # what the tool says, and which of our kinds that names
BIG = 1e29  # stands for what is not finite in the records


def finite(value: float) -> bool:
    return math.isfinite(value) and abs(value) < BIG


def column(record: Record, name: str) -> list[float]:
    return [each[name] for each in record["history"]]


def checks_of(record: Record) -> list[Record]:
    return [check for check in record["signals"]["checks"] if "failed" not in check]


def nan_and_early_stop(record: Record) -> Iterator[Alarm]:
    if not all(map(finite, record["losses"])):
        yield "NaN", ("non_finite",)
    best, waited = math.inf, 0
    for loss in column(record, "valid_loss")[:-1]:
        best, waited = (loss, 0) if loss < best else (best, waited + 1)
        if waited >= 5:
            yield "early stop", ("overfitting",)
            return


def autotrainer(record: Record) -> Iterator[Alarm]:
    history, checks, total = record["history"], checks_of(record), len(record["history"])
    for epoch in sorted({*range(2, total, 3), total - 1}):
        past = history[: epoch + 1]
        seen = [check for check in checks if check["epoch"] <= epoch]
        if not past or not seen:
            continue
        norms = seen[-1]["gradient_norm"]
        if not all(map(finite, norms)) or not finite(past[-1]["loss"]) or past[-1]["valid_loss"] >= 1e5:
            yield "exploding gradient", ("exploding_gradient", "non_finite", "rate_too_high")
            return
        if epoch + 1 < 0.3 * total:
            continue
        train, held = [each["score"] for each in past], [each["valid_score"] for each in past]
        slow = max(rises(train)) < 0.01 and max(rises(held)) < 0.01
        if max(train) < 0.6 or max(held) < 0.6 or slow:
            ratio = norms[0] / norms[-1] if norms and norms[-1] else 1.0
            if seen[-1]["gradient_zero"] >= 0.7:
                yield "dying ReLU", ("dead_units",)
            elif ratio > 70:
                yield "exploding gradient", ("exploding_gradient",)
            elif ratio < 1e-3 and norms and norms[0] < 1e-4:
                yield "vanishing gradient", ("vanishing_gradient",)
            elif slow:
                yield "slow convergence", ("rate_too_low", "stopped_too_early")
            else:
                continue
            return
        if swings(train, 0.03) >= 0.2 * len(train):
            yield "oscillating loss", ("oscillation", "rate_too_high")
            return


def rises(values: list[float]) -> list[float]:
    return [0.0, *(b - a for a, b in pairwise(values))]


def swings(values: list[float], least: float) -> int:
    """How many maxima lie so far above the minimum that goes with them."""
    middle = list(zip(values, values[1:], values[2:], strict=False))
    high = [b for a, b, c in middle if b >= a and b >= c]
    low = [b for a, b, c in middle if b <= a and b <= c]
    return sum(up - down >= least for up, down in zip(high, low, strict=False))


def deep_diagnosis(record: Record) -> Iterator[Alarm]:
    """The first symptom stops the training; its cause is looked up in the order of the published mapping."""
    signals, history = record["signals"], record["history"]
    losses, scores = column(record, "loss"), column(record, "score")
    past: list[Record] = []
    for number, check in enumerate(checks_of(record)[1:], 1):
        past.append(check)
        last = number == len(checks_of(record)) - 1
        if number == 1 and out_of_range(signals, check):
            yield "out of range", ("head_or_loss_wrong",)
            return
        if any(not finite(mean) or mean == 0 for mean in check["layer_mean"]):
            yield "numerical error", cause(signals, check, "activation")
            return
        for each in check["activations"]:
            if last and each["name"] == "relu" and each["not_positive"] >= 0.7:
                yield "dead node", cause(signals, check, "layers", ("dead_units",))
                return
            if number % 5 == 0 and each["name"] in ("sigmoid", "tanh") and each["beyond"] > 0.5:
                yield "saturated activation", cause(signals, check, "layers", ("saturation",))
                return
        if number % 5 == 0 and any(
            same(values) for values in zip(*(each["layer_mean"][:-1] for each in past[-5:]), strict=False)
        ):
            yield "unchanged", cause(signals, check, "optimizer", ("not_training", "dead_units"))
            return
        epoch = min(check["epoch"], len(history) - 1)
        if not finite(losses[epoch]):
            yield "invalid loss", cause(signals, check, "optimizer", ("non_finite",))
            return
        if number % 5 == 0 and same(losses[max(0, epoch - 4) : epoch + 1]):
            yield "loss not decreasing", cause(signals, check, "optimizer", ("not_training",))
            return
        if scores[epoch] == 0 or (epoch >= 19 and same(scores[epoch - 19 : epoch + 1])):
            yield "accuracy not increasing", cause(signals, check, "optimizer", ("not_training",))
            return
        if any(not finite(each) or each == 0 for each in check["gradient_mean"] + check["weight_mean"]):
            yield "numerical error", cause(signals, check, "activation", ("non_finite",))
            return
        if any(size < 1e-7 for size in check["gradient_size"]):
            yield "vanishing gradient", cause(signals, check, "layers", ("vanishing_gradient",))
            return


def same(values: Any) -> bool:
    """The published test: the mean is the maximum."""
    return len(values) >= 5 and max(values) == min(values)


def out_of_range(signals: Record, check: Record) -> bool:
    """Outputs against targets. Logits are right for a loss of logits, which the rule, made for Keras, does not know."""
    low, high = signals["target"]
    bounds = {"sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0), "relu": (0.0, math.inf)}.get(signals["head"])
    if bounds and signals["task"] in ("number", "reconstruct"):
        return low < bounds[0] or high > bounds[1]
    if signals["head"] == "" and signals["loss"] in ("mse", "huber", "l1", "mse on indices"):
        return abs(check["output"][1] - check["output"][0]) > 10 * abs(high - low)
    return signals["head"] == "relu" and signals["task"] == "classes"


def cause(signals: Record, check: Record, otherwise: str, seen: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Weights of a poor variance, inputs beyond −1 and 1, a rate that moves a layer too far or too little; else the symptom."""
    if any(variance < 1e-5 or variance > 10 for variance in check["weight_variance"]):
        return ("bad_initialization",)
    if signals["input"][0] < -1 or signals["input"][1] > 1:
        return ("inputs_not_prepared",)
    ratios = [signals["rate"] * norm for norm in check["gradient_norm"]]
    if any(ratio > 0.1 or ratio < 1e-5 for ratio in ratios):
        return ("rate_too_high", "rate_too_low")
    return seen or {"activation": ("head_or_loss_wrong", "non_finite"), "layers": ("no_nonlinearity",)}.get(otherwise, ())


def umlaut(record: Record) -> Iterator[Alarm]:
    signals, history = record["signals"], record["history"]
    if signals["hidden"] and signals["activation"] == "none":
        yield "missing activations", ("no_nonlinearity",)
    if signals["input_floats"] and (signals["input"][0] < -1 or signals["input"][1] > 1):
        yield "inputs exceed typical limits", ("inputs_not_prepared",)
    if signals["rate"] > 0.01:
        yield "high learning rate", ("rate_too_high",)
    if signals["rate"] < 1e-7:
        yield "low learning rate", ("rate_too_low",)
    if not all(map(finite, record["losses"])):
        yield "NaN in loss", ("non_finite",)
    if any(b["valid_loss"] > a["valid_loss"] and b["loss"] <= a["loss"] for a, b in pairwise(history)):
        yield "possible overfitting", ("overfitting",)
    if signals["task"] not in ("number", "reconstruct") and any(
        each["valid_score"] > 0.95 or each["valid_score"] > each["score"] for each in history[3:]
    ):
        yield "check validation accuracy", ("split_mismatch",)


def sagemaker(record: Record) -> Iterator[Alarm]:
    signals, history, checks = record["signals"], record["history"], checks_of(record)
    numbers = [value for check in checks for name in ("gradient_norm", "weight_mean", "output") for value in check[name]]
    if not all(map(finite, [*numbers, *record["losses"]])):
        yield "ExplodingTensor", ("non_finite", "exploding_gradient")
    if any(size < 1e-7 for check in checks for size in check["gradient_size"]):
        yield "VanishingGradient", ("vanishing_gradient",)
    activations = [each for check in checks for each in check["activations"]]
    if any(each["name"] == "relu" and each["inactive"] > 0.5 for each in activations):
        yield "DeadRelu", ("dead_units",)
    if any(each["name"] in ("sigmoid", "tanh") and each["extreme"] > 0.5 for each in activations):
        yield "SaturatedActivation", ("saturation",)
    if checks:
        variances = [each["variance"] for each in checks[0]["activations"] if each["name"] == "relu"]
        unlike = len(variances) > 1 and max(variances) > 10 * max(min(variances), 1e-12)
        if unlike or any(each < 1e-3 for each in checks[0]["gradient_spread"]):
            yield "PoorWeightInitialization", ("bad_initialization",)
    if any(ratio > 10 or 0 <= ratio < 1e-8 for check in checks for ratio in check["update_ratio"]):
        yield "WeightUpdateRatio", ("rate_too_high", "rate_too_low", "not_training")
    saved = record["saved_losses"]
    if any(b > 1.05 * a or b > a * (1 - 0.001) for a, b in pairwise(saved)):
        yield "LossNotDecreasing", ("rate_too_low", "rate_too_high", "underfitting")
    if any(each["valid_loss"] - each["loss"] > 0.1 * abs(each["loss"]) for each in history):
        yield "Overfit", ("overfitting",)
    if overtrained(column(record, "loss"), column(record, "valid_loss")):
        yield "Overtraining", ("overfitting",)
    counts, recalls = signals["counts"], record["recalls"]
    if counts and (max(counts) > 10 * max(1, min(counts)) or any(recall < 0.3 for recall in recalls)):
        yield "ClassImbalance", ("imbalance",)
    if "pictures" in record["inputs"] and abs(signals["input"][2]) > 0.2:
        yield "CheckInputImages", ("inputs_not_prepared",)


def overtrained(train: list[float], held: list[float]) -> bool:
    """Neither loss has improved by 0.01 for so long: 5 times, 10 times."""

    def waited(losses: list[float]) -> int:
        best, count = math.inf, 0
        for loss in losses:
            best, count = (loss, 0) if loss < best - 0.01 else (best, count + 1)
        return count

    return waited(train) >= 5 and waited(held) >= 10


PEERS: dict[str, Callable[[Record], Iterator[Alarm]]] = {
    "NaN stop + early stop": nan_and_early_stop,
    "AUTOTRAINER": autotrainer,
    "DeepDiagnosis": deep_diagnosis,
    "UMLAUT": umlaut,
    "SageMaker Debugger": sagemaker,
}
