"""Changing a Plan by dotted keys: which keys there are, and what kind of value each takes."""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import tomlkit
from tomlkit.exceptions import ParseError

from leadline.errors import LeadlineError, PlanError, nearest, unknown
from leadline.models import MODELS

_GIVEN_BY_DATA = ("shape", "outputs", "channels", "classes", "edges", "categories", "task")
_COLUMNS = "data.columns"  # below it a key is the name of a column, whatever dots it holds


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
    if key.startswith(_COLUMNS + "."):
        return _COLUMNS, key.removeprefix(_COLUMNS + ".")
    table, _, name = key.rpartition(".")
    return table, name


def spelled_out(changes: Mapping[str, Any]) -> dict[str, Any]:
    """The same changes with nested tables flattened and `model=…` written as `model.name=…`."""
    return {"model.name" if key == "model" else key: value for key, value in flattened(changes).items()}


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
        changed: Any = {**current, rest: _typed(value, str, key)}
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
        if value not in MODELS:
            unknown("model", str(value), MODELS, PlanError)
        return (model, arguments) if value == model else (value, {})
    kinds = settable(model)
    if key not in kinds:
        if not kinds:
            raise PlanError(f"The model {model!r} has nothing to set", got=f"model.{key}")
        unknown_key(f"model.{key}", [f"model.{other}" for other in kinds])
    return model, {**arguments, key: _typed(value, kinds[key], f"model.{key}")}


def settable(model: str) -> dict[str, Any]:
    """The keyword arguments of a builder that a person may set, with their types."""
    builder = MODELS[model]
    kinds = typing.get_type_hints(builder)
    return {name: kinds[name] for name in inspect.signature(builder).parameters if name not in _GIVEN_BY_DATA}


def unknown_key(key: str, choices: list[str]) -> typing.NoReturn:
    close = nearest(key, choices)
    raise PlanError(
        f"A plan has no key {key!r}", expected="one of " + ", ".join(choices), do=f"Did you mean {close!r}?" if close else None
    )


def _typed(value: Any, kind: Any, key: str) -> Any:
    """The value as the kind that the key takes: whole numbers pass for floats, nothing else is guessed."""
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind is int and isinstance(value, float) and value.is_integer():
        return int(value)
    if kind is str and isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        names = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
        raise PlanError(f"{key} has the wrong kind of value", expected=names.get(kind, str(kind)), got=repr(value))
    return value
