import pytest
import torch

from leadline import layers
from leadline.errors import ArgumentError


@pytest.mark.parametrize("name", layers.ACTIVATIONS)
def test_gradients_match_differences(name: str) -> None:
    points = torch.linspace(-3, 3, 40, dtype=torch.float64, requires_grad=True)  # an even number: no point at a kink in zero
    assert torch.autograd.gradcheck(layers.activation(name), points)


def test_unknown_name() -> None:
    with pytest.raises(ArgumentError, match="Did you mean 'leaky_relu'"):
        layers.activation("leakyrelu")
