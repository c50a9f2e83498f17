"""Dropout of many networks at once: each network sees the masks that it would see alone."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from leadline.layers.drop_path import DropPath
from leadline.layers.fast_dropout import FastDropout
from leadline.layers.locked_dropout import LockedDropout

DROPOUTS: tuple[type[nn.Module], ...] = (
    nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, FastDropout, LockedDropout, DropPath,
)  # fmt: skip
"""The layers that multiply their input by a random mask, in training alone."""

_STEPS = 2**16  # values that 16 bits have


class Masks:
    """Draws the masks [A, B, …] by which dropout layers multiply, each network's with its own p.

    On the CPU each network draws from a generator of its own exactly what the layer would draw for it alone. On an accelerator
    all draw from torch's one generator there: independent masks, but those of no training alone.

    Args:
        models: the networks; their dropout layers may differ in p.
        randoms: the state of each network's generator on the CPU, or None for one seeded with the network's number.

    Example:
        >>> masks = Masks([nn.Sequential(nn.Dropout(0.5)), nn.Sequential(nn.Dropout(0.0))], [None, None])
        >>> mask = masks.draw("0", torch.ones(2, 3, 4))
        >>> _ = torch.manual_seed(0)
        >>> torch.equal(mask[0], torch.dropout(torch.ones(3, 4), 0.5, train=True)), torch.equal(mask[1], torch.ones(3, 4))
        (True, True)
    """

    def __init__(self, models: Sequence[nn.Module], randoms: Sequence[Tensor | None]) -> None:
        self.generators = [torch.Generator().manual_seed(number) for number in range(len(models))]
        for generator, random in zip(self.generators, randoms, strict=True):
            if random is not None:
                generator.set_state(random)
        every = models[0].named_modules(remove_duplicate=False)  # a layer that stands twice draws twice
        names = [name for name, layer in every if type(layer) in DROPOUTS]
        # Copies: the models are free to go into evaluation mode.
        self.layers = {name: [copy.deepcopy(model.get_submodule(name)).train() for model in models] for name in names}

    def draw(self, name: str, x: Tensor) -> Tensor | None:
        """The mask of the layer with this name for values x [A, B, …]; None where no network drops any."""
        layers = self.layers[name]
        if not any(_share(layer) for layer in layers):
            return None
        if x.device.type != "cpu":
            return self._draw_on_device(layers, x)
        if all(type(layer) is FastDropout for layer in layers):
            return self._draw_fast([_share(layer) for layer in layers], x)
        mask = torch.ones(x.shape, dtype=x.dtype)
        for row, layer, generator in zip(mask, layers, self.generators, strict=True):
            if type(layer) is nn.Dropout and 0 < layer.p < 1:
                row.bernoulli_(1 - layer.p, generator=generator).div_(1 - layer.p)
            elif _share(layer):
                row.copy_(_drawn(layer, row, generator))
        return mask

    def _draw_fast(self, shares: list[float], x: Tensor) -> Tensor:
        """The masks of `FastDropout`, 16 bits a value as it draws them, compared for all networks at once."""
        count = x[0].numel()
        draws = torch.empty(len(shares), (count + 3) // 4, dtype=torch.int64)
        for row, share, generator in zip(draws, shares, self.generators, strict=True):
            if share:  # alone, a layer that drops nothing draws nothing
                torch.randint(-(2**63), 2**63 - 1, row.shape, generator=generator, out=row)
        dropped = [min(round(share * _STEPS), _STEPS - 1) for share in shares]
        least = torch.tensor([each - _STEPS // 2 for each in dropped], dtype=torch.int16)
        scales = torch.tensor([_STEPS / (_STEPS - each) for each in dropped], dtype=x.dtype)
        kept = draws.view(torch.int16)[:, :count] >= least[:, None]
        return kept.to(x.dtype).mul_(scales[:, None]).view(x.shape)

    def _draw_on_device(self, layers: list[nn.Module], x: Tensor) -> Tensor:
        with torch.no_grad():
            if all(type(layer) is nn.Dropout for layer in layers):
                kept = 1 - torch.tensor([_share(layer) for layer in layers], dtype=x.dtype).to(x.device)
                kept = kept.view(-1, *[1] * (x.ndim - 1))
                return torch.where(torch.rand_like(x) < kept, 1 / kept, 0.0)
            return torch.stack([layer(row) for layer, row in zip(layers, torch.ones_like(x), strict=True)])

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with these networks alone."""
        self.generators = [self.generators[row] for row in rows]
        self.layers = {name: [layers[row] for row in rows] for name, layers in self.layers.items()}

    def state(self) -> list[Tensor]:
        return [generator.get_state() for generator in self.generators]

    def load(self, state: list[Tensor]) -> None:
        for generator, saved in zip(self.generators, state, strict=True):
            generator.set_state(saved.cpu())


def _share(layer: nn.Module) -> float:
    return float(layer.p)  # type: ignore[arg-type]


def _drawn(layer: nn.Module, ones: Tensor, generator: torch.Generator) -> Tensor:
    """What the layer makes of ones when torch's own generator is where this network's is."""
    outside = torch.default_generator.get_state()
    torch.default_generator.set_state(generator.get_state())
    try:
        with torch.no_grad():
            mask: Tensor = layer(ones)
        generator.set_state(torch.default_generator.get_state())
    finally:
        torch.default_generator.set_state(outside)
    return mask
