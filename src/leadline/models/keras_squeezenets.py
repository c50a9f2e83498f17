"""The SqueezeNet 1.1 of Keras, in HDF5, made equal to torchvision's: its names, axes, turned filters and colours."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from leadline.errors import ArgumentError, DataError
from leadline.models.published_weights import IMAGENET_MEAN, IMAGENET_STD

_FIRE = {2: 3, 3: 4, 4: 6, 5: 7, 6: 9, 7: 10, 8: 11, 9: 12}  # number of the fire module → place in torchvision's `features`
_PARTS = {"squeeze1x1": "squeeze", "expand1x1": "expand1x1", "expand3x3": "expand3x3"}
_BLUE_GREEN_RED = (103.939, 116.779, 123.68)
"""What these weights want taken off colours of 0 … 255, blue first: the preprocessing of Caffe, where they were trained."""


def read_keras_squeezenet(path: Path) -> dict[str, Tensor]:
    """The weights of a Keras SqueezeNet 1.1 under torchvision's names, for pictures prepared as its networks want them.

    Theano convolves with filters turned by 180°, torch does not turn them: those of a file by Theano are turned here. The
    first layer has no padding, so the other preprocessing (blue first, 0 … 255, no deviation) goes into its weights exactly:
    w′ = 255 · σ · w and b′ = b + Σ w · (255 · μ − m), with torchvision's μ and σ and Caffe's m.

    Args:
        path: of an HDF5 file that Keras wrote, with or without the last convolution.

    Errors: `ArgumentError` where h5py is not installed; `DataError` for a file that is damaged or of another network.
    """
    h5py = _h5py()
    try:
        with h5py.File(path, "r") as file:
            arrays, theano = _arrays(h5py, file)
    except (OSError, RuntimeError, KeyError) as error:
        raise DataError(f"The weights in {path} are damaged", got=str(error), do="Fetch the file again.") from error
    except (TypeError, ValueError) as error:  # text, tables or references in the place of numbers
        raise DataError(f"{path} is not the SqueezeNet of Keras", expected="numbers only", got=str(error)) from error
    state: dict[str, Tensor] = {}
    for layer, (kernel, bias) in arrays.items():
        name = _named(layer)
        filters = _ordered(kernel, len(bias)) if kernel is not None and bias is not None else None
        if name is None or filters is None:
            raise DataError(
                f"{path} is not the SqueezeNet of Keras",
                expected="layers conv1, fire2 … fire9 and conv10",
                got=f"a layer {layer}",
            )
        state[f"{name}.weight"] = torch.from_numpy(np.flip(filters, (2, 3)).copy() if theano else filters)
        state[f"{name}.bias"] = torch.from_numpy(bias)
    if "features.0.weight" not in state or state["features.0.weight"].shape[1] != 3:
        raise DataError(f"{path} is not the SqueezeNet of Keras", expected="a layer conv1 of colours", got=", ".join(arrays))
    _for_torchvisions_colours(state)
    return state


def _for_torchvisions_colours(state: dict[str, Tensor]) -> None:
    weight = state["features.0.weight"].double().flip(1)  # now red first
    std = 255 * torch.tensor(IMAGENET_STD, dtype=torch.float64).reshape(1, 3, 1, 1)
    shift = 255 * torch.tensor(IMAGENET_MEAN, dtype=torch.float64) - torch.tensor(_BLUE_GREEN_RED[::-1], dtype=torch.float64)
    bias = state["features.0.bias"].double() + (weight * shift.reshape(1, 3, 1, 1)).sum((1, 2, 3))
    state["features.0.weight"], state["features.0.bias"] = (weight * std).float(), bias.float()


def _arrays(h5py: Any, file: Any) -> tuple[dict[str, tuple[NDArray[Any] | None, NDArray[Any] | None]], bool]:
    """Layer, such as `conv1` or `fire2/squeeze1x1` → its filters and biases; and whether Keras ran on Theano."""
    found: dict[str, dict[int, NDArray[Any]]] = {}
    names: list[str] = []

    def take(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and not name.startswith("optimizer_weights/"):
            names.append(name)
            parts = name.removeprefix("model_weights/").split("/")
            layer = "/".join(parts[:2]) if parts[0].startswith("fire") else parts[0]
            found.setdefault(layer, {})[item.ndim] = np.asarray(item, dtype=np.float32)

    file.visititems(take)
    # TensorFlow numbers the outputs of whatever it names, so its variables end in ":0".
    return {layer: (each.get(4), each.get(1)) for layer, each in found.items()}, not any(name.endswith(":0") for name in names)


def _named(layer: str) -> str | None:
    module, _, part = layer.partition("/")
    if layer in ("conv1", "conv10"):
        return "features.0" if layer == "conv1" else "classifier.1"
    number = module.removeprefix("fire")
    if number.isdigit() and int(number) in _FIRE and part in _PARTS:
        return f"features.{_FIRE[int(number)]}.{_PARTS[part]}"
    return None


def _ordered(kernel: NDArray[Any], filters: int) -> NDArray[Any] | None:
    """[out, in, h, w] from a kernel in this order (Theano's) or as [h, w, in, out] (TensorFlow's); None for neither."""
    if kernel.shape[0] == filters and kernel.shape[2] == kernel.shape[3]:
        return kernel
    if kernel.shape[3] == filters and kernel.shape[0] == kernel.shape[1]:
        return np.ascontiguousarray(kernel.transpose(3, 2, 0, 1))
    return None


def _h5py() -> Any:
    try:
        return importlib.import_module("h5py")
    except ImportError as error:
        raise ArgumentError(
            "Weights of Keras (.h5) need h5py, which is not installed", do="pip install 'leadline[hub]'"
        ) from error
