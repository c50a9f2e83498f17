"""Clipping is heard of: how many steps it shortens, what copies must repeat, and when it holds a training back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from leadline.diagnose import Probe, watch
from leadline.diagnose.examining import read_course
from leadline.diagnose.trials import habits_of
from leadline.diagnose.watched_steps import WatchedStep
from leadline.optim import ClipNorm
from leadline.training import Supervised, run_loop

Clip = Callable[[nn.Module], Any]


def rows(count: int = 320, seed: int = 0) -> tuple[Tensor, Tensor]:
    x = torch.randn(count, 6, generator=torch.Generator().manual_seed(seed))
    return x, (x[:, 0] + x[:, 1] > 0).long()


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 2))


def clipped_loop(clip: Clip, *, rate: float = 0.1, epochs: int = 2, parts: int = 1, before: bool = False) -> Probe:
    (x, y), model = rows(), network()
    optimizer = torch.optim.SGD(model.parameters(), rate)
    with watch(model, optimizer, loss=F.cross_entropy, valid=rows(100, 1), share=0.99) as probe:
        for _ in range(epochs):
            for inputs, targets in zip(x.split(20), y.split(20), strict=True):
                optimizer.zero_grad()
                for some, wanted in zip(inputs.chunk(parts), targets.chunk(parts), strict=True):
                    loss = F.cross_entropy(model(some), wanted)
                    loss.backward()
                clip(model)
                if before:
                    probe.step(loss, inputs, targets)
                optimizer.step()
                if not before:
                    probe.step(loss, inputs, targets)
    return probe


def by_value(model: nn.Module) -> None:
    nn.utils.clip_grad_value_(model.parameters(), 0.01)


def mean_of_parts(model: nn.Module) -> None:
    for parameter in model.parameters():
        if parameter.grad is not None:
            parameter.grad /= 5


def penalized(model: nn.Module) -> None:
    for parameter in model.parameters():
        if parameter.grad is not None:
            parameter.grad += 0.1 * parameter.detach()


CLIPS: dict[str, tuple[Clip, float | None]] = {
    "none": (lambda model: None, 0.0),
    "by norm": (lambda model: nn.utils.clip_grad_norm_(model.parameters(), 1e-2), 1.0),
    "by a norm that is never reached": (lambda model: nn.utils.clip_grad_norm_(model.parameters(), 1e3), 0.0),
    "by value": (by_value, 1.0),
    "the mean over parts, no clip": (mean_of_parts, 0.0),
    "a penalty on top, no clip": (penalized, None),
}


@pytest.mark.parametrize("name", CLIPS)
def test_the_share_of_clipped_steps_is_read(name: str) -> None:
    clip, share = CLIPS[name]
    probe = clipped_loop(clip)
    read_course(probe, probe.readings)
    assert probe.readings.steps.clipped == share


def test_it_is_the_last_of_several_backward_passes_that_counts() -> None:
    probe = clipped_loop(lambda model: nn.utils.clip_grad_norm_(model.parameters(), 1e-2), parts=4)
    read_course(probe, probe.readings)
    assert probe.readings.steps.clipped == 1.0


def test_copies_are_clipped_as_the_persons_steps_are() -> None:
    probe = clipped_loop(lambda model: nn.utils.clip_grad_norm_(model.parameters(), 0.2), rate=0.5, epochs=6)
    read_course(probe, probe.readings)
    steps = probe.readings.steps
    assert steps.clipped is not None
    assert 0 < steps.clipped < 1
    subject = probe.subject()
    assert subject is not None
    assert habits_of(subject, probe.readings).clip == pytest.approx(0.2, rel=1e-3)


def test_the_loop_of_leadline_is_heard_as_well() -> None:
    (x, y), model = rows(), network()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    probe = Probe(model, (optimizer,), loss=F.cross_entropy, share=0.99)
    step = Supervised(model, F.cross_entropy, optimizer, clip=ClipNorm(1e-2))
    run_loop(WatchedStep(step, probe), list(zip(x.split(20), y.split(20), strict=True)), epochs=1)
    read_course(probe, probe.readings)
    assert probe.readings.steps.clipped == 1.0


def test_a_clip_that_holds_every_step_is_named_as_what_is_wrong() -> None:
    probe = clipped_loop(lambda model: nn.utils.clip_grad_norm_(model.parameters(), 1e-4), epochs=8)
    verdict = probe.findings(confirm=2)
    first = verdict[0]
    assert first.kind == "rate_too_low", str(verdict)
    assert "clipped" in first.cause
    assert "clip_grad_norm_" in first.remedy.code


def test_a_clip_that_holds_every_step_of_a_sound_training_is_no_fault() -> None:
    verdict = clipped_loop(lambda model: nn.utils.clip_grad_norm_(model.parameters(), 0.1), rate=2.0, epochs=8).findings(
        confirm=2
    )
    assert verdict.healthy, str(verdict)


@pytest.mark.parametrize("when", ["between", "late", "late and wide", "zeroed after"])
def test_a_clip_that_comes_after_the_step_is_no_clip(when: str) -> None:
    (x, y), model = rows(), network()
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    with watch(model, optimizer, loss=F.cross_entropy, share=0.99) as probe:
        for inputs, targets in zip(x.split(20), y.split(20), strict=True):
            optimizer.zero_grad()
            F.cross_entropy(model(inputs), targets).backward()  # type: ignore[no-untyped-call]
            if when == "between":
                nn.utils.clip_grad_norm_(model.parameters(), 0.01)
            optimizer.step()
            if when.startswith("late"):
                nn.utils.clip_grad_norm_(model.parameters(), 0.01 if when == "late" else 1e3)
            if when == "zeroed after":
                optimizer.zero_grad(set_to_none=False)
            probe.step(F.cross_entropy(model(inputs), targets), inputs, targets)
    causes = [each.cause for each in probe.findings(confirm=0) if "once the step has been taken" in each.cause]
    assert bool(causes) == (when == "late")


def test_gradients_of_the_next_step_are_no_clip_of_the_last() -> None:
    (x, y), model = rows(), network()
    optimizer = torch.optim.Adam(model.parameters(), 0.03)
    with watch(model, optimizer, loss=F.cross_entropy, share=0.99) as probe:
        for _ in range(60):  # on the same rows gradients only get shorter
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()  # type: ignore[no-untyped-call]
            probe.step(loss, x, y)
            optimizer.step()
    assert not any(sample.clipped_late for sample in probe.readings.steps.samples)
