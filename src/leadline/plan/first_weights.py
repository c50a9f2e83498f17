"""The first weights as a Plan spells them: a rule for all layers, and filters that whiten the training pictures."""

from __future__ import annotations

import inspect

import numpy as np
import torch
from torch import nn

from leadline import initialize
from leadline.data.dataset import Dataset
from leadline.data.pictures.pictures import Pictures
from leadline.errors import ArgumentError, PlanError
from leadline.spelling import Call, bind, parse_product

WHITENING = "whiten_patches"
_PICTURES = 2_000  # that whitening looks at


def check_first_weights(text: str) -> None:
    """Refuse a text that names no first weights, before there are data.

    Args:
        text: a rule of `initialize.INITIALIZERS`, `whiten_patches`, or both: "he * whiten_patches(epsilon=0.001)".

    Errors: `ArgumentError` for an unknown name, arguments that do not fit, or two rules.

    Example:
        >>> check_first_weights("he(mode='fan_out') * whiten_patches")
    """
    rules = []
    for call in parse_product(text, "initialization"):
        if call.name == WHITENING:
            _epsilon(call)
        else:
            initialize.get(str(call))
            rules.append(str(call))
    if len(rules) > 1:
        raise ArgumentError("Weights are drawn by one rule", expected="one, alone or times whiten_patches", got=text)


def set_first_weights(model: nn.Module, text: str, dataset: Dataset) -> None:
    """Draw the weights by the rule of a text; `whiten_patches` then sets the first convolution for the training pictures.

    Args:
        model: changed in place, on the CPU.
        text: as `check_first_weights` takes it.
        dataset: whose training pictures are whitened, as the network sees them, without augmentation.

    Errors: `PlanError` where there are no pictures or no convolution to whiten them.

    Example:
        >>> from leadline import data, models
        >>> network = models.convnet((1, 8, 8), 10, width=8)
        >>> set_first_weights(network, "whiten_patches", data.load("digits"))
    """
    for call in sorted(parse_product(text, "initialization"), key=lambda call: call.name == WHITENING):
        if call.name == WHITENING:
            initialize.whiten_patches(_first_convolution(model), _pictures(dataset), epsilon=_epsilon(call))
        else:
            initialize.initialize_weights(model, str(call))


def _epsilon(call: Call) -> float:
    arguments, keywords = bind(call, initialize.whiten_patches, "initialization", skip=2)
    epsilon = keywords.get("epsilon", inspect.signature(initialize.whiten_patches).parameters["epsilon"].default)
    if arguments or not isinstance(epsilon, (int, float)) or not epsilon > 0:
        raise ArgumentError(f"The initialization {call} is out of range", expected="epsilon above 0", got=epsilon)
    return float(epsilon)


def _first_convolution(model: nn.Module) -> nn.Conv2d:
    found = next((module for module in model.modules() if isinstance(module, nn.Conv2d)), None)
    if found is None:
        raise PlanError("There is no convolution whose filters could whiten", do="Leave whiten_patches out.")
    return found


def _pictures(dataset: Dataset) -> torch.Tensor:
    inputs = dataset.schema.inputs
    if not isinstance(inputs, Pictures):
        raise PlanError("Only pictures have patches to whiten", got=inputs.describe())
    rows = np.sort(np.random.default_rng(0).permutation(len(dataset.train))[:_PICTURES])
    return inputs.preparer(torch.device("cpu"))(torch.from_numpy(np.asarray(dataset.train.inputs[rows])))
