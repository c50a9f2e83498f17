"""Where a name of Leadline's own code leads: to its definition, to an import from elsewhere, or to a module."""

from __future__ import annotations

import ast
import builtins
import functools
import importlib
import inspect
import itertools
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

OWN = "leadline"
Definable = ast.FunctionDef | ast.ClassDef | ast.Assign | ast.AnnAssign | ast.Lambda


@dataclass(frozen=True)
class Imported:
    """What other packages give: `from module import name`, or the module itself where `name` is empty."""

    module: str
    name: str = ""


@dataclass(frozen=True)
class Defined:
    """A function, class or constant at the top level of one of our modules.

    Example:
        >>> found = find(importlib.import_module("leadline.models.convnets"), "activation_layer")
        >>> found.key
        'leadline.layers.activations:activation'
    """

    source: Source
    name: str
    node: Definable = field(compare=False)

    @property
    def key(self) -> str:
        return f"{self.source.module.__name__}:{self.name}"

    @property
    def value(self) -> Any:
        """The live object."""
        return getattr(self.source.module, self.name)

    @property
    def assigned(self) -> ast.expr:
        """What a constant is set to: its own part, where several are set at once."""
        assert isinstance(self.node, (ast.Assign, ast.AnnAssign))
        assert self.node.value is not None
        whole = self.node.value
        if isinstance(self.node, ast.Assign) and isinstance(first := self.node.targets[0], ast.Tuple):
            assert isinstance(whole, ast.Tuple)
            return whole.elts[_bound(first).index(self.name)]
        return whole


class Source:
    """The text of one module and its syntax tree; positions count bytes, as those of the tree do."""

    def __init__(self, module: ModuleType) -> None:
        self.module = module
        text = inspect.getsource(module)
        self.tree = ast.parse(text)
        self.bytes = text.encode()
        self.lines = text.splitlines()
        self._starts = [0, *itertools.accumulate(len(line) for line in self.bytes.splitlines(keepends=True))]

    def span(self, node: ast.AST) -> tuple[int, int]:
        """First byte of a node, and the byte behind its last."""
        line, column, last, end = (getattr(node, name) for name in ("lineno", "col_offset", "end_lineno", "end_col_offset"))
        return self._starts[line - 1] + column, self._starts[last - 1] + end

    def text(self, first: int, last: int) -> str:
        return self.bytes[first:last].decode()

    def behind(self, node: ast.AST) -> str:
        """The rest of the line on which a node ends."""
        last = self.span(node)[1]
        return self.text(last, self._starts[getattr(node, "end_lineno", 1)]).rstrip("\n")


@functools.lru_cache(maxsize=512)
def source_of(module: ModuleType) -> Source:
    """The source of a module, read once."""
    return Source(module)


@functools.cache
def find(module: ModuleType, name: str) -> Defined | Imported | ModuleType | None:
    """What a global name of one of our modules stands for; None for a builtin.

    Example:
        >>> find(importlib.import_module("leadline.layers.gated"), "nn")
        Imported(module='torch.nn', name='')
    """
    source = source_of(module)
    for node in source.tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name == name:
            return Defined(source, name, node)
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == name and node.value:
            return Defined(source, name, node)
        if isinstance(node, ast.Assign) and any(name in _bound(target) for target in node.targets):
            return Defined(source, name, node)
        if isinstance(node, (ast.Import, ast.ImportFrom)) and (found := imported_as(node, name)) is not None:
            return found
    if hasattr(builtins, name):
        return None
    raise LookupError(f"{module.__name__} has no {name}")


def found_object(value: Any) -> Defined:
    """The definition of a live function or class of ours.

    Errors: `LookupError` for one that was made inside a function.
    """
    name = value.__qualname__
    found = find(importlib.import_module(value.__module__), name) if "." not in name else None
    if not isinstance(found, Defined):
        raise LookupError(f"{value.__module__}.{name} is not at the top level of a module")
    return found


def found_closure(function: Any, name: str) -> tuple[Defined, dict[str, Any]]:
    """The definition of a function that was made inside one of ours, and what it remembers from there.

    Example:
        >>> from leadline.optim import warm_up
        >>> made = warm_up(0.1)
        >>> found, remembered = found_closure(getattr(made, "function", made), "warm_up")
        >>> type(found.node).__name__, remembered
        ('Lambda', {'share': 0.1})
    """
    code, source = function.__code__, source_of(importlib.import_module(function.__module__))
    places = [place for place in code.co_positions() if place[2] and place[0] is not None]
    inner = [
        node
        for node in ast.walk(source.tree)
        if isinstance(node, (ast.FunctionDef, ast.Lambda))
        and node.lineno <= code.co_firstlineno <= (node.end_lineno or 0)
        and (isinstance(node, ast.Lambda) or node.name == code.co_name)
        and all((node.lineno, node.col_offset) <= (place[0], place[2]) for place in places)
    ]
    node = inner[-1]  # the walk goes from the outside in
    cells = zip(code.co_freevars, function.__closure__ or (), strict=True)
    return Defined(source, name, node), {free: cell.cell_contents for free, cell in cells}


def is_own(value: Any) -> bool:
    """Whether a function or class is Leadline's."""
    return str(getattr(value, "__module__", "")).split(".")[0] == OWN


def _bound(target: ast.expr) -> list[str]:
    """The names that an assignment binds."""
    parts = target.elts if isinstance(target, ast.Tuple) else [target]
    return [part.id for part in parts if isinstance(part, ast.Name)]


def imported_as(node: ast.Import | ast.ImportFrom, name: str) -> Defined | Imported | ModuleType | None:
    """What an import statement binds a name to; None where it does not bind it."""
    for alias in node.names:
        if (alias.asname or alias.name.split(".")[0]) != name:
            continue
        if isinstance(node, ast.Import):
            whole = alias.name if alias.asname else name
            return importlib.import_module(whole) if whole.split(".")[0] == OWN else Imported(whole)
        assert node.module is not None, "our modules import by whole names"
        inner = getattr(importlib.import_module(node.module), alias.name, None)
        if isinstance(inner, ModuleType):
            return inner if inner.__name__.split(".")[0] == OWN else Imported(inner.__name__)
        if node.module.split(".")[0] != OWN:
            return Imported(node.module, alias.name)
        return find(importlib.import_module(node.module), alias.name)
    return None
