"""Whether drawn samples are as different from each other as real ones, cover them, and are more than copies.

All take rows of features or of pixels; what counts as near is what is near there.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from leadline.errors import ArgumentError
from leadline.metrics.sample_distances import check_feature_rows

_BLOCK = 1024  # rows of a table of distances
_TABLE = 2**25  # its entries at most: 128 MiB
_AGAIN = 8  # nearest by the fast formula whose distances are taken exactly
# Below these a set of samples counts as collapsed. On a classifier's features of MNIST, drawings after one epoch (Fréchet
# distance 9.7, from 370 at its worst) have 0.60, 1.35 and 0.19, after seven 0.69, 1.40 and 0.35; of that last generator, led on
# against a discriminator that stands still, 0.40, 0.87 and 0.02 after 50 steps and 0.26, 0.56 and 0.001 after 150.
_PAIRWISE, _NEAREST, _COVERAGE = 0.45, 0.3, 0.04
_COPIED_RATIO, _COPIED_SHARE = 0.5, 0.1  # below and beyond which samples count as copies


class SampleSpread(NamedTuple):
    """How different samples are, each number relative to as many real pictures: 1 where they are as different as those.

    `pairwise` is the ratio of mean distances between two of a set, `nearest` that of mean distances to the nearest other one,
    and `coverage` the share of real pictures that have a sample among their neighbours.

    Example:
        >>> SampleSpread(0.1, 0.02, 0.01).collapsed, SampleSpread(0.97, 0.8, 0.7).collapsed
        (True, False)
    """

    pairwise: float
    nearest: float
    coverage: float

    @property
    def collapsed(self) -> bool:
        """Whether the samples are so alike that the generator has lost most of what there is to draw."""
        return bool(self.told)

    @property
    def told(self) -> str:
        """What is wrong with the samples in one sentence, or "" where nothing is."""
        if self.pairwise < _PAIRWISE:
            return (
                f"The generator has collapsed: two of its drawings differ {self.pairwise:.2f} times as much as two real "
                f"pictures do (about 1 is sound)."
            )
        if self.nearest < _NEAREST:
            return (
                f"The generator draws a few pictures again and again: from one drawing to the most alike other one it is "
                f"{self.nearest:.2f} times as far as among real pictures (about 1 is sound)."
            )
        # Where real pictures repeat themselves, none has a neighbourhood that a drawing could be in.
        if self.coverage < _COVERAGE and math.isfinite(self.nearest):
            return (
                f"The generator leaves out most of what is real: {self.coverage:.0%} of the real pictures have a drawing "
                f"near them."
            )
        return ""


def sample_spread(samples: Tensor, real: Tensor, *, neighbours: int = 5) -> SampleSpread:
    """Mode collapse, measured: how far samples lie from each other, beside as many real rows.

    pairwise = mean over i ≠ j of ‖xᵢ − xⱼ‖ over that of the real rows; nearest = mean over i of min over j ≠ i of ‖xᵢ − xⱼ‖
    over that of the real rows; coverage as in `coverage`. One picture drawn again and again has 0 in all; a handful of pictures
    drawn in turn has a pairwise distance as of real ones, and shows in the nearest.

    The larger set is cut to the size of the smaller, for distances to the nearest shrink with the number of rows.

    Args:
        samples: [N, D].
        real: [M, D], in no order.
        neighbours: k of the coverage.

    Errors: `ArgumentError` for other shapes, k + 1 rows or fewer, or real rows that are all the same.

    Example:
        >>> real = torch.randn(200, 4, generator=torch.Generator().manual_seed(0))
        >>> sample_spread(real[:100] * 0.01, real[100:]).collapsed
        True
    """
    check_feature_rows(samples, real, least=neighbours + 2)
    count = min(len(samples), len(real))
    samples, real = samples[:count].detach().double(), real[:count].detach().double()
    ours, theirs = mean_pairwise_distance(samples), mean_pairwise_distance(real)
    nearest = [float(_nearest(rows, rows, 1, others=True)[0].mean()) for rows in (samples, real)]
    if not theirs > 0:
        raise ArgumentError("The real rows are all the same, so nothing can be as different as they are", got=f"{count} rows")
    return SampleSpread(
        float(ours / theirs),
        nearest[0] / nearest[1] if nearest[1] > 0 else math.inf if nearest[0] > 0 else 1.0,
        float(coverage(samples, real, neighbours=neighbours)),
    )


def mean_pairwise_distance(rows: Tensor) -> Tensor:
    """The mean Euclidean distance of two different rows: 1 / (N (N − 1)) Σ over i ≠ j of ‖xᵢ − xⱼ‖.

    Args:
        rows: [N, D], N of at least 2.

    Returns:
        [], float64.

    Errors: `ArgumentError` for another shape or a single row.

    Example:
        >>> mean_pairwise_distance(torch.tensor([[0.0, 0.0], [3.0, 4.0], [3.0, 4.0]])).round(decimals=4).item()
        3.3333
    """
    if rows.ndim != 2 or len(rows) < 2:
        raise ArgumentError("There are no two rows to compare", expected="[N, D] with N ≥ 2", got=list(rows.shape))
    rows = rows.detach().double()
    rows = rows - rows.mean(dim=0)
    total = rows.new_zeros(())
    for start in range(0, len(rows), _BLOCK):
        total += torch.cdist(rows[start : start + _BLOCK], rows).sum()
    return total / (len(rows) * (len(rows) - 1))


def nearest_rows_of(queries: Tensor, among: Tensor, *, count: int = 1) -> tuple[Tensor, Tensor]:
    """The rows nearest to each query by Euclidean distance, the nearest first: which training pictures a drawing is like.

    All are compared by ‖q‖² + ‖a‖² − 2 q·a in the precision that comes, and the distances of the few nearest are then taken
    exactly, so that a copy has a distance of 0.

    Args:
        queries: [Q, D].
        among: [A, D], with at least `count` rows.
        count: how many of each.

    Returns:
        Distances [Q, count] and row numbers, int64 [Q, count].

    Errors: `ArgumentError` for other shapes, or too few rows.

    Example:
        >>> nearest_rows_of(torch.tensor([[0.0, 1.0]]), torch.tensor([[9.0, 9.0], [0.0, 1.0], [0.0, 3.0]]), count=2)
        (tensor([[0., 2.]]), tensor([[1, 2]]))
    """
    check_feature_rows(queries, among, least=1)
    if not 1 <= count <= len(among):
        raise ArgumentError("There are not so many rows to be near", expected=f"a count from 1 to {len(among)}", got=count)
    return _nearest(queries.detach(), among.detach(), count, others=False)


def coverage(samples: Tensor, real: Tensor, *, neighbours: int = 5) -> Tensor:
    """The share of real rows that have a sample within the distance of their k-th nearest real neighbour.

    coverage = 1/M Σⱼ 1[minᵢ ‖xᵢ − yⱼ‖ ≤ distance of yⱼ to its k-th nearest other real row]. For as many samples from the same
    distribution it is 1 − Π over i < k of (M − 1 − i) / (2M − 1 − i), about 1 − 2⁻ᵏ.

    Args:
        samples: [N, D].
        real: [M, D], M above k.
        neighbours: k, at least 1.

    Returns:
        [], float64, in [0, 1].

    Errors: `ArgumentError` for other shapes or too few rows.

    Example:
        >>> real = torch.tensor([[0.0], [1.0], [10.0], [11.0]])
        >>> coverage(torch.tensor([[0.4], [0.5]]), real, neighbours=1).item()
        0.5

    Source: Naeem et al. (2020), Reliable fidelity and diversity metrics for generative models.
    """
    if not isinstance(neighbours, int) or neighbours < 1:
        raise ArgumentError("The neighbours of a real row are out of range", expected="at least 1", got=neighbours)
    check_feature_rows(samples, real, least=1)
    if len(real) <= neighbours:
        raise ArgumentError("There are too few real rows", expected=f"more than {neighbours}", got=len(real))
    samples, real = samples.detach().double(), real.detach().double()
    reach = _nearest(real, real, neighbours, others=True)[0][:, -1]
    found = _nearest(real, samples, 1, others=False)[0][:, 0]
    return (found <= reach).double().mean()


class Copying(NamedTuple):
    """Whether samples are nearer to the training rows than new real rows are.

    `ratio` is the median distance of a sample to its nearest training row over that of a held-out real row: near 1 or above
    where the generator makes up what it draws, near 0 where it copies. `share` is how many samples are nearer than all but one
    in a hundred of the held-out rows: 0.01 where they are as near as those.

    Example:
        >>> Copying(0.05, 0.9).copies, Copying(1.1, 0.02).copies
        (True, False)
    """

    ratio: float
    share: float

    @property
    def copies(self) -> bool:
        """Whether the samples are so near to training rows that the generator has to be said to copy."""
        return self.ratio < _COPIED_RATIO or self.share > _COPIED_SHARE


def copying(samples: Tensor, training: Tensor, held_out: Tensor) -> Copying:
    """How much nearer samples lie to the training rows than real rows that were held out.

    Args:
        samples: [N, D].
        training: [T, D], what the generator has learnt from.
        held_out: real rows that it has not seen [M, D].

    Errors: `ArgumentError` for other shapes, no rows, or held-out rows that are all among the training rows.

    Example:
        >>> rows = torch.randn(300, 3, generator=torch.Generator().manual_seed(0))
        >>> copying(rows[:50], rows[:200], rows[200:])  # the samples are training rows
        Copying(ratio=0.0, share=1.0)
    """
    ours = nearest_rows_of(samples, training)[0][:, 0].double()
    theirs = nearest_rows_of(held_out, training)[0][:, 0].double()
    middle = float(theirs.median())
    if not middle > 0:
        raise ArgumentError("Most held-out rows are training rows too", do="Compare with rows that the generator has not seen.")
    return Copying(float(ours.median()) / middle, float((ours < torch.quantile(theirs, 0.01)).double().mean()))


def _nearest(queries: Tensor, among: Tensor, count: int, *, others: bool) -> tuple[Tensor, Tensor]:
    """As `nearest_rows_of`; with `others` row i of the queries is row i of the rest, and does not count itself."""
    middle = among.mean(dim=0)  # large common parts would cost digits
    queries, among = queries - middle, among - middle
    lengths = among.square().sum(dim=1)
    taken = min(len(among) - others, count + _AGAIN)
    distances, rows = [], []
    block = max(1, min(_BLOCK, _TABLE // len(among)))
    for start in range(0, len(queries), block):
        part = queries[start : start + block]
        near = torch.addmm(lengths, part, among.T, alpha=-2)
        if others:
            near[torch.arange(len(part)), torch.arange(start, start + len(part))] = math.inf
        likely = near.topk(taken, dim=1, largest=False).indices
        exact = torch.linalg.vector_norm(among[likely] - part[:, None], dim=2)
        value, at = exact.sort(dim=1, stable=True)
        distances.append(value[:, :count])
        rows.append(likely.gather(1, at[:, :count]))
    return torch.cat(distances), torch.cat(rows)
