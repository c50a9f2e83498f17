"""Remedies: for every kind a sentence and a line, and changes that the Plan really takes."""

import ast

import pytest

from leadline.diagnose.kinds import KINDS
from leadline.diagnose.plan_changes import changes_of_plan, those_that_fit
from leadline.diagnose.readings import Branch, Readings
from leadline.diagnose.remedies import ADVICE, apply_changes, remedy_for
from leadline.diagnose.trials.changes import CHANGES
from leadline.models import MODELS
from leadline.plan import Plan

PLANS = {name: Plan().but({"model": name}) for name in MODELS}


def readings(**program: object) -> Readings:
    made = Readings()
    for name, value in {
        "rate": 0.5,
        "optimizer": "SGD",
        "momentum": 0.9,
        "task": "classes",
        "classes": 3,
        "batch": 16,
        **program,
    }.items():
        setattr(made.program, name, value)
    return made


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_remedy_in_words(kind: str) -> None:
    remedy = remedy_for(kind, readings())
    assert remedy.says.endswith((".", "?"))
    assert remedy.code
    assert remedy.changes == {}


def test_there_is_advice_for_each_kind_and_no_other() -> None:
    assert set(ADVICE) == set(KINDS)
    assert {change for kind in KINDS for change, _ in apply_changes(kind, Readings())} <= set(CHANGES)


@pytest.mark.parametrize("kind", KINDS)
def test_every_plan_takes_what_is_proposed(kind: str) -> None:
    for plan in PLANS.values():
        changes = remedy_for(kind, readings(), plan).changes
        before, after = ({row["key"]: row["value"] for row in each.rows()} for each in (plan, plan.but(changes)))
        assert all(after[key] != before.get(key) for key in changes)


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_of_a_trial_is_one_of_the_plan_or_none(change: str) -> None:
    for plan in PLANS.values():
        plan.but(changes_of_plan(plan, change, CHANGES[change].argument, task="classes"))


def test_plans_change_as_the_trials_do() -> None:
    plan = Plan().but({"model": "mlp", "model.dropout": 0.5, "training.optimizer": "sgd", "training.learning_rate": 2.0})
    assert changes_of_plan(plan, "rate", 0.01) == {"training.learning_rate": 0.02}
    assert changes_of_plan(plan, "optimizer", "adam") == {"training.optimizer": "adam", "training.learning_rate": 0.001}
    assert changes_of_plan(plan.but({"training.optimizer": "adamw"}), "optimizer", "adam") == {"training.learning_rate": 0.001}
    assert changes_of_plan(plan, "no_dropout") == {"model.dropout": 0.0}
    assert changes_of_plan(plan, "wider", 2) == {"model.width": 512}
    assert changes_of_plan(plan, "activation", "relu") == {}  # it is the builder's own
    assert changes_of_plan(plan.but({"model.activation": "sigmoid"}), "activation", "relu") == {"model.activation": "relu"}
    assert changes_of_plan(plan.but({"model.activation": "tanh"}), "initialize") == {"start.initialize": "xavier"}
    assert changes_of_plan(plan, "initialize") == {"start.initialize": "he"}
    assert changes_of_plan(plan, "longer", 3.0) == {"training.epochs": 90, "training.patience": 0}
    assert changes_of_plan(plan, "regularize", 0.3)["model.dropout"] == 0.6
    assert changes_of_plan(plan, "standardize") == {}
    assert changes_of_plan(Plan().but({"model": "recurrent", "model.cell": "rnn"}), "gated") == {"model.cell": "lstm"}


def test_what_a_plan_does_not_have_is_not_proposed() -> None:
    assert those_that_fit(PLANS["resnet18"], {"model.dropout": 0.5, "model.nonsense": 1, "training.batch": -1}) == {}


def test_lines_have_the_numbers_of_the_program() -> None:
    remedy = remedy_for("rate_too_high", readings(weight_decay=0.01))
    assert remedy.says == "Take 0.1 times the learning rate: 0.05."
    assert remedy.code == "optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=0.01)"
    own = readings(optimizer="MyOwn")
    assert remedy_for("rate_too_low", own).code == "for group in optimizer.param_groups: group['lr'] = 5"


@pytest.mark.parametrize("task", ["classes", "labels", "number", "other"])
def test_lines_are_python(task: str) -> None:
    shown = {"leadline train … --from RUN"}  # typed, not programmed
    for kind in KINDS:
        if (code := remedy_for(kind, readings(task=task)).code) not in shown:
            ast.parse(code)
        for change in apply_changes(kind, readings(task=task)):
            branch = Branch(*change, 50, [1.0], [2.0], gain=0.5, gain_se=0.1)
            ast.parse(remedy_for(kind, readings(task=task), branch=branch).code)


def test_the_right_pair_is_named_for_each_task() -> None:
    assert "CrossEntropyLoss" in remedy_for("head_or_loss_wrong", readings()).code
    assert "BCEWithLogits" in remedy_for("head_or_loss_wrong", readings(classes=2)).code
    two = readings(classes=2)
    two.answers.output_shape = [32, 2]
    assert "CrossEntropyLoss" in remedy_for("head_or_loss_wrong", two).code
    assert "MSELoss" in remedy_for("head_or_loss_wrong", readings(task="number")).code


def test_what_gained_on_copies_is_the_remedy() -> None:
    made = readings()
    made.branches = [
        Branch("rate", 0.1, 90, [1.0], [2.0], gain=0.1, gain_se=0.2),
        Branch("rate", 0.01, 90, [1.0], [2.0], gain=0.4, gain_se=0.1),
        Branch("wider", 2, 90, [1.0], [2.0], gain=0.9, gain_se=0.1),  # not of this kind
    ]
    remedy = remedy_for("rate_too_high", made, Plan().but({"training.learning_rate": 3.0}))
    assert remedy.says == "Take 0.01 times the learning rate: 0.005."
    assert remedy.changes == {"training.learning_rate": 0.03}


def test_what_the_rule_knows_comes_first() -> None:
    remedy = remedy_for(
        "head_or_loss_wrong", readings(), extra={"remedy": "Leave out the softmax.", "code_line": "return logits"}
    )
    assert (remedy.says, remedy.code) == ("Leave out the softmax.", "return logits")
    assert "zero_grad" in remedy_for("not_training", readings(), extra={"code": "zero_grad"}).code
    assert "shuffle=True" in remedy_for("oscillation", readings(), extra={"code": "shuffle"}).code
