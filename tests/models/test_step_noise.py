"""The generator of a step: the same draws for the same number, and unlike ones for neighbours."""

from __future__ import annotations

import torch

from leadline.models.step_noise import step_generator


def test_a_step_draws_what_its_number_says_and_steps_draw_differently() -> None:
    draws = {step: torch.rand(64, generator=step_generator(3, step)) for step in range(200)}
    assert torch.equal(draws[17], torch.rand(64, generator=step_generator(3, 17)))
    assert not torch.equal(draws[17], torch.rand(64, generator=step_generator(4, 17)))
    together = torch.stack(list(draws.values()))
    assert len(together.unique(dim=0)) == 200
    # Neighbouring seeds of one generator must not be correlated: 199 correlations of 64 numbers, each N(0, 1/64).
    centred = together - 0.5
    neighbours = (centred[1:] * centred[:-1]).mean(1) * 12
    assert neighbours.abs().mean() < 2 * 0.8 / 8
    assert abs(neighbours.mean()) < 4 / 8 / 199**0.5


def test_a_step_draws_other_numbers_than_the_order_of_the_rows() -> None:
    plain = torch.Generator().manual_seed(0)
    assert not torch.equal(torch.rand(8, generator=step_generator(0, 0)), torch.rand(8, generator=plain))
    assert not torch.equal(torch.rand(8, generator=step_generator(0, 1)), torch.rand(8, generator=step_generator(1, 0)))
    assert torch.equal(torch.rand(8, generator=step_generator(0, -1)), torch.rand(8, generator=step_generator(0, -1)))


def test_seeds_and_steps_of_any_size_count_whole() -> None:
    """A generator of the CPU keeps the lowest 32 bits of its seed alone."""
    pairs = [(0, 0), (2**32, 0), (2**63 + 1, 0), (-1, 0), (0, 2**32), (0, 3 * 2**32), (0, 2**32 + 1)]
    assert len({tuple(torch.rand(4, generator=step_generator(*pair)).tolist()) for pair in pairs}) == len(pairs)
