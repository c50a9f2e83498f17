"""The kinds of findings: what each is called, and in which way a finding of it can be confirmed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """A kind of finding.

    `confirmed_by` is "branch" (a short training from the start with the remedy, beside an unchanged twin), "continuation" (from
    the end), "rerun" (a training of full length), "direct" (a test without training) or "" (cannot be confirmed cheaply).

    Example:
        >>> KINDS["vanishing_gradient"].title
        'Vanishing gradient'
    """

    number: int
    title: str
    confirmed_by: str


KINDS: dict[str, Kind] = {
    "non_finite": Kind(1, "Numbers that are not finite", "branch"),
    "rate_too_high": Kind(2, "Learning rate too high", "branch"),
    "rate_too_low": Kind(3, "Learning rate too low", "branch"),
    "oscillation": Kind(4, "Oscillation", "continuation"),
    "vanishing_gradient": Kind(5, "Vanishing gradient", "branch"),
    "exploding_gradient": Kind(6, "Exploding gradient", "branch"),
    "dead_units": Kind(7, "Dead units", "branch"),
    "saturation": Kind(8, "Saturated activations", "branch"),
    "bad_initialization": Kind(9, "Bad initialization", "branch"),
    "inputs_not_prepared": Kind(10, "Inputs not prepared", "branch"),
    "head_or_loss_wrong": Kind(11, "Last layer and loss do not fit", "branch"),
    "input_ignored": Kind(12, "Inputs ignored or labels misaligned", "branch"),
    "one_batch": Kind(13, "Cannot learn one batch", "branch"),
    "underfitting": Kind(14, "Underfitting", "rerun"),
    "stopped_too_early": Kind(15, "Stopped too early", "continuation"),
    "overfitting": Kind(16, "Overfitting", "rerun"),
    "over_regularized": Kind(17, "Too much regularization", "rerun"),
    "imbalance": Kind(18, "Rare classes ignored", "rerun"),
    "label_noise": Kind(19, "Wrong labels", "direct"),
    "split_mismatch": Kind(20, "Leakage or unlike splits", "direct"),
    "mode_mismatch": Kind(21, "Training and evaluation differ", "branch"),
    "not_training": Kind(22, "Parameters that do not train", "branch"),
    "starved_device": Kind(23, "Waiting for data", "direct"),
    "adversarial_collapse": Kind(24, "Collapse of the generator", ""),
    "memory_too_short": Kind(25, "Memory too short", "direct"),
    "wrong_transfer": Kind(26, "Wrong kind of transfer", "direct"),
    "receptive_field": Kind(27, "Receptive field smaller than the object", "direct"),
    "no_nonlinearity": Kind(28, "No non-linearity between layers", "branch"),
}
