"""Inputs and targets as numbers."""

from __future__ import annotations

import math

import pytest
import torch

from leadline.diagnose.checks.answer_columns import contradictions, read_answers
from leadline.diagnose.checks.flat_features import flat_rows
from leadline.diagnose.checks.input_columns import read_columns

G = torch.Generator().manual_seed(0)
TABLE = torch.randn(200, 4, generator=G)


def test_prepared_inputs_stand_out_in_nothing():
    columns = read_columns(TABLE)
    assert (columns.kind, columns.features, columns.non_finite, columns.constant, columns.worst) == ("numbers", 4, 0, 0.0, [])
    assert columns.offset < 0.3
    assert columns.scale_ratio < 1.3
    assert columns.std == pytest.approx(float(TABLE.std(correction=0)), rel=1e-6)


def test_scales_offsets_constants_and_what_is_not_finite():
    bad = TABLE * torch.tensor([1.0, 1.0, 1.0, 1000.0]) + torch.tensor([0.0, 0.0, 50.0, 0.0])
    bad = torch.cat([bad, torch.full((200, 1), 7.0)], dim=1)
    bad[3, 0], bad[4, 0] = math.nan, math.inf
    columns = read_columns(bad)
    assert columns.non_finite == 2
    assert columns.constant == pytest.approx(0.2)
    assert columns.offset == pytest.approx(50, rel=0.2)
    assert columns.scale_ratio > 100
    assert columns.worst[0] == "column 0: 2 not finite"
    assert any("column 3" in word for word in columns.worst)
    assert any("column 4: constant 7" in word for word in columns.worst)
    assert math.isfinite(columns.mean)
    assert math.isfinite(columns.std)


def test_a_column_that_is_seldom_on_is_on_the_scale_of_the_others():
    seldom = (torch.rand(2000, 6, generator=G) < torch.tensor([0.5, 0.5, 0.5, 0.5, 0.0005, 0.0005])).float()
    seldom[0] = 1.0
    assert float(seldom.std(0).max() / seldom.std(0).min()) > 10
    assert read_columns(seldom).scale_ratio == pytest.approx(1.0)
    assert read_columns(seldom * torch.tensor([1.0, 1.0, 1.0, 1.0, 0.001, 0.001])).scale_ratio == pytest.approx(1000)


def test_pictures_go_by_channel():
    pictures = torch.randint(0, 256, (20, 3, 8, 8), generator=G)
    columns = read_columns(pictures.float())
    assert (columns.kind, columns.features, columns.largest) == ("pictures", 3, 255.0)
    stored = read_columns(pictures.movedim(1, 3).to(torch.uint8))
    assert (stored.kind, stored.features) == ("pictures", 3)
    assert stored.mean == pytest.approx(columns.mean)


def test_series_go_by_variable_and_tokens_have_no_scale():
    series = torch.randn(20, 30, 2, generator=G) * torch.tensor([1.0, 500.0])
    columns = read_columns(series)
    assert (columns.kind, columns.features, columns.length) == ("series", 2, 30)
    assert columns.scale_ratio > 100
    tokens = read_columns(torch.randint(0, 900, (20, 12), generator=G))
    assert (tokens.kind, tokens.length, tokens.scale_ratio, tokens.offset) == ("tokens", 12, 1.0, 0.0)


def test_several_inputs_together():
    columns = read_columns({"table": TABLE, "words": torch.zeros(200, 5).long(), "more": (1e4 + TABLE, None)})
    assert columns.features == 8
    assert columns.offset > 1000
    assert columns.worst[0].startswith("more.0: column")
    assert read_columns(None).kind == "other"


@pytest.mark.parametrize(
    ("targets", "counts"),
    [
        (torch.tensor([0, 1, 1, 3]), [1, 2, 0, 1]),
        (torch.tensor([-1.0, 1.0, 1.0]), [1, 2]),
        (torch.tensor([0.0, 1.0, 1.0])[:, None], [1, 2]),
        (torch.eye(3)[[0, 0, 2]], [2, 0, 1]),
        (torch.tensor([0.1, 0.7]), []),
        (torch.tensor([3.0, 5.0]), []),
        (torch.tensor([5, 70000]), []),
        (torch.tensor([0.0, math.nan]), []),
    ],
)
def test_counts_of_classes(targets, counts):
    answers = read_answers(targets, torch.zeros(len(targets), 4), torch.arange(len(targets)).float()[:, None])
    assert answers.counts == counts
    assert answers.output_shape == [len(targets), 4]
    assert answers.rows == len(targets)


def test_contradictions():
    x = torch.tensor([[1.0, 2], [1, 2], [3, 4], [3, 4], [5, 6]])
    assert contradictions(x, torch.tensor([0, 1, 1, 1, 0])) == pytest.approx(0.4)
    assert contradictions(x, torch.tensor([0, 0, 1, 1, 0])) == 0.0
    assert contradictions(x, torch.tensor([0.0, 5.0, 1.0, 1.0001, 2.0])) == pytest.approx(0.4)
    assert contradictions((x, torch.arange(5)), torch.tensor([0, 1, 1, 1, 0])) == 0.0
    assert contradictions(torch.tensor([[0.0], [-0.0]]), torch.tensor([0, 1])) == 1.0


def test_flat_rows_are_prepared_by_the_training_rows_alone():
    train, other = flat_rows(5 + 3 * TABLE, 5 + 3 * TABLE[:7] + 100)
    assert train.mean(0).abs().max() < 1e-5
    assert train.std(0, correction=0).sub(1).abs().max() < 1e-4
    assert other is not None
    assert bool((other == 10).all()), "far values are brought back"
    broken = TABLE.clone()
    broken[0, 0] = math.nan
    assert bool(torch.isfinite(flat_rows(broken)[0]).all())


def test_flat_rows_of_tokens_know_words_and_short_rows_places():
    tokens = torch.tensor([[1, 2], [2, 1], [3, 3]])
    flat, other = flat_rows(tokens, torch.tensor([[9, 9]]))
    assert flat.shape == (3, 3 + 2 * 3)
    assert torch.equal(flat[0, :3], flat[1, :3])
    assert not torch.equal(flat[0, 3:], flat[1, 3:])
    assert other is not None
    assert not other.any()
    assert flat_rows(torch.randint(0, 900, (50, 300), generator=G))[0].shape[1] <= 1000
