"""Every reason quotes a number of the data at hand: other data, other reasons."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from leadline.data import Classes, Dataset, Labels, Numbers, Origin, Pictures, Schema, Split, Vectors
from leadline.errors import PlanError
from leadline.plan import Plan, build, measure, measuring, propose
from leadline.plan.measuring import _in_milliseconds


def dataset(
    rows: int = 120, side: int = 12, channels: int = 1, task: str = "classes", features: int = 0, outputs: int = 4
) -> Dataset:
    generator = np.random.default_rng(0)
    inputs = (
        generator.normal(size=(rows, features)).astype(np.float32)
        if features
        else generator.integers(0, 256, (rows, side, side, channels), dtype=np.uint8)
    )
    names = tuple(f"c{at}" for at in range(outputs))
    if task == "classes":
        targets, answers = np.arange(rows) % outputs, Classes(names)
    elif task == "labels":
        targets, answers = generator.integers(0, 2, (rows, outputs)).astype(np.float32), Labels(names)
    else:
        targets, answers = (
            generator.normal(size=(rows, outputs)).astype(np.float32),
            Numbers(names, (0.0,) * outputs, (1.0,) * outputs),
        )
    learned = Vectors.learn(inputs) if features else Pictures.learn(inputs)

    def part(start: int, stop: int) -> Split:
        return Split(inputs[start:stop], targets[start:stop], [str(at) for at in range(start, stop)])

    ends = int(rows * 0.7), int(rows * 0.85)
    schema = Schema(learned, answers)
    return Dataset("made", part(0, ends[0]), part(*ends), part(ends[1], rows), schema, Origin("made", "hash", {}))


def numbers(text: str) -> set[str]:
    return set(re.findall(r"\d+", text.replace(",", "")))


def test_every_proposed_choice_has_a_reason_with_a_number() -> None:
    plan = propose(dataset())
    for key in ("model.name", "training.loss", "training.optimizer", "training.schedule", "training.batch", "training.epochs"):
        assert numbers(plan.why[key]), f"{key}: {plan.why[key]}"
    for key in (
        "training.learning_rate",
        "training.weight_decay",
        "training.patience",
        "training.average",
        "training.augment.flip",
    ):
        assert numbers(plan.why[key]), f"{key}: {plan.why[key]}"


def test_other_data_other_reasons() -> None:
    few, many = propose(dataset(rows=120)), propose(dataset(rows=4000))
    assert few.why["training.epochs"] != many.why["training.epochs"]
    assert "84" in numbers(few.why["training.batch"])
    assert "2800" in numbers(many.why["training.batch"])
    assert many.training.batch > few.training.batch
    assert propose(dataset(outputs=3)).why["training.loss"] != propose(dataset(outputs=4)).why["training.loss"]


@pytest.mark.parametrize(
    ("data", "model"),
    [
        (dataset(side=3), "mlp"),
        (dataset(side=12), "convnet"),
        (dataset(side=80, rows=40), "resnet18"),
        (dataset(features=6), "mlp"),
        (dataset(features=90), "linear"),
    ],
)
def test_the_network_follows_size_and_kind(data: Dataset, model: str) -> None:
    assert propose(data).model.name == model


def test_each_task_has_its_loss() -> None:
    assert propose(dataset(task="classes")).training.loss == "cross_entropy"
    assert propose(dataset(task="labels")).training.loss == "binary_cross_entropy"
    assert propose(dataset(task="number", outputs=1)).training.loss == "squared_error"


def test_pictures_are_mirrored_only_where_that_keeps_the_class() -> None:
    """Class = which side is bright: mirroring swaps the classes. Class = how high the bar is: mirroring does nothing."""
    rows, generator = 400, np.random.default_rng(0)
    targets = np.arange(rows) % 2
    sided, high = (generator.integers(0, 60, (rows, 8, 8, 1), dtype=np.uint8) for _ in range(2))
    for at in range(rows):
        sided[at, :, 4 * targets[at] : 4 * targets[at] + 4] += 150
        high[at, 4 * targets[at] : 4 * targets[at] + 4] += 150
    for pictures, expected in ((sided, False), (high, True)):
        split = Split(pictures, targets, [str(at) for at in range(rows)])
        made = Dataset("m", split, split, split, Schema(Pictures.learn(pictures), Classes(("a", "b"))), Origin("m", "h", {}))
        plan = propose(made)
        assert plan.training.augment.flip == ("alternating" if expected else False)
        assert ("little harm" if expected else "mislead") in plan.why["training.augment.flip"]


def test_your_own_choices_are_kept_and_reasons_speak_of_them() -> None:
    plan = propose(dataset(), {"training.epochs": 7, "model": "mlp", "model.width": 9})
    assert (plan.training.epochs, plan.model.name, plan.model.arguments["width"]) == (7, "mlp", 9)
    assert plan.why["training.epochs"] == plan.why["model.width"] == "chosen by you"
    assert "7" in numbers(plan.why["training.patience"])
    with pytest.raises(PlanError, match="training.epochs"):
        propose(dataset(), {"training.epoch": 7})


@pytest.mark.parametrize("task", ["classes", "labels", "number"])
@pytest.mark.parametrize("model", ["linear", "mlp", "convnet", "resnet18"])
def test_whatever_is_proposed_can_be_built_and_takes_a_step(task: str, model: str) -> None:
    data = dataset(task=task, side=32 if model == "resnet18" else 12, channels=3, outputs=2)
    plan = propose(data, {"model": model})
    built = build(plan, data)

    class Now:
        step, fraction = 0, 0.1

    logs = built.step(next(iter(built.batches)), Now())
    assert torch.isfinite(logs["loss"])
    with built.step.evaluating():
        columns = built.evaluate()
    assert plan.training.monitor in columns


def test_building_twice_gives_the_same_weights() -> None:
    data = dataset()
    one, other = build(propose(data), data).model, build(propose(data), data).model
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


def test_the_head_begins_with_the_log_prior() -> None:
    data = dataset()
    head = build(propose(data, {"model": "linear"}), data).model[-1]  # type: ignore[index]
    shares = np.bincount(data.train.targets, minlength=4) / len(data.train)
    torch.testing.assert_close(head.bias.detach().exp().double(), torch.from_numpy(shares), atol=1e-4, rtol=0)


def test_measuring_leaves_nothing_open() -> None:
    data = dataset()
    measured = measure(propose(data), data)
    training = measured.plan.training
    assert training.layout in ("contiguous", "channels_last")
    assert (training.device, training.precision) == (str(torch.device(training.device)), "float32")
    assert training.threads >= 1
    assert "ms" in measured.plan.why["training.layout"]
    assert measured.seconds > 0
    chosen = measure(propose(data, {"training.layout": "contiguous", "training.threads": 1}), data).plan
    assert (chosen.training.layout, chosen.training.threads) == ("contiguous", 1)
    assert chosen.why["training.layout"] == "chosen by you"


def test_a_step_is_recorded_where_the_training_is_long_enough_to_repay_it() -> None:
    data = dataset(features=5)
    decided = {"model": "mlp", "training.device": "cpu", "training.threads": 1}
    short = measure(propose(data, decided | {"training.epochs": 1}), data).plan
    assert (short.training.step, "too short" in short.why["training.step"]) == ("plain", True)
    long = measure(propose(data, decided | {"training.epochs": 1_000_000}), data).plan
    assert long.training.step in ("plain", "recorded")
    assert re.search(r"plain, contiguous on 1 thread .* ms; recorded, contiguous on 1 thread .* ms", long.why["training.step"])


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"training.loss": "squared_error"}, "squared_error"),
        ({"training.precision": "float16"}, "no precision .float16."),
        ({"start.weights": "nowhere"}, "no weights"),
        ({"training.loss": "cross_entropy", "training.optimizer": "adan"}, "Did you mean 'adam'"),
    ],
)
def test_choices_that_cannot_be_built(changes: dict[str, object], says: str) -> None:
    from leadline.errors import LeadlineError

    data = dataset()
    with pytest.raises(LeadlineError, match=says):
        build(propose(data, changes), data)


def test_a_network_for_pictures_refuses_vectors() -> None:
    data = dataset(features=5)
    with pytest.raises(PlanError, match="needs pictures"):
        build(propose(data, {"model": "resnet18"}), data)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("epochs", 0),
        ("batch", -1),
        ("learning_rate", float("nan")),
        ("threads", -1),
        ("seed", 2**60),
        ("min_change", float("nan")),
        ("momentum", 1.0),
        ("average", 1.0),
        ("layout", "chanels_last"),
        ("schedule", "cosin"),
        ("label_smoothing", -0.1),
    ],
)
def test_values_out_of_range_are_refused_by_the_plan_itself(key: str, value: object) -> None:
    with pytest.raises(PlanError, match=key):
        Plan().but({f"training.{key}": value})


def test_a_column_that_is_never_written_cannot_be_watched() -> None:
    data = dataset()
    with pytest.raises(PlanError, match="Did you mean 'valid_accuracy'"):
        build(propose(data, {"training.monitor": "valid_acuracy"}), data)


def test_one_row_batches_and_batch_norm_do_not_go_together() -> None:
    data = dataset()
    with pytest.raises(PlanError, match="at least 2"):
        build(propose(data, {"training.batch": 1}), data)
    assert build(propose(data, {"training.batch": 1, "model": "linear"}), data).batches.batch_size == 1


def test_what_was_measured_says_so_also_after_a_round_trip_through_toml() -> None:
    data = dataset()
    given = Plan.from_toml(propose(data).to_toml())
    measured = measure(given, data).plan
    assert "measured" in measured.why["training.layout"]
    assert "measured" in measured.why["training.threads"]
    chosen = Plan.from_toml(propose(data, {"training.layout": "channels_last"}).to_toml())
    assert measure(chosen, data).plan.why["training.layout"] == "from the plan you gave"


def test_the_rate_and_its_reason_follow_your_optimizer() -> None:
    adam, sgd = propose(dataset()), propose(dataset(), {"training.optimizer": "sgd"})
    assert sgd.training.learning_rate > adam.training.learning_rate
    assert "with sgd" in sgd.why["training.learning_rate"]


def test_one_thread_is_tried_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    ways = measuring._threads(Plan(), torch.device("cpu"))
    assert ways == [2, 1]
    assert measuring._threads(Plan().but({"training.threads": 3}), torch.device("cpu")) == [3]


@pytest.mark.parametrize("loss", ["crammer_singer(margin=2)", "perceptron", "cross_entropy(label_smoothing=0.3)"])
def test_no_smoothing_is_proposed_beside_a_loss_that_has_none_or_its_own(loss: str) -> None:
    data = dataset()
    assert propose(data).training.label_smoothing == 0.1
    plan = propose(data, {"training.loss": loss, "model": "linear"})
    assert plan.training.label_smoothing == 0
    assert "training.label_smoothing" not in plan.why
    build(plan, data)


def test_an_average_from_the_very_beginning_can_be_measured() -> None:
    data = dataset()
    assert measure(propose(data, {"training.average": "swa(0)", "model": "linear"}), data).plan.training.average == "swa(0)"


def test_decay_that_is_part_of_the_gradient_is_less() -> None:
    decays = {
        name: propose(dataset(), {"training.optimizer": name}).training.weight_decay for name in ("adamw", "muon", "adam")
    }
    assert decays["adamw"] == decays["muon"] > 10 * decays["adam"]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.102, "102 ms"),
        (0.0996, "100 ms"),
        (0.00996, "10 ms"),
        (0.0042, "4.2 ms"),
        (0.00046, "0.46 ms"),
        (1.2345, "1,234 ms"),
        (0.0, "0 ms"),
    ],
)
def test_a_measured_time_has_two_digits_and_no_exponent(seconds: float, words: str) -> None:
    assert _in_milliseconds(seconds) == words
