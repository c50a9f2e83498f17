"""Mistakes in rows: each is told with the row, the shape that arrives there and the nearest right word."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from leadline.errors import ArgumentError
from leadline.models.layer_rows import from_rows, row_notes
from leadline.models.row_building import check_rows
from leadline.models.row_values import RowError

SHAPE = (3, 8, 8)

MISTAKES: list[tuple[Any, list[str]]] = [
    (
        [{"conv": 4}, {"cnv": 16, "kernel": 2}],
        ["Row 2, {cnv = 16, kernel = 2}", "where [4, 8, 8] arrives", "Did you mean 'conv'?"],
    ),
    ([{"linear": 16}], ["There is no layer 'linear'", "Did you mean 'dense'?"]),
    ([{"maxpool": 2}], ["Did you mean 'pool'?"]),
    ([{"relu": True}], ['Write {activation = "relu"}']),
    ([{"conv": 16, "kernl": 3}], ["no option of conv 'kernl'", "Did you mean 'kernel'?"]),
    ([{"flatten": True, "kernel": 3}], ["flatten has no options"]),
    ([{"conv": 16, "activation": "rellu"}], ["Did you mean 'relu'?"]),
    ([{"conv": 16, "activation": "leaky_relu(negativ_slope=0.1)"}], ["Did you mean 'negative_slope'?"]),
    ([{"activation": "leaky_relu("}], ["cannot be read"]),
    ([{"conv": 4, "activation": "softmax(dim=0)"}], ["along the channels", "Leave dim out"]),
    ([{"residual": [{"activation": "relu(inplace=True)"}]}], ["Row 1, residual row 1", "overwrite", "Leave inplace out"]),
    ([{"conv": "sixteen"}], ['conv cannot be "sixteen"', "a whole number, at least 1"]),
    ([{"conv": True}], ["conv cannot be true"]),
    ([{"conv": 1.5}], ["conv cannot be 1.5"]),
    ([{"conv": 0}], ["conv cannot be 0"]),
    ([{"conv": 8, "kernel": [3, 3, 3]}], ["kernel cannot be [3, 3, 3]", "[height, width]"]),
    ([{"conv": 8, "bias": 1}], ["bias cannot be 1", "true or false"]),
    ([{"conv": 8, "padding": "sme"}], ["There is no padding 'sme'", "Did you mean 'same'?"]),
    ([{"conv": 8, "padding": -1}], ["padding cannot be -1"]),
    ([{"conv": 8, "padding": 3}], ["would see nothing else at the border"]),
    ([{"conv": 8, "groups": 2}], ["do not divide the channels", "3 channels"]),
    ([{"conv": 8, "kernel": 9, "padding": "valid"}], ["kernel is larger than the map", "at most 8 × 8", 'padding = "same"']),
    ([{"conv": 8, "kernel": 3, "dilation": 9}], ["kernel is larger than the map", "at most 17 × 17", "got 19 × 19"]),
    (
        [{"pool": 4}, {"pool": 4}],
        ["Row 2, {pool = 4}", "where [3, 2, 2] arrives", "window is larger than the map", "at most 2 × 2"],
    ),
    ([{"pool": 4, "padding": 3}], ["at most half its window"]),
    ([{"pool": 2, "kind": "mean"}], ["There is no kind 'mean'", "one of average, max"]),
    ([{"global_pool": "avrage"}], ["Did you mean 'average'?"]),
    ([{"flatten": True}, {"conv": 8}], ["Row 2, {conv = 8}", "where [192] arrives", "needs pictures", "before flatten"]),
    ([{"dense": 8}, {"pool": 2}], ["where [8] arrives", "pool needs pictures"]),
    ([{"flatten": True}, {"spatial_dropout": 0.2}], ["spatial_dropout needs pictures"]),
    ([{"rms_norm": True}], ["rms_norm needs vectors", "layer_norm"]),
    ([{"dropout": 1}], ["dropout cannot be 1", "a number in [0, 1)"]),
    ([{"dropout": -0.1}], ["dropout cannot be -0.1"]),
    ([{"dropout": "30%"}], ['dropout cannot be "30%"']),
    ([{"batch_norm": False}], ["leave the row out"]),
    ([{"batch_norm": True, "momentum": 1.5}], ["share of the new batch", "1.5"]),
    ([{"group_norm": 2}], ["do not divide the channels", "a divisor of 3"]),
    ([{"dense": 4}, {"group_norm": 4}], ["single value"]),
    ([{"dense": 1}, {"layer_norm": True}], ["single value"]),
    ([{"winner_take_all": 2}], ["winner_take_all(2) cannot divide 3 channels"]),
    ([{"dense": 7}, {"activation": "maxout"}], ["maxout cannot divide 7 features"]),
    ([{"drop_path": 0.2}], ["last row of a residual"]),
    ([{"residual": [{"drop_path": 0.2}, {"conv": 3}]}], ["Row 1, residual row 1, {drop_path = 0.2}", "last row of a residual"]),
    ([{"conv": 8, "pool": 2}], ["2 layers in one row, conv and pool"]),
    ([{"kernel": 3}], ["names no layer"]),
    ([{}], ["Row 1, {}", "names no layer"]),
    (["flatten"], ['Row 1, "flatten"', "Write {flatten = true}"]),
    ([3], ["Row 1, 3", "A row is a table"]),
    ([], ["no rows"]),
    ("conv", ["no rows", "got 'conv'"]),
    ([{"residual": []}], ["residual cannot be []", "at least one row"]),
    ([{"residual": 3}], ["residual cannot be 3"]),
    ([{"conv": 4}, {"residual": [{"conv": 4}, {"poool": 2}]}], ["Row 2, residual row 2, {poool = 2}", "[4, 8, 8]", "'pool'"]),
    (
        [{"residual": [{"residual": [{"conv": 3}, {"dropout": 2}]}]}],
        ["Row 1, residual row 1, residual row 2, {dropout = 2}", "[0, 1)"],
    ),
    ([{"residual": [{"conv": 3}], "shortcut": [{"conv": 3}, {"pol": 2}]}], ["Row 1, shortcut row 2, {pol = 2}", "'pool'"]),
    ([{"residual": [{"conv": 4}], "shortcut": "identity"}], ["do not add", "[4, 8, 8]", "[3, 8, 8]", 'shortcut = "project"']),
    ([{"residual": [{"conv": 4, "padding": "valid"}]}], ["do not add", "[4, 6, 6]", 'padding = "same"']),
    ([{"residual": [{"conv": 2}], "shortcut": "pad"}], ["do not add", "[2, 8, 8]", "[3, 8, 8]"]),
    ([{"residual": [{"conv": 3}], "shortcut": "projct"}], ["Did you mean 'project'?"]),
    ([{"dense": 10**9}], ["too large", "268,435,456 weights", "192,000,000,000"]),
    ([{"conv": 2**24, "kernel": 8}], ["too large", "268,435,456 weights", "3,221,225,472"]),
    ([{"local": 2**20, "kernel": 8}], ["too large", "12,884,901,888"]),
    (
        [{"conv": 2**18, "kernel": 1}, {"residual": [{"conv": 1}, {"depthwise": 2**16}]}],
        ["Row 2", "too large", "17,179,869,184"],
    ),
    ([{"conv": 2**23, "kernel": 1}], ["output is too large"]),
    ([{"dense": 64, "activation": "relu"}, {"activation": "softmax"}], ["Row 1, {dense = 64", "data have 10 classes"]),
    (
        [{"dense": 8, "activation": "relu"}, {"dense": 12}],
        ["Row 2, {dense = 12}", "[8] arrives", "the data have 10 classes", "Write dense = 10"],
    ),
    ([{"dense": 12, "activation": "softmax"}], ['{dense = 12, activation = "softmax"}', "the data have 10 classes"]),
    ([{"dense": 10, "activation": "relu"}], ["go through relu", "Leave relu out, or add a row {dense = 10}"]),
    ([{"dense": 10}, {"activation": "tanh"}], ["Row 2", "go through tanh"]),
    ([{"dense": 10, "activation": "tanh"}, {"activation": "identity"}], ["Row 2", "go through tanh"]),
    ([{"dense": 10, "activation": "softmax(2)"}], ["go through softmax(2)"]),
    ([{"dense": 10, "activation": "softmax"}, {"activation": "softmax"}], ["go through softmax"]),
    ([{"activation": "softmax"}], ["Row 1", "[3, 8, 8] arrives", "Put a row {dense = 10} before"]),
    ([{"conv": 12}, {"global_pool": True}, {"activation": "softmax"}], ["Row 3", "[12] arrives", "[10], for 10 classes"]),
]


def refusal(action: Callable[[], object]) -> str:
    """What an `ArgumentError` says, or nothing where there is none."""
    try:
        action()
    except ArgumentError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(("rows", "says"), MISTAKES, ids=[str(rows)[:70] for rows, _ in MISTAKES])
def test_a_mistake_is_told_with_its_row(rows: Any, says: list[str]) -> None:
    with pytest.raises(ArgumentError) as caught:
        from_rows(SHAPE, 10, "classes", rows=rows)
    message = str(caught.value)
    assert [part for part in says if part not in message] == [], message
    assert isinstance(caught.value, RowError) == ("no rows" not in says[0])
    if isinstance(caught.value, RowError):
        assert " arrives. " in message
        assert message.count("cannot be used") == 1


def test_one_output_for_two_classes_is_explained() -> None:
    with pytest.raises(ArgumentError, match=r"Leave sigmoid out and write dense = 2: two classes are two outputs"):
        from_rows((4,), 2, "classes", rows=[{"dense": 1, "activation": "sigmoid"}])
    with pytest.raises(ArgumentError, match=r"the data have 2 classes"):
        row_notes([{"dense": 1}], 2, "classes")


def test_a_long_row_is_cut_short() -> None:
    row = {"conv": 4, **{f"option_{number}": number for number in range(50)}}
    with pytest.raises(RowError) as caught:
        from_rows(SHAPE, 10, "classes", rows=[row])
    assert "…, cannot be used" in str(caught.value)
    assert "option_49" not in str(caught.value)


def test_what_needs_no_data_is_told_before_there_are_any() -> None:
    told = [message for rows, _ in MISTAKES if (message := refusal(lambda rows=rows: check_rows(rows)))]
    assert len(told) >= 35
    assert not any("arrives" in message for message in told)
    check_rows([{"dense": 10, "activation": "log_softmax"}])
    check_rows([{"residual": [{"conv": 3}, {"drop_path": 0.1}]}, {"dense": 4, "activation": "swiglu"}])
    with pytest.raises(RowError, match=r"^Row 2, residual row 1, \{cnv = 3\}, cannot be used\. There is no layer 'cnv'"):
        check_rows([{"pool": 2}, {"residual": [{"cnv": 3}]}])
