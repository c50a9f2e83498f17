import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from leadline.errors import ArgumentError
from leadline.optim.clipping import CLIPS, Clip, ClipNorm, ClipPercentile, ClipValue, make_clip

SIZES = st.lists(st.floats(0.01, 100.0), min_size=1, max_size=60)


def parameters(*gradients: list[float] | None, dtype: torch.dtype = torch.float64) -> list[nn.Parameter]:
    made = []
    for gradient in gradients:
        weight = nn.Parameter(torch.zeros(len(gradient) if gradient is not None else 1, dtype=dtype))
        weight.grad = torch.tensor(gradient, dtype=dtype) if gradient is not None else None
        made.append(weight)
    return made


def gradient_of(weights: list[nn.Parameter]) -> torch.Tensor:
    return torch.cat([weight.grad for weight in weights if weight.grad is not None])


@given(SIZES, SIZES, st.floats(0.01, 1000))
def test_the_norm_never_exceeds_its_limit_and_the_direction_stays(one: list[float], other: list[float], limit: float) -> None:
    weights = parameters(one, None, other)
    before = gradient_of(weights)
    clipped = ClipNorm(limit)(weights)
    after, norm = gradient_of(weights), before.norm().item()
    assert clipped.item() == (norm > limit)
    torch.testing.assert_close(after, before * min(1.0, limit / norm), rtol=1e-3 if norm < 1 else 1e-5, atol=1e-9)


@given(SIZES, st.floats(0.01, 100))
def test_every_value_is_cut_off(sizes: list[float], limit: float) -> None:
    values = [size * (-1) ** place for place, size in enumerate(sizes)]
    weights = parameters(values, [], None)
    clipped = ClipValue(limit)(weights)
    assert gradient_of(weights).tolist() == [min(max(value, -limit), limit) for value in values]
    assert clipped.item() == (max(sizes) > limit) or max(sizes) == pytest.approx(limit, rel=1e-6)


@given(SIZES, st.floats(0, 100), st.integers(1, 12), st.integers(1, 12))
def test_the_percentile_is_that_of_the_last_norms(sizes: list[float], percentile: float, window: int, warm_up: int) -> None:
    clip = ClipPercentile(percentile, window=window, warm_up=warm_up)
    for place, size in enumerate(sizes, start=1):
        weights = parameters([-size])
        clipped = clip(weights)
        limit = np.percentile(sizes[max(0, place - window) : place], percentile)
        if place < min(warm_up, window):
            assert (clipped.item(), gradient_of(weights).item()) == (0.0, -size)
        else:
            assert gradient_of(weights).item() == pytest.approx(-min(size, limit), rel=1e-3 if limit < 1 else 1e-5)
            assert clipped.item() == (size > limit) or size == pytest.approx(limit, rel=1e-5)


def test_about_the_rest_of_the_percentile_is_clipped() -> None:
    generator = torch.Generator().manual_seed(0)
    clip, count = ClipPercentile(90), torch.zeros(())
    weight = nn.Parameter(torch.zeros(1))
    for _ in range(2000):
        weight.grad = torch.randn(1, generator=generator).exp()
        count += clip([weight])
    assert 0.08 < count.item() / 2000 < 0.12


@pytest.mark.parametrize("bad", [math.inf, math.nan])
def test_a_norm_that_is_not_finite_is_not_remembered(bad: float) -> None:
    clip = ClipPercentile(100, window=3, warm_up=1)
    clip(parameters([2.0]))
    before = {name: tensor.clone() for name, tensor in clip.state().items()}
    assert clip(parameters([bad])).item() == (bad == math.inf)
    assert all(torch.equal(tensor, before[name]) for name, tensor in clip.state().items())
    weights = parameters([5.0], [bad])
    unlimited = ClipPercentile(50, warm_up=2)
    assert unlimited(weights).item() == 0, "before the warm-up nothing is touched"
    assert weights[0].grad is not None
    assert weights[0].grad.item() == 5.0


@given(SIZES, SIZES)
def test_a_state_goes_on_as_if_nothing_had_happened(before: list[float], after: list[float]) -> None:
    whole, resumed = (ClipPercentile(60, window=7, warm_up=3) for _ in range(2))
    for size in before:
        whole(parameters([size]))
    resumed.load(whole.state())
    for size in after:
        one, other = parameters([size]), parameters([size])
        assert torch.equal(whole(one), resumed(other))
        assert torch.equal(gradient_of(one), gradient_of(other))


def test_a_state_of_another_window_is_refused() -> None:
    with pytest.raises(ArgumentError, match="another window"):
        ClipPercentile(window=5).load(ClipPercentile(window=6).state())


def test_equal_to_torch_on_a_network() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(144, 10))
    model(torch.randn(8, 1, 8, 8)).square().sum().backward()
    gradients = [weight.grad.clone() for weight in model.parameters() if weight.grad is not None]
    for clip, reference in (
        (ClipNorm(0.5), lambda weights: nn.utils.clip_grad_norm_(weights, 0.5)),
        (ClipValue(0.01), lambda weights: nn.utils.clip_grad_value_(weights, 0.01)),
    ):
        results = []
        for way in (clip, reference):
            for weight, gradient in zip(model.parameters(), gradients, strict=True):
                weight.grad = gradient.clone()
            way(list(model.parameters()))
            results.append([weight.grad for weight in model.parameters()])
        assert all(torch.equal(one, other) for one, other in zip(*results, strict=True))


@pytest.mark.parametrize("name", CLIPS)
def test_without_gradients_nothing_is_clipped(name: str) -> None:
    clip = make_clip(f"{name}(1.0)")
    assert clip is not None
    flag = clip(parameters(None))
    assert (flag.shape, flag.dtype, flag.item()) == ((), torch.float32, 0.0)
    state = clip.state()
    clip.load(state)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("norm(1.0)", "norm(1.0)"),
        ("2", "norm(2.0)"),
        ("value(limit=0.5)", "value(0.5)"),
        ("percentile", "percentile(90.0, window=100, warm_up=10)"),
        ("percentile(95, window=5)", "percentile(95, window=5, warm_up=5)"),
    ],
)
def test_spelling(text: str, expected: str) -> None:
    clip = make_clip(text)
    assert repr(clip) == expected
    assert repr(make_clip(repr(clip))) == expected


@pytest.mark.parametrize("text", ["", "0", "0.0"])
def test_none(text: str) -> None:
    assert make_clip(text) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("-1", "above 0"),
        ("nan", "above 0"),
        ("norm(0)", "above 0"),
        ("value(-0.1)", "above 0"),
        ("norm", "do not fit"),
        ("percentile(101)", "out of range"),
        ("percentile(window=0)", "out of range"),
        ("percentil(90)", "Did you mean 'percentile'"),
        ("norm('big')", "'limit' .* Expected a number; got 'big'"),
    ],
)
def test_a_text_that_is_no_clipping(text: str, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        make_clip(text)


def test_every_way_fits_the_protocol() -> None:
    ways: list[Clip] = [ClipNorm(1.0), ClipValue(1.0), ClipPercentile()]
    assert {type(way) for way in ways} == set(CLIPS.values())


@pytest.mark.parametrize("text", ["norm(1.0)", "value(1.0)", "percentile(90, warm_up=1)"])
def test_nothing_is_fetched_from_the_device(text: str) -> None:
    weight = nn.Parameter(torch.zeros(3, device="meta"))  # whose values cannot be fetched: trying is an error
    weight.grad = torch.ones_like(weight)
    clip = make_clip(text)
    assert clip is not None
    assert clip([weight]).device.type == "meta"
    with pytest.raises(RuntimeError, match="meta"):
        clip([weight]).item()
