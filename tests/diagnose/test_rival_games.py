"""Generators with a rival, watched in loops of one's own: sound ones, and the ways in which they fail."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from leadline.diagnose import Probe, Readings, Verdict, watch
from leadline.diagnose.rival_games import RivalGame, share_told_apart
from leadline.diagnose.rival_readings import Round
from leadline.diagnose.rules.judging import judge_readings


def played(
    steps: int = 40,
    *,
    watched: bool = True,
    drawn_to_rival: Callable[[Tensor], Tensor] = torch.Tensor.detach,
    one_pass: bool = False,
    generator_first: bool = False,
    label: float = 1.0,
    cut: bool = False,
    stands: bool = False,
    slopes: bool = False,
) -> tuple[nn.Module, Probe]:
    """A loop as people write it; numbers around 4 are to be drawn."""
    torch.manual_seed(0)
    generator = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 1))
    rival = nn.Sequential(nn.Linear(1, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1))
    ours, theirs = (torch.optim.Adam(each.parameters(), 1e-3, betas=(0.5, 0.999)) for each in (generator, rival))
    bce = F.binary_cross_entropy_with_logits

    def teach_rival(real: Tensor, drawn: Tensor) -> None:
        told = drawn_to_rival(drawn)
        one, other = rival(torch.cat([told, real])).split(len(real))[::-1] if one_pass else (rival(real), rival(told))
        loss = bce(one, torch.ones_like(one)) + bce(other, torch.zeros_like(other))
        if slopes:
            between = torch.lerp(real, drawn.detach(), 0.5).requires_grad_()
            loss = loss + torch.autograd.grad(rival(between).sum(), between, create_graph=True)[0].square().mean()
        theirs.zero_grad()
        loss.backward(retain_graph=True)
        if not stands:
            theirs.step()

    def teach_generator(noise: Tensor) -> Tensor:
        scores = rival(generator(noise).detach() if cut else generator(noise))
        loss = bce(scores, torch.full_like(scores, label))
        ours.zero_grad()
        loss.backward()
        ours.step()
        return loss

    probe = watch(generator, ours, rival=rival, share=0.99)
    if watched:
        probe.__enter__()
    for _ in range(steps):
        noise, real = torch.randn(32, 2), 4 + 0.5 * torch.randn(32, 1)
        loss = teach_generator(noise) if generator_first else None
        teach_rival(real, generator(noise))
        loss = teach_generator(noise) if loss is None else loss
        if watched:
            probe.step(loss, noise, real)
    probe.end()
    return generator, probe


WAYS = {
    "detached": {},
    "in the graph": {"drawn_to_rival": lambda drawn: drawn},
    "with noise on it": {"drawn_to_rival": lambda drawn: drawn.detach() + 0.01 * torch.randn_like(drawn)},
    "one pass": {"one_pass": True},
    "the generator first": {"generator_first": True},
    "the generator first, in the graph": {"generator_first": True, "drawn_to_rival": lambda drawn: drawn},
    "a penalty on slopes": {"slopes": True},
}


@pytest.mark.parametrize("way", WAYS)
def test_real_and_drawn_rows_are_known_from_each_other(way: str) -> None:
    _, probe = played(**WAYS[way])
    first = probe.readings.game.rounds[0]
    assert first.right == 1.0  # drawn around 0, real around 4: any network tells them apart
    assert first.spread < 0.5
    assert first.far > 5
    assert all(each.towards for each in probe.readings.game.rounds)
    assert len(probe.readings.game.rounds) > 8
    assert first.gradient == pytest.approx(sum(norm**2 for norm in probe.readings.steps.samples[0].gradient) ** 0.5)


def test_watching_a_game_changes_no_weight() -> None:
    with_, without = (dict(played(watched=watched)[0].named_parameters()) for watched in (True, False))
    assert all(torch.equal(with_[name], without[name]) for name in without)


def kinds(verdict: Verdict) -> list[str]:
    return [finding.kind for finding in verdict]


@pytest.mark.parametrize("way", ["detached", "in the graph", "one pass"])
def test_a_sound_game_is_called_sound(way: str) -> None:
    verdict = played(**WAYS[way])[1].findings()
    assert verdict.healthy, str(verdict)
    assert "rival" in verdict.outcome
    assert verdict.judged


def test_a_generator_that_helps_its_rival_is_told_of() -> None:
    verdict = played(label=0.0)[1].findings()
    assert kinds(verdict)[0] == "head_or_loss_wrong", str(verdict)
    assert "rival" in verdict[0].remedy.code


def test_a_rival_that_never_steps_is_told_of() -> None:
    verdict = played(stands=True)[1].findings()
    assert kinds(verdict)[0] == "not_training", str(verdict)
    assert verdict[0].where == "rival"


def test_a_generator_that_is_cut_off_is_told_of() -> None:
    verdict = played(cut=True)[1].findings()
    assert kinds(verdict)[0] == "not_training", str(verdict)


def test_hooks_are_gone_afterwards() -> None:
    generator, probe = played(steps=3)
    assert probe.game is not None
    both = (*generator.modules(), *probe.game.rival.modules())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in both)


def game(course: Callable[[float], tuple[float, float, float, float]], steps: int = 2000) -> Readings:
    """Readings of a game whose (right, spread, far, gradient) go as they are said, of the share that is done."""
    readings = Readings()
    readings.game.watched = True
    for at in range(0, steps + 1, steps // 40):
        right, spread, far, gradient = course(at / steps)
        readings.game.rounds.append(Round(at, right, spread, far, gradient, True))
    return readings


COURSES: dict[str, tuple[Readings, list[str]]] = {
    "it learns": (game(lambda t: (0.7, min(1.0, 0.1 + t), 1.2 - t, 1.0)), []),
    "the rival leads, the generator follows": (game(lambda t: (0.99, 0.9, 1.2 - t, 5.0)), []),
    "it learns slowly": (game(lambda t: (0.97, 0.2, 1.2 - 0.5 * t, 1.0)), []),
    "it has hardly begun": (game(lambda t: (1.0, 0.1, 1.2, 1.0), steps=200), []),
    "it collapses": (game(lambda t: (0.8, 0.9 if t < 0.5 else 0.05, 0.7, 1.0)), ["adversarial_collapse"]),
    "it swings": (game(lambda t: (0.8, 0.2 if int(20 * t) % 4 else 0.9, 0.3, 1.0)), []),
    "it began as one that has learned": (game(lambda t: (0.6, 1.0, 0.05, 1.0)), []),
    "it is never various": (game(lambda t: (1.0, 0.1, 1.0, 1.0)), ["adversarial_collapse"]),
    "the rival has won": (game(lambda t: (1.0, 0.8, 1.1, 10 ** (-6 * t))), ["adversarial_collapse"]),
    "it runs away": (game(lambda t: (1.0, 2.0, 1.0 + 20 * t * (1.4 - t), 1.0)), ["adversarial_collapse"]),
}


@pytest.mark.parametrize("course", COURSES)
def test_the_course_of_a_game_is_judged(course: str) -> None:
    readings, expected = COURSES[course]
    verdict = judge_readings(Readings.from_json(readings.to_json()))
    assert kinds(verdict) == expected, str(verdict)


def test_a_gradient_that_has_vanished_is_told_with_the_rival() -> None:
    (finding,) = judge_readings(COURSES["the rival has won"][0])
    assert "no gradient is left" in finding.cause
    assert any("gradient" in measure.name and not measure.usual for measure in finding.evidence)


def test_scores_that_are_the_wrong_way_round_are_told_apart_too() -> None:
    low, high = torch.zeros(5), torch.ones(5)
    assert share_told_apart(low, high) == share_told_apart(high, low) == 1.0
    assert share_told_apart(low, low) == 0.5


def test_a_step_without_a_drawing_is_no_round() -> None:
    rival = nn.Linear(1, 1)
    heard = RivalGame(nn.Linear(2, 1), rival, ())
    heard.arm()
    rival(torch.ones(3, 1))
    assert heard.heard(0, None, None) is None
