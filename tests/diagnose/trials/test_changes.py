"""Each change changes what it says in a copy, and nothing else."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import SGD, Adam

from leadline.diagnose.readings import Readings
from leadline.diagnose.subject import Rows, Subject
from leadline.diagnose.trials.changes import CHANGES, change_copy, parts_of, said
from leadline.diagnose.trials.copied_training import CopiedTraining, copy_of
from leadline.diagnose.trials.function_sites import calls_of
from leadline.diagnose.trials.habits import Habits, habits_of
from leadline.diagnose.trials.layer_surgery import widen
from leadline.diagnose.trials.redrawing import redraw
from leadline.diagnose.trials.samples import a_subject
from leadline.errors import LeadlineError


class Loop(nn.Module):
    """Functions in a loop, a gate, dropout as a function, and a sigmoid at the end."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.inner, self.gate, self.last = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 1)

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(3):
            x = torch.sigmoid(self.gate(x)) * torch.tanh(self.inner(x))
            x = F.dropout(torch.tanh(x), 0.5, self.training)
        return torch.sigmoid(self.last(x)).squeeze(1)


class Shared(nn.Module):
    """One activation layer everywhere, at the end too."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last, self.act = nn.Linear(6, 5), nn.Linear(5, 3), nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.last(self.act(self.first(x))))


def copied(
    model: nn.Module | None = None, *, steps: int = 2, readings: Readings | None = None, **settings: object
) -> CopiedTraining:
    subject = a_subject(model, steps=steps, **settings)  # type: ignore[arg-type]
    assert subject.valid is not None
    return copy_of(subject, habits_of(subject, readings), (subject.train, subject.valid), readings=readings)


def changed(
    change: str, argument: float | str | None = None, model: nn.Module | None = None, **settings: object
) -> CopiedTraining:
    made = copied(model, **settings)  # type: ignore[arg-type]
    assert change_copy(made, change, argument) == ""
    return made


def binary() -> Rows:
    torch.manual_seed(0)
    x = torch.randn(200, 6)
    return Rows(x, (x[:, 0] > 0).float())


def test_functions_are_found_with_their_places() -> None:
    calls = calls_of(Loop().eval(), torch.randn(4, 6))
    assert [(call.name, call.place) for call in calls[:4]] == [
        ("sigmoid", "gate"), ("tanh", "gate"), ("tanh", "hidden"), ("dropout", "hidden"),
    ]  # fmt: skip
    assert (calls[-1].name, calls[-1].place) == ("sigmoid", "head")
    assert [call.number for call in calls if call.name == "dropout"] == [0, 1, 2]


def test_gates_and_the_end_keep_their_activations() -> None:
    made = changed("activation", "relu", Loop(), rows=binary(), loss=F.binary_cross_entropy)
    x = torch.randn(5, 6)
    h, model = x, made.model
    made.set_training(False)
    for _ in range(3):
        h = F.relu(torch.sigmoid(model.gate(h)) * torch.tanh(model.inner(h)))  # type: ignore[operator]
    assert torch.equal(made.answer(x), torch.sigmoid(model.last(h)).squeeze(1))  # type: ignore[operator]


def test_the_end_is_told_from_the_hidden_layers_where_they_share_a_layer() -> None:
    x = torch.randn(5, 6)
    made = changed("head", "linear", Shared())
    model = made.model
    assert torch.equal(made.answer(x), model.last(torch.sigmoid(model.first(x))))  # type: ignore[operator]
    made = changed("activation", "relu", Shared())
    model = made.model
    assert torch.equal(made.answer(x), torch.sigmoid(model.last(F.relu(model.first(x)))))  # type: ignore[operator]


def test_two_functions_at_the_end_both_go() -> None:
    made = changed("head", "linear", nn.Sequential(nn.Linear(6, 3), nn.ReLU(), nn.Softmax(1)))
    x = torch.randn(5, 6)
    assert torch.equal(made.answer(x), made.model[0](x))  # type: ignore[index]


PAIRS = {
    "softmax before cross entropy": (nn.Sequential(nn.Linear(6, 3), nn.Softmax(1)), F.cross_entropy, None, 3),
    "logits as log-probabilities": (nn.Linear(6, 3), F.nll_loss, None, 3),
    "too few outputs": (nn.Sequential(nn.Linear(6, 1), nn.Flatten(0)), lambda y, t: F.mse_loss(y, t.float()), None, 3),
    "probability as a logit": (
        nn.Sequential(nn.Linear(6, 1), nn.Sigmoid(), nn.Flatten(0)), F.binary_cross_entropy_with_logits, binary(), 1,
    ),
}  # fmt: skip


@pytest.mark.parametrize("pair", PAIRS)
def test_the_head_and_the_loss_become_a_right_pair(pair: str) -> None:
    model, loss, rows, outputs = PAIRS[pair]
    made = changed("head", "auto", model, loss=loss, rows=rows)
    batch = made.train.take(slice(0, 9))
    answers = made.answer(batch.inputs)
    assert answers.numel() == 9 * outputs
    if outputs == 3:
        expected = F.cross_entropy(made.outputs_of(answers), batch.targets)
    else:
        expected = F.binary_cross_entropy_with_logits(answers, batch.targets)
    assert torch.allclose(made.loss(answers, batch.targets), expected)
    with torch.no_grad():
        outcome = made.judge()
        given = made.outputs_of(made.answer(made.held.inputs))
    answered = given.argmax(1) if outputs == 3 else (given > 0).float()
    assert torch.equal(outcome.errors, (answered != made.held.targets).float())


def test_outputs_are_added_where_classes_lack_them() -> None:
    made = changed("head", "auto", nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 1)), loss=lambda y, t: y.mean())
    assert made.answer(torch.zeros(2, 6)).shape == (2, 3)
    assert made.run(3) is not None
    assert made.subject.model[2].out_features == 1  # type: ignore[index, union-attr]


def test_inputs_are_standardized_by_the_training_rows() -> None:
    rows = Rows(torch.randn(300, 6) * 7 + 3, torch.arange(300) % 3)
    rows.inputs[:, 2], rows.inputs[5, 3] = 4.0, torch.nan
    made = changed("standardize", rows=rows)
    x = made.train.inputs
    assert torch.allclose(x.mean(0), torch.zeros(6), atol=1e-5)
    assert torch.allclose(x.std(0, correction=0)[[0, 1, 4, 5]], torch.ones(4), atol=1e-4)
    assert not x[:, 2].any()
    assert x[5, 3] == 0
    original = made.subject.train.inputs
    expected = (made.subject.valid.inputs[:, 0] - original[:, 0].mean()) / original[:, 0].std(correction=0)  # type: ignore[union-attr]
    assert torch.allclose(made.held.inputs[:, 0], expected, atol=1e-5)


def test_pictures_are_standardized_by_channel() -> None:
    rows = Rows(torch.randn(40, 2, 3, 3) * torch.tensor([1.0, 9.0]).view(1, 2, 1, 1), torch.arange(40) % 3)
    made = changed("standardize", model=nn.Sequential(nn.Flatten(), nn.Linear(18, 3)), rows=rows)
    assert torch.allclose(made.train.inputs.std((0, 2, 3), correction=0), torch.ones(2), atol=1e-4)


def test_standardized_targets_are_put_back() -> None:
    torch.manual_seed(0)
    x = torch.randn(200, 6)
    rows = Rows(x, 1000 + 50 * x[:, :1])
    made = changed("standardize_targets", None, nn.Linear(6, 1), rows=rows, loss=F.mse_loss, task="number", rate=0.1, steps=0)
    outcome = made.run(200)
    assert outcome is not None
    assert outcome.errors.mean() < 0.01
    with torch.no_grad():
        assert torch.allclose(made.outputs_of(made.answer(made.held.inputs)), made.held.targets, atol=30)


def test_rows_that_are_not_finite_are_left_out() -> None:
    rows = Rows(torch.randn(300, 6), torch.arange(300) % 3)
    rows.inputs[7, 1], rows.inputs[11, 0] = torch.inf, torch.nan
    made = changed("finite_rows", rows=rows, steps=0)
    assert len(made.train) == 148
    assert made.train.inputs.isfinite().all()


def test_weights_are_drawn_anew_by_what_follows() -> None:
    def network(activation: nn.Module) -> nn.Sequential:
        parts = nn.Sequential(
            nn.Linear(6, 400), activation, nn.BatchNorm1d(400), nn.Linear(400, 400), nn.ReLU6(), nn.Linear(400, 3)
        )
        for part in parts.parameters():
            nn.init.constant_(part, 3.0)
        return parts

    made = changed("initialize", None, network(nn.ReLU()))
    assert made.model[3].weight.std().item() == pytest.approx((2 / 400) ** 0.5, rel=0.05)  # type: ignore[index, union-attr]
    assert not made.model[0].bias.any()  # type: ignore[index, union-attr]
    assert (made.model[2].weight == 1).all()  # type: ignore[index, union-attr]
    assert (made.subject.fresh()[0].weight == 3).all()  # type: ignore[index, union-attr]


def test_what_is_frozen_is_not_drawn_anew() -> None:
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))
    model[0].requires_grad_(False)
    before = model[0].weight.clone()
    assert torch.equal(changed("initialize", "he", model).model[0].weight, before)  # type: ignore[index]


def test_dropout_of_layers_and_functions_is_off() -> None:
    made = changed("no_dropout", None, Loop(), rows=binary(), loss=F.binary_cross_entropy)
    made.set_training(True)
    x = torch.randn(5, 6)
    assert torch.equal(made.answer(x), made.answer(x))
    assert change_copy(copied(), "no_dropout") == "it has no dropout"
    layered = changed("no_dropout", None, nn.Sequential(nn.Linear(6, 9), nn.Dropout(0.9), nn.Linear(9, 3)))
    layered.set_training(True)
    assert torch.equal(layered.answer(x), layered.answer(x))


def test_dropout_comes_after_hidden_activations() -> None:
    made = changed("regularize", 0.5)
    x = torch.ones(1, 6)
    made.set_training(True)
    assert not torch.equal(made.answer(x), made.answer(x))
    made.set_training(False)
    assert torch.equal(made.answer(x), made.subject.fresh().eval()(x))
    assert made.made_optimizer().param_groups[0]["weight_decay"] == 1e-3


def test_normalization_is_trained_with_the_rest() -> None:
    made = changed("normalization")
    assert sum(len(group["params"]) for group in made.made_optimizer().param_groups) == 6
    made.set_training(True)
    hidden = made.model[0](made.train.inputs)  # type: ignore[index, operator]
    assert torch.allclose(hidden.std(0, correction=0), torch.ones(32), atol=1e-2)
    assert made.run(3) is not None


def test_a_relu_comes_where_nothing_is_between() -> None:
    made = changed("nonlinearity", None, nn.Sequential(nn.Linear(6, 4), nn.Dropout(0.1), nn.Linear(4, 3)))
    assert (made.model[0](torch.randn(50, 6)) >= 0).all()  # type: ignore[index, operator]
    assert change_copy(copied(), "nonlinearity") == "between its layers there is something non-linear"


def test_the_steps_are_taken_as_the_change_says() -> None:
    assert changed("rate", 0.1).made_optimizer().param_groups[0]["lr"] == pytest.approx(0.005)
    adam = changed("optimizer", "adam").made_optimizer()
    assert isinstance(adam, Adam)
    assert adam.param_groups[0]["lr"] == 1e-3
    assert changed("clip", 0.5).habits.clip == 0.5
    smaller = changed("batch", 8)
    assert (smaller.habits.batch, smaller.length) == (8, 4.0)
    larger = changed("batch", 64)
    assert (larger.habits.batch, larger.length) == (64, 1.0)
    assert changed("longer", 3.0).length == 3.0
    assert changed("decay", 0.2).made_optimizer().param_groups[0]["weight_decay"] == 0.2
    assert changed("momentum", 0.7).made_optimizer().param_groups[0]["momentum"] == 0.7


def test_rare_classes_are_drawn_and_counted_as_often() -> None:
    targets = (torch.arange(400) % 10 == 0).long()
    made = changed("balanced", None, nn.Linear(6, 2), rows=Rows(torch.randn(400, 6), targets), steps=0)
    drawn = torch.cat([next(batches).targets for batches in [made._batches()] for _ in range(40)])
    assert 0.4 < drawn.float().mean() < 0.6
    assert made.judging is not None
    assert made.judging.mean() == pytest.approx(1.0)
    assert made.judging[0] == pytest.approx(200 / 2 / 20)


def test_frozen_and_forgotten_parameters_are_trained() -> None:
    made = copied()
    made.subject.optimizers = (SGD(list(made.subject.model.parameters())[2:], lr=0.1),)
    before = made.model[0].weight.clone()  # type: ignore[index, operator]
    made.run(3)
    assert torch.equal(made.model[0].weight, before)  # type: ignore[index]
    assert change_copy(made, "everything_trains") == ""
    made.run(3)
    assert not torch.equal(made.model[0].weight, before)  # type: ignore[index]


def test_an_optimizer_of_other_parameters_trains_nothing() -> None:
    readings = Readings()
    readings.steps.not_zeroed = 1.0  # as nobody zeroes the gradients of parameters that no optimizer holds
    made = copied(readings=readings)
    made.subject.optimizers = (SGD(nn.Linear(6, 3).parameters(), lr=0.1),)
    before = made.model[0].weight.clone()  # type: ignore[index, operator]
    assert made.run(3) is not None
    assert torch.equal(made.model[0].weight, before)  # type: ignore[index]
    assert change_copy(made, "everything_trains") == ""
    assert made.habits.zeroes
    made.run(3)
    assert not torch.equal(made.model[0].weight, before)  # type: ignore[index]


def test_recurrent_units_get_gates() -> None:
    class Reader(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.read, self.last = nn.RNN(6, 5, batch_first=True), nn.Linear(5, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.last(self.read(x)[0][:, -1])  # type: ignore[no-any-return]

    rows = Rows(torch.randn(60, 4, 6), torch.arange(60) % 3)
    made = changed("gated", None, Reader(), rows=rows)
    assert isinstance(made.model.read, nn.GRU)
    assert made.run(3) is not None


def test_hidden_layers_become_wider() -> None:
    chain = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 16, 8), nn.ReLU(), nn.Linear(8, 3)
    )
    made = changed("wider", 2, chain, rows=Rows(torch.randn(40, 1, 6, 6), torch.arange(40) % 3))
    assert made.answer(torch.zeros(2, 1, 6, 6)).shape == (2, 3)
    assert made.model[4].weight.shape == (16, 128)  # type: ignore[index, union-attr]


def test_statistics_are_those_of_the_trained_network() -> None:
    model = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8, momentum=1e-6), nn.ReLU(), nn.Linear(8, 3))
    made = changed("statistics", None, model)
    made.run(5)
    with torch.no_grad():
        hidden = made.model[0](made.train.inputs)  # type: ignore[index, operator]
    assert torch.allclose(made.model[1].running_mean, hidden.mean(0), atol=0.2)  # type: ignore[index, union-attr]


def test_redrawing_keeps_the_law() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(50, 40), nn.Linear(40, 30), nn.Linear(30, 30), nn.Embedding(20, 8))
    with torch.no_grad():
        network[1].weight.zero_()
        network[2].weight.copy_(torch.eye(30))
        network[3].weight.copy_(torch.outer(torch.randn(20), torch.randn(8)) + 0.1 * torch.randn(20, 8))  # learned
    before = [each.weight.clone() for each in network]  # type: ignore[union-attr, operator]
    assert redraw(network, 1) == 1
    after = [each.weight for each in network]
    assert not torch.equal(after[0], before[0])  # type: ignore[arg-type]
    assert torch.equal(after[0].flatten().sort()[0], before[0].flatten().sort()[0])  # type: ignore[union-attr, operator]
    for place in (1, 2, 3):
        assert torch.equal(after[place], before[place])  # type: ignore[arg-type]


def test_units_that_are_alike_stay_alike() -> None:
    layer = nn.Linear(30, 10)
    with torch.no_grad():
        layer.weight.copy_(layer.weight[:1].expand(10, 30))
    redraw(layer, 3)
    assert (layer.weight == layer.weight[:1]).all()


def test_habits_are_those_that_were_read() -> None:
    subject = a_subject(steps=0)
    readings = Readings()
    readings.steps.not_zeroed, readings.steps.evaluation_mode, readings.steps.rows_a_batch_sorted = 1.0, 1.0, 0.9
    assert habits_of(subject, readings) == Habits(32, 0.05, zeroes=False, training_mode=False, shuffled=False, by_target=True)
    made = copied(readings=readings)
    assert next(made._batches()).targets.tolist() == [0] * 32
    model = nn.Sequential(nn.Linear(6, 3), nn.Dropout(0.5))
    still = copied(model, readings=readings)
    still.run(1)
    assert not still.model.training


def test_gradients_add_up_where_they_are_not_zeroed() -> None:
    readings = Readings()
    readings.steps.not_zeroed = 1.0
    made = copied(nn.Linear(6, 3), readings=readings, steps=0, batch=300)
    made.run(1)
    once = made.model.weight.grad.clone()  # type: ignore[operator, union-attr]
    assert torch.allclose(made.model.weight - made.subject.fresh().weight, -0.05 * once, atol=1e-6)  # type: ignore[operator]
    other = copied(nn.Linear(6, 3), readings=readings, steps=0, batch=300)
    other.run(2)
    assert other.model.weight.grad.norm() > 1.5 * once.norm()  # type: ignore[operator, union-attr]


def test_names_and_arguments_of_changes() -> None:
    assert parts_of("rate(0.5) & activation('gelu') & standardize") == [
        ("standardize", None),
        ("activation", "gelu"),
        ("rate", 0.5),
    ]
    assert said("rate", 0.5) == "0.5 times the learning rate"
    with pytest.raises(LeadlineError, match="no change 'rte'|Did you mean"):
        parts_of("rte")


def test_a_sound_training_mends_what_is_not() -> None:
    model = nn.Sequential(nn.Linear(6, 32), nn.Sigmoid(), nn.Linear(32, 32), nn.Sigmoid(), nn.Linear(32, 3), nn.Softmax(1))
    subject = a_subject(model, rate=1e-4, steps=200)
    from leadline.diagnose.trials.branching import branch

    tried = branch(subject, "head & activation & initialize & optimizer")
    assert tried is not None
    assert tried.gain > 0.2


def test_every_change_has_words() -> None:
    from leadline.diagnose.remedy_lines import line_for, sentence_for

    for name, change in CHANGES.items():
        assert change.said()
        assert sentence_for((name, change.argument), Readings()).endswith(".")
        assert isinstance(line_for((name, change.argument), Readings()), str)


def test_a_subject_without_valid_rows_is_judged_on_a_third_of_the_others() -> None:
    from leadline.diagnose.trials.twins import Trials

    subject: Subject = a_subject(steps=1)
    subject.valid = None
    trials = Trials(subject)
    assert (len(trials.rows[0]), len(trials.rows[1])) == (200, 100)
    both = torch.cat([trials.rows[0].inputs, trials.rows[1].inputs])
    assert len(both.unique(dim=0)) == 300


def test_batch_norm_between_wider_layers_stays_as_it_was_made() -> None:
    chain = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8, affine=False), nn.ReLU(), nn.Linear(8, 3))
    assert widen(chain, ["0", "3"], 2) == ""
    assert isinstance(chain[1], nn.BatchNorm1d)
    assert chain[1].num_features == 16
    assert chain[1].weight is None
