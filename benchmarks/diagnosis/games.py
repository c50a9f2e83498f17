"""Small adversarial programs as people write them, sound ones and such with one fault, under `leadline.diagnose.watch`.

    python benchmarks/diagnosis/games.py [--seeds 2] [--only WORDS] [--steps 1500]

For each: the energy distance of fresh drawn rows from real ones that were held out, over the distance of two real ones; what
the watch heard; the verdict. A fault counts where that distance is more than twice the largest of the sound programs on the
same data. The last lines tell how many sound ones had an alarm, and how many harmful faults were found.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm


@dataclass(frozen=True)
class Program:
    """A generator, a rival, and how they are trained."""

    data: str
    loss: str = "non-saturating"
    latent: int = 8
    width: int = 64
    rates: tuple[float, float] = (1e-3, 1e-3)
    betas: tuple[float, float] = (0.5, 0.999)
    batch: int = 64
    norm: str = ""
    critic_steps: int = 1
    zero_noise: bool = False
    detached: bool = False
    rival_stands: bool = False
    sign: float = 1.0
    end: str = ""
    squashed: bool = False
    one_pass: bool = False
    noise_on_pictures: float = 0.0
    head_start: int = 0
    rest: dict[str, Any] = field(default_factory=dict)


SOUND: dict[str, Program] = {
    "numbers": Program("numbers", latent=2, width=32),
    "ring": Program("ring", width=96),
    "ring, one pass": Program("ring", width=96, one_pass=True),
    "ring, least squares": Program("ring", "least squares", width=96),
    "ring, wasserstein": Program("ring", "wasserstein", width=96, critic_steps=5, rates=(5e-4, 5e-4)),
    "digits": Program("digits", latent=16, width=128, rates=(5e-4, 5e-4), end="tanh"),
    "digits, hinge": Program("digits", "hinge", latent=16, width=128, norm="spectral", end="tanh"),
    "digits, normalized": Program("digits", latent=16, width=128, norm="batch", rates=(1e-3, 5e-4), end="tanh"),
    "digits, noise added": Program("digits", latent=16, width=128, rates=(5e-4, 5e-4), end="tanh", noise_on_pictures=0.1),
    "digits, minimax": Program("digits", "minimax", latent=16, width=128, rates=(5e-4, 2e-4), end="tanh"),
}
FAULTS: dict[str, Callable[[Program], Program]] = {
    "rival's rate × 30": lambda p: replace(p, rates=(p.rates[0], 30 * p.rates[1])),
    "generator's rate × 50": lambda p: replace(p, rates=(50 * p.rates[0], p.rates[1])),
    "generator's rate ÷ 1000": lambda p: replace(p, rates=(p.rates[0] / 1000, p.rates[1])),
    "noise of zeros": lambda p: replace(p, zero_noise=True),
    "generator's loss of detached rows": lambda p: replace(p, detached=True),
    "rival never steps": lambda p: replace(p, rival_stands=True),
    "generator's loss with the other sign": lambda p: replace(p, sign=-1.0),
    "sigmoid twice": lambda p: replace(p, squashed=True),
    "minimax against a rival far ahead": lambda p: replace(p, loss="minimax", head_start=300, critic_steps=5),
    "outputs that cannot reach the data": lambda p: replace(p, end="relu minus 3"),
}


def rows_of(data: str, count: int, seed: int) -> Tensor:
    random = torch.Generator().manual_seed(seed)
    if data == "numbers":
        return 4 + 0.5 * torch.randn(count, 1, generator=random)
    if data == "ring":
        angle = torch.randint(8, (count,), generator=random) * torch.pi / 4
        return torch.stack([angle.cos(), angle.sin()], 1) + 0.05 * torch.randn(count, 2, generator=random)
    pictures = torch.from_numpy(load_digits().data).float() / 8 - 1
    return pictures[torch.randperm(len(pictures), generator=random)[:count]]


class Ended(nn.Module):
    def __init__(self, end: str) -> None:
        super().__init__()
        self.end = end

    def forward(self, x: Tensor) -> Tensor:
        return {"tanh": x.tanh(), "relu minus 3": -3 - x.relu()}.get(self.end, x)


def networks(program: Program, features: int) -> tuple[nn.Module, nn.Module]:
    def block(before: int, after: int, rival: bool) -> list[nn.Module]:
        layer: nn.Module = nn.Linear(before, after)
        layer = spectral_norm(layer) if program.norm == "spectral" and rival else layer
        normed = [nn.BatchNorm1d(after)] if program.norm == "batch" and not rival else []
        return [layer, *normed, nn.LeakyReLU(0.2) if rival else nn.ReLU()]

    width = program.width
    generator = nn.Sequential(
        *block(program.latent, width, False), *block(width, width, False), nn.Linear(width, features), Ended(program.end)
    )
    rival = nn.Sequential(*block(features, width, True), *block(width, width, True), nn.Linear(width, 1))
    return generator, rival


def losses(program: Program) -> tuple[Callable[[Tensor, Tensor], Tensor], Callable[[Tensor], Tensor]]:
    """Of the rival (real, drawn), of the generator (drawn)."""
    bce = F.binary_cross_entropy_with_logits
    squash = torch.sigmoid if program.squashed else lambda x: x
    table: dict[str, Any] = {
        "non-saturating": (
            lambda r, d: bce(squash(r), torch.ones_like(r)) + bce(squash(d), torch.zeros_like(d)),
            lambda d: bce(squash(d), torch.ones_like(d)),
        ),
        "minimax": (
            lambda r, d: bce(squash(r), torch.ones_like(r)) + bce(squash(d), torch.zeros_like(d)),
            lambda d: -bce(squash(d), torch.zeros_like(d)),
        ),
        "least squares": (lambda r, d: (r - 1).square().mean() + d.square().mean(), lambda d: (d - 1).square().mean()),
        "hinge": (lambda r, d: F.relu(1 - r).mean() + F.relu(1 + d).mean(), lambda d: -d.mean()),
        "wasserstein": (lambda r, d: d.mean() - r.mean(), lambda d: -d.mean()),
    }
    return table[program.loss]


def slope_penalty(rival: nn.Module, real: Tensor, drawn: Tensor, random: torch.Generator) -> Tensor:
    between = torch.lerp(drawn, real, torch.rand(len(real), 1, generator=random)).requires_grad_()
    [slope] = torch.autograd.grad(rival(between).sum(), between, create_graph=True)
    return 10 * (slope.norm(dim=1) - 1).square().mean()


def trained(program: Program, seed: int, steps: int, watch: Any) -> tuple[nn.Module, Any, float]:
    """The generator, its probe, and seconds."""
    torch.manual_seed(seed)
    train = rows_of(program.data, 1200, seed)
    generator, rival = networks(program, train.shape[1])
    ours, theirs = (
        torch.optim.Adam(each.parameters(), rate, betas=program.betas)
        for each, rate in zip((generator, rival), program.rates, strict=True)
    )
    of_rival, of_generator = losses(program)
    random = torch.Generator().manual_seed(seed)

    def batch() -> tuple[Tensor, Tensor]:
        noise = torch.randn(program.batch, program.latent, generator=random)
        real = train[torch.randint(len(train), (program.batch,), generator=random)]
        return noise * (not program.zero_noise), real

    def added(rows: Tensor) -> Tensor:
        return (
            rows + program.noise_on_pictures * torch.randn(rows.shape, generator=random) if program.noise_on_pictures else rows
        )

    def rivals_step(noise: Tensor, real: Tensor) -> None:
        drawn = generator(noise).detach()
        if program.one_pass:
            told = rival(torch.cat([real, drawn])).split(len(real))
        else:
            told = rival(added(real)), rival(added(drawn))
        loss = of_rival(*told)
        if program.loss == "wasserstein":
            loss = loss + slope_penalty(rival, real, drawn, random)
        theirs.zero_grad()
        loss.backward()
        if not program.rival_stands:
            theirs.step()

    for _ in range(program.head_start):
        rivals_step(*batch())
    began = time.process_time()
    with watch(generator, ours, rival=rival) as probe:
        for _ in range(steps):
            for _ in range(program.critic_steps):
                noise, real = batch()
                rivals_step(noise, real)
            drawn = generator(noise)
            loss = program.sign * of_generator(rival(added(drawn.detach().requires_grad_() if program.detached else drawn)))
            ours.zero_grad()
            loss.backward()
            ours.step()
            probe.step(loss, noise, real)
    return generator, probe, time.process_time() - began


def distance(generator: nn.Module, program: Program) -> float:
    """The energy distance of drawn rows from held-out real ones, over the distance of two real ones."""
    real = rows_of(program.data, 500, 999)
    noise = torch.randn(500, program.latent, generator=torch.Generator().manual_seed(5)) * (not program.zero_noise)
    with torch.no_grad():
        drawn = generator.eval()(noise)
    apart = 500 / 499
    among, within = torch.cdist(real, real).mean() * apart, torch.cdist(drawn, drawn).mean() * apart
    return float((2 * torch.cdist(real, drawn).mean() - among - within) / among)


def main() -> None:
    from leadline.diagnose import watch

    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seeds", type=int, default=2)
    options.add_argument("--steps", type=int, default=1500)
    options.add_argument("--only", default="", help="only those with these words in their names; several by comma")
    chosen = options.parse_args()
    torch.set_num_threads(1)
    wanted = [(name, "", program) for name, program in SOUND.items()]
    wanted += [(name, fault, change(SOUND[name])) for fault, change in FAULTS.items() for name in ("ring", "digits")]
    worst: dict[str, float] = {}
    alarms, found, harmful, sound = 0, 0, 0, 0
    for name, fault, program in wanted:
        if not any(word in f"{name} {fault}" for word in chosen.only.split(",")):
            continue
        for seed in range(chosen.seeds):
            generator, probe, seconds = trained(program, seed, chosen.steps, watch)
            far, verdict = distance(generator, program), probe.findings()
            kinds = ", ".join(each.kind for each in verdict) or "healthy"
            if not fault:
                worst[program.data] = max(worst.get(program.data, 0.0), far)
                alarms, sound = alarms + bool(verdict), sound + 1
            hurts = bool(fault) and far > 2 * worst.get(program.data, 0.0)
            harmful, found = harmful + hurts, found + (hurts and bool(verdict))
            rounds = probe.readings.game.rounds
            course = [
                rounds[at] for at in sorted({0, len(rounds) // 8, len(rounds) // 3, 2 * len(rounds) // 3, len(rounds) - 1})
            ]
            told = "; ".join(
                f"{each.step}: right {each.right or -1:.2f} spread {each.spread:.2f} far {each.far:.2f} "
                f"g {each.gradient or 0:.1e} towards {each.towards}"
                for each in course
            )
            print(f"{name}{' · ' + fault if fault else ''} [{seed}] far {far:.3f}{' HURTS' if hurts else ''} {seconds:.1f} s, "
                  f"{len(rounds)} rounds: {kinds}\n    {told}", flush=True)  # fmt: skip
            for each in verdict:
                print(f"    {each.kind}: {each.cause} {'; '.join(map(str, each.evidence))}", flush=True)
    print(f"sound with an alarm {alarms} of {sound}; harmful faults found {found} of {harmful}")


if __name__ == "__main__":
    main()
