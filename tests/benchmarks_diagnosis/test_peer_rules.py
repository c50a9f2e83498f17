"""The peers' rules, each on a record made to meet it and on one that does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from peer_signals import Signals
from peers import PEERS
from programs import train
from test_watched_programs import short

Record = dict[str, Any]


def sound() -> Record:
    """A training of which no peer says anything."""
    check = {
        "loss": 0.5, "gradient_norm": [0.1, 0.1], "gradient_mean": [1e-3, 1e-3], "gradient_size": [1e-2, 1e-2],
        "gradient_spread": [0.1, 0.1], "gradient_zero": 0.1, "weight_mean": [0.01, 0.02], "weight_variance": [0.1, 0.1],
        "update_ratio": [1e-3, 1e-3], "output": [-1.0, 1.0],
    }  # fmt: skip
    activation = {"name": "relu", "not_positive": 0.5, "inactive": 0.1, "beyond": 0.0, "extreme": 0.0, "variance": 1.0}
    losses = [1.0 / (1 + epoch) for epoch in range(12)]
    scores = [0.8 + 0.01 * epoch for epoch in range(12)]
    return {
        "history": [
            {"loss": loss, "score": score, "valid_loss": 1.02 * loss, "valid_score": score - 0.005}
            for loss, score in zip(losses, scores, strict=True)
        ],
        "losses": losses,
        "saved_losses": [1.0, 0.5, 0.2],
        "recalls": [0.9, 0.9],
        "inputs": "numbers",
        "signals": {
            "rate": 3e-3, "input": [-1.0, 1.0, 0.0], "input_floats": True, "task": "classes", "activation": "relu", "hidden": 2,
            "head": "", "loss": "cross_entropy", "target": [0.0, 1.0], "counts": [50, 50],
            "checks": [
                {"epoch": epoch, **check, "activations": [dict(activation)], "layer_mean": [0.1 + epoch, 0.2 + epoch, 0.3]}
                for epoch in range(-1, 12)
            ],
        },
    }  # fmt: skip


def alarms(tool: str, record: Record) -> list[str]:
    return [said for said, _ in PEERS[tool](record)]


@pytest.mark.parametrize("tool", PEERS)
def test_nothing_is_said_of_a_sound_training(tool: str) -> None:
    assert alarms(tool, sound()) == []


def in_checks(**values: Any) -> Callable[[Record], None]:
    return lambda record: [check.update(values) for check in record["signals"]["checks"]] and None


def in_history(name: str, values: list[float]) -> Callable[[Record], None]:
    return lambda record: [each.update({name: value}) for each, value in zip(record["history"], values, strict=True)] and None


def in_activations(**values: Any) -> Callable[[Record], None]:
    return lambda record: (
        [each.update(values) for check in record["signals"]["checks"] for each in check["activations"]] and None
    )


def in_signals(**values: Any) -> Callable[[Record], None]:
    return lambda record: record["signals"].update(values)


def both(*changes: Callable[[Record], None]) -> Callable[[Record], None]:
    return lambda record: [change(record) for change in changes] and None


POOR = in_history("score", [0.5] * 12)
RISING = [0.1 + 0.1 * epoch for epoch in range(12)]


@pytest.mark.parametrize(
    ("tool", "change", "said"),
    [
        ("NaN stop + early stop", lambda record: record["losses"].append(1e30), "NaN"),
        ("NaN stop + early stop", in_history("valid_loss", RISING), "early stop"),
        ("AUTOTRAINER", both(POOR, in_checks(gradient_zero=0.8)), "dying ReLU"),
        ("AUTOTRAINER", both(POOR, in_checks(gradient_norm=[1e-6, 1.0])), "vanishing gradient"),
        ("AUTOTRAINER", both(POOR, in_checks(gradient_norm=[100.0, 1.0])), "exploding gradient"),
        ("AUTOTRAINER", both(POOR, in_history("valid_score", [0.5] * 12)), "slow convergence"),
        ("AUTOTRAINER", in_history("score", [0.7, 0.9] * 6), "oscillating loss"),
        ("AUTOTRAINER", in_checks(gradient_norm=[1e30, 1.0]), "exploding gradient"),
        ("DeepDiagnosis", in_activations(not_positive=0.8), "dead node"),
        ("DeepDiagnosis", in_activations(name="tanh", beyond=0.6), "saturated activation"),
        ("DeepDiagnosis", in_checks(gradient_size=[1e-8, 1e-8]), "vanishing gradient"),
        ("DeepDiagnosis", in_checks(layer_mean=[0.1, 0.2, 0.3]), "unchanged"),
        ("DeepDiagnosis", in_checks(gradient_mean=[0.0, 1e-3]), "numerical error"),
        ("DeepDiagnosis", in_signals(head="tanh", task="number", target=[-2.0, 2.0]), "out of range"),
        ("UMLAUT", in_signals(input=[-3.0, 3.0, 0.0]), "inputs exceed typical limits"),
        ("UMLAUT", in_signals(rate=0.1), "high learning rate"),
        ("UMLAUT", in_signals(activation="none"), "missing activations"),
        ("UMLAUT", in_history("valid_score", [0.96] * 12), "check validation accuracy"),
        ("UMLAUT", in_history("valid_loss", RISING), "possible overfitting"),
        ("SageMaker Debugger", in_checks(output=[1e30, 1.0]), "ExplodingTensor"),
        ("SageMaker Debugger", in_checks(gradient_size=[1e-8, 1e-8]), "VanishingGradient"),
        ("SageMaker Debugger", in_activations(inactive=0.6), "DeadRelu"),
        ("SageMaker Debugger", in_activations(name="sigmoid", extreme=0.6), "SaturatedActivation"),
        ("SageMaker Debugger", in_checks(gradient_spread=[1e-4, 0.1]), "PoorWeightInitialization"),
        ("SageMaker Debugger", in_checks(update_ratio=[1e-9, 1e-3]), "WeightUpdateRatio"),
        ("SageMaker Debugger", lambda record: record["saved_losses"].append(0.2), "LossNotDecreasing"),
        ("SageMaker Debugger", in_history("valid_loss", [2.0] * 12), "Overfit"),
        ("SageMaker Debugger", in_signals(counts=[110, 10]), "ClassImbalance"),
    ],
)
def test_each_rule_speaks_of_what_it_is_for(tool: str, change: Callable[[Record], None], said: str) -> None:
    record = sound()
    change(record)
    assert said in alarms(tool, record)


def test_the_signals_are_measured_right() -> None:
    recipe = short("digits mlp", "adam", epochs=1)
    signals = Signals(recipe)
    model = train(recipe, 0, observer=signals).model
    last = signals.record["checks"][-1]
    assert [round(float(layer.weight.detach().mean()), 5) for layer in model if hasattr(layer, "weight")] == pytest.approx(  # type: ignore[attr-defined]
        last["weight_mean"], rel=1e-2, abs=2e-5
    )
    assert [each["name"] for each in last["activations"]] == ["relu", "relu"]
    assert all(0 < each["not_positive"] < 1 for each in last["activations"])
    assert signals.record["checks"][0]["update_ratio"] == [-1.0] * 3
    assert all(0 < ratio < 1 for ratio in last["update_ratio"])
