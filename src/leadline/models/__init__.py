"""Network families, one a file. `MODELS` names every builder a Plan can ask for.

A builder takes what the data decide by name (any of `shape`, `outputs`, `channels`, `classes`, `edges`, `categories`, `task`)
and, keyword-only, what a person may set.
"""

from collections.abc import Callable

from torch import nn

from leadline.models.convnets import convnet
from leadline.models.ensembles import Ensemble
from leadline.models.layer_rows import from_rows, row_notes, without_contained
from leadline.models.linear_models import linear
from leadline.models.perceptrons import mlp
from leadline.models.resnets import resnet18
from leadline.models.rosenblatt import PerceptronRule, perceptron
from leadline.models.separating import PerceptronFit, fit_perceptron
from leadline.models.tabular_networks import tabular

MODELS: dict[str, Callable[..., nn.Module]] = {
    "linear": linear,
    "perceptron": perceptron,
    "mlp": mlp,
    "tabular": tabular,
    "convnet": convnet,
    "resnet18": resnet18,
    "layers": from_rows,
}

__all__ = [
    "MODELS",
    "Ensemble",
    "PerceptronFit",
    "PerceptronRule",
    "convnet",
    "fit_perceptron",
    "from_rows",
    "linear",
    "mlp",
    "perceptron",
    "resnet18",
    "row_notes",
    "tabular",
    "without_contained",
]
