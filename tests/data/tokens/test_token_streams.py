"""Streams of a text: every token in its place, windows that follow each other, and epochs that can be entered anywhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from leadline.data.tokens.token_streams import TokenStreams, contiguous_parts, named_parts
from leadline.errors import ArgumentError, DataError


def text(count: int) -> NDArray[np.uint16]:
    """Tokens whose number is their place, from 1."""
    return np.arange(1, count + 1, dtype=np.uint16)


SIZES = st.tuples(st.integers(2, 300), st.integers(1, 12), st.integers(1, 40), st.booleans())


@settings(max_examples=60)
@given(SIZES, st.integers(0, 5))
def test_streams_are_read_from_beginning_to_end(sizes: tuple[int, int, int, bool], epoch: int) -> None:
    count, batch, length, variable = sizes
    streams = TokenStreams(text(count), batch, length=length, variable=variable, seed=3)
    windows = list(streams.epoch(epoch))
    assert len(windows) == len(streams)
    inputs, targets = (torch.cat(parts, dim=1) for parts in zip(*windows, strict=True))
    assert torch.equal(inputs + 1, targets), "a target is the token after"
    assert (inputs.diff(dim=1) == 1).all(), "each row goes on where it stopped"
    assert (inputs[1:, 0] == inputs[:-1, -1] + 1).all(), "and the next row where that one ends"
    assert inputs.numel() == streams.rows
    assert count - 1 - inputs.numel() < len(inputs), "fewer are left out than there are rows"
    assert all(window[0].shape[1] > 0 for window in windows)


@settings(max_examples=60)
@given(SIZES, st.booleans())
def test_a_whole_text_has_every_token_foretold_once(sizes: tuple[int, int, int, bool], begins: bool) -> None:
    count, batch, length, _ = sizes
    start = 9999 if begins else None
    streams = TokenStreams(text(count), batch, length=length, whole=True, start=start)
    inputs, targets = (torch.cat(parts, dim=1) for parts in zip(*streams, strict=True))
    counted = targets != 0
    expected = list(range(1 if begins else 2, count + 1))
    assert targets[counted].tolist() == expected, "in the order of the text"
    assert (inputs[counted].tolist()) == [9999 if token == 1 else token - 1 for token in expected]
    assert streams.rows == len(expected)


@given(st.integers(0, 4), st.integers(0, 3), st.booleans())
def test_an_epoch_can_be_entered_at_any_window(first: int, epoch: int, variable: bool) -> None:
    streams = TokenStreams(text(500), 4, length=20, variable=variable)
    whole = list(streams.epoch(epoch))
    entered = list(TokenStreams(text(500), 4, length=20, variable=variable).epoch(epoch, first))
    assert all(torch.equal(a[0], b[0]) for a, b in zip(whole[first:], entered, strict=True))


def test_variable_lengths_differ_from_epoch_to_epoch_and_seed_to_seed() -> None:
    streams = TokenStreams(text(60_001), 4, length=70, variable=True, seed=1)
    ends = [streams.ends(epoch) for epoch in range(3)]
    assert len({tuple(each) for each in ends}) == 3
    assert {len(each) for each in ends} == {len(streams)}
    lengths = np.diff([0, *(end for end in ends[0])])
    short = np.mean([(np.diff([0, *streams.ends(epoch)]) < 50).mean() for epoch in range(20)])
    assert 0.03 < short < 0.08, "about one in twenty is of half the length"
    assert 2 < lengths[lengths > 50].std() < 8
    assert abs(np.median(lengths) - 70) < 3
    assert TokenStreams(text(60_001), 4, length=70, variable=True, seed=2).ends(0) != ends[0]


def test_what_is_left_over_changes_sides() -> None:
    streams = TokenStreams(text(103), 10, length=5)
    first, second = (torch.cat([inputs for inputs, _ in streams.epoch(epoch)], dim=1) for epoch in (0, 1))
    assert (first[0, 0], first[-1, -1]) == (1, 100)
    assert (second[0, 0], second[-1, -1]) == (3, 102)


def test_a_mapped_file_is_read_window_by_window(tmp_path: Path) -> None:
    np.save(tmp_path / "text.npy", text(1000))
    mapped = np.load(tmp_path / "text.npy", mmap_mode="r")
    read: list[int] = []

    class Watched(np.memmap):
        def __getitem__(self, place: object) -> object:
            found = super().__getitem__(place)  # type: ignore[index]
            read.append(len(found))
            return found

    streams = TokenStreams(mapped.view(Watched), 4, length=10)
    inputs, targets = next(iter(streams))
    assert inputs.dtype == targets.dtype == torch.int64
    assert inputs[:, 0].tolist() == [1, 250, 499, 748]
    assert sum(read) == 4 * 11


def test_a_text_shorter_than_the_window() -> None:
    ((inputs, targets),) = TokenStreams(text(4), 1, length=64)
    assert (inputs.tolist(), targets.tolist()) == ([[1, 2, 3]], [[2, 3, 4]])
    ((inputs, targets),) = TokenStreams(text(4), 20, length=64)
    assert (inputs.tolist(), targets.tolist()) == ([[1], [2], [3]], [[2], [3], [4]])


@pytest.mark.parametrize(("ids", "error", "words"), [
    (np.zeros(0, np.int64), DataError, "too short.*at least 2 tokens.*no token at all"),
    (text(1), DataError, "too short.*1 token"),
    (np.zeros(5), ArgumentError, "no list of token numbers"),
    (np.zeros((5, 2), np.int64), ArgumentError, "no list of token numbers"),
])  # fmt: skip
def test_what_is_no_text(ids: NDArray[np.generic], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        TokenStreams(ids, 4)


def test_windows_that_are_too_small() -> None:
    with pytest.raises(ArgumentError, match="windows are too small"):
        TokenStreams(text(9), 0)


@given(st.integers(6, 10**6))
def test_parts_follow_each_other(count: int) -> None:
    parts = contiguous_parts(count)
    assert (parts["train"].start, parts["test"].stop) == (0, count)
    assert parts["train"].stop == parts["valid"].start
    assert parts["valid"].stop == parts["test"].start
    sizes = {name: part.stop - part.start for name, part in parts.items()}
    assert min(sizes.values()) >= 2
    assert all(abs(sizes[part] - 0.05 * count) <= max(0.5, 2 - 0.05 * count) for part in ("valid", "test"))


def test_parts_that_cannot_be() -> None:
    with pytest.raises(DataError, match="too short to be divided.*got 5"):
        contiguous_parts(5)
    with pytest.raises(ArgumentError, match="cannot be divided so"):
        contiguous_parts(100, valid=0.5, test=0.5)


def test_names_say_which_part_a_file_is(tmp_path: Path) -> None:
    for name in ("ptb.train.txt", "ptb.valid.txt", "ptb.test.txt", "README.md", "contest.txt", ".train.txt"):
        (tmp_path / name).write_text("a")
    assert [path.name for path in named_parts(tmp_path).values()] == ["ptb.train.txt", "ptb.valid.txt", "ptb.test.txt"]
    (tmp_path / "dev.txt").write_text("a")
    with pytest.raises(DataError, match="Two files.*valid.*dev.txt and ptb.valid.txt"):
        named_parts(tmp_path)
