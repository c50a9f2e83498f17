"""Freezing: weights that do not train and layers that stay in evaluation mode, whatever is asked of the network around them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from leadline.errors import ArgumentError

_TRAINED = "_trained_before_freezing"


def freeze(module: nn.Module) -> nn.Module:
    """Stop a network, or a part of one, from changing: no gradients for its weights, evaluation mode for good.

    Each of its layers answers `training` with False from now on, also after `train()` was called on it or on a network that
    holds it. So batch normalization uses and keeps the statistics it has, and dropout drops nothing. Names, state dict, type
    (for `isinstance`) and output in evaluation mode stay as they were, also in a deep copy or after saving and loading.

    Args:
        module: is changed in place, with all that it holds, and returned.

    Errors: `ArgumentError` for a scripted module, whose layers cannot be changed any more.

    Example:
        >>> network = nn.Sequential(freeze(nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))), nn.Linear(4, 2))
        >>> _ = network.train()
        >>> network[0][1].training, network[1].training, [weight.requires_grad for weight in network[0].parameters()]
        (False, True, [False, False, False, False])
    """
    for each in module.modules():
        freeze_alone(each)
    return module


def unfreeze(module: nn.Module, *, training: bool = True) -> nn.Module:
    """Undo `freeze`: what trained before trains again.

    Args:
        module: is changed in place, with all that it holds, and returned.
        training: the mode that its layers have from now on.

    Example:
        >>> layer = unfreeze(freeze(nn.Dropout(0.5)))
        >>> layer.training, frozen(layer)
        (True, False)
    """
    for each in module.modules():
        unfreeze_alone(each, training=training)
    return module


def frozen(module: nn.Module) -> bool:
    """Whether a module and all that it holds is frozen.

    Example:
        >>> frozen(freeze(nn.Linear(2, 2))), frozen(nn.Linear(2, 2))
        (True, False)
    """
    return all(isinstance(each, _Frozen) for each in module.modules())


def freeze_alone(module: nn.Module) -> None:
    """Freeze a module but not the modules that it holds.

    Example:
        >>> outer = nn.Sequential(nn.Dropout(0.5))
        >>> freeze_alone(outer)
        >>> outer.training, outer[0].training
        (False, True)
    """
    if isinstance(module, _Frozen):
        return
    if isinstance(module, torch.jit.ScriptModule):
        raise ArgumentError(
            "A scripted network cannot be frozen", do="Freeze the module it was scripted from, and script it then."
        )
    own = _own(module)
    module.__dict__[_TRAINED] = [name for name, weight in own.items() if weight.requires_grad]
    for weight in own.values():
        weight.requires_grad_(False)
        weight.grad = None
    module.training = False
    module.__class__ = _frozen_class(type(module))


def unfreeze_alone(module: nn.Module, *, training: bool = True) -> None:
    """Undo `freeze_alone`.

    Example:
        >>> layer = nn.Linear(2, 2)
        >>> freeze_alone(layer)
        >>> unfreeze_alone(layer, training=False)
        >>> layer.training, layer.weight.requires_grad
        (False, True)
    """
    if not isinstance(module, _Frozen):
        return
    thawed: nn.Module = module
    thawed.__class__ = _thawed_class(type(module))
    own = _own(module)
    for name in module.__dict__.pop(_TRAINED, []):
        own[name].requires_grad_(True)
    module.training = training


def _own(module: nn.Module) -> dict[str, Tensor]:
    return dict(module.named_parameters(recurse=False))


class _Frozen(nn.Module):
    """Comes before a layer's own class. A property, and not a changed `train()`: some code sets the attribute itself."""

    @property
    def training(self) -> bool:
        return False

    @training.setter
    def training(self, mode: bool) -> None:
        pass

    def __reduce_ex__(self, protocol: Any) -> Any:
        return _blank, (_thawed_class(type(self)),), self.__dict__  # classes made on the way cannot be pickled by name


_CLASSES: dict[type[nn.Module], type[nn.Module]] = {}


def _frozen_class(own: type[nn.Module]) -> type[nn.Module]:
    if own not in _CLASSES:
        # The name stays, because summaries and messages tell a layer by it.
        _CLASSES[own] = type(own.__name__, (_Frozen, own), {"__module__": own.__module__, "__qualname__": own.__qualname__})
    return _CLASSES[own]


def _thawed_class(frozen_class: type[nn.Module]) -> type[nn.Module]:
    own: type[nn.Module] = frozen_class.__mro__[2]
    return own


def _blank(own: type[nn.Module]) -> nn.Module:
    frozen_class = _frozen_class(own)
    return frozen_class.__new__(frozen_class)
