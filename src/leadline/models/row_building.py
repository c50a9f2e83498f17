"""From rows to layers: each row is read, given the shape that arrives, and made; mistakes are told with row and shape."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter, OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from torch import nn

from leadline.errors import ArgumentError, LeadlineError, nearest, unknown
from leadline.layers import ACTIVATIONS
from leadline.layers.activations import widening
from leadline.models.row_maps import Made, fewer_weights
from leadline.models.row_residuals import PaddedShortcut, Residual
from leadline.models.row_values import (
    CONTAINED,
    PRESENT,
    ROWS,
    SHORTCUT,
    TEXT,
    Row,
    RowError,
    Shape,
    is_rows,
    read_value,
    row_error,
)
from leadline.models.row_words import ALIASES, PLAIN_WORDS, Word, activated, row_activation

_MOST_VALUES = 2**28  # that leave one layer for one sample: 1 GiB in float32
_TORCH = (RuntimeError, TypeError, ValueError, IndexError, ArithmeticError, MemoryError)
# What other libraries and books call the words, where the letters do not tell.
_ALSO_CALLED = {
    "linear": "dense",
    "fc": "dense",
    "fully_connected": "dense",
    "bn": "batch_norm",
    "skip": "residual",
    "gap": "global_pool",
}
_NO_ROWS = 'rows such as [{conv = 16, activation = "relu"}, {pool = 2}, {dense = 100, activation = "relu"}]'


class Built(NamedTuple):
    """Layers by name, and the shapes: before the first row, and behind each row."""

    layers: dict[str, nn.Module]
    shapes: list[Shape]


def read_row(row: Any, path: str, *, ends_residual: bool = False) -> Row:
    """One row as its word, the word's value and its options; rows within it are read later.

    Errors: `ArgumentError` for what is no row, an unknown layer or option (with the nearest right one), a value of the wrong
    kind.

    Example:
        >>> read_row({"conv": 16, "kernel": 2}, "row 1")["kernel"]
        (2, 2)
    """
    if not isinstance(row, Mapping) or not all(isinstance(key, str) for key in row):
        guess = None
        if isinstance(row, str) and row in WORDS:
            value = WORDS[row].value
            guess = f"Write {{{row} = {'true' if value is PRESENT else '…'}}}, with {value.expected}."
        raise ArgumentError(
            "A row is a table of a layer and its options", expected="for instance {conv = 16, kernel = 3}", do=guess
        )
    name = _word_of(row)
    word = WORDS[ALIASES.get(name, name)]
    if name == "drop_path" and not ends_residual:
        raise ArgumentError(
            "drop_path leaves out whole samples, which only a shortcut can replace",
            expected="it as the last row of a residual",
            do="Take dropout elsewhere.",
        )
    options = {}
    for key, value in row.items():
        if key == name:
            continue
        if key not in word.options:
            if not word.options:
                raise ArgumentError(f"{name} has no options", got=key)
            unknown(f"option of {name}", key, word.options)
        options[key] = read_value(key, value, word.options[key][0])
    defaults = {key: default for key, (_, default) in word.options.items()}
    return Row(path, ALIASES.get(name, name), read_value(name, row[name], word.value), defaults | options)


def _word_of(row: Mapping[str, Any]) -> str:
    """The word of a row: the key that names a layer. `activation` names one only where no other does."""
    words = [key for key in row if key in WORDS or key in ALIASES]
    words = [key for key in words if key != "activation"] or words
    if len(words) == 1:
        return words[0]
    if words:
        raise ArgumentError(f"There are {len(words)} layers in one row, {' and '.join(words)}", do="Write a row for each.")
    strange = next((key for key in row if not any(key in word.options for word in WORDS.values())), None)
    if strange is None:
        raise ArgumentError("The row names no layer", expected="one of " + ", ".join(sorted(WORDS)))
    if strange in ACTIVATIONS:
        raise ArgumentError(f"{strange} is an activation", do=f'Write {{activation = "{strange}"}}.')
    close = _ALSO_CALLED.get(strange.lower()) or nearest(strange, [*WORDS, *ALIASES])
    raise ArgumentError(
        f"There is no layer {strange!r}",
        expected="one of " + ", ".join(sorted(WORDS)),
        do=f"Did you mean {close!r}?" if close else None,
    )


def check_rows(rows: Any, path: str = "", *, residual: bool = False) -> None:
    """Refuse what can be seen to be wrong without the data: words, options and the kinds of their values, at every depth.

    Errors: `ArgumentError` that names the row.

    Example:
        >>> check_rows([{"conv": 16}, {"residual": [{"cnv": 16}]}])
        Traceback (most recent call last):
        ...
        leadline.models.row_values.RowError: Row 2, residual row 1, {cnv = 16}, cannot be used. There is no layer 'cnv'. ...
    """
    for at, row in enumerate(listed(rows), 1):
        here = f"{path}row {at}"
        try:
            read = read_row(row, here, ends_residual=residual and at == len(rows))
            text = read.value if read.word == "activation" else read.options.get("activation")
            if text is not None and text not in CONTAINED["classes"]:
                row_activation(text)
        except (LeadlineError, *_TORCH) as error:
            raise row_error(here, row, error) from error
        if read.word == "residual":
            check_rows(read.value, f"{here}, residual ", residual=True)
            if is_rows(read["shortcut"]):
                check_rows(read["shortcut"], f"{here}, shortcut ")


def listed(rows: Any) -> Sequence[Any]:
    """The rows, which must be a list with something in it.

    Example:
        >>> listed([{"dense": 10}])
        [{'dense': 10}]
    """
    if not is_rows(rows) or not len(rows):
        raise ArgumentError("The network has no rows", expected=_NO_ROWS, got=None if is_rows(rows) else repr(rows))
    return rows  # type: ignore[no-any-return]


def build_rows(rows: Sequence[Any], shape: Shape, path: str = "", *, residual: bool = False) -> Built:
    """The layers of all rows, each given the shape that leaves the one before.

    A layer is named after its word and its number among those with the same word ("conv1", "conv1_activation"), so that a row
    without weights, put in or taken out, leaves the names of all weights as they are.

    Errors: `ArgumentError` that names the row and the shape that arrives there.

    Example:
        >>> build_rows([{"pool": 2}, {"dense": 5, "activation": "relu"}], (3, 8, 8)).shapes
        [(3, 8, 8), (3, 4, 4), (5,)]
    """
    layers: dict[str, nn.Module] = {}
    shapes, number = [shape], Counter[str]()
    for at, row in enumerate(rows, 1):
        here, arrives = f"{path}row {at}", shapes[-1]
        try:
            read = read_row(row, here, ends_residual=residual and at == len(rows))
            made, after = _made(read, arrives)
            if math.prod(after) > _MOST_VALUES:
                raise ArgumentError("The output is too large", expected=f"at most {_MOST_VALUES:,} values", got=list(after))
        except RowError:
            raise  # by a row within this one, which says it better
        except (LeadlineError, *_TORCH) as error:
            raise row_error(here, row, error, arrives) from error
        number[read.word] += 1
        layers |= {f"{read.word}{number[read.word]}{suffix}": layer for suffix, layer in made.items()}
        shapes.append(after)
    return Built(layers, shapes)


def _made(row: Row, shape: Shape) -> Made:
    """The layers of a row and its activation, for which the layer may have to be wider."""
    word, text = WORDS[row.word], row.options.get("activation")
    if text is None or not word.widens:
        return word.make(row, shape)
    made, after = word.make(dataclasses.replace(row, value=row.value * widening(text)), shape)
    activation, after = activated(text, after)
    return {**made, "_activation": activation[""]}, after


def _residual(row: Row, shape: Shape) -> Made:
    inner = build_rows(row.value, shape, f"{row.path}, residual ", residual=True)
    after = inner.shapes[-1]
    how = row["shortcut"] or ("identity" if after == shape else "project")
    if is_rows(how):
        beside = build_rows(how, shape, f"{row.path}, shortcut ")
        reached = beside.shapes[-1]
        shortcut: nn.Module = nn.Sequential(OrderedDict(beside.layers))
    else:
        shortcut, reached = _shortcut(how, shape, after)
    if reached != after:
        raise ArgumentError(
            "The shapes of the residual and its shortcut do not add",
            expected=f"{list(after)}, which the residual gives",
            got=f"{list(reached)} from the shortcut",
            do='Take shortcut = "project".'
            if how == "identity"
            else 'Take padding = "same" in the residual, or a shortcut of rows.',
        )
    activation = None
    if row["activation"] is not None:
        made, after = activated(row["activation"], after)
        activation = made[""]
    return {"": Residual(nn.Sequential(OrderedDict(inner.layers)), shortcut, activation=activation)}, after


def _shortcut(how: str, shape: Shape, after: Shape) -> tuple[nn.Module, Shape]:
    """A shortcut by its name, with the smallest stride that gives the map that is wanted, and the shape it gives."""
    if how == "identity":
        return nn.Identity(), shape
    if len(after) == 1 and how == "project":
        fewer_weights(math.prod(shape) * after[0])
        linear = nn.Linear(math.prod(shape), after[0])
        return (linear if len(shape) == 1 else nn.Sequential(nn.Flatten(), linear)), after
    if len(shape) != len(after) or len(shape) not in (1, 3):
        return nn.Identity(), shape
    stride = tuple(math.ceil(before / behind) for before, behind in zip(shape[1:], after[1:], strict=True))
    reached = tuple(math.ceil(before / step) for before, step in zip(shape[1:], stride, strict=True))
    if how == "pad":
        added = max(after[0] - shape[0], 0)
        return PaddedShortcut(added, stride=(stride[0], stride[1]) if stride else (1, 1)), (shape[0] + added, *reached)
    fewer_weights(shape[0] * after[0])
    return nn.Conv2d(shape[0], after[0], 1, stride=(stride[0], stride[1])), (after[0], *reached)


WORDS: dict[str, Word] = {
    **PLAIN_WORDS,
    "residual": Word(ROWS, _residual, {"shortcut": (SHORTCUT, None), "activation": (TEXT, None)}),
}
