"""Networks for transfer: a backbone cut at some layer, frozen or not, and a new linear head on it."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn.utils import skip_init

from leadline.data.pictures.pictures import Pictures
from leadline.data.schema import Schema
from leadline.errors import ArgumentError
from leadline.transfer.cutting import CutNetwork, cut
from leadline.transfer.freezing import freeze
from leadline.transfer.passing import calls_of


def with_new_head(
    model: nn.Module,
    layer: str,
    shape: Sequence[int],
    outputs: int,
    *,
    grid: int = 1,
    frozen: bool = True,
    channels: int | None = None,
) -> nn.Sequential:
    """A network of a trained one's first layers, called `backbone`, and a new linear layer, called `head`.

    y = W · features(x) + b, with W = 0 and b = 0 until it is trained or solved: the first outputs favour nothing.

    Shapes: [B, C, H, W] → [B, outputs].

    Args:
        model: the trained network; is copied.
        layer: where it is cut, as for `cut`.
        shape: of one input as the data have it.
        outputs: classes, labels or numbers of the new task.
        grid: cells over which maps are averaged.
        frozen: whether the backbone is frozen.
        channels: of the pictures that the network was trained on, where the data have others: grey ones are repeated, coloured
            ones averaged.

    Errors: `ArgumentError` as `cut`, or where channels cannot be made of each other.

    Example:
        >>> from leadline.models import convnet
        >>> network = with_new_head(convnet((3, 16, 16), 10), "before 22", (1, 16, 16), 4, channels=3)
        >>> network(torch.zeros(2, 1, 16, 16)).shape, network.head
        (torch.Size([2, 4]), Linear(in_features=128, out_features=4, bias=True))
    """
    if outputs < 1:
        raise ArgumentError("A head needs outputs", expected="at least 1", got=outputs)
    backbone = backbone_of(model, layer, shape, grid=grid, channels=channels)
    if frozen:
        freeze(backbone)
    width = width_of(backbone, shape)
    own = next((each for each in model.parameters() if each.is_floating_point()), torch.empty(0))
    # Nothing is drawn that is overwritten at once: torch's random numbers stay as they are.
    head: nn.Linear = skip_init(nn.Linear, width, outputs, device=own.device, dtype=own.dtype)  # type: ignore[no-untyped-call]
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    return nn.Sequential(OrderedDict(backbone=backbone, head=head))


def backbone_of(model: nn.Module, layer: str, shape: Sequence[int], *, grid: int = 1, channels: int | None = None) -> nn.Module:
    """The cut network, behind a layer that makes the channels it was trained on where the data have others.

    Example:
        >>> backbone_of(nn.Sequential(nn.Conv2d(3, 8, 3)), "0", (1, 8, 8), channels=3)(torch.zeros(1, 1, 8, 8)).shape
        torch.Size([1, 8])
    """
    if channels is None or len(shape) != 3 or channels == shape[0]:
        return cut(model, layer, shape, grid=grid)
    adapted = ToChannels(shape[0], channels)
    return nn.Sequential(OrderedDict(channels=adapted, cut=cut(model, layer, (channels, *shape[1:]), grid=grid)))


def width_of(backbone: nn.Module, shape: Sequence[int]) -> int:
    """How many features a backbone gives.

    Example:
        >>> width_of(nn.Flatten(), (1, 4, 4))
        16
    """
    if isinstance(backbone, CutNetwork):
        return backbone.width
    return calls_of(backbone, shape)[-1].left[1]


def set_head(network: nn.Sequential, head: nn.Linear) -> None:
    """Put a solved head's weights into a network that `with_new_head` made.

    Errors: `ArgumentError` where the shapes differ.

    Example:
        >>> network = nn.Sequential(OrderedDict(backbone=nn.Flatten(), head=nn.Linear(4, 2)))
        >>> set_head(network, nn.Linear(4, 2))
    """
    own = network.get_submodule("head")
    assert isinstance(own, nn.Linear)
    if own.weight.shape != head.weight.shape:
        raise ArgumentError("The head does not fit the network", expected=list(own.weight.shape), got=list(head.weight.shape))
    with torch.no_grad():
        own.weight.copy_(head.weight)
        own.bias.copy_(head.bias)


def schema_for(schema: Schema, known: Pictures) -> Schema:
    """The Schema of new data with the preprocessing that a trained network knows: its means and deviations, not theirs.

    The size of the pictures stays that of the data. Where the channels differ (`ToChannels`), the means over channels serve.

    Args:
        schema: of the new data, which must be pictures of the same kind of values (bytes or floats).
        known: the inputs of the Schema that the network was trained with.

    Errors: `ArgumentError` for other inputs, or bytes where the network knows floats.

    Example:
        >>> import numpy as np
        >>> from leadline.data import Classes
        >>> grey = Schema(Pictures.learn(np.zeros((2, 8, 8, 1), np.uint8)), Classes(("a", "b")))
        >>> schema_for(grey, Pictures(32, 32, 3, "uint8", (120.0, 126.0, 114.0), (60.0, 60.0, 60.0))).inputs.mean
        (120.0,)
    """
    own = schema.inputs
    if not isinstance(own, Pictures) or own.dtype != known.dtype:
        got = f"{own.describe()} of {own.dtype}" if isinstance(own, Pictures) else own.describe()
        raise ArgumentError("The network was trained on other inputs", expected=f"pictures of {known.dtype}", got=got)
    mean, std = known.mean, known.std
    if own.channels == known.channels:
        pass
    elif own.channels == 4 and known.channels == 3:
        mean, std = (*mean, 0.0), (*std, 1.0)  # the fourth is left out by the network
    else:
        mean, std = ((sum(each) / len(each),) * own.channels for each in (mean, std))
    return replace(schema, inputs=replace(own, mean=mean, std=std))


class ToChannels(nn.Module):
    """Pictures with other channels: one is repeated, several are averaged to one.

    Shapes: [B, C, H, W] → [B, D, H, W] with C = 1 or D = 1; an alpha channel (C = 4, D = 3) is left out.

    Errors: `ArgumentError` for other pairs.

    Example:
        >>> ToChannels(1, 3)(torch.ones(1, 1, 2, 2)).shape
        torch.Size([1, 3, 2, 2])
    """

    def __init__(self, have: int, want: int) -> None:
        super().__init__()
        if have != want and have != 1 and want != 1 and (have, want) != (4, 3):
            raise ArgumentError("The channels of these pictures are not those of the network", expected=want, got=have)
        self.have, self.want = have, want

    def forward(self, x: Tensor) -> Tensor:
        if self.have == 1:
            return x.expand(-1, self.want, -1, -1)
        return x.mean(1, keepdim=True) if self.want == 1 else x[:, : self.want]

    def extra_repr(self) -> str:
        return f"{self.have} → {self.want}"


def redrawn(model: nn.Module, seed: int) -> nn.Module:
    """A copy of a network with fresh weights, as its layers draw them.

    Args:
        model: is left as it is.
        seed: of the draw; torch's own random numbers stay as they are.

    Errors: `ArgumentError` where a layer has weights and no way to draw them.

    Example:
        >>> layer = nn.Linear(2, 2)
        >>> bool((redrawn(layer, 0).weight != layer.weight).all())
        True
    """
    fresh = copy.deepcopy(model)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for name, module in fresh.named_modules():
            reset = getattr(module, "reset_parameters", None) or getattr(module, "_reset_parameters", None)
            if callable(reset):
                reset()
            elif any(True for _ in module.parameters(recurse=False)):
                raise ArgumentError(
                    f"The layer {name or 'the network itself'} ({type(module).__name__}) cannot draw its weights anew",
                    expected="a method reset_parameters",
                    do="Give a network with fresh weights.",
                )
    return fresh
