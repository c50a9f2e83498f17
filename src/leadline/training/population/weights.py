"""The weights of many networks, a row each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from leadline.errors import ArgumentError


class _Place(NamedTuple):
    """Where a tensor of every network lies: columns of one of the three stores."""

    store: str
    first: int
    shape: torch.Size


class Weights(nn.Module):
    """All tensors of A networks of one architecture in three stores [A, …]: what optimizers and averages work on at once.

    `trained` [A, P] holds the parameters, matrices and filters first, so that weight decay is a slice; `kept` [A, Q] frozen
    parameters and floating-point buffers (the statistics of batch norm); `counts` [A, R] integer buffers. Buffers that a state
    dict leaves out are constants of the architecture and belong to no network.

    Args:
        models: the networks; all with the same tensors.

    Errors: `ArgumentError` for parameters of several dtypes or a buffer that is neither floating-point nor int64.

    Example:
        >>> weights = Weights([nn.Linear(3, 2), nn.Linear(3, 2)])
        >>> weights.trained.shape, weights.decayed, weights.views()["weight"].shape
        (torch.Size([2, 8]), 6, torch.Size([2, 2, 3]))
    """

    kept: Tensor
    counts: Tensor

    def __init__(self, models: Sequence[nn.Module]) -> None:
        super().__init__()
        model = models[0]
        tensors: dict[str, Tensor] = dict(model.named_parameters())
        stored = set(model.state_dict())
        tensors |= {name: buffer for name, buffer in model.named_buffers() if name in stored}
        trained = [name for name, tensor in tensors.items() if tensor.requires_grad]
        if not trained:
            raise ArgumentError("The networks have no parameter that can be trained", do="Set requires_grad on some of them.")
        trained.sort(key=lambda name: tensors[name].ndim <= 1)
        self.names = {
            "trained": trained,
            "kept": [name for name, tensor in tensors.items() if tensor.is_floating_point() and name not in trained],
            "counts": [name for name, tensor in tensors.items() if not tensor.is_floating_point()],
        }
        self.decayed = sum(tensors[name].numel() for name in trained if tensors[name].ndim > 1)
        self.dtype, device = tensors[trained[0]].dtype, tensors[trained[0]].device
        for name, tensor in tensors.items():
            if tensor.dtype != (self.dtype if tensor.is_floating_point() else torch.int64):
                raise ArgumentError(
                    f"The tensor {name!r} cannot be stacked",
                    expected=f"{self.dtype} like the parameters, or int64",
                    got=tensor.dtype,
                )
        self.places: dict[str, _Place] = {}
        for store, names in self.names.items():
            first = 0
            for name in names:
                self.places[name] = _Place(store, first, tensors[name].shape)
                first += tensors[name].numel()
            dtype = torch.int64 if store == "counts" else self.dtype
            rows = [[dict(_tensors(each))[name].detach().reshape(-1) for name in names] for each in models]
            stacked = torch.stack([torch.cat(row) if row else torch.empty(0, dtype=dtype, device=device) for row in rows])
            if store == "trained":
                self.trained = nn.Parameter(stacked, requires_grad=False)
            else:
                self.register_buffer(store, stacked)
        canonical = {id(tensor): name for name, tensor in tensors.items()}
        # A tensor that two layers share has two names and one place.
        self.same = {name: canonical[id(tensor)] for name, tensor in _tensors(model) if id(tensor) in canonical}

    def __len__(self) -> int:
        """How many networks there are."""
        return len(self.trained)

    def views(self) -> dict[str, Tensor]:
        """Every tensor by its name, [A, *shape], on the stores' own memory; those of `trained` are leaves of the graph."""
        views = {name: self._view(place) for name, place in self.places.items()}
        for name in self.names["trained"]:
            views[name].requires_grad_()
        return {name: views[same] for name, same in self.same.items()}

    def _view(self, place: _Place) -> Tensor:
        store: Tensor = getattr(self, place.store).detach()
        return store.narrow(1, place.first, place.shape.numel()).view(len(store), *place.shape)

    @torch.no_grad()
    def write(self, row: int, module: nn.Module) -> None:
        """Copy the weights of the network in this row into a module of its architecture."""
        for name, tensor in _tensors(module):
            if name in self.same:
                place = self.places[self.same[name]]
                tensor.copy_(getattr(self, place.store)[row, place.first : place.first + place.shape.numel()].view(place.shape))

    @torch.no_grad()
    def keep(self, rows: Tensor) -> None:
        """Go on with these rows [A′] alone."""
        self.trained = nn.Parameter(self.trained.index_select(0, rows), requires_grad=False)
        self.kept, self.counts = self.kept.index_select(0, rows), self.counts.index_select(0, rows)

    def stores(self) -> dict[str, Tensor]:
        """The three stores by name, sharing their memory."""
        return {"trained": self.trained.detach(), "kept": self.kept, "counts": self.counts}

    @torch.no_grad()
    def fill(self, stores: dict[str, Tensor]) -> None:
        """Take over the values of other stores, however many rows they have."""
        for name, store in self.stores().items():
            if stores[name].shape[1:] != store.shape[1:]:
                raise ValueError(f"{name} holds {stores[name].shape[1]:,} numbers a network, not {store.shape[1]:,}")
        where: dict[str, Any] = {"device": self.trained.device}
        self.trained = nn.Parameter(stores["trained"].to(**where, copy=True), requires_grad=False)
        self.kept, self.counts = stores["kept"].to(**where, copy=True), stores["counts"].to(**where, copy=True)


def _tensors(model: nn.Module) -> list[tuple[str, Tensor]]:
    return [*model.named_parameters(remove_duplicate=False), *model.named_buffers(remove_duplicate=False)]
