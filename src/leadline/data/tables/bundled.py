"""Small tables that come with scikit-learn, by name."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from leadline.data.tables.frame import Frame

# Name → the loader in sklearn.datasets and what its target is called.
BUNDLED = {
    "iris": ("load_iris", "species"),
    "wine": ("load_wine", "cultivar"),
    "breast-cancer": ("load_breast_cancer", "diagnosis"),
    "diabetes": ("load_diabetes", "progression"),
}


def bundled_frame(name: str) -> tuple[Frame, str]:
    """The rows of a bundled table, and the name of its target.

    Example:
        >>> frame, target = bundled_frame("iris")
        >>> len(frame), frame.data.columns[0], target
        (150, 'sepal length (cm)', 'species')
    """
    import polars as pl
    from sklearn import datasets

    from leadline.data.tables.arrow_frames import from_data_frame

    loader, target = BUNDLED[name]
    options = {"scaled": False} if name == "diabetes" else {}
    found = getattr(datasets, loader)(**options)
    columns = {str(column): found.data[:, at] for at, column in enumerate(found.feature_names)}
    names = getattr(found, "target_names", None)
    columns[target] = found.target if names is None else np.asarray(names)[found.target].astype(str)
    return dataclasses.replace(from_data_frame(pl.DataFrame(columns)), name=name), target
