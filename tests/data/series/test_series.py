"""The inputs kind of series: what it learns, what it stores and what the network sees."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from leadline.data.ragged import Ragged
from leadline.data.series.series import Series
from leadline.errors import ArgumentError, DataError, SourceNotFoundError

nan = np.nan


def walks(lengths: tuple[int, ...] = (5, 9, 2), channels: int = 2) -> Ragged:
    generator = np.random.default_rng(1)
    return Ragged.of([generator.normal(3, 2, (length, channels)).astype(np.float32) for length in lengths])


def test_mean_and_deviation_are_over_all_steps_of_all_series() -> None:
    rows = walks()
    learned = Series.learn(rows, ("x", "y"))
    exact = rows.values.astype(np.float64)
    np.testing.assert_allclose(learned.mean, exact.mean(0), rtol=1e-12)
    np.testing.assert_allclose(learned.std, exact.std(0), rtol=1e-12)
    assert (learned.shape, learned.fixed, learned.describe()) == ((9, 2), False, "series of 2 to 9 steps in 2 channels")


@given(st.integers(1, 40), st.integers(1, 13), st.floats(-1e4, 1e4))
def test_chunks_make_no_difference(steps: int, chunk: int, level: float) -> None:
    values = (np.random.default_rng(steps).normal(size=(1, steps, 2)) + level).astype(np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("leadline.data.series.series._CHUNK", chunk)
        learned = Series.learn(values)
    exact = values[0].astype(np.float64)
    np.testing.assert_allclose(learned.mean, exact.mean(0), rtol=1e-12)
    std = exact.std(0)
    np.testing.assert_allclose(learned.std, np.where(std <= 1e-12 * np.maximum(1, np.abs(exact).max(0)), 1, std), rtol=1e-8)


def test_an_array_and_its_rows_teach_the_same() -> None:
    even = walks((4, 4, 4))
    assert Series.learn(even) == Series.learn(even.values.reshape(3, 4, 2))
    assert Series.learn(even).channels == ("channel 1", "channel 2")
    assert Series.learn(walks((4, 4), 1)).describe() == "series of 4 steps"
    assert Series.learn(walks((1, 1), 1)).channels == ("value",)


def test_a_constant_channel_is_harmless_and_padding_stays_padding() -> None:
    values = np.stack([np.full((3, 4), 5.1), np.arange(12).reshape(3, 4)], axis=2).astype(np.float32)
    kind = Series.learn(values)
    assert kind.std[0] == 1
    batch = torch.from_numpy(np.concatenate([values, np.full((3, 2, 2), nan, np.float32)], axis=1))
    seen = kind.preparer(torch.device("cpu"))(batch)
    assert seen.dtype == torch.float32
    assert torch.equal(seen.isnan(), batch.isnan())
    torch.testing.assert_close(seen[:, :4, 0], torch.zeros(3, 4), atol=1e-6, rtol=0)
    torch.testing.assert_close(seen[:, :4, 1].std(correction=0), torch.tensor(1.0))
    assert torch.equal(batch[:, :4], torch.from_numpy(values))


def test_it_survives_json() -> None:
    kind = Series.learn(walks(), ("x", "y"))
    assert Series.from_json(json.loads(json.dumps(asdict(kind)))) == kind


@pytest.mark.parametrize("rows", [np.zeros((3, 4)), np.zeros((0, 4, 1)), np.zeros((2, 0, 1)), Ragged.of([np.zeros(3)])])
def test_only_series_are_learned_from(rows: object) -> None:
    with pytest.raises(ArgumentError, match="These are no series"):
        Series.learn(rows)  # type: ignore[arg-type]


def test_names_must_fit() -> None:
    with pytest.raises(ArgumentError, match="names do not fit"):
        Series.learn(walks(), ("x",))


ONE = Series(("value",), (0.0,), (1.0,), 2, 4)
TWO = Series(("x", "y"), (0.0, 0.0), (1.0, 1.0), 3, 3)


@pytest.mark.parametrize(
    ("kind", "raw", "expected"),
    [
        (ONE, [1, 2.5], [[1], [2.5]]),
        (ONE, np.array([[1], [2]], dtype=np.int64), [[1], [2]]),
        (ONE, torch.tensor([1.0, nan, 3.0], requires_grad=True), [[1], [2], [3]]),
        (ONE, [1, 2, 3, 4, 5, 6], [[1], [2], [3], [4], [5], [6]]),
        (TWO, [[1, 2], [3, 4], [5, 6]], [[1, 2], [3, 4], [5, 6]]),
    ],
)
def test_one_series_is_encoded(kind: Series, raw: object, expected: list[list[float]]) -> None:
    row = kind.encode(raw)
    assert row.dtype == np.float32
    np.testing.assert_array_equal(row, expected)


@pytest.mark.parametrize(
    ("kind", "raw", "error", "words"),
    [
        (
            TWO,
            np.zeros((2, 3)),
            ArgumentError,
            r"expected shape \[3, 2\], time first, channels x, y; got shape \[2, 3\]. Transpose",
        ),
        (TWO, np.zeros((4, 2)), ArgumentError, "wrong length. Expected series of 3 steps in 2 channels; got 4 steps"),
        (TWO, [1.0, 2.0, 3.0], ArgumentError, "wrong shape"),
        (TWO, [[1.0, 2.0], [3.0]], ArgumentError, "no series of numbers"),
        (ONE, "ab", SourceNotFoundError, "There is no file 'ab'"),
        (ONE, 3.0, ArgumentError, "wrong shape"),
        (ONE, ["a", "b"], ArgumentError, "no series of numbers"),
        (ONE, [], DataError, "holds no values"),
        (ONE, [nan, nan], DataError, "nothing but gaps"),
        (ONE, [1.0, np.inf], DataError, "infinite"),
    ],
)
def test_what_is_no_series_is_refused_in_one_paragraph(kind: Series, raw: object, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=f"(?i){words}"):
        kind.encode(raw)


def test_one_and_several_are_told_apart() -> None:
    assert ONE.is_one([1, 2, 3])
    assert ONE.is_one(np.zeros((7, 1)))
    assert ONE.is_one("a.csv")
    assert ONE.is_one(torch.zeros(4))
    assert TWO.is_one(np.zeros((7, 2)))
    assert not ONE.is_one(np.zeros((7, 5)))
    assert not ONE.is_one(["a.csv", "b.csv"])
    assert not ONE.is_one([[1.0, 2.0], [3.0]])
    assert not TWO.is_one(np.zeros((4, 7, 2)))
    assert not TWO.is_one([np.zeros((4, 2)), np.zeros((5, 2))])
    assert not ONE.is_one([])


def test_files_are_encoded(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("y,x,note\n2,1,a\n4,?,b\n6,5,c\n")
    np.testing.assert_array_equal(TWO.encode(tmp_path / "a.csv"), [[1, 2], [3, 4], [5, 6]])
    np.save(tmp_path / "b.npy", np.arange(6).reshape(3, 2))
    np.testing.assert_array_equal(TWO.encode(str(tmp_path / "b.npy")), [[0, 1], [2, 3], [4, 5]])
    (tmp_path / "c.txt").write_text("1 2 3 4\n")
    np.testing.assert_array_equal(ONE.encode(tmp_path / "c.txt"), [[1], [2], [3], [4]])
