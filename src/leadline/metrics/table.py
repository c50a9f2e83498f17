"""Which metrics a task has, in the order in which they are shown, the headline first."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Protocol

from torch import Tensor

from leadline.errors import unknown
from leadline.metrics import calibration, classification, pictures, ranking, regression


class Score(Protocol):
    """A metric as a function: predictions and truth to one number, or to R numbers for weights [R, N]."""

    def __call__(self, p: Tensor, t: Tensor, /, *, weights: Tensor | None = None) -> Tensor: ...


@dataclass(frozen=True)
class Metric:
    """One row of the table.

    `name` is what plans, histories and results call it; `title` is what people read. `unit_range` says that it goes from 0 to 1
    and that 1 is perfect. `sorts` says that it sorts each column, which is what makes resampling it dear.

    Example:
        >>> import torch
        >>> metric = for_task("classes", 2)["accuracy"]
        >>> metric.title, metric.function(torch.tensor([[0.9, 0.1]]), torch.tensor([0])).item()
        ('Accuracy', 1.0)
    """

    name: str
    function: Score
    higher_is_better: bool
    title: str
    unit_range: bool = True
    sorts: bool = False


_CLASSES = (
    Metric("accuracy", classification.accuracy, True, "Accuracy"),
    Metric("top_5_accuracy", partial(classification.top_k_accuracy, k=5), True, "Top-5 accuracy"),
    Metric("balanced_accuracy", classification.balanced_accuracy, True, "Balanced accuracy"),
    Metric("f1", classification.macro_f1, True, "F1 (mean over classes)"),
    Metric("auroc", ranking.auroc, True, "AUROC", sorts=True),
    Metric("average_precision", ranking.average_precision, True, "Average precision", sorts=True),
    Metric("log_loss", calibration.log_loss, False, "Log loss", unit_range=False),
    Metric("calibration_error", calibration.calibration_error, False, "Calibration error", unit_range=False),
)
_LABELS = (
    Metric("average_precision", ranking.labels_average_precision, True, "Average precision (mean over labels)", sorts=True),
    Metric("auroc", ranking.labels_auroc, True, "AUROC (mean over labels)", sorts=True),
    Metric("f1", classification.labels_f1, True, "F1 (mean over labels)"),
    Metric("exact_match", classification.exact_match, True, "All labels right"),
    Metric("labels_accuracy", classification.labels_accuracy, True, "Single labels right"),
    Metric("log_loss", calibration.labels_log_loss, False, "Log loss", unit_range=False),
)
_NUMBER = (
    Metric("mae", regression.mean_absolute_error, False, "Mean absolute error", unit_range=False),
    Metric("rmse", regression.root_mean_squared_error, False, "Root mean squared error", unit_range=False),
    Metric("r2", regression.r2_score, True, "R²", unit_range=False),
)
_PAIRS = (
    Metric("psnr", pictures.psnr, True, "PSNR", unit_range=False),
    Metric("ssim", pictures.ssim, True, "SSIM", unit_range=False),
)
_TASKS = {"classes": _CLASSES, "labels": _LABELS, "number": _NUMBER, "pairs": _PAIRS}


def for_task(task: str, outputs: int) -> dict[str, Metric]:
    """The metrics of a task by name, headline first.

    Args:
        task: "classes", "labels", "number" or "pairs".
        outputs: the number of classes, labels, numbers or channels; up to five classes, top-5 accuracy would say nothing and is
            left out.

    Raises:
        ArgumentError: an unknown task.

    Example:
        >>> list(for_task("number", 1))
        ['mae', 'rmse', 'r2']
    """
    if task not in _TASKS:
        unknown("task", task, _TASKS)
    chosen = [metric for metric in _TASKS[task] if metric.name != "top_5_accuracy" or outputs > 5]
    if task == "number" and outputs > 1:  # of numbers in several units only R² has a mean that says anything
        chosen.sort(key=lambda metric: metric.name != "r2")
    return {metric.name: metric for metric in chosen}
