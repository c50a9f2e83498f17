"""Laws of rows: the inferred shape is the real one at every row, and whatever is written ends well or in a told mistake."""

from __future__ import annotations

import copy
from typing import Any

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from leadline.errors import ArgumentError
from leadline.models.layer_rows import from_rows, row_notes
from leadline.models.row_building import WORDS, build_rows, check_rows
from leadline.models.row_words import ALIASES

UNITS = st.sampled_from([1, 2, 3, 4, 6, 12])
ACTIVATION = st.sampled_from(
    ["relu", "tanh", "maxout", "maxout(3)", "swiglu", "leaky_relu(0.2)", "winner_take_all(2)", "softmax"]
)
SIDES = st.one_of(st.integers(1, 3), st.lists(st.integers(1, 4), min_size=2, max_size=2))
SHARE = st.floats(0, 0.9)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "kernel": SIDES,
    "stride": SIDES,
    "dilation": SIDES,
    "padding": st.one_of(st.sampled_from(["same", "valid"]), st.integers(0, 2)),
    "groups": st.integers(1, 3),
    "bias": st.booleans(),
    "kind": st.sampled_from(["max", "average"]),
    "activation": ACTIVATION,
    "conv": UNITS,
    "depthwise": st.one_of(st.just(True), st.integers(1, 2)),
    "local": UNITS,
    "dense": UNITS,
    "pool": SIDES,
    "global_pool": st.sampled_from(["max", "average", True]),
    "dropout": SHARE,
    "spatial_dropout": SHARE,
    "drop_path": SHARE,
    "group_norm": st.integers(1, 3),
    "local_response_norm": st.integers(1, 6),
    "lrn": st.integers(1, 6),
    "winner_take_all": st.integers(1, 3),
    "shortcut": st.sampled_from(["identity", "project", "pad"]),
    "momentum": st.floats(0.01, 1),
}
# Layers of maps more often than those that end them.
OFTEN = ["conv", "conv", "conv", "pool", "local", "depthwise", "residual", "residual", "residual", *sorted(WORDS), *ALIASES]
SHAPES = st.sampled_from([(6,), (5,), (3, 16, 16), (4, 15, 18), (6, 9, 5), (2, 24, 24)])


@st.composite
def some_row(draw: st.DrawFn, depth: int = 0) -> dict[str, Any]:
    """A row that is right by itself; whether it fits the shape that arrives is another matter."""
    word = draw(st.sampled_from(OFTEN))
    if word == "residual" and depth == 2:
        word = "conv"
    options = sorted(WORDS[ALIASES.get(word, word)].options)
    chosen = draw(st.lists(st.sampled_from(options), max_size=2, unique=True)) if options else []
    row = {word: None} | {key: draw(VALUES.get(key, st.just(0.5))) for key in chosen}
    if word == "residual":
        simple = st.sampled_from(
            [{"conv": 4}, {"batch_norm": True}, {"activation": "relu"}, {"conv": 6, "stride": 2}, {"conv": 3}]
        )
        row[word] = draw(st.lists(st.one_of(simple, some_row(depth + 1)), min_size=1, max_size=3))
        if draw(st.integers(0, 3)) == 0:
            row["shortcut"] = draw(st.lists(some_row(depth + 1), min_size=1, max_size=2))
    else:
        row[word] = draw(VALUES.get(word, st.just(True)))
    return row


@st.composite
def network(draw: st.DrawFn) -> tuple[tuple[int, ...], list[dict[str, Any]]]:
    """The shape of a sample, and rows of which each fits the shape that arrives there."""
    shape = draw(SHAPES)
    arrives, rows = shape, []
    for row in draw(st.lists(some_row(), min_size=4, max_size=12)):
        try:
            arrives = build_rows([row], arrives).shapes[-1]
        except ArgumentError:
            continue
        rows.append(row)
    return shape, rows or [{"dense": 4}]


@settings(max_examples=80)
@given(shape_and_rows=network(), training=st.booleans())
def test_the_inferred_shape_is_the_real_one_at_every_row(shape_and_rows: Any, training: bool) -> None:
    shape, rows = shape_and_rows
    shapes = build_rows(rows, shape).shapes
    assert len(shapes) == len(rows) + 1
    x = torch.randn(3, *shape)
    for row, arrives, leaves in zip(rows, shapes[:-1], shapes[1:], strict=True):
        layers = nn.Sequential(*build_rows([row], arrives).layers.values()).train(training)
        x = layers(x).detach()
        assert tuple(x.shape[1:]) == leaves, row


@settings(max_examples=40)
@given(shape_and_rows=network(), task=st.sampled_from(["classes", "labels", "number"]), outputs=st.integers(20, 22))
def test_what_fits_row_by_row_is_a_network_whose_weights_all_learn(shape_and_rows: Any, task: str, outputs: int) -> None:
    shape, rows = shape_and_rows
    # No strategy above has so many units, so that the last row is never the head.
    given = [*rows, {"activation": "identity"}, {"flatten": True}]
    model = from_rows(shape, outputs, task, rows=given)
    assert model.head.out_features == outputs
    result = model(torch.randn(3, *shape))
    assert result.shape == (3, outputs)
    result.sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    assert len(row_notes(given, outputs, task)) == 1


WILD = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([-1, 0, 1, 2, 3, 17, 10**12, 0.5, 1.5, float("nan"), float("inf"), -float("inf")]),
    st.sampled_from(
        ["", "same", "relu", "maxout(7)", "maxout(1000000000)", "softmax(0)", "leaky_relu('x')", "max", "(", "project"]
    ),
    st.sampled_from([[], {}, [3], [3, 3], [1, 10**12], ["a", "b"], [None, 1], [[1], [2]], {"conv": 3}, [{"conv": 3}, {}]]),
    ACTIVATION,
)
KEYS = st.sampled_from([*WORDS, *ALIASES, *VALUES, "epsilon", "alpha", "cnv", "", "kernel size"])


@st.composite
def spoilt(draw: st.DrawFn) -> tuple[tuple[int, ...], Any]:
    """A network with up to two things in it replaced, added or taken away, at any depth."""
    shape, rows = draw(network())
    rows = copy.deepcopy(rows)
    for _ in range(draw(st.integers(0, 2))):
        place: Any = rows
        row = draw(st.sampled_from(place))
        while isinstance(row, dict) and row.get("residual") and isinstance(row["residual"], list) and draw(st.booleans()):
            place = row["residual"]
            row = draw(st.sampled_from(place))
        how = draw(st.integers(0, 3))
        if how == 0 or not isinstance(row, dict) or not row:
            place[draw(st.integers(0, len(place) - 1))] = copy.deepcopy(draw(st.one_of(WILD, some_row())))
        elif how == 1:
            row[draw(st.sampled_from(list(row)))] = copy.deepcopy(draw(WILD))  # or a row may come to hold itself
        elif how == 2:
            row[draw(KEYS)] = copy.deepcopy(draw(st.one_of(WILD, UNITS)))
        else:
            del row[draw(st.sampled_from(list(row)))]
    return shape, rows


def refusal(rows: Any, shape: Any, outputs: int, task: str) -> tuple[str, nn.Module]:
    try:
        return "", from_rows(shape, outputs, task, rows=rows)
    except ArgumentError as error:
        return str(error), nn.Identity()


@settings(max_examples=150)
@given(shape_and_rows=spoilt(), task=st.sampled_from(["classes", "labels", "number"]), outputs=st.integers(1, 4))
def test_rows_of_any_kind_make_a_network_or_a_told_mistake(shape_and_rows: Any, task: str, outputs: int) -> None:
    shape, rows = shape_and_rows
    message, model = refusal(rows, shape, outputs, task)
    if message:
        assert message.startswith("Row ")
    else:
        assert model(torch.randn(3, *shape)).shape == (3, outputs)
        check_rows(rows)  # what can be built is not refused before
        assert len(row_notes(rows, outputs, task)) <= 2
