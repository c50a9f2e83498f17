"""The Plan: a frozen record of every choice, in four sections, with the reason for each. Nothing else configures a training."""

from __future__ import annotations

import dataclasses
import functools
import html
import json
import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import tomlkit
from tomlkit.exceptions import ParseError
from tomlkit.items import Table
from torch import nn
from torch.nn.utils import skip_init

from leadline import losses
from leadline.data.pictures.augment import Augment
from leadline.data.tables.kinds import CHOICES as COLUMN_KINDS
from leadline.errors import ArgumentError, PlanError, unknown
from leadline.losses.adversarial import ADVERSARIAL_LOSSES, adversarial_loss
from leadline.losses.sampled_words import SAMPLED, samples_of
from leadline.models import MODELS, named_changes
from leadline.optim import Penalties, make_average, make_clip, make_optimizer, make_schedule
from leadline.plan import changes as changing
from leadline.plan.counted_models import COUNTED
from leadline.plan.objective_texts import check_loss_of_task, check_objective, is_objective
from leadline.plan.starts import StartPlan as StartPlan
from leadline.spelling import parse_call
from leadline.text.tokenizers import TOKENIZERS

VERSION = 1
CHOSEN = "chosen by you"
GIVEN = "from the plan you gave"


@dataclass(frozen=True)
class DataPlan:
    """What is learnt from: `source` as given, `hash` of its content, and the options of `data.load` (0 or "" = by itself).

    `columns` gives the kind of each column of a table; `header` is "yes" or "no"; `forecast` is the steps ahead of a forecast;
    `usual` are the classes that a network which tells its inputs again learns from, where rows of others are odd.

    Example:
        >>> Plan().but({"data.valid": 0.2}).data == DataPlan(valid=0.2)
        True
        >>> dict(Plan().but({"data.columns.zip": "category"}).data.columns)
        {'zip': 'category'}
    """

    source: str = ""
    hash: str = ""
    task: str = ""
    target: str = ""
    valid: float = 0.0
    test: float = 0.0
    seed: int = 0
    size: int = 0
    channels: int = 0
    upscale: int = 0
    forecast: int = 0
    lookback: int = 0
    unit: str = ""
    vocabulary: int = 0
    min_count: int = 0
    longest: int = 0
    transform: str = ""
    group: str = ""
    time: str = ""
    series: str = ""
    known: str = ""
    usual: str = ""
    header: str = ""
    encoding: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, choices in (("transform", ("", "log", "none")), ("header", ("", "yes", "no")), ("unit", ("", *TOKENIZERS))):
            if getattr(self, name) not in choices:
                unknown(f"data.{name}", getattr(self, name), choices, PlanError)
        if self.upscale and not 2 <= self.upscale <= 8:
            raise PlanError("data.upscale is out of range", expected="2 to 8, or 0 for the usual 2", got=self.upscale)
        for name in ("forecast", "lookback"):
            if getattr(self, name) < 0:
                raise PlanError(f"data.{name} is out of range", expected="steps from 1", got=getattr(self, name))
        for name in ("vocabulary", "min_count", "longest"):
            if (number := getattr(self, name)) < 0:
                raise PlanError(f"data.{name} is out of range", expected="at least 1, or 0 for what suits", got=number)
        for column, kind in self.columns.items():
            if kind not in COLUMN_KINDS:
                unknown(f"kind of column for {column!r}", kind, COLUMN_KINDS, PlanError)


@dataclass(frozen=True)
class ModelPlan:
    """Which network: a name of `models.MODELS`, and keyword arguments of its builder.

    Example:
        >>> Plan().but({"model": "mlp", "model.width": 64}).model
        ModelPlan(name='mlp', arguments={'width': 64})
    """

    name: str = "mlp"
    arguments: Mapping[str, Any] = field(default_factory=dict)


_SPELLED = ("loss", "optimizer", "schedule", "clip", "average")


def _loss(text: str) -> object:
    if is_objective(text):
        return check_objective(text)
    if parse_call(text, "loss").name in ADVERSARIAL_LOSSES:
        return adversarial_loss(text)
    return samples_of(text) if text.startswith(SAMPLED) else losses.get(text)


@functools.lru_cache(maxsize=64)
def _check_spelling(epochs: int, spelled: tuple[tuple[str, str], ...]) -> None:
    """What is spelled with arguments is made once, for a network of next to nothing, to see that it can be made."""
    # No weights are drawn for it: torch's random numbers stay as they are.
    network = nn.Sequential(*(skip_init(nn.Linear, 1, 1) for _ in range(2)))  # type: ignore[no-untyped-call]
    made: dict[str, Callable[[str], object]] = {
        "loss": _loss,
        "optimizer": lambda text: make_optimizer(text, network, learning_rate=1.0),
        "schedule": lambda text: make_schedule(text, epochs=epochs),
        "clip": make_clip,
        "average": lambda text: make_average(text, SimpleNamespace(modules=lambda: {"model": network})),
    }
    for name, text in spelled:
        try:
            made[name](text)
        except ArgumentError as error:
            raise PlanError(str(error)) from error


# Each bound is written so that NaN fails it.
_RANGES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "learning_rate": (lambda value: 0 < value < math.inf, "a number above 0"),
    "momentum": (lambda value: 0 <= value < 1, "a number in [0, 1)"),
    "weight_decay": (lambda value: 0 <= value < math.inf, "0 or more"),
    "warm_up": (lambda value: 0 <= value < 1, "a share in [0, 1)"),
    "batch": (lambda value: value >= 0, "at least 1, or 0 for all rows"),
    "critic_steps": (lambda value: value >= 1, "at least 1"),
    "truncation": (lambda value: value >= 0, "at least 1, or 0 for the usual length"),
    "accumulate": (lambda value: value >= 0, "at least 1, or 0 for as many as memory asks for"),
    "epochs": (lambda value: value >= 1, "at least 1"),
    "patience": (lambda value: value >= 0, "at least 1, or 0 for never"),
    "min_change": (lambda value: 0 <= value < math.inf, "0 or more"),
    "label_smoothing": (lambda value: 0 <= value < 1, "a share in [0, 1)"),
    "entropy_bonus": (lambda value: 0 <= value < math.inf, "0 or more"),
    "threads": (lambda value: value >= 0, "at least 1, or 0 for torch's own choice"),
    "seed": (lambda value: 0 <= value < 2**31, "a whole number from 0 to 2147483647"),
}
_CHOICES: dict[str, Collection[str]] = {
    "class_weights": ("none", "balanced"),
    "step": ("auto", "plain", "recorded", "captured", "compiled"),
    "precision": ("auto", "float32", "bfloat16"),
    "layout": ("auto", "contiguous", "channels_last"),
}


@dataclass(frozen=True)
class TrainingPlan:
    """How it is trained.

    `loss`, `optimizer`, `schedule`, `clip` and `average` are spelled as in Python, with arguments where they have some:
    "huber(delta=2)", "step_drops([0.5, 0.75]) * warm_up(0.05)", "percentile(90)", "swa(0.75)"; an empty `clip` or `average` is
    none, a bare number a norm or the decay of an exponential average. `warm_up` is a share of the steps; a `batch` of 0 is all
    rows; `accumulate` cuts a batch into so many micro-batches, 0 into as many as memory asks for; of a text `truncation` is
    how many tokens gradients go back through, and `batch` how many parts of it are read side by side; `patience` counts
    evaluations, 0 is never; `entropy_bonus` is what an answer gains for its entropy; `threads` are CPU threads, 0 is torch's
    own choice. `layout` (contiguous, channels_last) and `step` (plain, recorded, and on a GPU captured or compiled, which is
    captured too) are measured beforehand where left at auto.

    Of networks that learn to draw, `critic_steps` are the batches of the discriminator for one step of the generator, and
    `changes` what real and drawn pictures alike go through before they are told apart: words of "color, shift, cutout".

    Example:
        >>> Plan().but({"training.epochs": 5}).training == TrainingPlan(epochs=5)
        True
    """

    loss: str = "cross_entropy"
    optimizer: str = "adamw"
    learning_rate: float = 1e-3
    momentum: float = 0.9
    weight_decay: float = 0.01
    schedule: str = "one_cycle"
    warm_up: float = 0.0
    batch: int = 64
    accumulate: int = 0
    truncation: int = 0
    epochs: int = 30
    monitor: str = "valid_loss"
    patience: int = 10
    min_change: float = 0.0
    clip: str = ""
    label_smoothing: float = 0.0
    class_weights: str = "none"
    entropy_bonus: float = 0.0
    average: str = ""
    critic_steps: int = 1
    changes: str = ""
    penalties: Penalties = Penalties()  # noqa: RUF009 - frozen, so one instance serves all
    augment: Augment = Augment()  # noqa: RUF009
    precision: str = "auto"
    layout: str = "auto"
    step: str = "auto"
    device: str = "auto"
    threads: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        for name, (holds, expected) in _RANGES.items():
            if not holds(value := getattr(self, name)):
                raise PlanError(f"training.{name} is out of range", expected=expected, got=value)
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                unknown(name, getattr(self, name), choices, PlanError)
        try:
            named_changes(self.changes)
        except ArgumentError as error:
            raise PlanError(f"training.changes: {error}") from error
        _check_spelling(self.epochs, tuple((name, getattr(self, name)) for name in _SPELLED))


_OF_MIXTURES = (
    "cross_entropy",
    "kl_divergence",
    "binary_cross_entropy",
    "squared_error",
    "absolute_error",
    "huber",
    "quantile",
)


def _check_mixing(training: TrainingPlan) -> None:
    """Seen when all changes are made: whether the loss can take the targets of mixed pictures."""
    if training.augment.mixes and (name := parse_call(training.loss, "loss").name) not in _OF_MIXTURES:
        raise PlanError(
            f"The loss {name!r} cannot take the targets of mixed pictures, which are shares of several classes",
            expected="training.loss = " + " or ".join(_OF_MIXTURES[:3]),
            do="Choose one of these, or set training.augment.mixup and training.augment.cutmix to 0.",
        )


@dataclass(frozen=True)
class Plan:
    """Every choice of a training, and `why`: its reason by dotted key, with the number of this data set behind it.

    Example:
        >>> plan = Plan().but({"training.batch": 32})
        >>> plan.training.batch, plan.why["training.batch"]
        (32, 'chosen by you')
    """

    data: DataPlan = DataPlan()
    model: ModelPlan = ModelPlan()
    training: TrainingPlan = TrainingPlan()
    start: StartPlan = StartPlan()  # noqa: RUF009 - frozen, so one instance serves all
    why: Mapping[str, str] = field(default_factory=dict)

    def but(self, changes: Mapping[str, Any], *, why: str = CHOSEN) -> Plan:
        """A copy with some values changed, by dotted key; `model` is short for `model.name`.

        Errors: `PlanError` for a key that does not exist or a value of the wrong kind, naming the nearest right key.
        """
        spelled = changing.spelled_out(changes)
        if isinstance(loss := spelled.get("training.loss"), str):  # here, as a list of all losses would not help
            check_loss_of_task(loss, spelled.get("data.task", self.data.task))
        plan = self._without_search([key for key in spelled if f"start.search.{key}" not in spelled])
        # The name comes first: it decides which arguments there are.
        for key, value in sorted(spelled.items(), key=lambda item: item[0] != "model.name"):
            section, rest = changing.section_of(key, _SECTIONS, _known_keys)
            if section == "model":
                changed: Any = ModelPlan(*changing.change_model(plan.model.name, plan.model.arguments, rest, value))
            else:
                changed = changing.change_field(getattr(plan, section), rest, value, key)
            reasons = {**plan.why, key: why}
            if key == "model.name" and value != plan.model.name:
                reasons = {name: reason for name, reason in reasons.items() if not name.startswith("model.") or name == key}
            plan = dataclasses.replace(plan, **{section: changed}, why=reasons)
        _check_mixing(plan.training)
        return plan

    def _without_search(self, keys: Collection[str]) -> Plan:
        """A copy in which these keys, which are given one value now, are no longer searched over."""
        if not set(keys) & set(self.start.search):
            return self
        search = {key: values for key, values in self.start.search.items() if key not in keys}
        why = {key: reason for key, reason in self.why.items() if key.removeprefix("start.search.") not in keys}
        return dataclasses.replace(self, start=dataclasses.replace(self.start, search=search), why=why)

    def rows(self) -> list[dict[str, Any]]:
        """One row a choice: its dotted key, its value, and why (or an empty string)."""
        return [{"key": key, "value": value, "why": self.why.get(key, "")} for key, value in self._flat().items()]

    def to_json(self) -> dict[str, Any]:
        """The Plan as plain values, for `plan.json`."""
        return {"version": VERSION, **{name: _nested(self._section(name)) for name in _SECTIONS}, "why": dict(self.why)}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Plan:
        """The inverse of `to_json`.

        Errors: `PlanError` for keys or values that no Plan has, or a Plan of a newer version.
        """
        if record.get("version", VERSION) > VERSION:
            raise PlanError("The plan is from a newer version of Leadline", do="Upgrade: pip install -U leadline.")
        values = {
            key: value for key, value in changing.flattened(record).items() if key.split(".")[0] not in ("version", "why")
        }
        return dataclasses.replace(cls().but(values), why=dict(record.get("why", {})))

    def to_toml(self) -> str:
        """The Plan as TOML, each reason a comment above its key, to be edited and given back."""
        document = tomlkit.document()
        tables: dict[str, Table] = {}
        for key, value in self._flat().items():
            path, name = changing.table_of(key)
            if path not in tables:
                tables[path] = tomlkit.table()
                document.add(tomlkit.nl())
                _add_table(document, tables, path)
            if reason := self.why.get(key):
                tables[path].add(
                    tomlkit.comment("".join(mark if mark.isprintable() else " " for mark in " ".join(reason.split())))
                )
            tables[path].add(name, changing.as_toml(value))
        return tomlkit.dumps(document).lstrip()

    @classmethod
    def from_toml(cls, text: str) -> Plan:
        """A Plan from TOML; keys left out keep their defaults.

        Errors: `PlanError` where the text is not TOML or has keys that no Plan has.
        """
        try:
            values = tomlkit.parse(text).unwrap()
        except ParseError as error:
            raise PlanError("The plan is not valid TOML", got=str(error), do="Mend that line.") from error
        return cls().but(changing.flattened(values), why=GIVEN)

    def _flat(self) -> dict[str, Any]:
        """Values by dotted key; in TOML a nested table must follow the plain keys of its section."""
        items = [item for name in _SECTIONS for item in changing.flattened({name: _nested(self._section(name))}).items()]
        place = {key: (_SECTIONS.index(key.split(".")[0]), changing.table_of(key)[0].count(".")) for key, _ in items}
        return dict(sorted(items, key=lambda item: place[item[0]]))

    def _section(self, name: str) -> dict[str, Any]:
        if name == "model":
            return {"name": self.model.name, **self.model.arguments}
        section = getattr(self, name)
        return {item.name: getattr(section, item.name) for item in dataclasses.fields(section)}

    def _repr_html_(self) -> str:
        head = "<tr><th>choice</th><th>value</th><th>why</th></tr>"
        cells = ((row["key"], json.dumps(row["value"], ensure_ascii=False), row["why"]) for row in self.rows())
        body = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in cells)
        return f"<table><thead>{head}</thead><tbody>{body}</tbody></table>"


_SECTIONS = ("data", "model", "training", "start")


def _known_keys() -> list[str]:
    """Every dotted key that some Plan has."""
    arguments = {f"model.{name}" for model in (*MODELS, *COUNTED) for name in changing.settable(model)}
    return [row["key"] for row in Plan().rows()] + sorted(arguments)


def _nested(section: dict[str, Any]) -> dict[str, Any]:
    return {
        name: dataclasses.asdict(value) if dataclasses.is_dataclass(value) and not isinstance(value, type) else value
        for name, value in section.items()
    }


def _add_table(document: tomlkit.TOMLDocument, tables: dict[str, Table], path: str) -> None:
    parent, _, name = path.rpartition(".")
    if parent:
        tables[parent].add(name, tables[path])
    else:
        document.add(name, tables[path])
