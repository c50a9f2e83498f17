"""The program families, and in which configurations each is healthy.

A configuration is the family's recipe with some things set otherwise, as careful people differ: other optimizers, widths,
schedules; strong dropout, with which training looks worse than validation; rates that warm up or go in cycles; long plateaus;
natural noise. What a training of any of them reaches, and that more epochs or another rate would not help it, is checked by
`python benchmarks/diagnosis/healthy.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import nets
from recipe import Recipe
from sources import rows_of
from torch import nn


@dataclass(frozen=True)
class Family:
    """One kind of program.

    `inputs` is numbers, pictures, series or tokens; `half` is tune (thresholds may be chosen by looking at it) or report.
    `level` is the clean score that every healthy configuration reaches, on average over its seeds.
    """

    name: str
    rows: str
    net: Callable[[Recipe], nn.Module]
    half: str
    inputs: str
    level: float
    base: dict[str, Any]
    configurations: dict[str, dict[str, Any]]
    tolerated: dict[str, tuple[str, ...]] = field(default_factory=dict)  # kinds that are true of a healthy configuration

    def recipe(self, configuration: str, seed: int) -> Recipe:
        """The healthy program."""
        settings = {"family": self.name, "arrays": rows_of(self.rows, seed), "net": self.net, **self.base}
        return Recipe(**{**settings, **self.configurations[configuration]})


SGD = {"optimizer": "sgd", "rate": 0.05}
CLASSES: dict[str, Any] = {"loss": "cross_entropy"}
NUMBER: dict[str, Any] = {"loss": "mse", "metric": "r2", "outputs": 1}
BINARY: dict[str, Any] = {"loss": "bce_logits", "outputs": 1}

FAMILIES: tuple[Family, ...] = (
    Family("logistic", "logistic", nets.linear, "tune", "numbers", 0.80, {**BINARY, "rate": 0.01, "epochs": 20}, {
        "adam": {},
        "sgd": {**SGD, "momentum": 0.0, "rate": 0.3},
        "cosine": {**SGD, "schedule": "cosine", "weight_decay": 1e-3, "batch": 64, "epochs": 30, "zero_grad": "last"},
        "probabilities": {"head": "sigmoid", "loss": "bce", "rate": 0.02},
    }),
    Family("table", "table", nets.perceptron, "report", "numbers", 0.93, {**CLASSES, "outputs": 2, "epochs": 25}, {
        "adam": {"epochs": 15, "rate": 2e-3},
        "momentum": {**SGD, "schedule": "cosine", "weight_decay": 1e-3, "rate": 0.03},
        "dropout": {"dropout": 0.5, "width": 64, "epochs": 20, "rate": 1e-3},
        "normalized": {"normalize": True, "weight_decay": 1e-3, "optimizer": "adamw", "schedule": "cosine", "epochs": 20},
    }),
    Family("digits mlp", "digits", nets.perceptron, "tune", "numbers", 0.94, {**CLASSES, "outputs": 10, "width": 64}, {
        "adam": {"rate": 3e-3, "epochs": 30},
        "warm-up": {**SGD, "schedule": "warm-up", "rate": 0.1, "epochs": 35},
        "cycles": {"schedule": "cycles", "epochs": 33, "rate": 5e-3},
        "dropout": {"dropout": 0.5, "width": 128, "epochs": 35},
        "log probabilities": {"head": "log_softmax", "loss": "nll", "activation": "tanh", "epochs": 25, "rate": 5e-3,
                              "probe": "before"},
    }),
    Family("moons", "moons", nets.Perceptron, "tune", "numbers", 0.95, {**BINARY, "rate": 0.01, "epochs": 40}, {
        "adam": {},
        "tanh": {"activation": "tanh", "rate": 0.02},
        "momentum": {**SGD, "rate": 0.2, "schedule": "cosine", "epochs": 50, "zero_grad": "last"},
        "large batch": {"batch": 128, "rate": 0.02, "epochs": 50, "schedule": "cosine"},
    }),
    Family("spirals", "spirals", nets.Perceptron, "report", "numbers", 0.93,
           {**CLASSES, "outputs": 3, "width": 48, "rate": 0.01}, {
        "adam": {"epochs": 45},
        "plateau": {**SGD, "activation": "tanh", "rate": 0.1, "epochs": 110, "depth": 3, "batch": 64},
        "deep": {"depth": 4, "epochs": 40, "rate": 4e-3, "schedule": "cosine"},
        "dropout": {"dropout": 0.1, "width": 128, "epochs": 60, "schedule": "cosine"},
    }),
    Family("digits convnet", "digit_pictures", nets.Convolution, "tune", "pictures", 0.95,
           {**CLASSES, "outputs": 10, "width": 12}, {
        "adam": {"epochs": 28, "rate": 3e-3},
        "momentum": {**SGD, "rate": 0.05, "epochs": 26, "schedule": "cosine", "zero_grad": "last"},
        "dropout": {"dropout": 0.5, "epochs": 28},
        "normalized": {"normalize": True, "optimizer": "adamw", "weight_decay": 1e-2, "epochs": 12, "schedule": "warm-up"},
    }),
    Family("resnet", "textures", nets.ResNet, "report", "pictures", 0.90, {**CLASSES, "outputs": 4, "width": 8, "batch": 50}, {
        "adam": {"epochs": 12, "rate": 3e-3, "schedule": "cosine"},
        "momentum": {**SGD, "epochs": 14, "rate": 0.1, "weight_decay": 1e-3, "schedule": "warm-up"},
        "smoothed": {"loss": "smoothed", "optimizer": "adamw", "weight_decay": 0.05, "schedule": "cosine", "epochs": 12},
        "dropout": {"dropout": 0.5, "epochs": 14, "schedule": "cosine", "probe": "before"},
    }),
    Family("lstm", "order", nets.Recurrent, "tune", "tokens", 0.95, {**CLASSES, "outputs": 4, "cell": "lstm", "clip": 1.0}, {
        "adam": {"rate": 0.01, "epochs": 22},
        "wide": {"width": 48, "rate": 6e-3, "epochs": 22, "schedule": "cosine"},
        "rmsprop": {"optimizer": "rmsprop", "rate": 6e-3, "epochs": 24, "schedule": "cosine"},
        "dropout": {"dropout": 0.3, "rate": 0.01, "epochs": 26, "schedule": "cosine"},
    }),
    Family("gru", "series", nets.Recurrent, "report", "series", 0.80, {**NUMBER, "cell": "gru", "width": 24, "batch": 50}, {
        "adam": {"rate": 0.012, "epochs": 30, "schedule": "cosine"},
        "clipped": {"rate": 0.015, "epochs": 28, "clip": 1.0, "schedule": "cosine", "zero_grad": "last"},
        "robust": {"loss": "huber", "rate": 0.015, "epochs": 30, "schedule": "cosine"},
        "lstm": {"cell": "lstm", "rate": 0.015, "epochs": 32, "schedule": "warm-up", "clip": 1.0},
    }),
    Family("text", "text", nets.Bag, "report", "tokens", 0.85, {**CLASSES, "outputs": 5}, {
        "adam": {"rate": 5e-3, "epochs": 12},
        "dropout": {"dropout": 0.5, "rate": 6e-3, "epochs": 16},
        "wide": {"width": 64, "rate": 3e-3, "epochs": 14, "optimizer": "adamw", "weight_decay": 0.05},
        "schedule": {"rate": 0.015, "schedule": "cosine", "epochs": 12},
    }),
    Family("autoencoder", "reconstruction", nets.autoencoder, "report", "numbers", 0.80,
           {**NUMBER, "outputs": 64, "width": 48}, {
        "adam": {"epochs": 90, "rate": 6e-3, "schedule": "cosine"},
        "tanh": {"activation": "tanh", "epochs": 100, "rate": 6e-3, "schedule": "cosine"},
        "probabilities": {"head": "sigmoid", "epochs": 100, "rate": 8e-3, "schedule": "cosine"},
        "absolute": {"loss": "l1", "epochs": 90, "rate": 6e-3, "schedule": "cosine"},
    }),
    Family("transfer", "later_digits", nets.Transfer, "report", "pictures", 0.93, {**CLASSES, "outputs": 5}, {
        "adam": {"epochs": 25, "rate": 3e-3},
        "momentum": {**SGD, "rate": 0.01, "epochs": 30, "schedule": "cosine"},
        "dropout": {"dropout": 0.4, "epochs": 30, "width": 64, "rate": 2e-3},
    }),
    Family("diabetes", "diabetes", nets.perceptron, "report", "numbers", 0.35, {**NUMBER, "width": 16, "weight_decay": 1e-2}, {
        "adam": {"rate": 1e-3, "epochs": 40, "depth": 1},
        "dropout": {"dropout": 0.3, "rate": 2e-3, "epochs": 40, "depth": 1},
        "momentum": {**SGD, "rate": 5e-3, "epochs": 30, "depth": 1, "schedule": "cosine", "weight_decay": 1e-2},
    }),
    Family("friedman", "friedman", nets.perceptron, "tune", "numbers", 0.90, {**NUMBER, "width": 48}, {
        "adam": {"epochs": 35, "weight_decay": 1e-4, "schedule": "cosine"},
        "momentum": {**SGD, "rate": 0.03, "epochs": 40, "schedule": "cosine", "weight_decay": 1e-3},
        "gelu": {"activation": "gelu", "optimizer": "adamw", "weight_decay": 0.05, "epochs": 30, "schedule": "warm-up"},
        "huber": {"loss": "huber", "epochs": 35, "schedule": "cosine"},
    }),
    Family("imbalanced", "imbalanced", nets.Perceptron, "tune", "numbers", 0.88,
           {**CLASSES, "outputs": 2, "metric": "balanced"}, {
        "weighted": {"balanced": True, "epochs": 15, "rate": 2e-3},
        "plain": {"epochs": 18, "rate": 2e-3},
        "weighted momentum": {**SGD, "balanced": True, "epochs": 20, "rate": 0.02, "schedule": "cosine"},
    }),
    Family("tiny", "tiny", nets.perceptron, "tune", "numbers", 0.74,
           {**CLASSES, "outputs": 3, "width": 16, "batch": 10, "depth": 1}, {
        "adam": {"epochs": 40, "rate": 3e-3, "weight_decay": 1e-2},
        "momentum": {**SGD, "epochs": 30, "rate": 0.03, "schedule": "cosine", "weight_decay": 1e-2},
        "dropout": {"dropout": 0.5, "width": 32, "epochs": 60, "rate": 3e-3},
    }),
    Family("noisy", "noisy", nets.Perceptron, "report", "numbers", 0.60, {**CLASSES, "outputs": 3, "weight_decay": 1e-3}, {
        "adam": {"epochs": 14, "rate": 2e-3},
        "dropout": {"dropout": 0.3, "epochs": 20, "width": 64, "rate": 2e-3},
        "momentum": {**SGD, "epochs": 18, "rate": 0.03, "schedule": "cosine"},
    }, tolerated={"adam": ("label_noise",), "dropout": ("label_noise",), "momentum": ("label_noise",)}),
    Family("ceiling", "ceiling", nets.Perceptron, "tune", "numbers", 0.45, {**CLASSES, "outputs": 3, "weight_decay": 1e-3}, {
        "adam": {"epochs": 10, "rate": 1e-3},
        "dropout": {"dropout": 0.5, "epochs": 14, "width": 64, "rate": 1e-3},
        "momentum": {**SGD, "epochs": 12, "rate": 0.01, "schedule": "cosine"},
    }, tolerated={"adam": ("label_noise",), "dropout": ("label_noise",), "momentum": ("label_noise",)}),
    Family("labels", "labels", nets.Perceptron, "report", "numbers", 0.80, {"loss": "bce_logits", "outputs": 5}, {
        "adam": {"epochs": 20, "rate": 2e-3, "width": 48, "weight_decay": 1e-4},
        "dropout": {"dropout": 0.2, "width": 96, "epochs": 25, "rate": 2e-3},
        "momentum": {**SGD, "epochs": 30, "rate": 0.1, "schedule": "cosine", "width": 48, "weight_decay": 1e-3},
    }),
)  # fmt: skip
BY_NAME = {family.name: family for family in FAMILIES}
HALVES = {family.name: family.half for family in FAMILIES}
