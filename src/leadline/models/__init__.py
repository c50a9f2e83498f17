"""Network families, one a file. `MODELS` names every builder a Plan can ask for.

A builder takes what the data decide by name (any of `shape`, `outputs`, `channels`, `classes`, `edges`, `categories`, `task`)
and, keyword-only, what a person may set.
"""

from collections.abc import Callable

from torch import nn

from leadline.models.convnets import convnet
from leadline.models.linear_models import linear
from leadline.models.perceptrons import mlp
from leadline.models.resnets import resnet18
from leadline.models.rosenblatt import perceptron
from leadline.models.tabular_networks import tabular

MODELS: dict[str, Callable[..., nn.Module]] = {
    "linear": linear,
    "perceptron": perceptron,
    "mlp": mlp,
    "tabular": tabular,
    "convnet": convnet,
    "resnet18": resnet18,
}

__all__ = ["MODELS", "convnet", "linear", "mlp", "perceptron", "resnet18", "tabular"]
