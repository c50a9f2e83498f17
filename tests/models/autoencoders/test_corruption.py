"""Corruption: the shares it promises, what it leaves alone, and that it can be drawn again."""

from __future__ import annotations

import pytest
import torch
from torch import Generator, Tensor

from leadline.errors import ArgumentError
from leadline.models.autoencoders.corruption import CORRUPTIONS, corruption_of

TEXTS = ["masking(0.3)", "gaussian(0.5)", "salt_and_pepper(0.4)", "swap(0.3)"]


def drawn(seed: int = 0) -> Generator:
    return torch.Generator().manual_seed(seed)


def grey(*shape: int) -> Tensor:
    return 0.1 + 0.8 * torch.rand(*shape, generator=drawn(5))


@pytest.mark.parametrize("text", TEXTS)
def test_the_same_generator_draws_the_same_and_inputs_stay(text: str) -> None:
    corrupt, x = corruption_of(text), grey(50, 3, 4, 4)
    before = x.clone()
    assert corrupt is not None
    first, again, other = corrupt(x, drawn(1)), corrupt(x, drawn(1)), corrupt(x, drawn(2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(x, before)
    assert first.shape == x.shape
    assert first.dtype == x.dtype


@pytest.mark.parametrize(("text", "share"), [("masking(0.3)", 0.3), ("salt_and_pepper(0.4)", 0.4), ("gaussian", 1.0)])
def test_as_many_values_change_as_were_asked_for(text: str, share: float) -> None:
    x = grey(200, 500)
    changed = corruption_of(text)(x, drawn()) != x  # type: ignore[misc]
    assert changed.float().mean().item() == pytest.approx(share, abs=0.005)  # 100,000 values: 3 deviations are 0.0046
    assert changed.float().mean(0).std() < 0.05  # no column is spared


def test_masking_and_salt_and_pepper_put_in_what_they_say() -> None:
    x = grey(200, 500)
    masked = corruption_of("masking(0.3)")(x, drawn())  # type: ignore[misc]
    assert masked[masked != x].unique().tolist() == [0.0]
    peppered = corruption_of("salt_and_pepper(0.4, low=-1, high=2)")(x, drawn())  # type: ignore[misc]
    assert [(peppered == value).float().mean().item() for value in (-1.0, 2.0)] == pytest.approx([0.2, 0.2], abs=0.005)


def test_gaussian_noise_has_its_deviation_and_no_mean() -> None:
    x = grey(300, 300)
    noise = corruption_of("gaussian(0.25)")(x, drawn()) - x  # type: ignore[misc]
    assert noise.std().item() == pytest.approx(0.25, abs=0.003)
    assert noise.mean().item() == pytest.approx(0.0, abs=0.003)


def test_swapping_takes_values_of_the_same_column() -> None:
    x = torch.stack([torch.arange(1000.0), 5000 + torch.arange(1000.0)], dim=1)
    swapped = corruption_of("swap(0.4)")(x, drawn())  # type: ignore[misc]
    assert (swapped[:, 0] < 5000).all()
    assert (swapped[:, 1] >= 5000).all()
    changed = swapped != x
    assert changed.float().mean().item() == pytest.approx(0.4, abs=0.04)
    assert not torch.equal(changed[:, 0], changed[:, 1])
    assert len(swapped[:, 0][changed[:, 0]].unique()) > 250  # donors are many


def test_codes_of_a_table_are_masked_or_swapped_but_no_amounts() -> None:
    x = torch.cat([grey(100, 2), torch.randint(1, 5, (100, 2), generator=drawn()).float()], dim=1)
    for text in TEXTS:
        changed = corruption_of(text)(x, drawn(), numbers=2)  # type: ignore[misc]
        codes = changed[:, 2:]
        assert not torch.equal(changed[:, :2], x[:, :2])
        if text.startswith(("gaussian", "salt")):
            assert torch.equal(codes, x[:, 2:])
        else:
            assert set(codes.unique().tolist()) <= {0.0, 1.0, 2.0, 3.0, 4.0}
            assert not torch.equal(codes, x[:, 2:])
    assert torch.equal(corruption_of("masking(0.3)")(x, drawn(), numbers=2), corruption_of("masking(0.3)")(x, drawn()))  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("maskin(0.3)", "Did you mean 'masking'"),
        ("masking(1.0)", r"share is out of range. Expected a number in \[0, 1\); got 1.0"),
        ("masking(-0.1)", "share is out of range"),
        ("swap(2)", "share is out of range"),
        ("gaussian(0)", "deviation is out of range"),
        ("gaussian(share=0.1)", "There is no argument of gaussian 'share'"),
        ("salt_and_pepper(0.1, low=2)", "low below high"),
        ("masking('much')", "wrong kind of value"),
    ],
)
def test_careless_texts(text: str, says: str) -> None:
    with pytest.raises(ArgumentError, match=says):
        corruption_of(text)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_whole_numbers_are_refused(name: str) -> None:
    with pytest.raises(ArgumentError, match=f"The corruption {name} cannot take these inputs. Expected floating-point"):
        corruption_of(name)(torch.zeros(2, 3, dtype=torch.long), drawn())  # type: ignore[misc]
