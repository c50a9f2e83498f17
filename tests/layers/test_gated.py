"""Gated units: GLU is torch's own, and the others are their formulas."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from leadline.errors import ArgumentError
from leadline.layers import Gated


def test_glu_is_torchs() -> None:
    x = torch.randn(4, 3, 10, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(Gated("sigmoid")(x), F.glu(x))


@pytest.mark.parametrize(("name", "function"), [("silu", F.silu), ("gelu", F.gelu), ("relu", F.relu)])
def test_a_linear_layer_before_it_holds_both_matrices(name: str, function: object) -> None:
    values, gate, x = torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(0)).unbind()
    both = torch.cat([values, gate])
    found = Gated(name)(x @ both.T)
    assert torch.allclose(found, (x @ values.T) * function(x @ gate.T), atol=1e-6)  # type: ignore[operator]


def test_gradients_match_differences() -> None:
    x = torch.randn(3, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    assert torch.autograd.gradcheck(Gated(), x)


def test_an_unknown_gate() -> None:
    with pytest.raises(ArgumentError, match="Did you mean 'sigmoid'"):
        Gated("sigmoyd")


def test_the_gate_may_stand_along_any_axis() -> None:
    x = torch.randn(2, 6, 3, 3, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(Gated("silu", dim=1)(x), x[:, :3] * F.silu(x[:, 3:]))
    with pytest.raises(
        ArgumentError, match=r"Gated cannot take.*multiple of 2 along axis -1; got float32 of shape \[2, 6, 3, 3\]"
    ):
        Gated("silu")(x)


def test_a_gate_with_an_argument() -> None:
    x = torch.tensor([2.0, 10.0, -1.0, 3.0])
    assert torch.allclose(Gated("leaky_relu(0.5)")(x), torch.tensor([-1.0, 30.0]))
