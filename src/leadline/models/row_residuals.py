"""The residual block of a network written in rows, and its shortcut without weights."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import pad


class Residual(nn.Module):
    """y = act(F(x) + shortcut(x)): what the inner layers add to their own input.

    Shapes: [B, …] → [B, …], as F and the shortcut both give it.

    Args:
        inner: F.
        shortcut: what brings x to the shape of F(x); `nn.Identity` where it has it.
        activation: of the sum.

    Example:
        >>> import torch
        >>> Residual(nn.Linear(4, 4), nn.Identity(), activation=nn.ReLU())(torch.zeros(2, 4)).shape
        torch.Size([2, 4])

    Source: He, Zhang, Ren and Sun (2016), Deep residual learning for image recognition.
    """

    def __init__(self, inner: nn.Module, shortcut: nn.Module, *, activation: nn.Module | None = None) -> None:
        super().__init__()
        self.inner, self.shortcut = inner, shortcut
        self.activation = nn.Identity() if activation is None else activation

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.inner(x) + self.shortcut(x))  # type: ignore[no-any-return]


class PaddedShortcut(nn.Module):
    """Every S-th pixel of every channel, and channels of zeros behind them: a shortcut without weights.

    Shapes: [B, C, H, W] → [B, C + added, ⌈H/S⌉, ⌈W/S⌉]; [B, D] → [B, D + added].

    Args:
        added: channels or features of zeros.
        stride: S, for height and width.

    Example:
        >>> import torch
        >>> PaddedShortcut(8, stride=(2, 2))(torch.zeros(1, 8, 5, 5)).shape
        torch.Size([1, 16, 3, 3])

    Source: He, Zhang, Ren and Sun (2016), "option A".
    """

    def __init__(self, added: int, *, stride: tuple[int, int] = (1, 1)) -> None:
        super().__init__()
        self.added, self.stride = added, stride

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim == 4:
            return pad(x[:, :, :: self.stride[0], :: self.stride[1]], (0, 0, 0, 0, 0, self.added))
        return pad(x, (0, self.added))

    def extra_repr(self) -> str:
        return f"added={self.added}, stride={self.stride}"
