"""The forget gate of an LSTM."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from leadline.errors import ArgumentError


def set_forget_bias(lstm: nn.Module, value: float = 1.0) -> int:
    """Let an untrained LSTM remember: the forget gates' biases become `value`, and all others stay as they are.

    A gate with bias 1 opens to σ(1) = 0.73, so that a gradient a hundred steps old is not lost before training has begun.
    torch's layers add two biases, of which the second gets 0. The layout is theirs: input, forget, cell, output.

    Args:
        lstm: `nn.LSTM`, `nn.LSTMCell`, `layers.PeepholeLSTM`, or a network that contains some; changed in place.
        value: any number.

    Returns:
        How many biases were set: one for each layer and direction.

    Errors: `ArgumentError` for a module without an LSTM, one without biases, or a value that is no number.

    Example:
        >>> lstm = nn.LSTM(3, 2)
        >>> set_forget_bias(lstm)
        1
        >>> (lstm.bias_ih_l0 + lstm.bias_hh_l0)[2:4].tolist()
        [1.0, 1.0]

    Source: Gers, Schmidhuber and Cummins (2000), Learning to forget; Jozefowicz, Zaremba and Sutskever (2015), An empirical
    exploration of recurrent network architectures.
    """
    if not math.isfinite(value):
        raise ArgumentError("The bias of the forget gate is out of range", expected="a number", got=value)
    layers = [layer for layer in lstm.modules() if _is_lstm(layer)]
    biases = [
        (name, bias) for layer in layers for name, bias in layer.named_parameters(recurse=False) if name.startswith("bias")
    ]
    if not biases:
        raise ArgumentError(
            "There is no forget gate to set",
            expected="an LSTM with bias=True, or a network that contains one",
            got=type(lstm).__name__,
        )
    with torch.no_grad():
        for name, bias in biases:
            _forget_part(bias).fill_(0.0 if "bias_hh" in name else value)
    return sum("bias_hh" not in name for name, _ in biases)


def _is_lstm(layer: nn.Module) -> bool:
    """Torch's own, or a layer with its names and its four gates side by side."""
    own = dict(layer.named_parameters(recurse=False))
    hidden = next((weight.shape[1] for name, weight in own.items() if name.startswith("weight_hh")), 0)
    first = next((bias for name, bias in own.items() if name.startswith("bias_ih")), None)
    return isinstance(layer, (nn.LSTM, nn.LSTMCell)) or (first is not None and len(first) == 4 * hidden)


def _forget_part(bias: Tensor) -> Tensor:
    return bias.detach().chunk(4)[1]
