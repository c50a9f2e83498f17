"""What a batch says of the game of two networks: who leads, and how various the drawings are."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

# Healthy trainings of the step's tests and of benchmarks/gan.py stay within these by far.
_WON = 0.98
_BLIND_SHARE, _BLIND_LEAD = 0.55, 0.05


@torch.no_grad()
def game_readings(real: Tensor, fake: Tensor, real_logits: Tensor, fake_logits: Tensor) -> dict[str, Tensor]:
    """Who leads in one batch, and how various the drawings are beside the pictures; scalars on the device.

    real_right = share of real logits above 0; fake_right = share of fake ones below 0; real_logit and fake_logit = means;
    spread = √(Σ variance over the batch of each drawn pixel / Σ of each real one).

    Args:
        real: pictures [N, …].
        fake: drawings [N, …].
        real_logits: [N].
        fake_logits: [N].

    Example:
        >>> pictures = torch.tensor([[0.0], [1.0]])
        >>> told = game_readings(pictures, pictures / 2, torch.tensor([2.0, -1.0]), torch.tensor([-3.0, -1.0]))
        >>> {name: round(value.item(), 2) for name, value in told.items()}
        {'real_right': 0.5, 'fake_right': 1.0, 'real_logit': 0.5, 'fake_logit': -2.0, 'spread': 0.5}
    """
    # Of centred pixels, and not as a difference of squares, of which a collapsed batch would leave rounding.
    spread = [(each - each.mean(dim=0)).square().sum() for each in (fake.float(), real.float())]
    return {
        "real_right": (real_logits > 0).float().mean(),
        "fake_right": (fake_logits < 0).float().mean(),
        "real_logit": real_logits.float().mean(),
        "fake_logit": fake_logits.float().mean(),
        "spread": (spread[0] / spread[1].clamp_min(1e-12)).sqrt(),
    }


def game_told(record: Mapping[str, float], *, loss: str = "") -> str:
    """What the readings of an epoch say in one sentence, or "" where the game is sound.

    In the first hundreds of steps a discriminator that has won is nothing unusual: ask later. Whether the drawings have
    collapsed is for `metrics.sample_spread` to say, on more of them than a batch and on features.

    Args:
        record: of the history, with the columns of `game_readings`.
        loss: of the step; the scores of a wasserstein critic have no middle, so that no share of them is right or wrong.

    Example:
        >>> record = {"real_right": 0.999, "fake_right": 1.0, "real_logit": 9.0, "fake_logit": -9.0, "spread": 0.9}
        >>> game_told(record)[:53]
        'The discriminator has won: it tells 99.9 % of real an'
        >>> game_told(record | {"real_right": 0.8})
        ''
    """
    if loss.lstrip().startswith("wasserstein"):
        return ""
    right = min(record["real_right"], record["fake_right"])
    lead = record["real_logit"] - record["fake_logit"]
    if right > _WON:
        return (
            f"The discriminator has won: it tells {100 * right:.1f} % of real and drawn pictures, and the generator learns "
            "little from it. Lower its learning rate, augment, or take the loss wasserstein."
        )
    if max(record["real_right"], record["fake_right"]) < _BLIND_SHARE and lead < _BLIND_LEAD:
        return (
            f"The discriminator can tell nothing: it has {100 * right:.0f} % of the pictures right. Raise its learning rate or "
            "its width, unless the drawings have become perfect."
        )
    return ""
