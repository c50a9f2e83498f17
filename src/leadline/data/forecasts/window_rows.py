"""Window rows: many overlapping windows of a few long series, cut when they are asked for and never stored."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from leadline.data.dataset import Split


class WindowRows:
    """N windows [L + H, C] of steps [ΣT, C], by where each begins; looks like an array [N, L + H, C].

    A window is what the network may know at its moment: in its last H steps, the future, the first `hidden` channels are NaN.
    The steps are shared, not copied: a window costs eight bytes.

    Args:
        steps: float32 [ΣT, C], memory-mapped or not.
        starts: the first step of each window, int64 [N].
        lookback: L.
        horizon: H.
        hidden: how many of the first channels have an unknown future.

    Example:
        >>> steps = np.arange(12, dtype=np.float32).reshape(6, 2)
        >>> rows = WindowRows(steps, np.array([0, 2]), lookback=2, horizon=1, hidden=1)
        >>> rows.shape, rows[1].tolist()
        ((2, 3, 2), [[4.0, 5.0], [6.0, 7.0], [nan, 9.0]])
    """

    def __init__(
        self, steps: NDArray[np.float32], starts: NDArray[np.int64], *, lookback: int, horizon: int, hidden: int
    ) -> None:
        self.steps, self.starts = steps, np.asarray(starts, np.int64)
        self.lookback, self.horizon, self.hidden = lookback, horizon, hidden
        assert not len(starts) or (starts.min() >= 0 and starts.max() + lookback + horizon <= len(steps))

    @property
    def shape(self) -> tuple[int, int, int]:
        return (len(self.starts), self.lookback + self.horizon, self.steps.shape[1])

    @property
    def ndim(self) -> int:
        return 3

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.steps.dtype

    @property
    def nbytes(self) -> int:
        """What is stored: the steps once, and where windows begin."""
        return int(self.steps.nbytes + self.starts.nbytes)

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, rows: Any) -> NDArray[np.float32]:
        """One window [L + H, C] for a number, several [n, L + H, C] for an array of numbers, a mask or a slice."""
        starts = self.starts[rows]
        windows = np.array(self.steps[np.asarray(starts)[..., None] + np.arange(self.shape[1])])
        windows[..., self.lookback :, : self.hidden] = np.nan
        return windows

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """All windows, where someone needs them as an array after all."""
        return np.asarray(self[:], dtype)

    def take(self, rows: NDArray[np.integer] | slice) -> WindowRows:
        """Some of the windows, of the same steps."""
        return WindowRows(self.steps, self.starts[rows], lookback=self.lookback, horizon=self.horizon, hidden=self.hidden)

    def tensor(self) -> WindowTensor:
        """The same on torch's side, on the steps' own memory."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
            steps, starts = torch.from_numpy(self.steps), torch.from_numpy(self.starts)
        return WindowTensor(steps, starts, self.lookback, self.horizon, self.hidden)

    def digest(self) -> str:
        """SHA-256 of the steps and of where the windows begin."""
        whole = hashlib.sha256(f"{self.shape}{self.lookback}{self.hidden}".encode())
        whole.update(np.ascontiguousarray(self.steps).view(np.uint8).data)
        whole.update(np.ascontiguousarray(self.starts).view(np.uint8).data)
        return whole.hexdigest()


class WindowTensor:
    """What batches need of a stored tensor, for windows: `nbytes`, `to` and `index_select`, on any device.

    Example:
        >>> rows = WindowRows(np.ones((6, 2), np.float32), np.array([0, 2]), lookback=2, horizon=1, hidden=1)
        >>> rows.tensor().index_select(0, torch.tensor([1, 0, 1])).shape
        torch.Size([3, 3, 2])
    """

    def __init__(self, steps: Tensor, starts: Tensor, lookback: int, horizon: int, hidden: int) -> None:
        self.steps, self.starts = steps.contiguous(), starts
        self.lookback, self.horizon, self.hidden = lookback, horizon, hidden
        length, channels = lookback + horizon, steps.shape[1]
        # Every window there could be, without a copy: they overlap in memory, so that each is one stretch of it.
        shape = (max(0, len(steps) - length + 1), length, channels)
        self._every = self.steps.as_strided(shape, (channels, channels, 1))

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def nbytes(self) -> int:
        """Bytes of the steps and of where windows begin."""
        return self.steps.nbytes + self.starts.nbytes

    @property
    def device(self) -> torch.device:
        return self.steps.device

    @property
    def dtype(self) -> torch.dtype:
        return self.steps.dtype

    def data_ptr(self) -> int:
        """Where the steps lie: the same for two that share them."""
        return self.steps.data_ptr()

    def to(self, device: torch.device) -> WindowTensor:
        """The same windows on a device."""
        return WindowTensor(self.steps.to(device), self.starts.to(device), self.lookback, self.horizon, self.hidden)

    def index_select(self, dim: int, rows: Tensor) -> Tensor:
        """The windows with these numbers, int64 [n] → float32 [n, L + H, C]; nothing here waits for the device."""
        assert dim == 0
        windows = self._every.index_select(0, self.starts.index_select(0, rows))
        windows[:, self.lookback :, : self.hidden] = torch.nan
        return windows


@dataclass(frozen=True)
class WindowSplit(Split):
    """A split of windows: besides the rest `series`, the number of the series of each row, int64 [N], and `origins`, the moment
    of its first step to forecast, in ticks, int64 [N]. Targets are scaled as the network learns them, float32 [N, H, M].
    `windows` is the Schema's side with the scales of series that training did not have, where rows were read again.

    Example:
        >>> rows = WindowRows(np.ones((6, 2), np.float32), np.array([0, 2]), lookback=2, horizon=1, hidden=1)
        >>> targets = np.zeros((2, 1, 1), np.float32)
        >>> split = WindowSplit(rows, targets, ["1960", "1961"], (), np.zeros(2, np.int64), np.array([0, 1]))
        >>> split.take(np.array([1])).ids
        ['1961']
    """

    series: Any = None
    origins: Any = None
    windows: Any = None

    def take(self, rows: NDArray[np.integer]) -> WindowSplit:
        """The rows with these numbers, in this order; their windows still share the steps."""
        inputs: Any = self.inputs
        ids: Sequence[str] = [self.ids[row] for row in np.arange(len(self))[rows].tolist()]
        parts = (self.targets[rows], ids, self.notes, self.series[rows], self.origins[rows])
        return WindowSplit(inputs.take(rows), *parts, self.windows)
