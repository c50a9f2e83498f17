"""Which network a state dict is of, by its names and shapes: so that an error can say whose weights came instead."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from leadline.models import alexnets, resnets, small_resnets, squeezenets, vggs

_COUNTER = ".num_batches_tracked"  # which files from before 2018 lack


class _Kind(NamedTuple):
    """A builder with its fixed arguments, its first and its last layer, and the layer whose filters tell another argument."""

    builder: Callable[..., nn.Module]
    first: str
    head: str
    sizes: dict[str, str]
    arguments: dict[str, Any]


def _kinds() -> dict[str, _Kind]:
    found = {}
    for name in resnets.SIZES:
        found[name] = _Kind(getattr(resnets, name), "conv1", "fc", {"width": "conv1"}, {})
    for name in small_resnets.SIZES:
        found[name] = _Kind(getattr(small_resnets, name), "conv1", "linear", {"width": "conv1"}, {})
    dense = {"width": "features.0", "hidden": "classifier.0"}
    for name in vggs.SIZES:
        for batch_norm in (False, True):
            arguments = {"batch_norm": True} if batch_norm else {}
            found[name + "_bn" * batch_norm] = _Kind(getattr(vggs, name), "features.0", "classifier.6", dense, arguments)
    for name in ("alexnet", "alexnet_2012"):
        found[name] = _Kind(getattr(alexnets, name), "features.0", "classifier.6", {"hidden": "classifier.1"}, {})
    found["squeezenet"] = _Kind(squeezenets.squeezenet, "features.0", "classifier.1", {}, {})
    return found


KINDS = _kinds()

# Parts of names that only one family of networks elsewhere has.
_FAMILIES = {
    "denseblock1.": "a DenseNet",
    "inception3a.": "a GoogLeNet",
    "Mixed_5b.": "an Inception network",
    "relative_position_bias_table": "a Swin transformer",
    "cls_token": "a vision transformer",
    "class_token": "a vision transformer",
    ".layer_scale": "a ConvNeXt",
    "conv_stem.": "an EfficientNet or MobileNet of timm",
    ".self_attn.": "a transformer",
    ".attention.self.query.": "a BERT",
    ".attn.c_attn.": "a GPT",
    "weight_ih_l0": "a recurrent network",
}


class Recognized(NamedTuple):
    """What a state dict looks like.

    `name` is a key of `KINDS`, or "" for a network that no builder here makes; `words` says it to a person; `arguments` are
    those of the builder that shapes tell, beside `classes` and `channels`, which are None where the layers are missing.

    Example:
        >>> Recognized("resnet18", "resnet18", {}, 1000, 3).call
        'models.resnet18(classes=1000)'
    """

    name: str
    words: str
    arguments: dict[str, Any]
    classes: int | None = None
    channels: int | None = None

    @property
    def call(self) -> str:
        """How the network is built; empty where no builder makes it."""
        if not self.name:
            return ""
        given = {"classes": self.classes, "channels": None if self.channels == 3 else self.channels, **self.arguments}
        written = ", ".join(f"{name}={value!r}" for name, value in given.items() if value is not None)
        return f"models.{KINDS[self.name].builder.__name__}({written})"


def recognized(state: Mapping[str, Tensor]) -> Recognized | None:
    """The network whose names and shapes these are, with or without its last layer; None where nobody can tell.

    Args:
        state: names and tensors, as `read_weights` gives them.

    Example:
        >>> found = recognized(resnets.resnet34(10, width=8).state_dict())
        >>> found.words, found.classes, found.channels
        ('resnet34 with width=8', 10, 3)
    """
    names = {name for name in state if not name.endswith(_COUNTER)}
    for name, kind in KINDS.items():
        if f"{kind.first}.weight" not in names:
            continue
        head = {f"{kind.head}.weight", f"{kind.head}.bias"}
        if names | head == _shapes(name).keys() | head:
            return _sized(name, kind, state)
    parts = (words for part, words in _FAMILIES.items() if any(part in name for name in names))
    return Recognized("", words, {}) if (words := next(parts, "")) else None


def _sized(name: str, kind: _Kind, state: Mapping[str, Tensor]) -> Recognized:
    """With the arguments that give these shapes; as a relative, where none do."""
    plain, own = _shapes(name), {key: tuple(tensor.shape) for key, tensor in state.items() if not key.endswith(_COUNTER)}
    sizes: dict[str, Any] = {}
    for argument, layer in kind.sizes.items():
        key = f"{layer}.weight"
        if key in own and len(own[key]) == len(plain[key]) and own[key][0] != plain[key][0]:
            sizes[argument] = own[key][0]
    head, first = own.get(f"{kind.head}.weight", ()), own[f"{kind.first}.weight"]
    classes, channels = head[0] if head else None, first[1] if len(first) > 1 else None
    try:
        built = _shapes(name, classes or 2, channels or 3, tuple(sizes.items()))
        fits = all(built[key] == shape for key, shape in own.items())
    except (RuntimeError, TypeError, ValueError, OverflowError):  # sizes that no network has
        fits = False
    if not fits:
        return Recognized("", f"a relative of {name}, with the same names and layers of other sizes", {})
    words = name + (" with " + ", ".join(f"{key}={value}" for key, value in sizes.items()) if sizes else "")
    return Recognized(name, words, {**kind.arguments, **sizes}, classes, channels)


@lru_cache(maxsize=64)  # for a process may see shapes of any number of files
def _shapes(
    name: str, classes: int = 2, channels: int = 3, sizes: tuple[tuple[str, int], ...] = ()
) -> dict[str, tuple[int, ...]]:
    kind = KINDS[name]
    with torch.device("meta"):
        model = kind.builder(classes, channels, **kind.arguments, **dict(sizes))
    return {key: tuple(tensor.shape) for key, tensor in model.state_dict().items() if not key.endswith(_COUNTER)}
