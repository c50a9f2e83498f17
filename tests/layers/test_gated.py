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
