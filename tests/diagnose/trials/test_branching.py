"""Branches: the right change gains on a known fault, none on a healthy training, and nothing of the person's changes."""

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import SGD, Adam

from leadline.diagnose.readings import Branch, Readings, Sample
from leadline.diagnose.subject import Rows, Subject
from leadline.diagnose.trials.branching import branch, branches
from leadline.diagnose.trials.copied_training import Outcome, copy_of
from leadline.diagnose.trials.gains import gain_of
from leadline.diagnose.trials.habits import habits_of
from leadline.diagnose.trials.samples import a_subject, rings
from leadline.diagnose.trials.twins import Trials


def mlp(*middle: nn.Module) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 32), *middle, nn.Linear(32, 3))


def stack(activation: type[nn.Module], layers: int) -> nn.Sequential:
    torch.manual_seed(0)
    parts: list[nn.Module] = [nn.Linear(6, 32), activation()]
    for _ in range(layers - 2):
        parts += [nn.Linear(32, 32), activation()]
    return nn.Sequential(*parts, nn.Linear(32, 3))


def zeros() -> nn.Sequential:
    model = mlp(nn.ReLU())
    for parameter in model.parameters():
        nn.init.zeros_(parameter)
    return model


def far_away() -> Rows:
    rows = rings(600)
    return Rows(rows.inputs * torch.tensor([1000.0, 1000.0, 1.0, 1.0, 1.0, 1.0]) + 500.0, rows.targets)


class Functional(nn.Module):
    """As many people write it: activations as functions, a softmax at the end."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second, self.last = nn.Linear(6, 32), nn.Linear(32, 32), nn.Linear(32, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.sigmoid(self.first(x))
        x = torch.sigmoid(self.second(x))
        return F.softmax(self.last(x), dim=1)


def squared(outputs: Tensor, targets: Tensor) -> Tensor:
    return F.mse_loss(outputs[:, 0], targets.float())


def as_read(subject: Subject, readings: Readings | None = None) -> Subject:
    """The same training as it would have come out with the habits that were read, or with its optimizer as it is now."""
    assert subject.valid is not None
    made = copy_of(subject, habits_of(subject, readings), (subject.train, subject.valid), readings=readings)
    made.run(subject.steps)
    subject.model.load_state_dict(made.model.state_dict())
    return subject


def unzeroed() -> Readings:
    readings = Readings()
    readings.steps.not_zeroed = 1.0
    return readings


FAULTS: dict[str, tuple[object, str, float | str | None]] = {
    "rate a hundred times too high": (lambda: a_subject(rate=5.0), "rate", 0.01),
    "rate a hundred times too low": (lambda: a_subject(rate=5e-4), "rate", 100.0),
    "weights of zero": (lambda: a_subject(zeros()), "initialize", None),
    "eight layers of sigmoids": (lambda: a_subject(stack(nn.Sigmoid, 8)), "activation", "relu"),
    "features of other scales": (lambda: a_subject(rows=far_away(), rate=0.1), "standardize", None),
    "two softmaxes": (lambda: a_subject(mlp(nn.ReLU()).append(nn.Softmax(1)), steps=150), "head", "auto"),
    "a softmax as a function": (lambda: a_subject(Functional(), optimizer=Adam, rate=0.003), "head & activation", None),
    "numbers of classes as numbers": (
        lambda: a_subject(nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 1)), loss=squared, rate=0.001, steps=100),
        "head & rate(50)",
        None,
    ),
    "nothing between the layers": (lambda: a_subject(mlp()), "nonlinearity", None),
    "the other sign": (lambda: a_subject(loss=lambda y, t: -F.cross_entropy(y, t)), "sign", None),
    "a dropout of 0.95": (
        lambda: a_subject(mlp(nn.ReLU(), nn.Dropout(0.95), nn.Linear(32, 32), nn.ReLU(), nn.Dropout(0.95))),
        "no_dropout",
        None,
    ),
    "a batch of all": (lambda: a_subject(batch=300, steps=60), "batch", 16),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_change_that_mends_a_fault_gains(fault: str) -> None:
    made, change, argument = FAULTS[fault]
    tried = branch(made(), change, argument)
    assert isinstance(tried, Branch)
    assert len(tried.errors) >= 3
    assert tried.gain > 2 * tried.gain_se, (tried.errors, tried.twin_errors)


def test_gradients_that_are_not_zeroed() -> None:
    tried = branch(as_read(a_subject(rate=1.0), unzeroed()), "zero_grad", readings=unzeroed())
    assert isinstance(tried, Branch)
    assert tried.gain > 2 * tried.gain_se


def test_sorted_rows() -> None:
    readings = Readings()
    readings.steps.rows_a_batch_sorted = 1.0
    tried = branch(as_read(a_subject(rate=0.3), readings), "shuffle", readings=readings)
    assert isinstance(tried, Branch)
    assert tried.gain > 2 * tried.gain_se


def test_parameters_outside_of_the_optimizer() -> None:
    subject = a_subject(stack(nn.ReLU, 4))
    parts = list(subject.model.parameters())
    # Without the middle layers and the last one's weights little is learned.
    subject.optimizers = (SGD(parts[-1:], lr=0.05),)
    tried = branch(as_read(subject), "everything_trains")
    assert isinstance(tried, Branch)
    assert tried.gain > 2 * tried.gain_se


WANTED: list[tuple[str, float | str | None]] = [
    ("rate", 0.1), ("initialize", None), ("activation", "leaky_relu"), ("standardize", None), ("head", "auto"), ("clip", 1.0),
    ("zero_grad", None), ("shuffle", None), ("nonlinearity", None), ("no_decay", None), ("everything_trains", None),
]  # fmt: skip


def test_no_change_gains_on_a_healthy_training() -> None:
    model = nn.Sequential(nn.Linear(6, 64), nn.ReLU(), nn.Linear(64, 3))
    left: list[str] = []
    tried = branches(a_subject(model, optimizer=Adam, rate=0.02, steps=300), WANTED, seconds=20, unchecked=left)
    assert {each.change for each in tried} == {"rate", "initialize", "activation", "standardize", "head", "clip"}
    assert not [(each.change, each.gain, each.gain_se) for each in tried if each.gain > 2 * each.gain_se]
    assert len([told for told in left if "already" in told or "something non-linear" in told or "do not decay" in told]) == 5


def everything(subject: Subject) -> list[object]:
    model, optimizer = subject.model, subject.optimizers[0]
    return [
        {name: value.clone() for name, value in model.state_dict().items()},
        [None if each.grad is None else each.grad.clone() for each in model.parameters()],
        [each.requires_grad for each in model.parameters()],
        [module.training for module in model.modules()],
        [len(module._forward_hooks) for module in model.modules()],
        copy.deepcopy(optimizer.state_dict()),
        torch.get_rng_state().clone(),
        {name: value.clone() for name, value in subject.initial.items()},
    ]


def alike(left: object, right: object) -> bool:
    if isinstance(left, Tensor):
        return isinstance(right, Tensor) and torch.equal(left, right)
    if isinstance(left, dict):
        return isinstance(right, dict) and left.keys() == right.keys() and all(alike(left[key], right[key]) for key in left)
    if isinstance(left, (list, tuple)):
        return isinstance(right, (list, tuple)) and len(left) == len(right) and all(map(alike, left, right))
    return left == right


def test_the_persons_training_stays_as_it_is_to_the_bit() -> None:
    model = nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.Sigmoid(), nn.Dropout(0.2), nn.Linear(16, 3))
    subject = a_subject(model, optimizer=Adam, rate=0.01)
    model[0].weight.requires_grad_(False)
    model[3].eval()
    before = everything(subject)
    wanted = [*WANTED, ("regularize", 0.3), ("no_dropout", None), ("statistics", None), ("wider", 2), ("optimizer", "adam")]
    wanted += [("go_on", 0.5), ("lower_rate_at_end", 0.1), ("balanced", None), ("batch", 8), ("longer", 2.0)]
    assert len(branches(subject, wanted, seconds=10, steps=20)) > 12
    assert alike(before, everything(subject))


def test_a_trial_gives_the_same_numbers_again() -> None:
    first, second = (branch(a_subject(), "rate", 0.1, steps=40) for _ in range(2))
    assert first is not None
    assert second is not None
    assert (first.losses, first.twins, first.gain) == (second.losses, second.twins, second.gain)


@pytest.mark.parametrize("seconds", [0.5, 1.5])
def test_the_time_is_kept(seconds: float) -> None:
    import time

    subject = a_subject(
        nn.Sequential(nn.Linear(6, 700), nn.ReLU(), nn.Linear(700, 700), nn.ReLU(), nn.Linear(700, 3)), rate=1e-5
    )
    left: list[str] = []
    began = time.perf_counter()
    tried = branches(
        subject,
        [("rate", 1000.0), ("rate", 100.0), ("optimizer", "adam"), ("standardize", None)],
        seconds=seconds,
        unchecked=left,
    )
    assert time.perf_counter() - began < 1.2 * seconds + 0.15
    assert len(tried) + len(left) == 4


def test_the_gain_counts_seeds_and_rows() -> None:
    torch.manual_seed(0)
    same = [Outcome(torch.rand(100), 1.0, True) for _ in range(3)]
    gain, gain_se = gain_of(same, [Outcome(each.errors - 0.1, 1.0, True) for each in same])
    assert gain == pytest.approx(0.1, abs=1e-6)
    assert gain_se == pytest.approx(0.5 / 100, rel=1e-3)  # the floor: all rows agree
    apart = [Outcome(each.errors - shift, 1.0, True) for each, shift in zip(same, (0.0, 0.1, 0.2), strict=True)]
    _, apart_se = gain_of(same, apart)
    assert apart_se > 2.2 * 0.1 / 3**0.5  # σ/√3 times what Student's t is wider with three seeds


def test_losses_are_compared_where_rows_have_no_errors() -> None:
    rows = Rows(torch.randn(200, 4), torch.randn(200, 5, 7))
    model = nn.Sequential(nn.Linear(4, 35), nn.Unflatten(1, (5, 7)))
    tried = branch(a_subject(model, rows=rows, loss=F.mse_loss, rate=50.0, task="other", steps=40), "rate", 0.01)
    assert tried is not None
    assert tried.errors == []
    assert tried.gain > 2 * tried.gain_se


def test_what_does_not_apply_is_said() -> None:
    trials = Trials(a_subject(), steps=5)
    assert trials.run("gated") is None
    assert trials.refused == {"gated": "it has no plain recurrent layer"}


def test_a_second_fault_shows_beside_the_change_that_mends_the_first() -> None:
    subject = a_subject(mlp(), rate=1e-4)
    (alone,) = branches(subject, [("nonlinearity", None)], seconds=5)
    assert alone.gain < 2 * alone.gain_se  # at this rate it makes no difference
    beside, clipped = branches(subject, [("nonlinearity", None), ("clip", 1.0)], seconds=10, beside="rate(1000)")
    assert beside.change == "nonlinearity"
    assert beside.gain > max(0.2, 2 * beside.gain_se)
    assert clipped.gain < 2 * clipped.gain_se


def test_what_is_beside_does_not_count_as_a_gain() -> None:
    subject = a_subject(rate=1e-4)
    (tried,) = branches(subject, [("clip", 1e6)], seconds=5, beside="rate(1000)")
    assert tried.errors == tried.twin_errors


def test_a_schedule_that_has_run_down_is_repeated() -> None:
    subject = a_subject(rate=0.3)
    readings = Readings()
    readings.program.steps = 200
    subject.optimizers[0].param_groups[0]["lr"] = 0.0
    readings.steps.samples = [Sample(step, 0.0, 1.0, [], [], [], 0.3 * (1 - step / 200)) for step in (0, 50, 100, 199)]
    twin = branch(subject, "clip", 1e6, readings=readings)
    assert twin is not None
    assert max(twin.twin_errors) < 0.4  # it learns, though the rate is 0 by now


def test_a_twin_that_is_not_what_the_person_trained_proves_nothing() -> None:
    subject = a_subject(rate=0.5, steps=200)  # healthy, but what was read of it says that its gradients are never zeroed
    readings = unzeroed()
    readings.program.epochs, readings.first.best_constant_loss = 21.0, None
    tried = branch(subject, "zero_grad", readings=readings)
    assert tried is not None
    assert sum(tried.twin_errors) > sum(tried.errors) + 0.1  # without zeroing it fares badly, but it did not fare so
    assert tried.gain < 2 * tried.gain_se
