"""How near one picture is to another: the luminance that is compared, PSNR, and SSIM.

Pictures are [N, C, H, W], their values from 0 to `peak`.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from leadline.errors import ArgumentError
from leadline.metrics.weighting import exact, row_weights, weighted_mean

# Rec. 601 in digital form: black is 16, white 235.
_BLACK, _RED, _GREEN, _BLUE = 16.0, 65.481, 128.553, 24.966
_MOST = 100.0  # dB: equal pictures have an infinite PSNR, and no mean could hold one
_WINDOW, _SIGMA = 11, 1.5
_K1, _K2 = 0.01, 0.03


def luminance(pictures: Tensor) -> Tensor:
    """The luminance of colour pictures, which is what enlargements are compared by: eyes see errors in it most.

    Y = 16 + (65.481 R + 128.553 G + 24.966 B) / 255, from 16 for black to 235 for white.

    Args:
        pictures: [N, 3, H, W] of red, green, blue, or [N, 1, H, W] of grey, from 0 to 255.

    Returns:
        [N, 1, H, W].

    Raises:
        ArgumentError: another shape.

    Example:
        >>> luminance(torch.tensor([0.0, 255.0]).reshape(2, 1, 1, 1)).flatten().tolist()
        [16.0, 235.0]

    Source: ITU-R BT.601; as in published super-resolution scores since Timofte et al. (2013). With luminance from 0 to 255,
    as JPEG has it, every PSNR is 20 log₁₀(255 / 219) = 1.32 dB lower.
    """
    if pictures.ndim != 4 or pictures.shape[1] not in (1, 3):
        raise ArgumentError(
            "The pictures have no luminance", expected="shape [N, 3, H, W] or [N, 1, H, W]", got=list(pictures.shape)
        )
    pictures = pictures if pictures.dtype == torch.float64 else pictures.float()
    if pictures.shape[1] == 1:
        return _BLACK + pictures * ((_RED + _GREEN + _BLUE) / 255)
    red, green, blue = pictures.unbind(1)
    return (_BLACK + (_RED * red + _GREEN * green + _BLUE * blue) / 255).unsqueeze(1)


def psnr_of_each(p: Tensor, t: Tensor, *, peak: float = 255.0) -> Tensor:
    """The peak signal-to-noise ratio of each picture, in decibels.

    PSNR = 10 log₁₀(peak² / MSE), MSE = 1/(C·H·W) Σ (p − t)². Equal pictures, whose ratio is infinite, get 100 dB, the most that
    any gets.

    Args:
        p: pictures [N, C, H, W].
        t: the true ones, the same shape.
        peak: the largest value that a picture can have.

    Returns:
        [N], in dB.

    Raises:
        ArgumentError: shapes that differ, or are no pictures; a peak that is not above 0.

    Example:
        >>> psnr_of_each(torch.zeros(1, 1, 4, 4), torch.full((1, 1, 4, 4), 25.5)).round(decimals=3).item()
        20.0
    """
    p, t = _alike(p, t, peak)
    error = (p - t).square().flatten(1).mean(1)
    return (10 * torch.log10(peak**2 / error)).clamp(max=_MOST)


def ssim_of_each(p: Tensor, t: Tensor, *, peak: float = 255.0) -> Tensor:
    """The structural similarity of each picture: 1 where the two are equal, less where contrast or structure are lost.

    SSIM = mean over windows of (2 μₚμₜ + c₁)(2 σₚₜ + c₂) / ((μₚ² + μₜ² + c₁)(σₚ² + σₜ² + c₂)), windows of 11 × 11 pixels that
    lie within the picture, weighed by a Gaussian of σ = 1.5, c₁ = (0.01 peak)², c₂ = (0.03 peak)².

    Args:
        p: pictures [N, C, H, W], at least 11 × 11; the mean is over the channels too.
        t: the true ones, the same shape.
        peak: the largest value that a picture can have.

    Returns:
        [N].

    Raises:
        ArgumentError: what `psnr_of_each` raises, or pictures smaller than a window.

    Example:
        >>> picture = torch.arange(400.0).reshape(1, 1, 20, 20).remainder(251)
        >>> round(ssim_of_each(picture, picture).item(), 6), ssim_of_each(picture, 250 - picture).item() < 0
        (1.0, True)

    Source: Wang, Bovik, Sheikh and Simoncelli (2004), Image quality assessment: from error visibility to structural similarity.
    """
    p, t = _alike(p, t, peak)
    if min(p.shape[2:]) < _WINDOW:
        raise ArgumentError(
            "The pictures are smaller than a window of SSIM",
            expected=f"at least {_WINDOW} × {_WINDOW} pixels",
            got=f"{p.shape[2]} × {p.shape[3]}",
        )
    # Variances are differences of large squares, so a shift that changes none of them saves digits in float32.
    middle = t.mean((2, 3), keepdim=True)
    p, t = p - middle, t - middle
    count, channels = p.shape[:2]
    moments = torch.stack([p, t, p * p, t * t, p * t]).flatten(0, 2).unsqueeze(1)
    away = torch.arange(_WINDOW, device=p.device, dtype=p.dtype) - _WINDOW // 2
    line = torch.softmax(-away.square() / (2 * _SIGMA**2), 0)  # the Gaussian, its sum 1
    moments = F.conv2d(F.conv2d(moments, line.reshape(1, 1, -1, 1)), line.reshape(1, 1, 1, -1))
    mp, mt, pp, tt, pt = moments.reshape(5, count, channels, *moments.shape[2:])
    c1, c2 = (_K1 * peak) ** 2, (_K2 * peak) ** 2
    contrast = (2 * (pt - mp * mt) + c2) / (pp - mp * mp + tt - mt * mt + c2)
    mp, mt = mp + middle, mt + middle
    similar: Tensor = (2 * mp * mt + c1) / (mp * mp + mt * mt + c1) * contrast
    return similar.flatten(1).mean(1)


def psnr(p: Tensor, t: Tensor, *, peak: float = 255.0, weights: Tensor | None = None) -> Tensor:
    """The mean over the pictures of their peak signal-to-noise ratios, in decibels.

    PSNR = 1/N Σᵢ PSNRᵢ, each as in `psnr_of_each`.

    Args:
        p: pictures [N, C, H, W].
        t: the true ones, the same shape.
        peak: the largest value that a picture can have.
        weights: optional weights of the pictures, [N] or [R, N].

    Returns:
        float64, [] or [R].

    Raises:
        ArgumentError: what `psnr_of_each` raises.

    Example:
        >>> psnr(torch.zeros(2, 1, 4, 4), torch.full((2, 1, 4, 4), 25.5)).round(decimals=3).item()
        20.0
    """
    return _weighted(psnr_of_each(p, t, peak=peak), weights)


def ssim(p: Tensor, t: Tensor, *, peak: float = 255.0, weights: Tensor | None = None) -> Tensor:
    """The mean over the pictures of their structural similarities.

    SSIM = 1/N Σᵢ SSIMᵢ, each as in `ssim_of_each`.

    Args:
        p: pictures [N, C, H, W], at least 11 × 11.
        t: the true ones, the same shape.
        peak: the largest value that a picture can have.
        weights: optional weights of the pictures, [N] or [R, N].

    Returns:
        float64, [] or [R].

    Raises:
        ArgumentError: what `ssim_of_each` raises.

    Example:
        >>> picture = torch.arange(400.0).reshape(1, 1, 20, 20).remainder(251)
        >>> round(ssim(picture, picture).item(), 6)
        1.0
    """
    return _weighted(ssim_of_each(p, t, peak=peak), weights)


def mean_score(p: Tensor, t: Tensor, *, weights: Tensor | None = None) -> Tensor:
    """The mean of scores that were taken picture by picture, so that redraws of the pictures need not compare them anew.

    Args:
        p: scores [N, 1].
        t: not looked at: the truth is in the scores.
        weights: optional weights of the pictures, [N] or [R, N].

    Returns:
        float64, [] or [R].

    Example:
        >>> mean_score(torch.tensor([[30.0], [34.0]]), torch.zeros(2)).item()
        32.0
    """
    return _weighted(p[:, 0], weights)


def _weighted(each: Tensor, weights: Tensor | None) -> Tensor:
    rows = exact(each)
    return weighted_mean(rows, row_weights(rows.unsqueeze(1), weights))


def _alike(p: Tensor, t: Tensor, peak: float) -> tuple[Tensor, Tensor]:
    if p.shape != t.shape or p.ndim != 4 or not p.numel():
        raise ArgumentError(
            "These are not two pictures to compare",
            expected="the same shape [N, C, H, W] for both",
            got=f"{list(p.shape)} and {list(t.shape)}",
        )
    if not peak > 0:
        raise ArgumentError("The largest value of a picture is not above 0", expected="a peak such as 255 or 1", got=peak)
    dtype = torch.float64 if torch.float64 in (p.dtype, t.dtype) else torch.float32
    return p.to(dtype), t.to(dtype)
