"""One pass of a frozen backbone over the rows of a split, in batches, without gradients, in the faster layout."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from leadline.data.batches import Batches
from leadline.data.dataset import Split
from leadline.data.pictures.augment import Augment
from leadline.data.pictures.pictures import Pictures
from leadline.data.schema import Schema
from leadline.errors import ArgumentError, DataError
from leadline.transfer.passing import calls_of, evaluating

# Of activations at a time: on a CPU they should stay near its caches, a GPU wants work for all of its units.
_BYTES = {"cpu": 1 << 26, "cuda": 1 << 30}
_LARGEST = {"cpu": 256, "cuda": 2048}


class Extraction:
    """Features of rows in one pass: of the rows as they are, or of one changed copy of them. No row is computed twice.

    Args:
        backbone: prepared inputs → features [B, D].
        split: the rows.
        schema: prepares them.
        augment: makes the changed copies.
        copy: 0 for the rows as they are, else the number of the changed copy.
        seed: of the augmentation.
        device: where to compute; where the backbone is, by default.

    Example:
        >>> from leadline.data import Classes, Vectors
        >>> rows = np.arange(12, dtype=np.float32).reshape(6, 2)
        >>> split = Split(rows, np.zeros(6, np.int64), list("abcdef"))
        >>> schema = Schema(Vectors.learn(rows), Classes(("no", "yes")))
        >>> [part.shape for part in Extraction(nn.Linear(2, 3), split, schema).parts()]
        [(6, 3)]
    """

    def __init__(
        self,
        backbone: nn.Module,
        split: Split,
        schema: Schema,
        *,
        augment: Augment | None = None,
        copy: int = 0,
        seed: int = 0,
        device: torch.device | None = None,
    ) -> None:
        own = next((each.device for each in (*backbone.parameters(), *backbone.buffers())), torch.device("cpu"))
        self.backbone, self.split, self.schema, self.device = backbone, split, schema, device or own
        self.augment, self.copy, self.seed = augment, copy, seed
        self.rows = rows_at_once(backbone, schema.inputs.shape, self.device, len(split))
        self.channels_last = self._layout()
        self.known = np.zeros(0, np.int64)
        self._features = np.zeros((0, 0), np.float32)

    def first(self, rows: int) -> NDArray[np.float32]:
        """Features [n, D] of some rows, evenly spread: `parts` takes them from here."""
        self.known = np.unique(np.linspace(0, len(self.split) - 1, min(rows, len(self.split))).astype(np.int64))
        few = self.split if len(self.known) == len(self.split) else self.split.take(self.known)
        found = [self._computed(prepared, self.known[start : start + len(prepared)]) for start, prepared in self._batches(few)]
        self._features = np.concatenate(found)
        return self._features

    def parts(self) -> Iterator[NDArray[np.float32]]:
        """Features [B, D], batch after batch, in the order of the rows.

        Errors: `DataError` with the id of a row whose features are no finite numbers; `ArgumentError` where the backbone gives
            something else than [B, D].
        """
        if len(self.known) == len(self.split):
            yield self._features
            return
        for start, prepared in self._batches(self.split):
            rows = np.arange(start, start + len(prepared))
            here = np.searchsorted(self.known, [start, start + len(prepared)])
            there = self._features[slice(*here)]
            if not len(there):
                yield self._computed(prepared, rows)
                continue
            new = np.ones(len(prepared), bool)
            new[self.known[slice(*here)] - start] = False
            part = np.empty((len(prepared), there.shape[1]), np.float32)
            part[~new] = there
            if new.any():
                part[new] = self._computed(prepared[torch.from_numpy(new).to(prepared.device)], rows[new])
            yield part

    def _batches(self, split: Split) -> Iterator[tuple[int, Tensor]]:
        """The place of the first row of each batch, and the batch."""
        self.backbone.to(self.device)
        batches = Batches(split, self.schema, self.rows, device=self.device, seed=self.seed, channels_last=self.channels_last)
        start = 0
        for prepared, _ in batches:
            yield start, prepared
            start += len(prepared)

    def _computed(self, prepared: Tensor, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Features of prepared rows, whose numbers in the split these are."""
        with evaluating(self.backbone), torch.inference_mode():
            if self.copy:
                assert self.augment is not None
                prepared = self.augment(prepared, self.seed, self.copy, torch.from_numpy(rows).to(self.device))
            if prepared.ndim == 4:
                layout = torch.channels_last if self.channels_last else torch.contiguous_format
                prepared = prepared.contiguous(memory_format=layout)
            part = self._of(prepared).float().cpu()
        bad = ~part.isfinite().all(1)
        if bool(bad.any()):
            raise DataError(
                f"The features of {self.split.ids[rows[int(bad.int().argmax())]]} are no finite numbers",
                do="Look at that input, and at whether the weights are whole.",
            )
        return part.numpy()

    def _of(self, prepared: Tensor) -> Tensor:
        features = self.backbone(prepared)
        if not isinstance(features, Tensor) or features.ndim != 2 or len(features) != len(prepared):
            raise ArgumentError(
                "The backbone does not give one row of features for each input",
                expected=f"[{len(prepared)}, D]",
                got=list(features.shape) if isinstance(features, Tensor) else type(features).__name__,
                do="Cut it with `transfer.cut`, which averages maps.",
            )
        return features

    def _layout(self) -> bool:
        """Whether channels_last is the faster layout: measured, on a batch or a little more."""
        convolves = any(isinstance(module, nn.Conv2d) for module in self.backbone.modules())
        if not convolves or not isinstance(self.schema.inputs, Pictures) or len(self.split) < 4 * self.rows:
            return convolves and self.device.type == "cuda"
        self.backbone.to(self.device)
        seconds = {}
        some = torch.randn(min(self.rows, 32), *self.schema.inputs.shape, device=self.device)
        with evaluating(self.backbone), torch.inference_mode():
            for layout in (torch.contiguous_format, torch.channels_last):
                inputs = some.contiguous(memory_format=layout)
                times = [self._seconds(inputs) for _ in range(3)]
                seconds[layout] = min(times[1:])  # the first one chooses algorithms
        return seconds[torch.channels_last] < 0.95 * seconds[torch.contiguous_format]

    def _seconds(self, inputs: Tensor) -> float:
        started = time.perf_counter()
        float(self.backbone(inputs).sum())  # fetching a number waits for the device
        return time.perf_counter() - started


def rows_at_once(backbone: nn.Module, shape: tuple[int, ...], device: torch.device, rows: int) -> int:
    """Rows a batch: a power of two, as many as keep the largest activation within what the device likes.

    Example:
        >>> rows_at_once(nn.Linear(2, 3), (2,), torch.device("cpu"), 1000)
        256
    """
    calls = calls_of(backbone, shape)
    largest = max(4 * int(np.prod(call.left[1:])) for call in calls)
    kind = "cuda" if device.type == "cuda" else "cpu"
    fits = max(8, min(_LARGEST[kind], _BYTES[kind] // max(1, 4 * largest)))
    return int(min(1 << (fits.bit_length() - 1), max(1, rows)))
