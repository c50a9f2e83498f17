"""Features before the head: those that the classifier itself decides by."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from leadline.errors import ArgumentError
from leadline.models import convnet, lenet5, resnet20
from leadline.transfer.last_features import before_head, features_of


@pytest.mark.parametrize("make", [lambda: convnet((1, 28, 28), 10, width=4), lambda: lenet5(), lambda: resnet20(10, 1)])
def test_the_head_makes_the_outputs_of_them(make: object) -> None:
    torch.manual_seed(0)
    model = make().eval()  # type: ignore[operator]
    head = [each for each in model.modules() if isinstance(each, nn.Linear)][-1]
    features = before_head(model, (1, 28, 28))
    x = torch.randn(3, 1, 28, 28)
    found = features_of(features, x, batch_size=2)
    torch.testing.assert_close(head(found), model(x))


def test_modes_stay_and_batches_change_nothing() -> None:
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Dropout(0.5), nn.Linear(144, 3))
    features = before_head(model, (1, 8, 8)).train()
    x = torch.randn(7, 1, 8, 8)
    torch.testing.assert_close(features_of(features, x, batch_size=2), features_of(features, x))
    assert features.training


def test_what_has_no_head_is_refused() -> None:
    with pytest.raises(ArgumentError, match="no linear layer"):
        before_head(nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten()), (1, 8, 8))
    with pytest.raises(ArgumentError, match="no rows of features"):
        features_of(nn.Identity(), torch.zeros(2, 1, 4, 4))
    with pytest.raises(ArgumentError, match="at least 1 row"):
        features_of(nn.Flatten(), torch.zeros(0, 1, 4, 4))
