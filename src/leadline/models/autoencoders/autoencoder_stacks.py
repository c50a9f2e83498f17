"""Greedy pre-training: each layer of a network first learns, as a small autoencoder, to tell what the layer below gives it.

A deep network of sigmoid units that starts from random weights learns slowly, for gradients shrink from layer to layer; one
that starts from such layers already knows its inputs.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from leadline.errors import ArgumentError, TrainingError
from leadline.layers.activations import widening
from leadline.layers.arguments import check_above_zero, check_whole
from leadline.models.autoencoders.autoencoders import Autoencoder, autoencoder
from leadline.models.autoencoders.reconstruction_objectives import Reconstruct
from leadline.models.autoencoders.reconstruction_steps import ReconstructionStep
from leadline.models.step_parts import inputs_of


class PretrainedLayer(NamedTuple):
    """What one layer of a stack has learned: its own weights, and those of the way back, which begin a decoder.

    Example:
        >>> PretrainedLayer(torch.zeros(2, 4), torch.zeros(2), torch.zeros(4, 2), torch.zeros(4)).weight.shape
        torch.Size([2, 4])
    """

    weight: Tensor  # outputs, inputs: as nn.Linear has it
    bias: Tensor
    back_weight: Tensor
    back_bias: Tensor


class Pretrained(NamedTuple):
    """The layers of a stack from the inputs on, and a record for each epoch of each: layer, epoch, loss, seconds.

    Example:
        >>> Pretrained([], []).layers
        []
    """

    layers: list[PretrainedLayer]
    records: list[dict[str, float]]


def pretrain_autoencoders(
    sizes: Sequence[int],
    batches: Iterable[Any],
    *,
    epochs: int = 10,
    activation: str = "sigmoid",
    last_activation: str | None = None,
    corruption: str = "none",
    output: str | None = None,
    learning_rate: float = 1e-3,
    seed: int = 0,
) -> Pretrained:
    """Train a stack of autoencoders of one hidden layer each, from the inputs up: layer k on the codes of layer k − 1.

    hₖ = act(Wₖ hₖ₋₁ + bₖ), ĥₖ₋₁ = W'ₖ hₖ + b'ₖ, by Adam; layers below are finished and stay as they are. Codes within [0, 1]
    are told by Bernoulli outputs, others by their squared error. The same arguments give the same weights, whatever was drawn
    before.

    Args:
        sizes: of the inputs and of each layer: (784, 1000, 500, 250, 30).
        batches: inputs [B, …], which are flattened, or tuples that begin with them; gone through once an epoch, anew for each
            layer, by `epoch(number)` where there is one.
        epochs: for each layer.
        activation: of the layers, as `layers.activation` reads it; one that keeps its width.
        last_activation: of the last, such as "identity" for a code; None is as the others.
        corruption: of each layer's inputs, such as "masking(0.25)": stacked denoising autoencoders.
        output: of the first layer's decoder; None is "bernoulli" where the first batch is within [0, 1], else "gaussian".
        learning_rate: of Adam.
        seed: of the first weights and of the corruption.

    Errors: `ArgumentError` for an argument out of range, or inputs of another size; `TrainingError` where a loss is no number.

    Example:
        >>> x = torch.rand(64, 6, generator=torch.Generator().manual_seed(0))
        >>> stack = pretrain_autoencoders((6, 4, 2), x.split(16), epochs=2)
        >>> [tuple(layer.weight.shape) for layer in stack.layers], [int(record["layer"]) for record in stack.records]
        ([(4, 6), (2, 4)], [1, 1, 2, 2])

    Source: Bengio, Lamblin, Popovici and Larochelle (2007), Greedy layer-wise training of deep networks; Vincent et al. (2010),
    Stacked denoising autoencoders.
    """
    check_whole("The stack of autoencoders", {"epochs": epochs} | {f"sizes[{at}]": size for at, size in enumerate(sizes)})
    check_above_zero("The stack of autoencoders", {"learning_rate": learning_rate})
    activations = [activation] * (len(sizes) - 2) + [last_activation or activation]
    if len(sizes) < 2 or any(widening(each) > 1 for each in activations):
        raise ArgumentError(
            "The stack of autoencoders cannot be built",
            expected="the size of the inputs and of at least 1 layer, and activations that keep the width",
            got=(tuple(sizes), *dict.fromkeys(activations)),
        )
    first = _first(batches, sizes[0])
    below, layers, records = nn.Sequential(nn.Flatten()).to(first.device), [], []
    told_by = output or ("bernoulli" if float(first.min()) >= 0 and float(first.max()) <= 1 else "gaussian")
    for at, (inputs, units) in enumerate(itertools.pairwise(sizes)):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed + at)
            model = autoencoder((inputs,), hidden="none", code=units, code_activation=activations[at], output=told_by)
        model.to(first.device)
        _start(model, seed + at)
        objective = Reconstruct(corruption=corruption, seed=seed + at)
        step = ReconstructionStep(model, objective, torch.optim.Adam(model.parameters(), lr=learning_rate))
        records += [
            {"layer": at + 1, "epoch": epoch + 1, **_epoch(step, below, batches, at * epochs + epoch)}
            for epoch in range(epochs)
        ]
        below.extend(list(model.encoder.children())[1:])
        layers.append(_layer(model))
        told_by = "bernoulli" if activations[at] in _WITHIN else "gaussian"
    return Pretrained(layers, records)


def load_pretrained(model: nn.Module, layers: Sequence[PretrainedLayer]) -> int:
    """Let the first linear layers of a network start from a stack; of an autoencoder the decoder too, in reverse order.

    A layer before batch norm has no bias, and needs none of the stack's: batch norm takes it away again.

    Args:
        model: a perceptron, or a deep autoencoder with as many layers as the stack, and outputs of the kind by which its lowest
            layer told the inputs; changed in place.
        layers: as `pretrain_autoencoders` gives them.

    Returns:
        How many linear layers were set.

    Errors: `ArgumentError` for a network with fewer linear layers, or layers of other sizes.

    Example:
        >>> stack = pretrain_autoencoders((6, 4), [torch.rand(8, 6)], epochs=1)
        >>> classifier = nn.Sequential(nn.Linear(6, 4), nn.Sigmoid(), nn.Linear(4, 3))
        >>> load_pretrained(classifier, stack.layers), torch.equal(classifier[0].weight, stack.layers[0].weight)
        (1, True)
    """
    encoder, decoder = getattr(model, "encoder", None), getattr(model, "decoder", None)
    both = isinstance(encoder, nn.Module) and isinstance(decoder, nn.Module)
    pairs = [(layer.weight, layer.bias) for layer in layers]
    places = _linears(encoder if both else model)[: len(layers)]  # type: ignore[arg-type]
    back = _linears(decoder) if both else []  # type: ignore[arg-type]
    if back:
        pairs += [(layer.back_weight, layer.back_bias) for layer in reversed(layers)]
        places += back
    if len(places) != len(pairs):
        raise ArgumentError(
            "The network does not have the layers of the stack",
            expected=f"{len(pairs)} linear layers" + (", half of them in the decoder" if back else ""),
            got=len(places),
        )
    for at, (place, (weight, _)) in enumerate(zip(places, pairs, strict=True)):
        if place.weight.shape != weight.shape:
            raise ArgumentError(
                f"Linear layer {at + 1} of the network is not that of the stack",
                expected=f"{weight.shape[1]} inputs and {weight.shape[0]} outputs",
                got=f"{place.in_features} and {place.out_features}",
            )
    with torch.no_grad():
        for place, (weight, bias) in zip(places, pairs, strict=True):
            place.weight.copy_(weight)
            if place.bias is not None:
                place.bias.copy_(bias)
    return len(places)


_WITHIN = ("sigmoid", "softmax")  # activations within [0, 1]


def _start(model: Autoencoder, seed: int) -> None:
    """Xavier's uniform weights, the same on every device, with biases of 0."""
    generator = torch.Generator().manual_seed(seed)
    for layer in _linears(model):
        bound = math.sqrt(6 / (layer.in_features + layer.out_features))
        weight = torch.empty(layer.weight.shape).uniform_(-bound, bound, generator=generator)
        layer.weight.detach().copy_(weight)
        layer.bias.detach().zero_()


def _epoch(step: ReconstructionStep, below: nn.Module, batches: Any, number: int) -> dict[str, float]:
    """One epoch of one layer: the mean loss of a row, and the seconds it took."""
    began, total, rows = time.perf_counter(), torch.zeros(()), 0
    for at, batch in enumerate(_batches(batches, number)):
        with torch.no_grad():
            inputs = below(inputs_of(batch))
        # Each step of the stack has a number of its own, so none draws the corruption of another.
        now = SimpleNamespace(step=number * 2**32 + at, epoch=number, batch=at, fraction=0.0)
        total = total.to(inputs.device) + step(inputs, now)["loss"] * len(inputs)
        rows += len(inputs)
    loss = float(total) / max(rows, 1)
    if not math.isfinite(loss):
        raise TrainingError("The loss of a layer that is pre-trained is no longer a number", do="Take a lower learning rate.")
    return {"loss": loss, "seconds": time.perf_counter() - began}


def _batches(batches: Any, number: int) -> Iterator[Any]:
    return batches.epoch(number) if hasattr(batches, "epoch") else iter(batches)


def _first(batches: Iterable[Any], size: int) -> Tensor:
    for batch in batches:
        inputs = inputs_of(batch)
        if iter(batches) is batches:
            raise ArgumentError("The batches can be gone through only once", expected="a list, or anything iterable anew")
        if inputs.flatten(1).shape[1] != size:
            raise ArgumentError(
                "The first size is not that of the inputs",
                expected=inputs.flatten(1).shape[1],
                got=f"sizes that begin with {size}",
            )
        return inputs
    raise ArgumentError("There is nothing to pre-train on", expected="at least 1 batch")


def _layer(model: Autoencoder) -> PretrainedLayer:
    there, back = _linears(model.encoder)[0], _linears(model.decoder)[0]
    return PretrainedLayer(*(each.detach().clone() for each in (there.weight, there.bias, back.weight, back.bias)))


def _linears(model: nn.Module) -> list[nn.Linear]:
    return [layer for layer in model.modules() if isinstance(layer, nn.Linear)]
