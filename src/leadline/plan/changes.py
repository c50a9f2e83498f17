"""Changing a Plan by dotted keys: which keys there are, and what kind of value each takes."""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import tomlkit
from tomlkit.exceptions import ParseError

from leadline.errors import LeadlineError, PlanError, nearest, unknown
from leadline.models import MODELS
from leadline.models.row_building import check_rows
from leadline.plan.counted_models import COUNTED

_OF_FORECASTS = ("horizon", "known", "season")
_GIVEN_BY_DATA = (
    "shape",
    "outputs",
    "channels",
    "classes",
    "edges",
    "categories",
    "indicators",
    "task",
    "vocabulary",
    "every_step",
    "arity",
    "upscale",
    *_OF_FORECASTS,
)
_COLUMNS = "data.columns"  # below it a key is the name of a column, whatever dots it holds
_SEARCH = "start.search"  # below it a key is another dotted key
SEARCHED = ("training.learning_rate", "training.momentum", "training.weight_decay", "training.seed", "model.dropout")


def numbers_chosen(changes: Mapping[str, Any], *names: str, least: int) -> dict[str, int]:
    """The whole numbers that a person has chosen of a training, for reasons and choices that speak of them.

    Args:
        changes: of the person, by dotted keys.
        names: in the section `training`.
        least: a smaller one is no choice here; it is refused where the Plan is changed, or means "what suits".

    Example:
        >>> numbers_chosen({"training.batch": 0, "training.epochs": 5, "training.loss": "huber"}, "batch", "epochs", least=1)
        {'epochs': 5}
    """
    return {name: value for name in names if isinstance(value := changes.get(f"training.{name}"), int) and value >= least}


def parse_changes(settings: Iterable[str]) -> dict[str, Any]:
    """What `--set KEY=VALUE` says: values are read as TOML (numbers, true, false, lists), anything else is text.

    Errors: `PlanError` for a setting without "=".

    Example:
        >>> parse_changes(["training.batch=64", "model=resnet18"])
        {'training.batch': 64, 'model': 'resnet18'}
    """
    changes: dict[str, Any] = {}
    for setting in settings:
        # The name of a column may hold "=", its kind may not.
        divided = setting.rpartition("=") if setting.strip().startswith(_COLUMNS + ".") else setting.partition("=")
        key, equals, text = divided
        if not equals or not key.strip():
            raise PlanError(f"The setting {setting!r} cannot be read", expected="KEY=VALUE, for instance training.batch=64")
        try:
            value = tomlkit.value(text.strip()).unwrap()
        except (ParseError, ValueError):
            value = text.strip()
        changes[key.strip()] = value
    return changes


def flattened(record: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested tables as one table of dotted keys.

    Example:
        >>> flattened({"training": {"augment": {"flip": True}}})
        {'training.augment.flip': True}
    """
    flat: dict[str, Any] = {}
    for name, value in record.items():
        if isinstance(value, Mapping):
            flat |= flattened(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat


def table_of(key: str) -> tuple[str, str]:
    """The TOML table that a dotted key stands in, and its name there.

    Example:
        >>> table_of("training.augment.flip"), table_of("data.columns.size (sq. ft.)")
        (('training.augment', 'flip'), ('data.columns', 'size (sq. ft.)'))
    """
    for table in (_COLUMNS, _SEARCH):
        if key.startswith(table + "."):
            return table, key.removeprefix(table + ".")
    table, _, name = key.rpartition(".")
    return table, name


def spelled_out(changes: Mapping[str, Any]) -> dict[str, Any]:
    """The same changes with nested tables flattened, `model=…` written as `model.name=…`, and lists of values to search over
    written as such beside the first of each.

    Example:
        >>> spelled_out({"model": "mlp", "training.seed": [3, 4]})
        {'model.name': 'mlp', 'training.seed': 3, 'start.search.training.seed': [3, 4]}
    """
    spelled: dict[str, Any] = {}
    for key, value in flattened(changes).items():
        if key in SEARCHED and isinstance(value, list) and value:
            spelled |= {key: value[0], f"{_SEARCH}.{key}": value}
        else:
            spelled["model.name" if key == "model" else key] = value
    return spelled


def early(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Those changes that can be checked before there are data: which arguments the proposed network takes shows only then."""
    changes = spelled_out(changes)
    return {key: value for key, value in changes.items() if "model.name" in changes or not key.startswith("model.")}


def section_of(key: str, sections: Iterable[str], known: Callable[[], list[str]]) -> tuple[str, str]:
    """The section a dotted key is in, and the rest of it; `known` gives every key, for the nearest right one."""
    section, dot, rest = key.partition(".")
    if section not in sections or not dot:
        # A key without its section is the commonest slip: "batch" for "training.batch".
        keys = known()
        guess = next((name for name in keys if name.endswith("." + key)), None) or nearest(key, keys)
        raise PlanError(
            f"A plan has no key {key!r}", expected="a key like training.batch", do=f"Did you mean {guess!r}?" if guess else None
        )
    return section, rest


def change_field(section: Any, path: str, value: Any, key: str) -> Any:
    """A copy of a section with one field changed, a dot leading into a nested section."""
    name, dot, rest = path.partition(".")
    kinds = typing.get_type_hints(type(section))
    if name not in kinds:
        prefix = key.removesuffix(path)
        unknown_key(key, [prefix + other for other in kinds])
    current = getattr(section, name)
    if isinstance(current, Mapping):
        if not dot:
            raise PlanError(
                f"{key} is a table of its own", expected=f"one of its keys, for instance {key}.NAME", got=repr(value)
            )
        changed: Any = {**current, rest: _typed(value, list if key.startswith(_SEARCH) else str, key)}
    elif dataclasses.is_dataclass(current):
        if not dot:
            raise PlanError(
                f"{key} is a section of its own",
                expected=f"one of its keys, for instance {key}.{dataclasses.fields(current)[0].name}",
            )
        changed = change_field(current, rest, value, key)
    elif dot:
        raise PlanError(f"{key.removesuffix('.' + rest)} has no keys below it", got=key)
    else:
        changed = _typed(value, kinds[name], key)
    try:
        return dataclasses.replace(section, **{name: changed})
    except PlanError:
        raise
    except LeadlineError as error:
        raise PlanError(f"{key} cannot be {value!r}. {error}") from error


def change_model(model: str, arguments: Mapping[str, Any], key: str, value: Any) -> tuple[str, Mapping[str, Any]]:
    """Name and arguments of a model with another name (then without arguments), or one argument of its builder changed."""
    if key == "name":
        if value not in MODELS and value not in COUNTED:
            unknown("model", str(value), [*MODELS, *COUNTED], PlanError)
        return (model, arguments) if value == model else (value, {})
    kinds = settable(model)
    if key not in kinds:
        if key == "rows":
            raise PlanError("model.rows belongs to model = layers", got=f"model = {model}", do="Set model=layers as well.")
        if not kinds:
            raise PlanError(f"The model {model!r} has nothing to set", got=f"model.{key}")
        if owners := [other for other in (*MODELS, *COUNTED) if key in settable(other)]:
            raise PlanError(
                f"A plan for the model {model!r} has no key 'model.{key}'",
                expected="one of " + ", ".join(f"model.{other}" for other in kinds),
                do=f"It belongs to model = {' or '.join(owners)}: set that as well.",
            )
        unknown_key(f"model.{key}", [f"model.{other}" for other in kinds])
    typed = _typed(value, kinds[key], f"model.{key}")
    if model == "layers":
        # What can be seen to be wrong without the data is told before they are read.
        try:
            check_rows(typed)
        except LeadlineError as error:
            raise PlanError(f"model.{key} has a mistake", do=str(error)) from error
    return model, {**arguments, key: typed}


def settable(model: str) -> dict[str, Any]:
    """The keyword arguments of a builder that a person may set, with their types."""
    builder = COUNTED[model] if model in COUNTED else MODELS[model]
    kinds = typing.get_type_hints(builder)
    return {name: kinds[name] for name in inspect.signature(builder).parameters if name not in _GIVEN_BY_DATA}


def unknown_key(key: str, choices: list[str]) -> typing.NoReturn:
    close = nearest(key, choices)
    raise PlanError(
        f"A plan has no key {key!r}", expected="one of " + ", ".join(choices), do=f"Did you mean {close!r}?" if close else None
    )


def as_toml(value: Any) -> Any:
    """A value as it is put into a TOML document: a list of rows with each row on a line of its own, however deep it stands.

    Example:
        >>> print(as_toml([{"residual": [{"conv": 8}, {"batch_norm": True}]}, {"pool": [2, 2]}]).as_string())
        [
            {residual = [
                {conv = 8},
                {batch_norm = true},
            ]},
            {pool = [2, 2]},
        ]
    """
    return tomlkit.value(_rows_as_text(value)) if _is_rows(value) else value


def _is_rows(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and bool(value) and all(isinstance(row, Mapping) for row in value)


def _rows_as_text(value: Any, indent: str = "") -> str:
    if _is_rows(value):
        rows = "".join(f"{indent}    {_rows_as_text(row, indent + '    ')},\n" for row in value)
        return f"[\n{rows}{indent}]"
    if isinstance(value, Mapping):
        return (
            "{"
            + ", ".join(f"{tomlkit.key(key).as_string()} = {_rows_as_text(item, indent)}" for key, item in value.items())
            + "}"
        )
    text: str = tomlkit.item(value).as_string()
    return text


def _typed(value: Any, kind: Any, key: str) -> Any:
    """The value as the kind that the key takes: whole numbers pass for floats, nothing else is guessed."""
    if typing.get_origin(kind) is Sequence:
        if isinstance(value, (list, tuple)):
            return list(value)
        raise PlanError(
            f"{key} has the wrong kind of value",
            expected="a list of tables, for instance [{conv = 16, kernel = 3}, {pool = 2}]",
            got=repr(value),
            do="Is a bracket, a comma or a quotation mark missing?" if isinstance(value, str) else None,
        )
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind is int and isinstance(value, float) and value.is_integer():
        return int(value)
    if kind is str and isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        names = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
        listed = "Lists of values are for " + ", ".join(SEARCHED) + "." if isinstance(value, list) and value else None
        expected = " or ".join(names.get(each, str(each)) for each in typing.get_args(kind) or (kind,))
        raise PlanError(f"{key} has the wrong kind of value", expected=expected, got=repr(value), do=listed)
    return value
