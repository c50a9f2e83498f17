"""Leadline: deep learning that tells you why, from a person's data to a trained, diagnosed, explained and saved network.

The verbs are here, everything else in the packages, and each is imported when it is first used: `import leadline` alone loads
neither torch nor numpy.

Example:
    >>> import leadline
    >>> dataset = leadline.data.load("digits")
    >>> dataset.task
    'classes'
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from leadline import (
        baselines,
        data,
        diagnose,
        errors,
        explain,
        initialize,
        language,
        layers,
        losses,
        metrics,
        models,
        optim,
        plan,
        report,
        runs,
        text,
        training,
        transfer,
    )
    from leadline.runs import fit, open, resume, train

__version__ = "0.1.0"

__all__ = [
    "__version__",
    "baselines",
    "data",
    "diagnose",
    "errors",
    "explain",
    "fit",
    "initialize",
    "language",
    "layers",
    "losses",
    "metrics",
    "models",
    "open",
    "optim",
    "plan",
    "report",
    "resume",
    "runs",
    "text",
    "train",
    "training",
    "transfer",
]

_VERBS = ("fit", "open", "resume", "train")


def __getattr__(name: str) -> Any:
    """A verb or a package, imported at its first use (PEP 562)."""
    if name in _VERBS:
        return getattr(importlib.import_module("leadline.runs"), name)
    if name in __all__:
        return importlib.import_module(f"leadline.{name}")
    raise AttributeError(f"module 'leadline' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
