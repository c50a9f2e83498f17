"""What is known of a piece of our code before it runs: where its names lead, which conditions are settled, what only checks."""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import operator
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any, NamedTuple

import torch

from leadline.errors import LeadlineError
from leadline.plan.script.definitions import Defined, Imported, find, imported_as

UNKNOWN = object()
PLAIN = (str, bool, type(None))
_COMPARED = (str, bool, int, float, type(None), torch.dtype)
_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
    ast.In: lambda left, right: left in right,
    ast.NotIn: lambda left, right: left not in right,
}


class Answer(NamedTuple):
    """What a call of one of our functions comes to, where nothing but its last line counts."""

    knowledge: Knowledge
    given: dict[str, ast.expr]
    value: ast.expr


class Knowledge:
    """What is known inside one definition.

    Args:
        found: the definition.
        constants: names whose values are known.
        facts: dotted expressions whose values are known, such as "outputs.dtype".
    """

    def __init__(
        self, found: Defined, constants: Mapping[str, Any] | None = None, facts: Mapping[str, Any] | None = None
    ) -> None:
        self.found, self.constants, self.facts = found, dict(constants or {}), dict(facts or {})
        constant = isinstance(found.node, (ast.Assign, ast.AnnAssign))
        self.stored = _stored(found.assigned if constant else found.node)
        self.local = set() if isinstance(found.node, ast.ClassDef) else set(self.stored)
        # What an inner function reads of the one around it counts as local too.
        self.local |= set(self.constants)
        self.imports = _local_imports(found.node)

    def resolve(self, node: ast.expr) -> Defined | Imported | ModuleType | None:
        """What a dotted name stands for; None for what is local, a builtin, or an attribute of a value."""
        if isinstance(node, ast.Name):
            if node.id in self.imports:
                return self.imports[node.id]
            return None if node.id in self.local else find(self.found.source.module, node.id)
        if isinstance(node, ast.Attribute):
            inside = self.resolve(node.value)
            if isinstance(inside, ModuleType):
                inner = getattr(inside, node.attr)
                return inner if isinstance(inner, ModuleType) else find(inside, node.attr)
        return None

    def live(self, node: ast.expr) -> Any:
        """The object that a dotted name of another package stands for, or None."""
        found = self.resolve(node)
        if isinstance(found, Imported):
            module = importlib.import_module(found.module)
            return getattr(module, found.name) if found.name else module
        return getattr(self.live(node.value), node.attr, None) if isinstance(node, ast.Attribute) else None

    def simplified(self, node: ast.expr) -> ast.expr:
        """The part that counts where a condition, or a function that returns its argument, is settled."""
        if isinstance(node, ast.IfExp) and (known := self.value(node.test)) is not UNKNOWN:
            return self.simplified(node.body if known else node.orelse)
        if isinstance(node, ast.Call) and (answer := self.answer(node)) is not None and isinstance(answer.value, ast.Name):
            return self.simplified(answer.given[answer.value.id]) if answer.value.id in answer.given else node
        return node

    def value(self, node: ast.expr) -> Any:
        """The value that an expression has whenever it runs, or `UNKNOWN`."""
        node = self.simplified(node)
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, (ast.Name, ast.Attribute)):
            return self._named(node)
        if isinstance(node, (ast.Tuple, ast.List)):
            values = tuple(self.value(each) for each in node.elts)
            return UNKNOWN if any(value is UNKNOWN for value in values) else values
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            inside = self.value(node.operand)
            return UNKNOWN if inside is UNKNOWN else not inside
        if isinstance(node, ast.BoolOp):
            return self._joint(node)
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            left, right = self.value(node.left), self.value(node.comparators[0])
            if left is not UNKNOWN and right is not UNKNOWN and isinstance(left, _COMPARED):
                return _COMPARISONS[type(node.ops[0])](left, right)
        return UNKNOWN

    def _named(self, node: ast.Name | ast.Attribute) -> Any:
        if self.facts and (text := ast.unparse(node)) in self.facts:
            return self.facts[text]
        if isinstance(node, ast.Name) and node.id in self.constants:
            return self.constants[node.id]
        found = self.resolve(node)
        if isinstance(found, Defined) and isinstance(found.node, (ast.Assign, ast.AnnAssign)):
            value = found.value
            plain = isinstance(value, tuple) and all(isinstance(each, _COMPARED) for each in value)
            return value if plain or isinstance(value, _COMPARED) else UNKNOWN
        if isinstance(node, ast.Attribute):
            if isinstance(value := self.live(node), torch.dtype):
                return value
            inside = self.value(node.value) if isinstance(node.value, (ast.Name, ast.Attribute)) else UNKNOWN
            return getattr(inside, node.attr, UNKNOWN) if isinstance(inside, torch.dtype) else UNKNOWN
        return UNKNOWN

    def _joint(self, node: ast.BoolOp) -> Any:
        values = [self.value(each) for each in node.values]
        decisive = isinstance(node.op, ast.Or)
        if any(value is not UNKNOWN and bool(value) is decisive for value in values):
            return decisive
        return UNKNOWN if any(value is UNKNOWN for value in values) else not decisive

    def answer(self, node: ast.Call) -> Answer | None:
        """What a call of one of our functions returns, where all but its last line are checks."""
        found = self.resolve(node.func)
        if not isinstance(found, Defined) or not isinstance(found.node, ast.FunctionDef) or found.node.decorator_list:
            return None
        signature = found.node.args
        names = [arg.arg for arg in signature.args]
        if len(node.args) > len(names) or signature.vararg or any(isinstance(each, ast.Starred) for each in node.args):
            return None
        given = dict(zip(names, node.args, strict=False)) | {str(word.arg): word.value for word in node.keywords}
        defaults = dict(zip(reversed(names), reversed(signature.defaults), strict=False))
        pairs = zip(signature.kwonlyargs, signature.kw_defaults, strict=True)
        defaults |= {arg.arg: default for arg, default in pairs if default is not None}
        given = {**{name: each for name, each in defaults.items() if isinstance(each, ast.Constant)}, **given}
        known = {name: value for name, each in given.items() if (value := self.value(each)) is not UNKNOWN}
        inner = Knowledge(found, known, self._passed_on(given))
        last = found.node.body[-1]
        if any(not inner.idle(each) for each in found.node.body[:-1]) or not isinstance(last, ast.Return) or last.value is None:
            return None
        return Answer(inner, given, inner.simplified(last.value))

    def _passed_on(self, given: Mapping[str, ast.expr]) -> dict[str, Any]:
        """The facts about what is given, as facts about the parameters it is given for."""
        facts: dict[str, Any] = {}
        if not self.facts:
            return facts
        for name, each in given.items():
            start = ast.unparse(each) + "."
            facts |= {
                name + "." + fact.removeprefix(start): value for fact, value in self.facts.items() if fact.startswith(start)
            }
        return facts

    # What a script does without

    def idle(self, node: ast.stmt) -> bool:
        """Whether a statement does nothing for a script: a docstring, a check, a type, what is known already."""
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            return isinstance(node.value.value, str)
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            return all((alias.asname or alias.name.split(".")[0]) in self.imports for alias in node.names)
        if isinstance(node, (ast.Assert, ast.Pass)) or self.complains(node):
            return True
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            return self._checks(node.value)
        if isinstance(node, ast.If):
            return self._idle_if(node)
        if isinstance(node, (ast.For, ast.While)):
            return all(self.idle(each) for each in (*node.body, *node.orelse))
        if isinstance(node, (ast.Assign, ast.AnnAssign)):
            return self._changes_nothing(node)
        return False

    def _idle_if(self, node: ast.If) -> bool:
        if (branch := self.branch(node)) is not None:
            return all(self.idle(each) for each in branch)
        if any(self.complains(each) for each in node.body):
            return all(self.idle(each) for each in node.orelse)
        return all(self.idle(each) for each in (*node.body, *node.orelse))

    def branch(self, node: ast.If) -> Sequence[ast.stmt] | None:
        """What is done where the condition is settled; None where it is not."""
        known = self.value(node.test)
        return None if known is UNKNOWN else (node.body if known else node.orelse)

    def complains(self, node: ast.stmt) -> bool:
        """Whether a statement tells a person of a mistake, or passes on what does."""
        if isinstance(node, ast.Raise):
            error = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
            if isinstance(error, ast.Call) or error is None:
                return error is None
            found = self.resolve(error)
            value = found.value if isinstance(found, Defined) else None
            return isinstance(value, type) and issubclass(value, LeadlineError)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            found = self.resolve(node.value.func)
            return isinstance(found, Defined) and ast.unparse(getattr(found.node, "returns", None) or node).endswith("NoReturn")
        return False

    def _checks(self, node: ast.Call) -> bool:
        """Whether a call of one of our functions can do nothing but complain."""
        found = self.resolve(node.func)
        if not isinstance(found, Defined) or not isinstance(found.node, ast.FunctionDef):
            return False
        inner = Knowledge(found)
        complaining = any(isinstance(each, ast.stmt) and inner.complains(each) for each in ast.walk(found.node))
        nothing = all(inner.idle(each) for each in found.node.body)
        return nothing or (complaining and all(inner._harmless(each) for each in found.node.body))

    def _harmless(self, node: ast.stmt) -> bool:
        """Whether a statement can at most set local names, end the function or complain."""
        if self.idle(node) or (isinstance(node, ast.Return) and node.value is None):
            return True
        if isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            return all(isinstance(part, (ast.Name, ast.Tuple, ast.Store)) for target in targets for part in ast.walk(target))
        if isinstance(node, ast.Try):
            handled = [each for handler in node.handlers for each in handler.body]
            return all(self._harmless(each) for each in (*node.body, *handled, *node.orelse, *node.finalbody))
        if isinstance(node, (ast.If, ast.For, ast.While)):
            return all(self._harmless(each) for each in (*node.body, *node.orelse))
        return False

    def _changes_nothing(self, node: ast.Assign | ast.AnnAssign) -> bool:
        """Whether an assignment gives a name what is known, or what it has already."""
        target = node.targets[0] if isinstance(node, ast.Assign) else node.target
        if node.value is None:
            return isinstance(target, ast.Name)
        if isinstance(target, ast.Name):
            simple = self.simplified(node.value)
            if isinstance(simple, ast.Name) and simple.id == target.id:
                return True
            known = UNKNOWN if isinstance(node.value, ast.Constant) else self.value(node.value)
            if self.stored.get(target.id) == 1 and known is not UNKNOWN and isinstance(known, PLAIN):
                self.constants[target.id] = known
                return True
        elif isinstance(target, ast.Tuple) and isinstance(node.value, ast.Call):
            answer = self.answer(node.value)
            if answer is not None and isinstance(answer.value, ast.Tuple):
                parts = [answer.knowledge.simplified(part) for part in answer.value.elts]
                same = [answer.given.get(part.id) if isinstance(part, ast.Name) else None for part in parts]
                return list(map(_name, same)) == list(map(_name, target.elts)) and None not in map(_name, target.elts)
        return False


def defaults_of(function: Any) -> dict[str, Any]:
    """The defaults of a live function's parameters."""
    try:
        return {name: each.default for name, each in inspect.signature(function).parameters.items()}
    except (TypeError, ValueError):
        return {}


def _name(node: ast.expr | None) -> str | None:
    return node.id if isinstance(node, ast.Name) else None


@functools.cache  # a definition is asked for again and again, and its tree stays as it was read
def _stored(node: ast.AST) -> Mapping[str, int]:
    """How often each name is bound anywhere inside."""
    counts: dict[str, int] = {}
    for each in ast.walk(node):
        name = None
        if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store):
            name = each.id
        elif isinstance(each, ast.arg):
            name = each.arg
        elif isinstance(each, (ast.FunctionDef, ast.ClassDef, ast.ExceptHandler)) and each is not node:
            name = each.name
        if name:
            counts[name] = counts.get(name, 0) + 1
    return counts


@functools.cache
def _local_imports(node: ast.AST) -> Mapping[str, Defined | Imported | ModuleType]:
    """What names that are imported inside a function stand for."""
    imports: dict[str, Defined | Imported | ModuleType] = {}
    for each in ast.walk(node):
        if isinstance(each, (ast.Import, ast.ImportFrom)):
            for alias in each.names:
                name = alias.asname or alias.name.split(".")[0]
                inner = imported_as(each, name)
                assert inner is not None
                imports[name] = inner
    return imports
