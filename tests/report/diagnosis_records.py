"""Made diagnoses, as `diagnosis.json` keeps them, for the tests of the report."""

from __future__ import annotations

import math
from typing import Any

from page_records import picture

LAYERS = ["conv1", "conv2", "conv3", "fc1", "head"]


def a_measure(name: str = "update ratio", value: float | None = 0.31, low: Any = None, high: Any = 0.01) -> dict[str, Any]:
    return {"name": name, "value": value, "low": low, "high": high}


def a_finding(kind: str = "rate_too_high", title: str = "Learning rate too high", **changes: Any) -> dict[str, Any]:
    finding: dict[str, Any] = {
        "kind": kind,
        "title": title,
        "severity": "severe",
        "confidence": 0.93,
        "evidence": [a_measure(), a_measure("loss after its lowest point, times that", 3.2, None, 2.0)],
        "cause": "The steps are so long that the loss rises again after it has fallen.",
        "remedy": {"says": "Take a tenth of the learning rate.", "changes": {"training.learning_rate": 0.0001}, "code": ""},
        "where": "",
        "tried": "150 steps at a tenth of the rate made 12.4 % fewer errors than at the whole rate (± 1.1 %, 3 seeds).",
        "confirmed": True,
        "command": "leadline train digits --plan runs/digits-1/plan.json --set training.learning_rate=0.0001",
    }
    return {**finding, **changes}


def the_readings() -> dict[str, Any]:
    """Five layers: the gradient fades towards the input, the updates are too long from step 600 on."""
    steps = [1, 2, 4, *range(10, 1001, 30)]
    samples = []
    for step in steps:
        fade = [10.0 ** (-1.4 * (len(LAYERS) - 1 - at) - step / 900) for at in range(len(LAYERS))]
        samples.append(
            {
                "step": step,
                "seconds": step / 100,
                "loss": 2.3 / (1 + step / 100),
                "gradient": [value * math.sqrt(100) for row in fade for value in (row, row / 10)],
                "weight": [1.0] * 10,
                "update": [row * (30 if step > 600 else 1) * 0.01 for row in fade for _ in range(2)],
                "rate": 0.001,
                "dead": {name: min(1.0, at * step / 2500) for at, name in enumerate(LAYERS[:4])},
                "saturated": {name: min(0.9, step / 1500) for name in LAYERS[:2]},
                "scale": {name: 0.5**at for at, name in enumerate(LAYERS)},
            }
        )
    curve = [[step, 2.3 / (1 + step / 60) + (1.9 if step > 620 else 0.0) * (step - 620) / 400] for step in range(5, 1001, 5)]
    return {
        "program": {
            "task": "classes",
            "classes": 3,
            "layers": [
                {"name": name, "kind": "Conv2d", "weight_std": 0.1 * 4**at, "expected_std": 0.1}
                for at, name in enumerate(LAYERS)
            ],
        },
        "graph": {
            "head": ["softmax"],
            "loss_operations": ["log_softmax", "nll_loss"],
            "linear_chains": [["fc1", "fc2", "head"]],
            "field_share": 0.22,
        },
        "answers": {"counts": [900, 80, 20]},
        "first": {"loss": 1.2, "expected_loss": 1.1},
        "steps": {
            "names": [f"{name}.{leaf}" for name in LAYERS for leaf in ("weight", "bias")],
            "sizes": [100, 10] * 5,
            "samples": samples,
            "losses": curve,
            "valid": [[step, 2.3 / (1 + step / 90) + 0.1 + (step / 1000) ** 3, 0.3] for step in range(100, 1001, 100)],
            "non_finite_step": 900,
        },
        "last": {
            "train": {"rows": 900, "loss": 0.4, "error": 0.1, "recalls": [0.99, 0.6, 0.2]},
            "valid": {"rows": 100, "loss": 0.6, "error": 0.2, "recalls": [0.98, 0.4, 0.0]},
            "permuted_loss": 0.5,
            "dead": {"fc1": 0.7},
            "suspicious": [{"row": 7, "label": "ant", "likelier": "bee", "confidence": 0.97}],
        },
        "beside": {
            "train_error": {"constant": 0.7, "linear": 0.2, "neighbours": 0.0},
            "valid_error": {"constant": 0.71, "linear": 0.25, "neighbours": 0.22},
        },
        "activations": {
            "edges": [-8.0, -4.0, 0.0, 4.0, 8.0],
            "first": {name: [1, 40, 40, 1] for name in LAYERS[:4]},
            "last": {name: [90, 20, 10, 40] for name in LAYERS[:4]},
            "follows": dict.fromkeys(LAYERS[:4], "sigmoid"),
        },
        "drill": {"rows": 32, "steps": 300, "error": 0.4, "first_loss": 1.1, "last_loss": 0.9},
        "branches": [
            {"change": "rate", "argument": 0.1, "steps": 150, "losses": [], "twins": [], "gain": 0.124, "gain_se": 0.011},
            {"change": "no_dropout", "argument": None, "steps": 150, "losses": [], "twins": [], "gain": -0.01, "gain_se": 0.02},
        ],
    }


def a_diagnosis(*findings: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A verdict with these findings beside the readings above."""
    verdict = {
        "findings": list(findings),
        "remarks": [
            a_finding("dead_units", "Dead units", cause="Some units are never active.", severity="remark", where="fc1")
        ],
        "outcome": "Right for 80 % of held-out rows; nearest neighbours are for 78 %.",
        "checked": ["inputs", "labels", "rates", "gradients"],
        "unchecked": ["receptive field: the inputs are no pictures"],
        "seconds": 2.1,
    }
    return {"verdict": {**verdict, **changes}, "readings": the_readings()}


def the_rows() -> dict[str, Any]:
    """Rows that findings speak of, as `examples.json` keeps them."""
    side = {"id": "a.png", "truth": "ant", "picture": picture()}
    return {
        "labels": [{"id": "c.png", "label": "ant", "likelier": "bee", "confidence": 0.97, "picture": picture(fill=40)}] * 3,
        "copies": [{"held_out": side, "training": {**side, "id": "b.png", "truth": "bee"}}],
    }
