"""A network without a line of Python: a list of rows, one a layer, as a person writes them in a Plan."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from leadline.errors import ArgumentError, LeadlineError
from leadline.models.row_building import build_rows, listed, read_row
from leadline.models.row_values import CONTAINED, Row, row_error
from leadline.spelling import parse_call

_ANSWERS = {"classes": "classes", "labels": "labels", "number": "numbers to predict"}


def from_rows(shape: Sequence[int], outputs: int, task: str, *, rows: Sequence[Mapping[str, Any]] = ()) -> nn.Module:
    """The network that the rows say, from the first to the last; `docs/layers.md` is the table of their words.

    Each layer is given the shape that leaves the one before; maps are flattened before a dense layer. The last dense layer
    gives the `outputs` and is called `head`; where the rows end without one it is added. A softmax or sigmoid at the end that
    the loss of the task contains is left out (`without_contained`). Weights start as torch starts them.

    Shapes: [B, *shape] → [B, outputs].

    Args:
        shape: of one sample, (C, H, W) or (D,).
        outputs: logits or numbers to predict.
        task: "classes", "labels" or "number".
        rows: a table for each layer: its word with a value, and options.

    Errors: `ArgumentError` with the row, the shape that arrives there, what was expected and the nearest right word.

    Example:
        >>> rows = [{"conv": 16, "kernel": 2, "activation": "relu"}, {"pool": 2}, {"dense": 10, "activation": "softmax"}]
        >>> model = from_rows((3, 8, 8), 10, "classes", rows=rows)
        >>> [name for name, _ in model.named_children()]
        ['conv1', 'conv1_activation', 'pool1', 'head_flatten', 'head']
        >>> model.head
        Linear(in_features=256, out_features=10, bias=True)
    """
    kept, taken_out = without_contained(rows, task)
    built = build_rows(kept, tuple(shape))
    here, last, arrives = f"row {len(kept)}", rows[len(kept) - 1 : len(kept)], built.shapes[-2:-1]
    try:
        has_outputs = _has_outputs(kept, outputs, task, ended=bool(taken_out))
        if has_outputs and built.shapes[-1] != (outputs,):
            # What was taken out marked the end, and no dense layer stands before it.
            here, last, arrives = f"row {len(rows)}", rows[-1:], built.shapes[-1:]
            raise ArgumentError(
                "The rows end here, so the outputs should have arrived",
                expected=f"[{outputs}], for {outputs} {_ANSWERS.get(task, 'outputs')}",
                do=f"Put a row {{dense = {outputs}}} before the end.",
            )
    except ArgumentError as error:
        raise row_error(here, last[0], error, arrives[0]) from error
    layers = dict(built.layers)
    if not has_outputs:
        layers |= _as_head(build_rows([{"dense": outputs}], built.shapes[-1], "added ").layers)
    elif _last_but_activation(kept).word == "dense":
        layers = _as_head(layers)
    return nn.Sequential(OrderedDict(layers))


def without_contained(rows: Sequence[Mapping[str, Any]], task: str) -> tuple[Sequence[Mapping[str, Any]], str]:
    """The rows without a softmax (classes) or sigmoid (labels) at their end, and a sentence that says so, or "" for none.

    The losses of these tasks are functions of what comes before it; a network with it would be squashed twice.

    Args:
        rows: as for `from_rows`.
        task: "classes", "labels" or another, whose losses contain nothing.

    Errors: `ArgumentError` where there are no rows.

    Example:
        >>> without_contained([{"dense": 10, "activation": "softmax"}], "classes")
        ([{'dense': 10}], 'The softmax of row 1 is left out of the network: the loss of classes contains it.')
    """
    *before, last = listed(rows)
    try:
        read = read_row(last, "")
        text = _activation_of(read) if read.word in ("dense", "residual", "activation") else None
        call = None if text is None else parse_call(text, "activation")
    except LeadlineError:
        return rows, ""  # building tells what is wrong with it
    if call is None or call.arguments or call.keywords or call.name not in CONTAINED.get(task, ()):
        return rows, ""
    kept = [] if read.word == "activation" else [{key: value for key, value in last.items() if key != "activation"}]
    return before + kept, f"The {call.name} of row {len(rows)} is left out of the network: the loss of {task} contains it."


def row_notes(rows: Sequence[Mapping[str, Any]], outputs: int, task: str) -> list[str]:
    """What `from_rows` does that the rows do not say: a sentence for what it leaves out and one for what it adds.

    Args:
        rows: as for `from_rows`.
        outputs: logits or numbers to predict.
        task: "classes", "labels" or "number".

    Errors: `ArgumentError` where the rows end in a way that does not give the outputs.

    Example:
        >>> row_notes([{"dense": 64, "activation": "relu"}], 10, "classes")
        ['A last layer, {dense = 10}, is added to the network for the 10 classes.']
    """
    kept, taken_out = without_contained(rows, task)
    added = f"A last layer, {{dense = {outputs}}}, is added to the network for the {outputs} {_ANSWERS.get(task, 'outputs')}."
    has_outputs = _has_outputs(kept, outputs, task, ended=bool(taken_out))
    return [note for note in (taken_out, "" if has_outputs else added) if note]


def _has_outputs(rows: Sequence[Mapping[str, Any]], outputs: int, task: str, *, ended: bool) -> bool:
    """Whether the rows give the outputs themselves: by a dense layer, or because what was taken out marked their end."""
    read = _last_but_activation(rows)
    if read.word != "dense":
        return ended
    texts = [_activation_of(read), _activation_of(read_row(rows[-1], ""))]
    own = next((text for text in reversed(texts) if text is not None and text.strip() != "identity"), None)
    answers = f"{outputs} {_ANSWERS.get(task, 'outputs')}"
    two_for_one = outputs == 2 and task == "classes" and read.value == 1
    if own is not None and (read.value == outputs or two_for_one):
        raise ArgumentError(
            f"The outputs for the {answers} go through {own}, which the loss does not undo",
            expected="them as they are",
            do=f"Leave {own} out"
            + (
                " and write dense = 2: two classes are two outputs."
                if two_for_one
                else f", or add a row {{dense = {outputs}}}."
            ),
        )
    if own is not None and not ended:
        return False  # a hidden layer
    if read.value != outputs:
        raise ArgumentError(
            f"The last layer has dense = {read.value}, but the data have {answers}", do=f"Write dense = {outputs}."
        )
    return True


def _last_but_activation(rows: Sequence[Mapping[str, Any]]) -> Row:
    """The last row, or the one before where that is an activation."""
    reads = [read_row(row, "", ends_residual=True) for row in rows[-2:]]
    if len(reads) == 2 and reads[1].word == "activation":
        return reads[0]
    return reads[-1] if reads else Row("", "", None)


def _activation_of(row: Row) -> str | None:
    return row.value if row.word == "activation" else row.options.get("activation")


def _as_head(layers: Mapping[str, nn.Module]) -> dict[str, nn.Module]:
    """The layers with the last dense one named `head`, so that it is found whatever its number."""
    dense = [name for name, layer in layers.items() if isinstance(layer, nn.Linear)][-1]
    return {
        "head" + name.removeprefix(dense) if name in (dense, f"{dense}_flatten") else name: layer
        for name, layer in layers.items()
    }
