"""Random numbers of a training step that depend on nothing but a seed and the number of the step."""

from __future__ import annotations

import torch

_WORD = 2**64


def step_generator(seed: int, step: int, device: torch.device | None = None) -> torch.Generator:
    """A generator for the noise of one step: nothing is carried from step to step, so nothing is lost when a training resumes.

    It starts from SplitMix64 hashes of seed and step, so that neighbouring steps draw unlike numbers, and others than the
    order of the rows and the first weights, which start from the seed itself.

    Args:
        seed: of the training.
        step: its number.
        device: where numbers are drawn; None is the CPU. Devices draw differently.

    Example:
        >>> first, again, next_one = (torch.rand(2, generator=step_generator(0, step)) for step in (7, 7, 8))
        >>> torch.equal(first, again), torch.equal(first, next_one)
        (True, False)

    Source: Steele, Lea and Flood (2014), Fast splittable pseudorandom number generators.
    """
    # A generator of the CPU keeps 32 bits of its seed alone: the lowest, which the hash has mixed with all others.
    return torch.Generator(device or "cpu").manual_seed(_mixed(_mixed(seed % _WORD) + step) >> 1)


def _mixed(value: int) -> int:
    value = (value + 0x9E3779B97F4A7C15) % _WORD
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) % _WORD
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) % _WORD
    return value ^ (value >> 31)
