"""Copies in one program learn what each learns alone; networks that this is not for are trained one after another."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import LBFGS, SGD, Adam, RMSprop

from leadline.diagnose.readings import Readings, Sample
from leadline.diagnose.subject import Rows, Subject, undisturbed
from leadline.diagnose.trials.branching import branches
from leadline.diagnose.trials.copied_graphs import Playing
from leadline.diagnose.trials.copied_training import CopiedTraining
from leadline.diagnose.trials.samples import a_subject, rings
from leadline.diagnose.trials.stacked_copies import StackedCopies
from leadline.diagnose.trials.together import Together
from leadline.diagnose.trials.twins import Trials, Wanted

ALIKE: list[Wanted] = [
    ("rate", 0.1), ("rate", 3.0), ("clip", 0.5), ("initialize", "auto"), ("standardize", None), ("optimizer", "adam"),
    ("decay", 0.1), ("shuffle", None), ("zero_grad", None), ("cooled", None), ("finite_rows", None),
]  # fmt: skip


class Functional(nn.Module):
    """Dropout as a function, a weight that stands twice, a buffer."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second, self.last = nn.Linear(6, 16), nn.Linear(16, 16), nn.Linear(16, 3)
        self.register_buffer("scale", torch.tensor(2.0))

    def forward(self, x: Tensor) -> Tensor:
        x = F.dropout(torch.tanh(self.first(x)), 0.2, self.training)
        x = torch.tanh(self.second(torch.relu(self.second(x))))
        return self.last(x) * self.scale


def normalized() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 16, bias=False), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 3))


def convolution() -> nn.Module:
    torch.manual_seed(0)
    body = nn.Sequential(nn.Unflatten(1, (1, 6)), nn.Conv1d(1, 4, 3), nn.ReLU(), nn.MaxPool1d(2), nn.Flatten())
    model = nn.Sequential(body, nn.Linear(8, 3))
    model[0][1].bias.requires_grad_(False)  # type: ignore[index, union-attr]
    return model


def number(outputs: Tensor, targets: Tensor) -> Tensor:
    return F.mse_loss(outputs.squeeze(1), targets.float())


SUBJECTS: dict[str, Callable[[], Subject]] = {
    "dropout as a function": lambda: a_subject(Functional(), optimizer=Adam, rate=0.01),
    "batch norm and dropout": lambda: a_subject(normalized(), rate=0.1),
    "convolution, one bias frozen": lambda: a_subject(convolution(), rate=0.1),
    "a number": lambda: a_subject(
        nn.Sequential(nn.Linear(6, 8), nn.GELU(), nn.Linear(8, 1)), loss=number, task="number", optimizer=RMSprop, rate=0.003
    ),
    "a row without a number": lambda: a_subject(rows=with_gap()),
}


def with_gap() -> Rows:
    rows = rings(600)
    rows.inputs[3, 2] = torch.nan
    return rows


def odd_habits() -> Readings:
    """Gradients that are never zeroed, rows sorted by class, a rate that falls, a clip."""
    readings = Readings()
    readings.program.steps, readings.steps.not_zeroed, readings.steps.rows_a_batch_sorted = 200, 1.0, 1.0
    readings.steps.samples = [Sample(step, 0.0, 1.0, [3.0], [], [], 0.01 * (1 - step / 250)) for step in (0, 100, 199)]
    readings.steps.clipped = 0.5
    return readings


@pytest.fixture
def however_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leadline.diagnose.trials.together._LEAST_STEPS", 0)


def compared(subject: Subject, readings: Readings | None = None, steps: int = 40) -> list[str]:
    """The changes that were trained together, which are as when they are trained one after another."""
    with undisturbed(subject):
        alone, trials = (Trials(subject, readings, steps=steps, seeds=2) for _ in range(2))
        together = Together(trials, ALIKE)
        together.run()
        assert not together.why
        for change, argument in trials.done:
            one, other = trials.run(change, argument), alone.run(change, argument)
            assert one is not None
            assert other is not None
            assert len(one.losses) == len(other.losses)
            for ours, theirs in ((one.losses, other.losses), (one.twins, other.twins), (one.errors, other.errors)):
                assert ours == pytest.approx(theirs, rel=2e-3, abs=1e-5, nan_ok=True)
            assert (one.gain, one.gain_se) == pytest.approx((other.gain, other.gain_se), rel=1e-2, abs=1e-3, nan_ok=True)
            assert all(len(trials.done[each]) >= len(one.losses) for each in trials.done)
    return [change for change, _ in trials.done]


@pytest.mark.usefixtures("however_short")
@pytest.mark.parametrize("name", SUBJECTS)
def test_copies_learn_what_each_learns_alone(name: str) -> None:
    done = compared(SUBJECTS[name]())
    assert {"rate", "clip", "initialize", "standardize", "optimizer", "decay", "cooled"} <= set(done)
    assert ("finite_rows" in done) == (name == "a row without a number")


@pytest.mark.usefixtures("however_short")
def test_the_habits_of_a_program_are_repeated() -> None:
    done = compared(a_subject(optimizer=lambda parts, lr: SGD(parts, lr, momentum=0.8), rate=0.01), odd_habits())
    assert {"shuffle", "zero_grad"} <= set(done)


@pytest.mark.usefixtures("however_short")
def test_numbers_are_the_same_again_to_the_bit() -> None:
    subject, given = a_subject(Functional(), rate=0.1), []
    for _ in range(2):
        trials = Trials(subject, steps=40)
        Together(trials, ALIKE[:4]).run()
        given.append([outcome.loss for done in trials.done.values() for outcome in done])
    assert given[0] == given[1]
    assert len(given[0]) == 12


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cells, self.last = nn.GRU(1, 8, batch_first=True), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.last(self.cells(x[:, :, None])[0][:, -1])
        return y


class Changing(nn.Module):
    """Each with what a tape of kernels would not repeat."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.kind, self.layer, self.passes = kind, nn.Linear(6, 3), 0.0

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layer(x)
        if self.kind == "noise":
            return y + torch.randn_like(y)
        if self.kind == "branch":
            return y if y.sum() > 0 else 2 * y
        self.passes += 1.0
        return y * self.passes


UNFIT: dict[str, tuple[Callable[[], Subject], str]] = {
    "recurrent": (lambda: a_subject(Recurrent(), steps=2), "not those of the graph"),
    "large": (
        lambda: a_subject(nn.Sequential(nn.Linear(6, 2000), nn.Linear(2000, 3)), batch=300, steps=2),
        "million operations",
    ),
    "noise": (lambda: a_subject(Changing("noise"), steps=2), "random numbers"),
    "branch": (lambda: a_subject(Changing("branch"), steps=2), "DataDependent"),
    "counting": (lambda: a_subject(Changing("counting"), steps=2), "something else"),
}


@pytest.mark.parametrize("name", UNFIT)
def test_what_has_no_tape_is_trained_without_one(name: str) -> None:
    made, told = UNFIT[name]
    subject = made()
    trials = Trials(subject, steps=2)
    copied = trials.copy(0, "initial")
    assert trials.tapes.graph(copied) is None
    assert told in trials.tapes.why
    assert copied.run(2) is not None
    assert all(part.grad is not None for part in copied.model.parameters())
    assert all(
        torch.equal(one, other)
        for one, other in zip(subject.fresh().parameters(), trials.copy(0, "initial").model.parameters(), strict=True)
    )


def test_what_cannot_be_stacked_is_trained_one_after_another(however_short: None) -> None:
    trials = Trials(a_subject(optimizer=LBFGS, steps=0), steps=10)
    together = Together(trials, ALIKE[:4])
    together.run()
    assert "one by one" in together.why
    assert not trials.done


def long(subject: Subject) -> Trials:
    trials = Trials(subject)
    trials.steps = 400
    return trials


def test_few_copies_large_ones_and_short_trainings_are_not_stacked() -> None:
    assert Together(Trials(a_subject(), steps=60), ALIKE[:3]).found == {}
    assert Together(long(a_subject()), ALIKE[:2]).found == {}
    assert len(Together(long(a_subject()), ALIKE[:3]).found) == 3
    wide = nn.Sequential(nn.Linear(6, 200), nn.ReLU(), nn.Linear(200, 200), nn.Linear(200, 3))
    together = Together(long(a_subject(wide, steps=1)), ALIKE[:3])
    assert together.found == {}
    assert "8 million operations" in together.why


@pytest.mark.parametrize(("change", "argument"), [("optimizer", "adam"), ("clip", 0.5), ("rate", 0.3)])
def test_the_steps_of_a_tape_are_those_of_the_copy(change: str, argument: float | str) -> None:
    subject = a_subject(Functional(), rate=0.01, optimizer=lambda parts, lr: SGD(parts, lr, momentum=0.8))
    trials = Trials(subject, None if change == "optimizer" else odd_habits())
    plain, played = (trials.changed(change, argument, "trained", 1) for _ in range(2))
    assert isinstance(plain, CopiedTraining)
    assert isinstance(played, CopiedTraining)
    graph = trials.tapes.graph(played)
    assert graph is not None
    played.play = Playing(played, graph)
    assert plain.run(40) is not None
    assert played.run(40) is not None
    for one, other in zip(plain.model.parameters(), played.model.parameters(), strict=True):
        assert torch.allclose(one, other, rtol=1e-3, atol=1e-4)


def test_copies_that_cannot_be_finished_take_fewer_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setattr(StackedCopies, "pace", lambda stacked: 100.0)
    trials = long(a_subject(rate=1e-4, steps=1))
    Together(trials, ALIKE[:4]).run(deadline=time.perf_counter() + 6000.0)
    assert 50 <= trials.steps <= 54
    assert trials.run("rate", 0.1).steps == trials.steps  # type: ignore[union-attr]
    trials = long(a_subject(rate=1e-4, steps=1))
    Together(trials, ALIKE[:4]).run(deadline=time.perf_counter() + 600.0)
    assert not trials.done
    assert trials.steps == 400


def test_branches_are_those_of_copies_that_are_trained_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    subject = a_subject(rate=1e-4, steps=400, batch=16)
    wanted: list[Wanted] = [("rate", 100.0), ("standardize", None), ("activation", "leaky_relu"), ("clip", 1.0), ("rate", 0.1)]
    before = {name: value.clone() for name, value in subject.model.state_dict().items()}
    together = branches(subject, wanted, seconds=60)
    monkeypatch.setattr("leadline.diagnose.trials.tapes._MOST_OPERATIONS", 0.0)
    alone = branches(subject, wanted, seconds=60)
    assert [(each.change, each.steps, len(each.losses)) for each in together] == [
        (each.change, each.steps, len(each.losses)) for each in alone
    ]
    for one, other in zip(together, alone, strict=True):
        assert one.gain == pytest.approx(other.gain, rel=1e-2, abs=1e-3)
    assert all(torch.equal(before[name], value) for name, value in subject.model.state_dict().items())
