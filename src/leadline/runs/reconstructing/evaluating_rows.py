"""Judging a network that tells its inputs again on other rows, beside the principal components that were fitted in training."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file, save

from leadline import files
from leadline.baselines.principal_components import PrincipalComponents
from leadline.data.dataset import Split
from leadline.data.unlabelled.reconstructions import Reconstructions
from leadline.errors import RunError
from leadline.runs.predicting import Predictor
from leadline.runs.reconstructing.judging_rows import COMPONENTS, Baseline, beside, judged, measured_rows

_FILE = "components.safetensors"
_LARGEST = 30_000_000  # bytes of components that are kept with a Run
_NOT_KEPT = "The principal components were too large to be kept with the Run, so the mean alone stands beside the network."


def keep_components(path: Path, baseline: Baseline) -> None:
    """Write the mean of the training rows, and their components where these are not too large, into the folder of a Run."""
    found = baseline.components
    arrays: dict[str, NDArray[Any]] = {"mean": found.mean.numpy()}
    if found.components.nbytes <= _LARGEST:
        arrays["components"] = np.ascontiguousarray(found.components.numpy())
    with files.writing(path / _FILE) as file:
        file.write(save(arrays))


def evaluate_rows(
    predictor: Predictor, split: Split, folder: Path, baseline: Mapping[str, Any], answers: Reconstructions, note: str
) -> dict[str, Any]:
    """Scores on rows that the network has not seen, as `Run.evaluate` gives them.

    Args:
        predictor: with the network.
        split: the rows.
        folder: of the Run, where the components of its training rows lie.
        baseline: what stood first beside the network after its training, as its results have it.
        answers: which rows are odd.
        note: what is to be said of the rows.

    Errors: `RunError` where the components are gone.
    """
    path = folder / _FILE
    if not path.exists():
        raise RunError(f"{path} is missing", do="Restore the folder from a copy, or train anew.")
    arrays = load_file(path)
    mean = torch.from_numpy(arrays["mean"])
    linear = torch.from_numpy(arrays["components"]) if "components" in arrays else torch.zeros(0, len(mean))
    components = PrincipalComponents(mean, linear, 0, 0.0)
    rows = measured_rows(predictor, split, components)
    found = judged(answers, rows, split.targets, len(mean))
    rivals = beside(answers, rows, split.targets, Baseline(components, baseline["detail"]))
    for rival in rivals:
        rival.pop("seconds", None)
    if baseline["name"] == COMPONENTS and "components" not in arrays:
        note = f"{note} {_NOT_KEPT}".strip()
    return {"note": note, "rows": len(split), **found, "baselines": rivals}
