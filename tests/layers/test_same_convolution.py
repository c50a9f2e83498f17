"""'Same' padding: against the formula written out as loops, against torch where torch has it, and without needless copies."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import nn

from leadline.errors import ArgumentError
from leadline.layers.same_convolution import SameConv2d, same_padding

pairs = st.tuples(st.integers(1, 4), st.integers(1, 4))


def by_loops(
    x: np.ndarray, w: np.ndarray, b: np.ndarray, stride: tuple[int, int], dilation: tuple[int, int], groups: int
) -> np.ndarray:
    """Keras's 'same', one multiplication after another: where a tap falls off the picture, it adds nothing."""
    _, channels, height, width = x.shape
    filters, per_group, rows, columns = w.shape
    offsets, outs = [], []
    for size, kernel, step, spread in zip((height, width), (rows, columns), stride, dilation, strict=True):
        out = math.ceil(size / step)
        total = max((out - 1) * step + (kernel - 1) * spread + 1 - size, 0)
        offsets.append(math.floor(total / 2))
        outs.append(out)
    y = np.zeros((len(x), filters, *outs))
    for k in range(filters):
        first = k // (filters // groups) * per_group
        for i in range(outs[0]):
            for j in range(outs[1]):
                y[:, k, i, j] = b[k]
                for u in range(rows):
                    for v in range(columns):
                        row = i * stride[0] + u * dilation[0] - offsets[0]
                        column = j * stride[1] + v * dilation[1] - offsets[1]
                        if 0 <= row < height and 0 <= column < width:
                            y[:, k, i, j] += x[:, first : first + per_group, row, column] @ w[k, :, u, v]
    assert channels == per_group * groups
    return y


@settings(max_examples=150)
@given(
    pairs, st.integers(1, 9), st.integers(1, 9), pairs, st.tuples(st.integers(1, 3), st.integers(1, 3)), st.sampled_from([1, 2])
)
@example((2, 2), 32 // 4, 7, (1, 1), (1, 1), 1)
@example((4, 3), 9, 9, (3, 2), (2, 1), 2)
@example((1, 1), 5, 8, (4, 3), (1, 1), 1)  # strides beyond the kernel: nothing to pad
def test_it_is_the_formula(
    kernel: tuple[int, int], height: int, width: int, stride: tuple[int, int], dilation: tuple[int, int], groups: int
) -> None:
    torch.manual_seed(height * width)
    layer = SameConv2d(2, 4, kernel, stride=stride, dilation=dilation, groups=groups).double()
    x = torch.randn(2, 2, height, width, dtype=torch.float64)
    found = layer(x).detach().numpy()
    assert layer.bias is not None
    weights = layer.weight.detach().numpy(), layer.bias.detach().numpy()
    assert found.shape == (2, 4, math.ceil(height / stride[0]), math.ceil(width / stride[1]))
    assert found == pytest.approx(by_loops(x.numpy(), *weights, stride, dilation, groups), abs=1e-12)


@given(st.integers(1, 300), st.integers(1, 12), st.integers(1, 12), st.integers(1, 5))
def test_the_padding_is_the_least_that_gives_so_many_places(size: int, kernel: int, stride: int, dilation: int) -> None:
    before, after = same_padding(size, kernel, stride=stride, dilation=dilation)
    reach = (kernel - 1) * dilation + 1

    def places(padded: int) -> int:
        return (padded - reach) // stride + 1 if padded >= reach else 0

    wanted = -(-size // stride)
    assert after - before in (0, 1)
    assert places(size + before + after) >= wanted
    if before + after:
        assert places(size + before + after) == wanted
        assert places(size + before + after - 1) < wanted


@pytest.mark.parametrize("kernel", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("dilation", [1, 2])
def test_at_stride_one_it_is_torchs_own(kernel: int, dilation: int) -> None:
    torch.manual_seed(kernel)
    ours = SameConv2d(3, 5, kernel, dilation=dilation)
    theirs = nn.Conv2d(3, 5, kernel, padding="same" if kernel % 2 or dilation == 2 else 0, dilation=dilation)
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(2, 3, 9, 8)
    padded = x if theirs.padding == "same" else nn.functional.pad(x, [(kernel - 1) // 2, kernel // 2] * 2)
    assert torch.allclose(ours(x), theirs(padded), atol=1e-6)


def test_it_starts_as_torchs_convolution() -> None:
    torch.manual_seed(3)
    ours = SameConv2d(3, 4, 3, bias=False)
    torch.manual_seed(3)
    theirs = nn.Conv2d(3, 4, 3, bias=False)
    assert list(ours.state_dict()) == list(theirs.state_dict()) == ["weight"]
    assert torch.equal(ours.weight, theirs.weight)


def test_parameters_of_the_classic_net() -> None:
    layers = [SameConv2d(3, 16, 2), SameConv2d(16, 32, 2), SameConv2d(32, 64, 2)]
    assert [sum(p.numel() for p in layer.parameters()) for layer in layers] == [208, 2080, 8256]


def test_even_pads_on_both_sides_need_no_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    def pad(*_: object, **__: object) -> None:
        raise AssertionError("the map was copied")

    monkeypatch.setattr(nn.functional, "pad", pad)
    assert SameConv2d(1, 1, 3)(torch.zeros(1, 1, 6, 6)).shape == (1, 1, 6, 6)
    assert SameConv2d(1, 1, 3, stride=2)(torch.zeros(1, 1, 7, 5)).shape == (1, 1, 4, 3)
    with pytest.raises(AssertionError, match="copied"):
        SameConv2d(1, 1, 2)(torch.zeros(1, 1, 6, 6))


def test_gradients_match_differences() -> None:
    torch.manual_seed(2)
    layer = SameConv2d(2, 2, (2, 3), stride=2).double()
    x = torch.randn(2, 2, 5, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layer, x)


def test_bad_arguments() -> None:
    with pytest.raises(ArgumentError, match="SameConv2d cannot be built: the channels do not divide.*multiples of 2"):
        SameConv2d(3, 4, 3, groups=2)
    with pytest.raises(ArgumentError, match="kernel_size is not one number or two"):
        SameConv2d(3, 4, (3, 3, 3))  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="'same' padding cannot be built: stride"):
        same_padding(4, 2, stride=0)
