import dataclasses

import pytest
import tomlkit

from leadline.errors import PlanError
from leadline.plan import Plan, parse_changes


def test_a_change_makes_a_copy_with_a_reason() -> None:
    plan = Plan()
    changed = plan.but({"training.batch": 32, "model": "resnet18", "training.augment.flip": True})
    assert (changed.training.batch, changed.model.name, changed.training.augment.flip) == (32, "resnet18", True)
    assert changed.why == dict.fromkeys(("training.batch", "model.name", "training.augment.flip"), "chosen by you")
    assert plan == Plan()


def test_another_model_forgets_the_arguments_and_reasons_of_the_old_one() -> None:
    plan = Plan().but({"model.width": 8, "model.depth": 3})
    other = plan.but({"model": "convnet", "model.width": 16})
    assert dict(other.model.arguments) == {"width": 16}
    assert "model.depth" not in other.why


def test_json_and_toml_round_trips() -> None:
    plan = Plan().but({"model": "convnet", "model.width": 16, "training.learning_rate": 1e-4, "training.augment.rotate": 5})
    assert Plan.from_json(plan.to_json()) == plan
    text = plan.to_toml()
    again = Plan.from_toml(text)
    assert dataclasses.replace(again, why={}) == dataclasses.replace(plan, why={})
    assert tomlkit.parse(text)["training"]["augment"]["rotate"] == 5  # type: ignore[index]


def test_each_reason_stands_above_its_key() -> None:
    plan = dataclasses.replace(Plan(), why={row["key"]: f"because of {row['key']}" for row in Plan().rows()})
    section, above, found = "", "", 0
    for line in plan.to_toml().splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif " = " in line:
            assert above == f"# because of {section}.{line.split(' = ')[0]}"
            found += 1
        above = line
    assert found == len(plan.rows())


def test_keys_left_out_keep_their_defaults() -> None:
    plan = Plan.from_toml("[training]\nbatch = 16\n")
    assert plan.training == dataclasses.replace(Plan().training, batch=16)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"training.bach": 3}, "Did you mean 'training.batch'"),
        ({"batch": 3}, "Did you mean 'training.batch'"),
        ({"trainig.batch": 3}, "Did you mean 'training.batch'"),
        ({"training.augment.flp": True}, "Did you mean 'training.augment.flip'"),
        ({"training.augment": 1}, "section of its own.*training.augment.flip"),
        ({"training.batch.size": 3}, "no keys below"),
        ({"training.batch": "many"}, "Expected a whole number; got 'many'"),
        ({"training.batch": 2.5}, "Expected a whole number; got 2.5"),
        ({"training.batch": True}, "Expected a whole number; got True"),
        ({"training.learning_rate": "fast"}, "Expected a number"),
        ({"training.augment.flip": 1}, "Expected true or false"),
        ({"training.augment.shift": 2.0}, "training.augment.shift cannot be 2.0.*share"),
        ({"training.augment.crop": 0}, "training.augment.crop cannot be 0.*1 for no crop"),
        ({"training.augment.flip": "alternate"}, "training.augment.flip cannot be.*Did you mean 'alternating'"),
        ({"training.augment.edge": "reflct"}, "Did you mean 'reflect'"),
        ({"training.augment.mixup": 0.2, "training.loss": "crammer_singer"}, "set training.augment.mixup and"),
        ({"model": "resnet81"}, "Did you mean 'resnet18'"),
        ({"model": "convnet", "model.depth": 3}, "no key 'model.depth'"),
        ({"model": "linear", "model.width": 3}, "nothing to set"),
        ({"model": "mlp", "model.widht": 3}, "Did you mean 'model.width'"),
        ({"model.shape": 3}, "no key 'model.shape'"),
    ],
)
def test_mistakes_are_named_with_what_is_right(changes: dict[str, object], says: str) -> None:
    with pytest.raises(PlanError, match=says):
        Plan().but(changes)


def test_text_that_is_not_toml_and_plans_from_the_future() -> None:
    with pytest.raises(PlanError, match="not valid TOML.*line 1"):
        Plan.from_toml("training = = 3")
    with pytest.raises(PlanError, match="newer version"):
        Plan.from_json({**Plan().to_json(), "version": 99})


def test_settings_are_read_as_toml_or_text() -> None:
    settings = [
        "training.batch=64",
        "training.learning_rate = 1e-3",
        "model=resnet18",
        "training.augment.flip=true",
        'a.b="x=y"',
    ]
    assert parse_changes(settings) == {
        "training.batch": 64,
        "training.learning_rate": 1e-3,
        "model": "resnet18",
        "training.augment.flip": True,
        "a.b": "x=y",
    }
    with pytest.raises(PlanError, match="KEY=VALUE"):
        parse_changes(["training.batch"])


def test_html_escapes_reasons() -> None:
    plan = dataclasses.replace(Plan(), why={"training.batch": "<script>"})
    page = plan._repr_html_()
    assert "&lt;script&gt;" in page
    assert "<script>" not in page


def test_one_value_ends_the_search_for_it() -> None:
    searching = Plan().but({"training.learning_rate": [0.1, 0.2], "training.momentum": [0.5, 0.9]})
    plan = searching.but({"training.learning_rate": 0.3})
    assert plan.training.learning_rate == 0.3
    assert dict(plan.start.search) == {"training.momentum": [0.5, 0.9]}
    assert "start.search.training.learning_rate" not in plan.why
    assert Plan.from_toml(searching.to_toml()).start.search == searching.start.search


def test_a_list_where_there_is_no_search_says_where_there_is() -> None:
    with pytest.raises(PlanError, match=r"Lists of values are for training\.learning_rate"):
        Plan().but({"training.batch": [16, 32]})


def test_an_argument_of_another_model_says_whose_it_is() -> None:
    with pytest.raises(PlanError, match="It belongs to model = tabular"):
        Plan().but({"model": "mlp", "model.members": 4})


@pytest.mark.parametrize(
    "change",
    [
        {"training.average": "swa(0.5, every=1.5)"},
        {"training.average": "lookahead(2.5)"},
        {"training.schedule": "plateau(0.5, 1.5)"},
        {"training.schedule": "plateau(0.5, cooldown=0.5)"},
        {"training.optimizer": "lbfgs(iterations=2.5)"},
    ],
)
def test_half_a_step_is_no_number_of_steps(change: dict[str, str]) -> None:
    with pytest.raises(PlanError, match="whole number"):
        Plan().but(change)


def test_flips_that_alternate_survive_toml_and_json() -> None:
    plan = Plan().but({"training.augment.flip": "alternating", "training.augment.crop": 0.3, "training.augment.mixup": 0.2})
    assert Plan.from_toml(plan.to_toml()).training == plan.training
    assert Plan.from_json(plan.to_json()) == plan
    assert 'flip = "alternating"' in plan.to_toml()


@pytest.mark.parametrize("turn", [1, -1])
def test_loss_and_mixing_may_change_together_in_any_order(turn: int) -> None:
    changes = [("training.augment.cutmix", 1.0), ("training.loss", "cross_entropy")][::turn]
    plan = Plan().but({"training.loss": "perceptron"}).but(dict(changes))
    assert plan.training.augment.mixes
