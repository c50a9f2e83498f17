"""Members: the shared matrix against the M matrices it stands for, and one answer from many."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from leadline.errors import ArgumentError
from leadline.layers import BatchEnsembleLinear, MemberHeads, mean_of_members


def randomized(layer: torch.nn.Module) -> torch.nn.Module:
    """The layer in float64 with all weights random, as after training."""
    draw = torch.Generator().manual_seed(0)
    layer.double()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=draw, dtype=torch.float64))
    return layer


@pytest.mark.parametrize("shared", [True, False])
def test_each_member_is_a_linear_layer_of_its_own(shared: bool) -> None:
    layer = randomized(BatchEnsembleLinear(3, 5, members=4))
    x = torch.randn(7, 3, dtype=torch.float64) if shared else torch.randn(7, 4, 3, dtype=torch.float64)
    found = layer(x)
    for member in range(4):
        matrix = layer.weight * torch.outer(layer.scale_out[member], layer.scale_in[member])  # type: ignore[operator,index,arg-type]
        expected = torch.nn.functional.linear(x if shared else x[:, member], matrix, layer.bias[member])  # type: ignore[index]
        assert torch.allclose(found[:, member], expected)


def test_members_start_alike_unless_they_are_to_differ() -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 6)
    alike, diverse = (BatchEnsembleLinear(6, 5, members=8, diverse=diverse)(x) for diverse in (False, True))
    assert torch.allclose(alike, alike[:, :1].expand_as(alike))
    assert all(not torch.allclose(diverse[:, 0], diverse[:, member]) for member in range(1, 8))


def test_the_first_scales_are_signs() -> None:
    torch.manual_seed(0)
    scales = BatchEnsembleLinear(50, 5, members=8, diverse=True).scale_in
    assert set(scales.detach().flatten().tolist()) == {-1.0, 1.0}
    assert abs(scales.mean().item()) < 0.2


def test_each_head_reads_its_own_member() -> None:
    heads = randomized(MemberHeads(3, 2, members=4))
    x = torch.randn(5, 4, 3, dtype=torch.float64)
    expected = torch.stack([x[:, m] @ heads.weight[m] + heads.bias for m in range(4)], dim=1)  # type: ignore[index,operator]
    assert torch.allclose(heads(x), expected)


@pytest.mark.parametrize("layer", [BatchEnsembleLinear(3, 2, members=4, diverse=True), MemberHeads(3, 2, members=4)])
def test_gradients_reach_every_weight(layer: torch.nn.Module) -> None:
    layer(torch.randn(5, 4, 3)).square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.abs().min() > 0 for parameter in layer.parameters())


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 5), st.integers(1, 4), st.integers(0, 2**31))
def test_one_answer_from_many_is_the_mean_of_what_they_say(members: int, outputs: int, seed: int) -> None:
    z = 3 * torch.randn(6, members, outputs, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    assert torch.allclose(mean_of_members(z, "classes").softmax(1), z.softmax(2).mean(1))
    assert torch.allclose(mean_of_members(z, "classes").exp().sum(1), torch.ones(6, dtype=torch.float64))
    assert torch.allclose(mean_of_members(z, "labels").sigmoid(), z.sigmoid().mean(1))
    assert torch.allclose(mean_of_members(z, "number"), z.mean(1))


@pytest.mark.parametrize("task", ["classes", "labels"])
def test_enormous_logits_do_not_overflow(task: str) -> None:
    z = torch.tensor([[[1e4, -1e4], [1e4, -1e4]]], requires_grad=True)
    mean = mean_of_members(z, task)
    mean.sum().backward()
    assert mean.isfinite().all()
    assert z.grad is not None
    assert z.grad.isfinite().all()


def test_what_cannot_be_averaged_is_refused() -> None:
    with pytest.raises(ArgumentError, match=r"no members to average.*\[B, M, K\]; got \[4, 2\]"):
        mean_of_members(torch.zeros(4, 2), "classes")
    with pytest.raises(ArgumentError, match="Did you mean 'number'"):
        mean_of_members(torch.zeros(4, 3, 2), "numbr")


@pytest.mark.parametrize("sizes", [(0, 1, 1), (1, 0, 1), (1, 1, 0)])
@pytest.mark.parametrize("layer", [BatchEnsembleLinear, MemberHeads])
def test_bad_arguments(layer: type[torch.nn.Module], sizes: tuple[int, int, int]) -> None:
    features, outputs, members = sizes
    with pytest.raises(ArgumentError, match="members cannot be built"):
        layer(features, outputs, members=members)
