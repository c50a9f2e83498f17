"""Network families, one a file. `MODELS` names every builder a Plan can ask for.

A builder takes what the data decide by name (any of `shape`, `outputs`, `channels`, `classes`) and, keyword-only, what a
person may set.
"""

from collections.abc import Callable

from torch import nn

from leadline.models.convnets import convnet
from leadline.models.linear_models import linear
from leadline.models.perceptrons import mlp
from leadline.models.resnets import resnet18

MODELS: dict[str, Callable[..., nn.Module]] = {"linear": linear, "mlp": mlp, "convnet": convnet, "resnet18": resnet18}

__all__ = ["MODELS", "convnet", "linear", "mlp", "resnet18"]
