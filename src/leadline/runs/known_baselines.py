"""What the baselines of a Run tell its diagnosis, so that simple methods are not fitted to the same rows a second time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from leadline.baselines import Baseline
from leadline.data.dataset import Dataset
from leadline.diagnose.checks.simple_methods import error_of
from leadline.diagnose.readings import Beside

_NAMES = {"linear model": "linear", "nearest neighbours": "neighbours", "gradient boosting": "trees"}
_TASKS = ("classes", "labels", "number")


def beside_of(dataset: Dataset, baselines: Sequence[Baseline]) -> Beside | None:
    """Their errors on the validation rows, beside that of one answer for all; None where there are none to be told.

    Numbers are compared on the scale on which the network learns them. Errors on the training rows are not known.

    Args:
        dataset: to which they were fitted.
        baselines: of `fit_baselines`.

    Example:
        >>> import leadline
        >>> digits = leadline.data.load("digits")
        >>> beside = beside_of(digits, leadline.baselines.fit_baselines(digits, seconds=2))
        >>> beside.valid_error["linear"] < 0.1 < beside.valid_error["constant"]
        True
    """
    if dataset.task not in _TASKS:
        return None
    beside = Beside(task=dataset.task)
    for baseline in baselines:
        if baseline.valid is None or baseline.name not in _NAMES:
            continue
        answers, targets = baseline.valid
        wanted = _wanted(dataset, targets)
        said = torch.from_numpy(np.ascontiguousarray(answers))
        if dataset.task == "number":
            said = dataset.schema.answers.prepare(said).float()
        name = _NAMES[baseline.name]
        beside.valid_error[name], beside.valid_se[name] = error_of(said.reshape(wanted.shape), wanted, dataset.task)
        if "constant" not in beside.valid_error:
            mean = _wanted(dataset, dataset.train.targets).mean(0).expand(wanted.shape)
            beside.valid_error["constant"], beside.valid_se["constant"] = error_of(mean, wanted, dataset.task)
        beside.valid_rows = len(wanted)
    return beside if beside.valid_error else None


def _wanted(dataset: Dataset, targets: NDArray[np.generic]) -> Tensor:
    """[N, M]: one-hot classes, 0/1 labels, numbers as the network learns them."""
    values = torch.from_numpy(np.asarray(targets))
    if dataset.task == "classes":
        return F.one_hot(values.long(), dataset.schema.answers.outputs).float()
    prepared = dataset.schema.answers.prepare(values) if dataset.task == "number" else values
    return prepared.float().reshape(len(values), -1)
