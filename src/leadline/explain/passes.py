"""One pass through a network as it is used, with a look at, or an exchange of, what one of its layers puts out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from leadline.errors import ArgumentError, LeadlineError, unknown
from leadline.explain.tracing import Operation, Step, trace

ClassNumbers = Tensor | Sequence[int] | Sequence[Sequence[int]] | np.ndarray[Any, Any]


class MapLayer(NamedTuple):
    """A layer that puts out a map: its name in the network, what it is, and (channels, height, width) of the map.

    Example:
        >>> MapLayer("features.3", "Conv2d", (64, 8, 8)).name
        'features.3'
    """

    name: str
    kind: str
    shape: tuple[int, int, int]


def map_layers(module: nn.Module, inputs: Tensor) -> list[MapLayer]:
    """The layers with a map of more than one place, in the order in which they have finished; a block after its parts.

    The last of them is where class activation maps look unless another is named.

    Shapes: inputs [B, C, H, W]; a layer counts where it puts out [B, C', H', W'] with H' · W' > 1.

    Args:
        module: any network; it is not changed.
        inputs: prepared pictures, as the network takes them.

    Errors: `ArgumentError` for pictures that the network cannot take, with the layer that refused.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
        >>> [layer.name for layer in map_layers(net, torch.zeros(1, 1, 8, 8))]
        ['0', '1']
    """
    found: dict[str, MapLayer] = {}

    def look(name: str, each: nn.Module, output: Any) -> None:
        if name and isinstance(output, Tensor) and output.ndim == 4 and output.shape[2] * output.shape[3] > 1:
            found.pop(name, None)  # of a layer called twice the last call counts
            channels, height, width = output.shape[1:]
            found[name] = MapLayer(name, type(each).__name__, (channels, height, width))

    with in_use(module), torch.no_grad():
        handles = [
            each.register_forward_hook(lambda each, _, output, name=name: look(name, each, output))
            for name, each in module.named_modules()
        ]
        try:
            outputs_for(module, taken(module, inputs[:1]))
        finally:
            for handle in handles:
                handle.remove()
    return list(found.values())


def feature_maps(module: nn.Module, inputs: Tensor, *, layer: str | None = None) -> np.ndarray[Any, np.dtype[np.float32]]:
    """What one layer makes of some pictures: a map for each of its channels.

    Shapes: inputs [B, C, H, W] → [B, C', H', W'].

    Args:
        module: any network; it is not changed.
        inputs: prepared pictures.
        layer: its name in the network; the last with a map when left out.

    Errors: `ArgumentError` for an unknown layer, with the nearest name, for one without a map, and for pictures that the
        network cannot take.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 2))
        >>> feature_maps(net, torch.zeros(1, 1, 8, 8), layer="0").shape
        (1, 4, 6, 6)

    Source: Zeiler and Fergus (2014), Visualizing and understanding convolutional networks, for looking at them.
    """
    name = map_layer(module, inputs, layer)
    with in_use(module), torch.no_grad():
        _, kept = outputs_and_map(module, taken(module, inputs), name)
    return array_of(kept)


def map_layer(module: nn.Module, inputs: Tensor, layer: str | None) -> str:
    """The layer asked for, checked, or the last one with a map.

    Errors: `ArgumentError` where there is none, with what can be asked for.
    """
    found = {each.name: each for each in map_layers(module, inputs)}
    if not found:
        raise ArgumentError(
            "No layer of the network has a map", got=type(module).__name__, do="Occlusion and saliency need none."
        )
    if layer is None:
        return next(reversed(found))
    if layer not in found:
        if layer and layer in dict(module.named_modules()):
            shown = ", ".join([*found][-8:])
            raise ArgumentError(
                f"The layer {layer!r} has no map", expected=f"a layer that puts out [B, C, H, W], such as {shown}"
            )
        unknown("layer with a map", layer, found)
    return layer


def outputs_and_map(module: nn.Module, x: Tensor, layer: str, instead: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """What the network puts out, and the map that one layer gives it, or is made to give, as a leaf of the graph.

    Args:
        module: in evaluation.
        x: its inputs, where it wants them.
        layer: a layer with a map.
        instead: goes on from the layer in place of what it puts out.
    """
    kept: list[Tensor] = []

    def exchange(_: nn.Module, __: Any, output: Tensor) -> Tensor:
        kept.append((output if instead is None else instead).detach().requires_grad_(torch.is_grad_enabled()))
        return kept[-1].clone()  # what is kept stays as it is when a later layer overwrites what it was given

    handle = module.get_submodule(layer).register_forward_hook(exchange)
    try:
        outputs = outputs_for(module, x)
    finally:
        handle.remove()
    return outputs, kept[-1]


def outputs_for(module: nn.Module, x: Tensor) -> Tensor:
    """What the network makes of inputs that are where it wants them; of one number a picture, [B, 1].

    Errors: `ArgumentError` where it cannot take them, with the layer that refused.
    """
    try:
        outputs = module(x)
    except LeadlineError:
        raise
    except (RuntimeError, ValueError, IndexError, TypeError) as error:
        trace(module, [x[:1]], lambda _: _Nobody())  # says which layer it was
        raise ArgumentError(
            f"The network cannot take inputs of shape {list(x.shape)}", got=str(error).split("\n")[0]
        ) from error
    if isinstance(outputs, Tensor) and outputs.ndim == 1 and len(outputs) == len(x):
        return outputs[:, None]
    return outputs  # type: ignore[no-any-return]


def taken(module: nn.Module, inputs: Tensor) -> Tensor:
    """Pictures in the network's own type and place, fit to have a gradient.

    Errors: `ArgumentError` for what are no pictures.
    """
    if not isinstance(inputs, Tensor) or inputs.ndim != 4 or not len(inputs):
        got = list(inputs.shape) if isinstance(inputs, Tensor) else type(inputs).__name__
        raise ArgumentError("Seeing is for pictures", expected="a tensor [B, C, H, W] with B ≥ 1", got=got)
    own = next((each for each in module.parameters() if each.is_floating_point()), torch.empty(0))
    return inputs.detach().to(own.device, own.dtype).clone()


def chosen_outputs(outputs: Tensor, classes: ClassNumbers) -> tuple[Tensor, bool]:
    """The outputs asked for as [B, T] on the device, and whether there was one for each picture.

    Errors: `ArgumentError` where the network does not answer [B, K], for another number of classes than of pictures, and for
        one that does not exist.
    """
    check_outputs(outputs)
    expected = f"whole numbers [{len(outputs)}] or [{len(outputs)}, T] with T ≥ 1"
    try:
        given = torch.as_tensor(classes)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ArgumentError("There must be a class for each picture", expected=expected, got=repr(classes)) from error
    whole = given.dtype != torch.bool and not given.is_floating_point() and not given.is_complex()
    if given.ndim not in (1, 2) or len(given) != len(outputs) or not given.numel() or not whole:
        got = list(given.shape) if whole or not given.numel() else repr(classes)
        raise ArgumentError("There must be a class for each picture", expected=expected, got=got)
    single = given.ndim == 1
    chosen = given.to(outputs.device, torch.int64)
    chosen = chosen[:, None] if single else chosen
    wrong = chosen[(chosen < 0) | (chosen >= outputs.shape[1])].tolist()
    if wrong:
        raise ArgumentError(f"There is no output {wrong[0]}", expected=f"0 … {outputs.shape[1] - 1}")
    return chosen, single


def check_outputs(outputs: Any) -> None:
    """Raise unless the network has answered with outputs that can be told apart, [B, K]."""
    if not isinstance(outputs, Tensor) or outputs.ndim != 2:
        got = list(outputs.shape) if isinstance(outputs, Tensor) else type(outputs).__name__
        raise ArgumentError("The network has no outputs to tell apart", expected="an output [B, K]", got=got)


def array_of(values: Tensor) -> np.ndarray[Any, np.dtype[np.float32]]:
    """A tensor as an array of its own."""
    return values.detach().float().cpu().numpy()


@contextmanager
def in_use(module: nn.Module) -> Iterator[None]:
    """Within the block the network is in evaluation and may be differentiated; afterwards each part is as it was."""
    modes = [(each, each.training) for each in module.modules()]
    try:
        module.eval()
        with torch.inference_mode(False), torch.enable_grad():
            yield
    finally:
        for each, training in modes:
            each.training = training


class _Nobody:
    """Looks on when only the error is wanted."""

    def see(self, operation: Operation) -> None:
        pass

    def end(self, step: Step) -> None:
        pass
