"""The faults that are injected, at up to three strengths, and the kinds of findings that name them rightly.

`kinds` are right: they name the fault itself. `also` are true as well, being what the fault leads to, with a remedy that helps;
they are counted apart. `outcome` says where harm is looked for: in the clean score, or (leaks) in how much more the held-out
rows promise than the clean test set keeps. What only the person can change, such as rows, or code of
the network that cuts the graph, is not `repairable`.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import fault_changes as do
import numpy as np
from families import FAMILIES, Family
from recipe import Recipe

Fits = Callable[[Family, Recipe], bool]
A_HALF = 3  # families of each half in which a fault is injected


@dataclass(frozen=True)
class Fault:
    """One way to spoil a program."""

    name: str
    group: str
    change: do.Change
    kinds: tuple[str, ...]
    also: tuple[str, ...] = ()
    strengths: tuple[Any, ...] = (None,)
    fits: Fits = lambda family, recipe: True
    repairable: bool = True
    outcome: str = "clean"


def any_net(family: Family, recipe: Recipe) -> bool:
    """A network that has hidden layers with an activation of the recipe's."""
    return family.name not in ("logistic", "lstm", "gru")


def rectified(family: Family, recipe: Recipe) -> bool:
    return any_net(family, recipe) and recipe.activation == "relu"


def perceptrons(family: Family, recipe: Recipe) -> bool:
    return family.net.__name__.lower() == "perceptron" and not recipe.normalize


def numbers(family: Family, recipe: Recipe) -> bool:
    return family.inputs != "tokens"


def columns(family: Family, recipe: Recipe) -> bool:
    return family.inputs == "numbers" and recipe.arrays.task != "reconstruct" and recipe.arrays.train[0].shape[1] > 2


def targeted(family: Family, recipe: Recipe) -> bool:
    return recipe.arrays.task != "reconstruct"


def logits(family: Family, recipe: Recipe) -> bool:
    return recipe.loss == "cross_entropy" and not recipe.balanced


def summable(family: Family, recipe: Recipe) -> bool:
    return recipe.loss in ("cross_entropy", "mse") and not recipe.balanced


def unnormalized(family: Family, recipe: Recipe) -> bool:
    """Nothing in it that undoes a scale or a shift."""
    return numbers(family, recipe) and not recipe.normalize and family.name not in ("resnet", "transfer", "autoencoder")


def recurrent(family: Family, recipe: Recipe) -> bool:
    return family.name in ("lstm", "gru")


def normalized(family: Family, recipe: Recipe) -> bool:
    return recipe.normalize or family.name == "resnet"


def task(*names: str) -> Fits:
    return lambda family, recipe: recipe.arrays.task in names


def all_of(*conditions: Fits) -> Fits:
    return lambda family, recipe: all(each(family, recipe) for each in conditions)


def optimizer(*names: str) -> Fits:
    return lambda family, recipe: recipe.optimizer in names


def loss(name: str) -> Fits:
    return lambda family, recipe: recipe.loss == name and not recipe.head and not recipe.balanced


def not_batch_norm(family: Family, recipe: Recipe) -> bool:
    return not normalized(family, recipe)


def hard_enough(family: Family, recipe: Recipe) -> bool:
    """A linear model would not do."""
    return any_net(family, recipe) and family.name not in ("table", "tiny", "diabetes", "imbalanced", "text", "transfer")


HIGH = ("oscillation", "exploding_gradient", "non_finite", "dead_units", "saturation")
SLOW = ("stopped_too_early", "underfitting")
SPLIT_ROWS = ("train", "valid")
FAULTS: tuple[Fault, ...] = (
    # labels
    Fault("labels shuffled", "labels", do.on_rows(do.shuffled_labels, SPLIT_ROWS), ("label_noise", "input_ignored"),
          ("overfitting",), (0.2, 0.5, 1.0), targeted, repairable=False),
    Fault("labels misaligned", "labels", do.on_rows(do.misaligned, SPLIT_ROWS), ("input_ignored",),
          ("label_noise", "overfitting"), (1,), targeted, repairable=False),
    Fault("labels misaligned in training", "labels", do.on_rows(do.misaligned, ("train",)), ("input_ignored",),
          ("label_noise", "split_mismatch"), (1,), targeted, repairable=False),
    # inputs
    Fault("inputs scaled up", "inputs", do.on_rows(do.scaled), ("inputs_not_prepared",), ("rate_too_high", *HIGH),
          (30, 1e3, 1e5), unnormalized),
    Fault("inputs scaled down", "inputs", do.on_rows(do.scaled), ("inputs_not_prepared",), ("rate_too_low", *SLOW),
          (1e-1, 1e-2, 1e-4), unnormalized),
    Fault("inputs offset", "inputs", do.on_rows(do.offset), ("inputs_not_prepared",), ("rate_too_high", *HIGH, *SLOW),
          (10, 100, 1e4), unnormalized),
    Fault("columns unscaled", "inputs", do.on_rows(do.unscaled_columns), ("inputs_not_prepared",),
          ("rate_too_high", *HIGH, *SLOW), (4, 6, 9), all_of(columns, not_batch_norm)),
    Fault("gaps in inputs", "inputs", do.on_rows(do.with_gaps, SPLIT_ROWS), ("non_finite", "inputs_not_prepared"), (),
          (2e-3, 0.02, 0.2), numbers),
    Fault("inputs lost", "inputs", do.on_rows(do.emptied), ("input_ignored",), ("inputs_not_prepared", "underfitting"),
          ("zeros", "noise"), all_of(targeted, numbers), repairable=False),
    # activations
    Fault("sigmoid stack", "activations", do.both(do.settings(activation="sigmoid"), do.set_to("depth")),
          ("vanishing_gradient", "saturation"), ("underfitting", "rate_too_low", "stopped_too_early", "bad_initialization"),
          (4, 7, 10), perceptrons),
    Fault("no activation", "activations", do.settings(activation="none"), ("no_nonlinearity",), ("underfitting",),
          fits=hard_enough),
    Fault("biases sunk", "activations", do.on_weights(do.sink_biases), ("dead_units", "bad_initialization"),
          ("vanishing_gradient", *SLOW), (1, 3, 10), rectified),
    Fault("tanh saturated", "activations", do.both(do.settings(activation="tanh"), do.on_weights(do.scale_weights)),
          ("saturation", "bad_initialization"), ("vanishing_gradient", *SLOW, "overfitting"), (5, 20, 100), perceptrons),
    # last layer
    Fault("softmax before cross entropy", "head", do.settings(head="softmax"), ("head_or_loss_wrong",), SLOW, fits=logits),
    Fault("softmax over rows", "head", do.settings(head="softmax over rows"), ("head_or_loss_wrong",), SLOW, fits=logits),
    Fault("sigmoid before cross entropy", "head", do.settings(head="sigmoid"), ("head_or_loss_wrong",), SLOW, fits=logits),
    Fault("rectified last layer", "head", do.settings(head="relu"), ("head_or_loss_wrong",), ("dead_units", "underfitting"),
          fits=lambda family, recipe: not recipe.head and not recipe.balanced),
    Fault("squashed last layer", "head", do.set_to("head"), ("head_or_loss_wrong",), ("saturation", "underfitting"),
          ("sigmoid", "tanh"), task("number")),
    Fault("two sigmoids", "head", do.settings(head="sigmoid"), ("head_or_loss_wrong",), SLOW, fits=loss("bce_logits")),
    Fault("softmax over one output", "head", do.settings(head="softmax", loss="bce"), ("head_or_loss_wrong",), (),
          fits=task("binary")),
    Fault("shapes broadcast", "head", do.settings(head="flat", loss="mse"), ("head_or_loss_wrong",),
          ("input_ignored", "underfitting"), fits=task("number")),
    # loss
    Fault("squared error on indices", "loss", do.settings(loss="mse on indices", outputs=1), ("head_or_loss_wrong",),
          ("underfitting",), fits=logits),
    Fault("log likelihood of raw outputs", "loss", do.settings(loss="nll"), ("head_or_loss_wrong",), HIGH, fits=logits),
    Fault("log likelihood of probabilities", "loss", do.settings(loss="nll", head="softmax"), ("head_or_loss_wrong",), SLOW,
          fits=logits),
    Fault("cross entropy of one output", "loss", do.settings(loss="cross_entropy"), ("head_or_loss_wrong",), ("not_training",),
          fits=task("number", "binary")),
    Fault("log of what is no probability", "loss", do.settings(loss="binary by hand", head=""),
          ("head_or_loss_wrong", "non_finite"), (), fits=task("binary", "labels")),
    Fault("log of zero", "loss", do.both(do.settings(loss="by hand"), do.on_rows(do.scaled)),
          ("non_finite", "head_or_loss_wrong"), ("inputs_not_prepared", "rate_too_high", *HIGH), (30, 300),
          all_of(logits, unnormalized)),
    Fault("sum instead of mean", "loss", do.summed, ("head_or_loss_wrong", "rate_too_high"), HIGH,
          fits=all_of(summable, optimizer("sgd"))),
    Fault("squared error on one-hot targets", "loss", do.settings(loss="mse one hot"), ("head_or_loss_wrong",),
          ("underfitting",), fits=logits),
    Fault("binary loss for many classes", "loss", do.settings(loss="bce one hot", head="softmax"), ("head_or_loss_wrong",),
          ("underfitting",), fits=logits),
    Fault("sign", "loss", do.settings(sign=-1.0), ("head_or_loss_wrong",), ("non_finite", "rate_too_high", *HIGH)),
    # first weights
    Fault("weights all the same", "weights", do.on_weights(do.set_weights), ("bad_initialization",),
          ("vanishing_gradient", "dead_units", "underfitting", "not_training"), (0.0, 0.03),
          lambda family, recipe: family.name != "logistic"),
    Fault("weights too large", "weights", do.on_weights(do.scale_weights), ("bad_initialization",),
          ("rate_too_low", "overfitting", *HIGH), (5, 20, 100), not_batch_norm),
    Fault("weights too small", "weights", do.on_weights(do.scale_weights), ("bad_initialization",),
          ("vanishing_gradient", *SLOW), (1e-1, 1e-2, 1e-4), lambda family, recipe: family.name != "logistic"),
    # rates and steps
    Fault("rate too high", "rate", do.times("rate"), ("rate_too_high",), HIGH, (10, 100, 1e3)),
    Fault("rate too low", "rate", do.times("rate"), ("rate_too_low",), SLOW, (0.1, 1e-2, 1e-3)),
    Fault("momentum too high", "rate", do.both(do.settings(momentum=0.99), do.times("rate")), ("rate_too_high", "oscillation"),
          HIGH, (1, 5, 20), optimizer("sgd")),
    Fault("too few epochs", "loop", do.times("epochs", whole=True, least=1), ("stopped_too_early",),
          ("rate_too_low", "underfitting"), (0.3, 0.1, 0.01)),
    Fault("one row a step", "loop", do.both(do.settings(batch=1), do.times("epochs", whole=True, least=1)),
          ("rate_too_high", "oscillation"), ("underfitting", *HIGH), (0.2,), not_batch_norm),
    Fault("all rows in one step", "loop", do.settings(batch=0), ("stopped_too_early", "rate_too_low"), ("underfitting",)),
    Fault("sorted rows, not shuffled", "loop", do.both(do.settings(shuffle=False), do.on_rows(do.sorted_rows, ("train",))),
          ("oscillation", "imbalance"), ("underfitting", "rate_too_high", "split_mismatch"), fits=task("classes", "binary")),
    Fault("gradients not zeroed", "loop", do.set_to("zero_grad"), ("not_training",), ("rate_too_high", *HIGH),
          ("epoch", "never")),
    Fault("optimizer lacks parameters", "loop", do.set_to("held"), ("not_training",), ("underfitting", "bad_initialization"),
          ("not first", "head", "a copy"), lambda family, recipe: family.name not in ("logistic", "transfer")),
    Fault("frozen layers", "loop", do.on_weights(do.freeze), ("not_training", "wrong_transfer"), ("underfitting",),
          (0.3, 0.6, 0.9), lambda family, recipe: family.name not in ("logistic", "transfer")),
    Fault("features detached", "loop", do.settings(detach="features"), ("not_training",), ("underfitting",),
          repairable=False, fits=lambda family, recipe: family.name != "logistic"),
    Fault("loss made anew of its value", "loop", do.settings(backward="value"), ("not_training", "head_or_loss_wrong"), ()),
    # modes and regularization
    Fault("never in training mode", "modes", do.settings(mode="eval"), ("mode_mismatch",), ("exploding_gradient",),
          fits=normalized),
    Fault("never in evaluation mode", "modes", do.settings(mode="train"), ("mode_mismatch",), (),
          fits=lambda family, recipe: recipe.dropout >= 0.3 or recipe.normalize),
    Fault("statistics that hardly move", "modes", do.on_weights(do.slow_statistics), ("mode_mismatch",),
          ("split_mismatch", "overfitting"), (0.01, 1e-3, 1e-5), normalized),
    Fault("dropout too strong", "regularization", do.set_to("dropout"), ("over_regularized",),
          ("underfitting", "stopped_too_early"), (0.8, 0.9, 0.97),
          lambda family, recipe: family.name not in ("logistic", "autoencoder")),
    Fault("weight decay too strong", "regularization", do.set_to("weight_decay"), ("over_regularized",), ("underfitting",),
          (0.1, 0.5, 3.0), optimizer("adam", "sgd")),
    # splits and classes
    Fault("training rows held out", "splits", do.copied_rows, ("split_mismatch",), (), (0.3, 0.6, 1.0), targeted,
          repairable=False, outcome="promise"),
    Fault("label in a column", "splits", do.label_in_column, ("split_mismatch",), (), (0.0, 0.3), columns, repairable=False,
          outcome="promise"),
    Fault("splits prepared differently", "splits", do.on_rows(do.unlike_splits, ("valid", "test")), ("split_mismatch",),
          ("overfitting", "inputs_not_prepared"), (0.5, 1.0, 3.0), all_of(numbers, targeted), repairable=False),
    Fault("split by class", "splits", do.split_by_class, ("split_mismatch",), ("imbalance", "overfitting"), (0.8, 1.0),
          task("classes", "binary"), repairable=False),
    Fault("classes undersampled", "splits", do.on_rows(do.fewer_of_some_classes, SPLIT_ROWS), ("imbalance",), (),
          (0.08, 0.03, 0.01), task("classes", "binary")),
    # capacity
    Fault("too narrow", "capacity", do.both(do.set_to("width"), do.settings(dropout=0.0)), ("underfitting",),
          ("one_batch", "dead_units"), (3, 2, 1),
          lambda family, recipe: hard_enough(family, recipe) or recurrent(family, recipe)),
    Fault("far too long on few rows", "capacity",
          do.both(do.on_rows(do.fewer_rows, ("train",)),
                  do.settings(width=128, epochs=150, dropout=0.0, weight_decay=0.0, schedule="")),
          ("overfitting",), ("label_noise",), (0.3, 0.15),
          lambda family, recipe: family.name in ("noisy", "ceiling", "diabetes", "labels", "friedman", "imbalanced")),
    Fault("recurrent weights too large", "recurrent", do.both(do.on_weights(do.scale_recurrent), do.settings(clip=0.0)),
          ("exploding_gradient", "bad_initialization"), ("saturation", "rate_too_high", "oscillation"), (4, 10, 40),
          recurrent),
    Fault("hidden state detached", "recurrent", do.settings(detach="hidden"), ("memory_too_short",), ("underfitting",),
          fits=recurrent),
    Fault("no gates", "recurrent", do.settings(cell="rnn"), ("memory_too_short", "vanishing_gradient"),
          ("underfitting", "exploding_gradient"), fits=recurrent),
    Fault("kernels of one pixel", "capacity", do.settings(kernel=1), ("receptive_field",), ("underfitting",),
          fits=lambda family, recipe: family.name in ("resnet", "digits convnet")),
    Fault("kept body untrained", "transfer", do.settings(pretrained=False), ("wrong_transfer",),
          ("not_training", "underfitting"), fits=lambda family, recipe: family.name == "transfer"),
)  # fmt: skip
FAULT = {fault.name: fault for fault in FAULTS}
# Two at once, each with the place of its strength: most real faulty programs have more than one.
PAIRS: tuple[tuple[tuple[str, int], tuple[str, int]], ...] = (
    (("softmax before cross entropy", 0), ("rate too low", 1)),
    (("softmax before cross entropy", 0), ("too few epochs", 1)),
    (("rectified last layer", 0), ("rate too high", 0)),
    (("squared error on indices", 0), ("too few epochs", 1)),
    (("no activation", 0), ("too few epochs", 1)),
    (("inputs scaled up", 1), ("sigmoid stack", 0)),
    (("inputs scaled up", 1), ("softmax before cross entropy", 0)),
    (("columns unscaled", 1), ("rate too high", 0)),
    (("one row a step", 0), ("rate too high", 0)),
    (("dropout too strong", 1), ("too few epochs", 1)),
    (("gradients not zeroed", 1), ("momentum too high", 0)),
    (("weights too large", 1), ("rate too low", 0)),
    (("classes undersampled", 1), ("too few epochs", 1)),
    (("labels shuffled", 1), ("rate too low", 1)),
    (("two sigmoids", 0), ("inputs scaled up", 0)),
    (("squashed last layer", 0), ("rate too high", 1)),
)


def parts_of(name: str) -> list[Fault]:
    """The faults of a name; a pair's name joins two."""
    return [FAULT[part] for part in name.split(" + ")]


def faulty(recipe: Recipe, name: str, strengths: tuple[int, ...], seed: int) -> Recipe:
    """The recipe with a fault, or with a pair of them, whose strengths are given by place."""
    for fault, place in zip(parts_of(name), strengths, strict=True):
        draw = np.random.default_rng(zlib.crc32(f"{fault.name} {seed}".encode()))
        recipe = fault.change(recipe, fault.strengths[place], draw)
    return recipe


def configuration_for(family: Family, faults: list[Fault]) -> str | None:
    """One of the family's configurations in which the faults can be; which one is settled by the names."""
    fitting = [name for name in family.configurations if all(each.fits(family, family.recipe(name, 0)) for each in faults)]
    return fitting[turn(family, faults) % len(fitting)] if fitting else None


def turn(family: Family, faults: list[Fault]) -> int:
    return zlib.crc32(" ".join([family.name, *(each.name for each in faults)]).encode())


def injections(limit: int = A_HALF) -> Iterator[tuple[str, tuple[int, ...], str, str]]:
    """(fault, places of strengths, family, configuration): every fault in some families of each half."""
    singles = [(fault.name, [(place,) for place in range(len(fault.strengths))]) for fault in FAULTS]
    pairs = [(f"{one} + {other}", [(first, second)]) for (one, first), (other, second) in PAIRS]
    for name, strengths in singles + pairs:
        faults = parts_of(name)
        for half in ("tune", "report"):
            fitting = [family for family in FAMILIES if family.half == half and configuration_for(family, faults)]
            for family in sorted(fitting, key=lambda family, faults=faults: turn(family, faults))[:limit]:  # type: ignore[misc]
                configuration = configuration_for(family, faults)
                assert configuration
                for places in strengths:
                    yield name, places, family.name, configuration
