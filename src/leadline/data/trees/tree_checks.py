"""Which trees that were read cannot be used, each with the reason, and when they are too many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from leadline.data.dataset import Excluded
from leadline.data.trees.tree_files import TreeRows
from leadline.data.trees.trees import NodeClasses, is_whole
from leadline.errors import DataError
from leadline.spelling import counted

_TOLERATED = 0.05  # of the trees may be unusable; more than that is a mistake in the data, not an accident
_NUMERIC, _STRAY = 0.99, 0.01  # share of whole numbers that makes a scale; of the labels that lie outside of it
_RARE, _APART = 1 / 20, 0.1  # of an even share of the nodes; share of all nodes whose labels may lie apart from a scale
_TOLD, _WIDEST = 3, 40  # reasons, or labels; characters of one


def label_scale(counts: dict[str, int]) -> range | None:
    """The whole numbers without a hole that nearly all labels are; None where they are no such scale, or all lie on it.

    Args:
        counts: how often each label stands there.

    Example:
        >>> label_scale({"0": 500, "1": 700, "2": 300, "27": 1}), label_scale({"0": 500, "1": 700}), label_scale({"NP": 9})
        (range(0, 3), None, None)
    """
    whole = {name: count for name, count in counts.items() if is_whole(name)}
    total = sum(counts.values())
    if not total or sum(whole.values()) < _NUMERIC * total:
        return None
    scale = _around_the_commonest(whole)
    return scale if 0 < total - _inside(whole, scale) < _STRAY * total else None


def label_note(counts: Mapping[str, int]) -> list[str]:
    """Which labels hardly come, or lie apart from the whole numbers that most labels are; each is a class, but may be a slip.

    Args:
        counts: how often each label stands in the trees that are learned from.

    Example:
        >>> label_note({"0": 500, "1": 700, "2": 300, "27": 20})
        ["The label '27' (20 nodes) hardly comes or lies apart from the others; it is a class all the same. Is it a slip?"]
    """
    total = sum(counts.values())
    whole = {name: count for name, count in counts.items() if is_whole(name)}
    odd = [name for name, count in counts.items() if count * len(counts) < _RARE * total]
    scale = _around_the_commonest(whole) if whole else range(0)
    if len(scale) > 1 and total - _inside(whole, scale) < _APART * total:
        odd += [name for name in counts if name not in odd and not (is_whole(name) and int(name) in scale)]
    if not odd:
        return []
    names = [f"{name[:_WIDEST]!r} ({counted(counts[name], 'node')})" for name in odd[:_TOLD]]
    shown = ", ".join(names) + (f" and {len(odd) - _TOLD:,} more" if len(odd) > _TOLD else "")
    if len(odd) == 1:
        return [f"The label {shown} hardly comes or lies apart from the others; it is a class all the same. Is it a slip?"]
    return [f"The labels {shown} hardly come or lie apart from the others; each is a class all the same. Are they slips?"]


def _around_the_commonest(whole: Mapping[str, int]) -> range:
    """The whole numbers without a hole around the commonest one."""
    low = high = int(max(whole, key=lambda name: whole[name]))
    values = {int(name) for name in whole}
    while low - 1 in values:
        low -= 1
    while high + 1 in values:
        high += 1
    return range(low, high + 1)


def _inside(whole: Mapping[str, int], scale: range) -> int:
    return sum(count for name, count in whole.items() if int(name) in scale)


def unusable(
    rows: TreeRows, *, scale: range | None = None, answers: NodeClasses | None = None, most_children: int = 0
) -> dict[int, str]:
    """The numbers of the trees that were read and cannot be used, each with the reason.

    Args:
        rows: the trees.
        scale: that the labels of training have; a label beyond it is a slip.
        answers: that training has; a tree with another label cannot be judged.
        most_children: of a node that the network takes; 0 where it takes any number.

    Example:
        >>> from leadline.text import BracketedTree
        >>> rows = TreeRows()
        >>> rows.add(BracketedTree(("0", "7", "1"), ("good", "film", None), (2, 1, 0)), "a.txt:1")
        >>> unusable(rows, scale=range(2))
        {0: "the label '7' is out of the range of the others, 0 to 1"}
    """
    found: dict[int, str] = {}
    if answers is not None:
        strange = rows.with_labels_outside(set(answers.names))
        found |= {row: f"its label {label!r} is not one of the training" for row, label in strange.items()}
    if most_children:
        wide = rows.wider_than(most_children)
        takes = f"the network takes {most_children:,} (with model.cell=child_sum it would take any number)"
        found |= {row: f"a node has {count:,} children, and {takes}" for row, count in wide.items()}
    if scale is not None:
        beyond = rows.with_labels_outside({name for name in rows.label_counts() if is_whole(name) and int(name) in scale})
        span = f"{scale[0]} to {scale[-1]}"
        found |= {row: f"the label {label!r} is out of the range of the others, {span}" for row, label in beyond.items()}
    return found | dict.fromkeys(rows.without_root_label(), "its root has no label")


def told(rows: TreeRows, reasons: Mapping[int, str]) -> list[Excluded]:
    """Trees that cannot be used, as a person hears of them.

    Args:
        rows: the trees.
        reasons: by the numbers of those.
    """
    return [Excluded(rows.ids[row], f"{rows.ids[row]}: {reason}") for row, reason in sorted(reasons.items())]


def check_few(excluded: Sequence[Excluded], total: int) -> None:
    """Refuse trees of which too many cannot be used.

    Args:
        excluded: those.
        total: how many there are.

    Errors: `DataError` with the first of the reasons.

    Example:
        >>> check_few([], 3)
    """
    if total == len(excluded) or len(excluded) > _TOLERATED * total:
        first = "; ".join(row.reason for row in excluded[:_TOLD])
        raise DataError(
            f"{len(excluded):,} of {total:,} trees cannot be used",
            expected=f"at most {100 * _TOLERATED:.0f} %",
            got=first + (f"; and {len(excluded) - _TOLD:,} more" if len(excluded) > _TOLD else ""),
            do="Mend the file.",
        )
