"""Held-out rows as a person gives them: arrays, or batches, whose order is left as it would have been."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from leadline.diagnose.kept_rows import KeptRows, as_rows
from leadline.diagnose.subject import Rows


def held_out_rows(given: Any, device: torch.device) -> Rows | None:
    """Held-out rows from a pair, or from an iterable of batches, as many as are kept of training rows.

    Example:
        >>> batches = [(torch.zeros(3, 2), torch.arange(3)), (torch.ones(3, 2), torch.arange(3))]
        >>> len(held_out_rows(batches, torch.device("cpu")))
        6
    """
    if given is None or isinstance(given, Rows):
        return given
    if isinstance(given, tuple) and len(given) == 2:
        return as_rows(*given, device)
    kept = KeptRows()
    for batch in given:
        rows = as_rows(batch[0], batch[1], device)
        kept.offer(rows.inputs, rows.targets)
        if kept.full:
            break
    return kept.rows() if kept.seen else None


@contextmanager
def order_kept(batches: Any) -> Iterator[None]:
    """After the block the generators from which a loader draws its order, which may be those of others too, are as before."""
    drawing = [getattr(each, "generator", None) for each in (batches, getattr(batches, "sampler", None))]
    states = [(each, each.get_state()) for each in drawing if isinstance(each, torch.Generator)]
    try:
        yield
    finally:
        for generator, state in states:
            generator.set_state(state)
