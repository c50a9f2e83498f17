"""From series that were read one by one, or arrays of them, to Raw rows: gaps filled, what cannot be used set aside."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leadline.data.dataset import Excluded
from leadline.data.forecasts.gaps import fill_gaps, without_empty_end
from leadline.data.ragged import Ragged
from leadline.data.raw import PARTS, Raw
from leadline.errors import DataError
from leadline.spelling import counted

_FOR = {"train": "for training", "valid": "for validation", "test": "for the test"}


class SeriesRows:
    """Collects series with their targets, as float32 without gaps, and makes Raw rows of them.

    Args:
        name: of the source, for people.
        one_length: whether series of another length than most are set aside.

    Example:
        >>> rows = SeriesRows("walks")
        >>> rows.add("walks.ts:7", np.array([[1.0], [np.nan], [3.0]]), "slow")
        >>> rows.add("walks.ts:8", np.array([[1.0], [2.0]]), "fast")
        >>> rows.refuse("walks.ts:9", "it has no class")
        >>> raw = rows.raw()
        >>> raw.inputs.lengths, raw.targets, raw.lost[0].reason, raw.notes
        (array([3, 2]), array(['slow', 'fast'], dtype='<U4'), 'it has no class',
         ('1 value is missing in 1 series; it was filled in from the steps around it.',))
    """

    def __init__(self, name: str, *, one_length: bool = False) -> None:
        self.name, self.one_length = name, one_length
        self._ids: list[str] = []
        self._values: list[NDArray[np.float32]] = []
        self._targets: list[Any] = []
        self._parts: list[str | None] = []
        self._gaps: list[int] = []
        self._lost: list[Excluded] = []

    def add(
        self,
        name: str,
        values: NDArray[np.float64],
        target: Any,
        *,
        part: str | None = None,
        times: NDArray[np.float64] | None = None,
    ) -> None:
        """One more series [T, C]; one that holds nothing but gaps, or infinite values, is set aside.

        Args:
            name: its id.
            values: NaN where there is none.
            target: text or a number.
            part: "train", "valid" or "test", where the source says so.
            times: of the steps, rising, [T].
        """
        try:
            filled, gaps = fill_gaps(values, times)
        except DataError as error:
            self.refuse(name, error.what[0].lower() + error.what[1:])
            return
        self._ids.append(name)
        self._values.append(filled)
        self._targets.append(target)
        self._parts.append(part)
        self._gaps.append(gaps)

    def refuse(self, name: str, reason: str) -> None:
        """One that cannot be used, and why."""
        self._lost.append(Excluded(name, reason))

    def each(self) -> tuple[list[str], list[NDArray[np.float32]], list[Excluded], list[str]]:
        """What was collected, for a network that exists: ids, series, those refused, and notes; no series is held to others."""
        return self._ids, self._values, self._lost, self._about()

    def raw(self, *, task: str | None = None, notes: Sequence[str] = ()) -> Raw:
        """The rows: inputs [N, T, C], or Ragged where the series differ in length.

        Args:
            task: what the targets are, where the source says it.
            notes: on how the source was read.

        Errors: `DataError` where no series can be used.
        """
        self._keep_alike(lambda series: series.shape[1], "channel")
        if self.one_length:
            self._keep_alike(len, "step")
        if not self._values:
            reason = "; ".join(f"{row.id} ({row.reason})" for row in self._lost[:5])
            raise DataError(f"{self.name} holds no series that can be used", got=reason or "no series at all")
        inputs: Any = Ragged.of(self._values)
        if len(lengths := np.unique(inputs.lengths)) == 1:
            inputs = inputs.values.reshape(len(inputs), int(lengths[0]), -1)
        parts = np.array(self._parts) if all(self._parts) and len(set(self._parts)) > 1 else None
        return Raw(
            name=self.name,
            inputs=inputs,
            targets=np.array(self._targets),
            ids=self._ids,
            parts=parts,
            notes=(*notes, *self._about()),
            task=task,
            lost=tuple(self._lost),
            copies=_first_copies(self._values),
            digest=inputs.digest() if isinstance(inputs, Ragged) else None,
        )

    def _keep_alike(self, measure: Callable[[NDArray[np.float32]], int], what: str) -> None:
        """Set those aside that have another number of channels, or of steps, than most."""
        found = Counter(map(measure, self._values))
        if len(found) < 2:
            return
        usual = found.most_common(1)[0][0]
        keep = [measure(series) == usual for series in self._values]
        for name, series, kept in zip(self._ids, self._values, keep, strict=True):
            if not kept:
                self.refuse(name, f"it has {counted(measure(series), what)} where others have {usual:,}")
        for listed in (self._ids, self._values, self._targets, self._parts, self._gaps):
            listed[:] = [each for each, kept in zip(listed, keep, strict=True) if kept]

    def _about(self) -> list[str]:
        notes = []
        if missing := sum(self._gaps):
            them = (
                "it was filled in from the steps around it"
                if missing == 1
                else "they were filled in from the steps around them"
            )
            with_gaps = sum(map(bool, self._gaps))
            notes.append(f"{counted(missing, 'value is', 'values are')} missing in {with_gaps:,} series; {them}.")
        if still := sum(bool((series == series[0]).all()) for series in self._values if len(series) > 1):
            notes.append(f"{still:,} series {'is' if still == 1 else 'are'} constant: the same value at every step.")
        return notes


def series_from_arrays(
    inputs: Any,
    targets: Any,
    *,
    name: str = "arrays",
    parts: Sequence[str] | None = None,
    ids: Sequence[str] | None = None,
) -> Raw:
    """Series as arrays, a list of arrays of different lengths, or Ragged, to Raw rows; the id of a row is "row:17".

    In an array, NaN at the end in all channels means that a series is shorter than the others; elsewhere NaN is a gap.

    Args:
        inputs: [N, T, C], or [N, T] for one channel; or N arrays [T_i, C] or [T_i].
        targets: [N].
        name: of the source, for people.
        parts: "train", "valid" or "test" for each row, where the caller says so.
        ids: of the rows, in place of "row:0", …

    Errors: `DataError` for inputs that are no series of numbers, another number of targets, or where no series can be used.

    Example:
        >>> walks = np.array([[[1.0], [2.0], [3.0]], [[4.0], [5.0], [np.nan]]])
        >>> raw = series_from_arrays(walks, ["slow", "fast"])
        >>> raw.inputs.lengths, raw.ids
        (array([3, 2]), ['row:0', 'row:1'])
    """
    labels = np.asarray(targets)
    if len(inputs) != len(labels) or (parts is not None and len(parts) != len(labels)):
        got = f"{len(inputs):,} series and {len(labels):,} targets"
        raise DataError("The series and the targets differ in length", expected="one target for each series", got=got)
    if parts is not None and (strange := sorted({*parts} - {*PARTS})):
        raise DataError("A part has no name that is known", expected=", ".join(PARTS), got=strange[0])
    padded = isinstance(inputs, np.ndarray) and inputs.dtype.kind == "f"
    rows = SeriesRows(name)
    for number in range(len(labels)):
        part = None if parts is None else parts[number]
        series = inputs[number]
        series = series.detach().cpu().numpy() if hasattr(series, "detach") else series
        try:
            values = np.asarray(series, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise DataError("The inputs are no series of numbers", expected="[N, T, C]", got=str(error)[:80]) from error
        values = values[:, None] if values.ndim == 1 else values
        if values.ndim != 2:
            raise DataError("The inputs are no series", expected="[N, T, C] or [N, T]", got=f"shape [N, {values.shape}]")
        there = without_empty_end(values) if padded else values
        rows.add(ids[number] if ids else f"row:{number}", there if len(there) else values, labels[number], part=part)
    return rows.raw()


def is_series(inputs: Any) -> bool:
    """Whether the inputs of Raw rows or of a split are series: Ragged numbers [T_i, C], or an array of numbers [N, T, C].

    Args:
        inputs: as Raw or Split hold them.

    Example:
        >>> is_series(np.zeros((5, 20, 1), np.float32)), is_series(np.zeros((5, 20), np.float32))
        (True, False)
    """
    if isinstance(inputs, Ragged):
        return inputs.dtype.kind == "f"
    return isinstance(inputs, np.ndarray) and inputs.ndim == 3 and inputs.dtype.kind == "f"


def about_parts(files: Sequence[tuple[str, str | None, int]]) -> str:
    """A sentence on what each file is for.

    Args:
        files: name, part, and number of series of each.

    Example:
        >>> about_parts([("a_TRAIN.ts", "train", 50), ("a_TEST.ts", "test", 150)])
        'a_TRAIN.ts (50 series) is for training, a_TEST.ts (150 series) for the test.'
    """
    said = [
        f"{name} ({count:,} series)" + (f" {'is ' if not at else ''}{_FOR[part]}" if part else "")
        for at, (name, part, count) in enumerate(files)
    ]
    return ", ".join(said) + ("." if all(part for _, part, _ in files) else " were read.")


def _first_copies(rows: Sequence[NDArray[np.float32]]) -> NDArray[np.int64]:
    """For each series the number of the first one with exactly the same values, int64 [N]."""
    first: dict[bytes, int] = {}
    digests = (hashlib.blake2b(np.ascontiguousarray(row).view(np.uint8).data, digest_size=16).digest() for row in rows)
    return np.array([first.setdefault(digest, number) for number, digest in enumerate(digests)], dtype=np.int64)
