"""One spelling for what has arguments: `huber(delta=2)` is the same words in Python, in a Plan and on the command line.

A text is a name, or a name with literal arguments in brackets; schedules are products of such calls, joined by `*`.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import NoneType, UnionType
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin

from leadline.errors import ArgumentError, LeadlineError, unknown


class Call(NamedTuple):
    """A name and the arguments that stand behind it, as read from text.

    Example:
        >>> str(Call("huber", (), {"delta": 2}))
        'huber(delta=2)'
    """

    name: str
    arguments: tuple[Any, ...]
    keywords: dict[str, Any]

    def __str__(self) -> str:
        inside = [*map(repr, self.arguments), *(f"{name}={value!r}" for name, value in self.keywords.items())]
        return f"{self.name}({', '.join(inside)})" if inside else self.name


def parse_call(text: str, kind: str) -> Call:
    """One call: `name` or `name(1, key="text")`.

    Args:
        text: as a person wrote it.
        kind: what is read, for errors: "loss", "schedule" …

    Errors: `ArgumentError` for a text that is no such call.

    Example:
        >>> parse_call("step_drops([0.5, 0.75], factor=0.1)", "schedule")
        Call(name='step_drops', arguments=([0.5, 0.75],), keywords={'factor': 0.1})
    """
    calls = parse_product(text, kind)
    if len(calls) != 1:
        raise ArgumentError(f"The {kind} {text!r} is a product", expected="a single one")
    return calls[0]


def parse_product(text: str, kind: str) -> list[Call]:
    """Calls joined by `*`, in their order.

    Errors: `ArgumentError` for anything else.

    Example:
        >>> [str(call) for call in parse_product("cosine * warm_up(0.1)", "schedule")]
        ['cosine', 'warm_up(0.1)']
    """
    if not isinstance(text, str):
        raise ArgumentError(f"The {kind} is no text", expected="a name, or a name with arguments", got=repr(text))
    try:
        tree = ast.parse(text.strip(), mode="eval").body
        return _factors(tree)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ArgumentError(
            f"The {kind} {text!r} cannot be read",
            expected="a name, or a name with arguments like name(0.5, key=2)",
            do="Words among the arguments need quotes: key='word'." if "(" in text else None,
        ) from None


def bind(call: Call, function: Callable[..., Any], kind: str, *, skip: int = 0) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of a call, checked against the signature of the function that will take them.

    Args:
        call: as read.
        function: whose signature decides.
        kind: for errors.
        skip: how many of the first parameters the program itself gives.

    Errors: `ArgumentError` for too many arguments, an argument that is missing, one with an unknown name, or one that is not of
    the kind that its annotation names. A whole number passes for any number; annotations of other types are not looked at.

    Example:
        >>> def leaky(slope: float = 0.01): ...
        >>> bind(Call("leaky", (), {"slop": 0.2}), leaky, "activation")
        Traceback (most recent call last):
        ...
        leadline.errors.ArgumentError: There is no argument of leaky 'slop'. Expected one of slope. Did you mean 'slope'?
        >>> bind(Call("leaky", ("steep",), {}), leaky, "activation")
        Traceback (most recent call last):
        ...
        leadline.errors.ArgumentError: The argument 'slope' of the activation 'leaky' has the wrong kind of value. Expected a \
number; got 'steep'.
    """
    parameters = list(_signature(function).parameters.values())[skip:]
    names = [each.name for each in parameters]
    for name in call.keywords:
        if name not in names:
            if not names:
                raise ArgumentError(f"The {kind} {call.name!r} takes no arguments", got=str(call))
            unknown(f"argument of {call.name}", name, names)
    try:
        bound = inspect.Signature(parameters).bind(*call.arguments, **call.keywords)
    except TypeError as error:
        raise ArgumentError(
            f"The arguments of the {kind} {call.name!r} do not fit",
            expected=_usage(call.name, parameters),
            got=f"{call} ({error})",
        ) from None
    for name, annotation, value in _given(parameters, bound.arguments):
        if not _fits(value, annotation):
            raise ArgumentError(
                f"The argument {name!r} of the {kind} {call.name!r} has the wrong kind of value",
                expected=_in_words(annotation),
                got=repr(value),
            )
    return call.arguments, call.keywords


def counted(count: int, one: str, many: str = "") -> str:
    """A count with the words for it, in the right number.

    Args:
        count: how many.
        one: the words after a count of 1.
        many: those after any other; `one` with an s when left out.

    Example:
        >>> counted(1, "row"), counted(2000, "row"), counted(1, "row is a copy", "rows are copies")
        ('1 row', '2,000 rows', '1 row is a copy')
    """
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def make(text: str, table: Mapping[str, Callable[..., Any]], kind: str) -> Any:
    """What the text stands for: the entry of the table, called with the arguments of the text.

    Args:
        text: a call.
        table: name → what is called.
        kind: for errors.

    Errors: `ArgumentError` for an unknown name, with the nearest right one, or arguments that do not fit.

    Example:
        >>> make("range(2, 5)", {"range": lambda first, last: list(range(first, last))}, "list")
        [2, 3, 4]
    """
    call = parse_call(text, kind)
    if call.name not in table:
        unknown(kind, call.name, table)
    arguments, keywords = bind(call, table[call.name], kind)
    try:
        return table[call.name](*arguments, **keywords)
    except LeadlineError:
        raise
    except (TypeError, ValueError, RuntimeError, ArithmeticError) as error:  # a text where a number belongs
        first = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise ArgumentError(f"The {kind} {text!r} cannot be made", got=first) from error


def _factors(tree: ast.expr) -> list[Call]:
    if isinstance(tree, ast.BinOp) and isinstance(tree.op, ast.Mult):
        return _factors(tree.left) + _factors(tree.right)
    if isinstance(tree, ast.Name):
        return [Call(tree.id, (), {})]
    if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name) and all(word.arg for word in tree.keywords):
        arguments = tuple(ast.literal_eval(value) for value in tree.args)
        return [Call(tree.func.id, arguments, {str(word.arg): ast.literal_eval(word.value) for word in tree.keywords})]
    raise ValueError


def _usage(name: str, parameters: list[inspect.Parameter]) -> str:
    return f"{name}{inspect.Signature([each.replace(annotation=inspect.Parameter.empty) for each in parameters])}"


def _signature(function: Callable[..., Any]) -> inspect.Signature:
    try:
        signature = inspect.signature(function, eval_str=True)
    except (NameError, AttributeError, SyntaxError, TypeError):  # an annotation that only a type checker can read
        signature = inspect.signature(function)
    # A signature that was put together by hand keeps its annotations as text.
    parameters = signature.parameters.values()
    return signature.replace(
        parameters=[each.replace(annotation=_NAMED.get(str(each.annotation), each.annotation)) for each in parameters]
    )


def _given(parameters: Iterable[inspect.Parameter], values: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Name, annotation and value of each argument that came, those of a `*several` one by one."""
    for parameter in parameters:
        if parameter.name in values:
            value = values[parameter.name]
            for each in value if parameter.kind is inspect.Parameter.VAR_POSITIONAL else [value]:
                yield parameter.name, parameter.annotation, each


_NAMED = {kind.__name__: kind for kind in (int, float, bool, str)}
_WORDS: dict[Any, tuple[str, str]] = {
    int: ("a whole number", "whole numbers"),
    float: ("a number", "numbers"),
    bool: ("True or False", "True and False"),
    str: ("a text in quotes", "texts in quotes"),
    None: ("None", "None"),
    NoneType: ("None", "None"),
}


def _fits(value: Any, annotation: Any) -> bool:
    """Whether a literal may stand where this annotation does: anything may where the annotation is not a simple one."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        return any(_fits(value, part) for part in parts)
    if origin is Literal:
        return any(type(value) is type(part) and value == part for part in parts)
    if origin in (list, tuple, Sequence, Iterable):
        if not isinstance(value, (list, tuple)):
            return False
        if origin is tuple and parts[-1:] != (...,):
            return len(value) == len(parts) and all(map(_fits, value, parts))
        return all(_fits(each, parts[0]) for each in value)
    if not (annotation is None or isinstance(annotation, type)) or annotation not in _WORDS:
        return True
    if isinstance(value, bool):
        return annotation is bool
    return isinstance(value, (int, float) if annotation is float else annotation or NoneType)


def _in_words(annotation: Any, *, plural: bool = False) -> str:
    """What a simple annotation asks for."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        return " or ".join(_in_words(part, plural=plural) for part in parts)
    if origin is Literal:
        return " or ".join(map(repr, parts))
    if origin in (list, tuple, Sequence, Iterable):
        if origin is tuple and parts[-1:] != (...,):
            inside = ", ".join(map(_in_words, parts))
            return f"{len(parts)} values in brackets ({inside})"
        return f"{'lists' if plural else 'a list'} of {_in_words(parts[0], plural=True)}"
    return _WORDS[annotation][plural]
