"""The rules: the variance each promises, orthogonality, identities, seeds, and what they refuse."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Generator, Tensor, nn

from leadline.errors import ArgumentError
from leadline.initialize import get
from leadline.initialize.rules import INITIALIZERS, dirac, orthogonal, uniform

OUT, IN, KERNEL = 48, 32, (3, 5)  # fan-in 480, fan-out 720
VARIANCES = {
    "normal": 0.01**2,
    "normal(0.3)": 0.3**2,
    "uniform": 0.05**2 / 3,
    "uniform(bound=2)": 4 / 3,
    "xavier": 2 / (480 + 720),
    "xavier('normal', gain=3)": 9 * 2 / (480 + 720),
    "he": 2 / 480,
    "he(mode='fan_out')": 2 / 720,
    "he(slope=0.5, distribution='uniform')": 2 / (1.25 * 480),
    "lecun": 1 / 480,
    "lecun('uniform')": 1 / 480,
    "orthogonal": 1 / 480,  # each row has length 1
}
UNIFORM = ("uniform", "uniform(bound=2)", "xavier", "he(slope=0.5, distribution='uniform')", "lecun('uniform')")


def drawn(text: str, shape: tuple[int, ...] = (OUT, IN, *KERNEL), seed: int = 0) -> Tensor:
    weight = torch.full(shape, torch.nan)
    get(text)(weight, generator=Generator().manual_seed(seed))
    return weight


@pytest.mark.parametrize("text", VARIANCES)
def test_the_variance_is_the_one_promised(text: str) -> None:
    weight = drawn(text)
    # 23,040 numbers: the relative deviation of their variance is √(2/23040) = 0.9 % for normal ones.
    assert weight.var().item() == pytest.approx(VARIANCES[text], rel=0.05)
    assert abs(weight.mean().item()) < 5 * math.sqrt(VARIANCES[text] / weight.numel())
    highest = weight.abs().max().item() / math.sqrt(VARIANCES[text])
    assert (highest <= math.sqrt(3) + 1e-4) == (text in UNIFORM)


@pytest.mark.parametrize(
    ("text", "torchs"),
    [
        ("xavier", nn.init.xavier_uniform_),
        ("xavier('normal', gain=2)", lambda w: nn.init.xavier_normal_(w, gain=2)),
        ("he", nn.init.kaiming_normal_),
        ("he('fan_out', slope=0.1)", lambda w: nn.init.kaiming_normal_(w, a=0.1, mode="fan_out")),
        ("he(distribution='uniform')", nn.init.kaiming_uniform_),
    ],
)
def test_the_numbers_are_torchs_own(text: str, torchs: Callable[[Tensor], Tensor]) -> None:
    weight, expected = torch.empty(6, 5, 3), torch.empty(6, 5, 3)
    torch.manual_seed(3)
    get(text)(weight)
    torch.manual_seed(3)
    torchs(expected)
    torch.testing.assert_close(weight, expected, rtol=1e-6, atol=0)


@settings(max_examples=40)
@given(
    st.lists(st.integers(1, 6), min_size=2, max_size=4),
    st.sampled_from([1.0, 0.5, math.sqrt(2)]),
    st.sampled_from([torch.float32, torch.float64]),
    st.integers(0, 2**31),
)
def test_orthogonal_is_exact(shape: list[int], gain: float, dtype: torch.dtype, seed: int) -> None:
    weight = torch.empty(shape, dtype=dtype)
    orthogonal(weight, gain, generator=Generator().manual_seed(seed))
    flat = weight.flatten(1).double()
    product = flat @ flat.T if flat.shape[0] <= flat.shape[1] else flat.T @ flat
    tolerance = 1e-12 if dtype == torch.float64 else 2e-6
    torch.testing.assert_close(product, gain**2 * torch.eye(len(product), dtype=torch.float64), rtol=0, atol=tolerance)


def test_every_rotation_is_as_likely() -> None:
    # Q without the signs of R would have its first entry always on one side.
    first = torch.tensor([drawn("orthogonal", (2, 2), seed)[0, 0] for seed in range(400)])
    assert 150 < int((first > 0).sum()) < 250
    assert first.square().mean().item() == pytest.approx(0.5, abs=0.06)  # cos² of an even angle


@settings(max_examples=40)
@given(st.integers(1, 5), st.integers(1, 5), st.lists(st.sampled_from([1, 3, 5]), max_size=2), st.integers(0, 2**31))
def test_dirac_passes_its_inputs_on(outputs: int, inputs: int, kernel: list[int], seed: int) -> None:
    weight = torch.full((outputs, inputs, *kernel), 7.0)
    dirac(weight)
    x = torch.randn(2, inputs, *[6] * len(kernel), generator=Generator().manual_seed(seed))
    apply = [nn.functional.linear, nn.functional.conv1d, nn.functional.conv2d][len(kernel)]
    y = apply(x, weight, **({"padding": "same"} if kernel else {}))  # type: ignore[operator]
    shared = min(outputs, inputs)
    assert y[:, :shared].equal(x[:, :shared])
    assert y[:, shared:].abs().sum() == 0


def test_dirac_is_torchs_own() -> None:
    for shape in [(4, 3, 3, 3), (3, 4, 2, 2), (2, 2, 5), (3, 3, 4, 3, 2)]:
        weight = torch.empty(shape)
        dirac(weight)
        assert weight.equal(nn.init.dirac_(torch.empty(shape)))


@pytest.mark.parametrize("name", INITIALIZERS)
def test_a_seed_decides_and_torchs_numbers_are_left_alone(name: str) -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    assert drawn(name, seed=1).equal(drawn(name, seed=1))
    assert drawn(name, seed=1).equal(drawn(name, seed=2)) == (name == "dirac")
    assert torch.get_rng_state().equal(before)


@pytest.mark.parametrize("name", INITIALIZERS)
def test_views_and_other_types_are_filled_in_place(name: str) -> None:
    whole = torch.full((6, 4), torch.nan, dtype=torch.float64)
    INITIALIZERS[name](whole[1:4].T, generator=Generator().manual_seed(0))
    assert whole[1:4].isfinite().all()
    assert whole[[0, 4, 5]].isnan().all()
    leaf = nn.Parameter(torch.full((3, 3), torch.nan))
    INITIALIZERS[name](leaf)
    assert leaf.isfinite().all()
    assert leaf.requires_grad
    half = torch.full((3, 3), torch.nan, dtype=torch.bfloat16)
    INITIALIZERS[name](half)
    assert half.isfinite().all()


@pytest.mark.parametrize("name", INITIALIZERS)
@pytest.mark.parametrize("weight", [torch.zeros(3), torch.zeros(0, 3), torch.zeros(3, 3, dtype=torch.int64)], ids=str)
def test_weights_without_a_rule_are_refused(name: str, weight: Tensor) -> None:
    with pytest.raises(ArgumentError, match="no rule for such a weight"):
        INITIALIZERS[name](weight)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("normal(std=0)", "deviation of the first weights is out of range"),
        ("normal(-1)", "out of range.*got -1"),
        ("uniform(bound=-0.1)", "bound of the first weights"),
        ("orthogonal(gain=0)", "gain of the first weights"),
        ("xavier(gain=-1)", "gain of the first weights"),
        ("xavier('norml')", "no distribution 'norml'.*Did you mean 'normal'"),
        ("he(mode='fan_put')", "no mode 'fan_put'.*Did you mean 'fan_out'"),
        ("he(slope=1e999)", "slope of the activation"),
        ("normal('wide')", "'std' .* Expected a number; got 'wide'"),
        ("hee", "no initialization 'hee'.*Did you mean 'he'"),
        ("he(generator=3)", "no argument of he 'generator'"),
        ("lecun(gain=2)", "no argument of lecun 'gain'"),
        ("dirac(1)", "do not fit"),
        ("he * dirac", "is a product"),
    ],
)
def test_what_a_text_cannot_ask_for(text: str, words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        get(text)


def test_a_bound_that_is_no_number() -> None:
    with pytest.raises(ArgumentError, match="out of range"):
        uniform(torch.empty(2, 2), math.nan)
