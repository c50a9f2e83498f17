"""One definition of ours as plain code: without docstring, annotations and checks, with what is known put in."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from leadline.plan.script.definitions import Defined, Imported
from leadline.plan.script.knowing import PLAIN, UNKNOWN, Knowledge, defaults_of
from leadline.plan.script.layout import indented, literal, statement
from leadline.plan.script.reading import (
    binds,
    children,
    dedented,
    first_line,
    kept_comment,
    plain_type,
    sentence,
    stored_fields,
    table_row,
    truth_tests,
)
from leadline.spelling import Call

# Scripts show no layers, and write a product of schedules as a product of their values.
_NEVER_NEEDED = ("extra_repr", "__repr__", "__mul__", "__rmul__")
_SIMPLE = (ast.Name, ast.Attribute, ast.Constant)


class Names(Protocol):
    """What a rewriter asks of the script it writes for."""

    attributes: set[str]

    def defined(self, found: Defined, *, alias: str, taken: set[str]) -> str: ...
    def imported(self, found: Imported, name: str) -> str: ...
    def rows(self, keys: Sequence[str]) -> list[tuple[str, Call]]: ...


class Rewriter:
    """Rewrites the code of one definition.

    Args:
        found: the definition.
        names: gives names to whatever it uses.
        constants: parameters whose values are known; they leave the signature.
        facts: what is known beside, such as "outputs.dtype".
    """

    def __init__(
        self,
        found: Defined,
        names: Names,
        constants: Mapping[str, Any] | None = None,
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        self.found, self.source, self.names = found, found.source, names
        self.known = Knowledge(found, constants, facts)
        self.given = set(constants or {})
        self.taken = set(self.known.local)
        self.texts: dict[str, str] = {}
        self.fields: frozenset[str] = frozenset()
        self._tests = truth_tests(found.node)
        self.loaded: set[str] | None = None
        self.seen: set[str] = set()

    def lines(self, name: str) -> list[str]:
        """The definition under this name."""
        node = self.found.node
        if isinstance(node, ast.Lambda):
            header = f"def {name}({', '.join(self._arguments(node.args))}):"
            return [header, *indented(statement(f"return {self.expression(node.body)}", 4))]
        if isinstance(node, ast.FunctionDef):
            return self._twice(self, node, name, 0)
        if isinstance(node, ast.ClassDef):
            return self._class(node, name)
        return statement(f"{name} = {self._table(self.found.assigned) or self.expression(self.found.assigned)}")

    @staticmethod
    def _twice(first: Rewriter, node: ast.FunctionDef, name: str, depth: int) -> list[str]:
        """A function without those names that only a check has read, which the first writing shows."""
        constants = {key: value for key, value in first.known.constants.items() if key in first.given}
        second = Rewriter(first.found, first.names, constants, dict(first.known.facts))
        second.fields = first.fields
        first.function(node, name, depth)
        second.loaded = first.seen
        return second.function(node, name, depth)

    # Statements

    def function(self, node: ast.FunctionDef, name: str, depth: int) -> list[str]:
        """The lines of a function."""
        header = f"def {name}({', '.join(self._arguments(node.args))}):"
        decorators = [f"@{self.expression(each)}" for each in node.decorator_list]
        body = self.block(node.body, depth + 4)
        told = [sentence(node)] if node is self.found.node and not depth and sentence(node) else []
        return [*decorators, *statement(header, depth), *indented([*told, *(body or ([] if told else ["pass"]))])]

    def block(self, body: Sequence[ast.stmt], depth: int) -> list[str]:
        """Statements one after another, with the comments above them."""
        lines: list[str] = []
        for at, node in enumerate(body):
            rewritten = self._statement(node, depth)
            if not rewritten:
                continue
            above, blank = self._above(first_line(node), body[at - 1] if at else None)
            lines += [""] * bool(lines and blank) + above + rewritten
            branch = self.known.branch(node) if isinstance(node, ast.If) else None
            if branch and isinstance(branch[-1], (ast.Return, ast.Raise)):
                break
        return lines

    def _statement(self, node: ast.stmt, depth: int) -> list[str]:
        """The lines of one statement, none where nothing is left of it."""
        if self.known.idle(node) or self._unread(node):
            return []
        if isinstance(node, ast.If):
            return self._if(node, depth)
        if isinstance(node, (ast.For, ast.While, ast.With)):
            return [*self._header(node, depth), *indented(self.block(node.body, depth + 4) or ["pass"])]
        if isinstance(node, ast.Try):
            return self._try(node, depth)
        if isinstance(node, ast.FunctionDef):
            return self.function(node, node.name, depth)
        if isinstance(node, ast.AnnAssign):
            assert node.value is not None
            text = f"{self.expression(node.target)} = {self.expression(node.value)}"
        else:
            text = self._slice(node)
        for each in ast.walk(node):
            if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store):
                self.known.facts = {key: fact for key, fact in self.known.facts.items() if not key.startswith(each.id + ".")}
        return statement(dedented(text, node.col_offset), depth, self._comment(node))

    def _unread(self, node: ast.stmt) -> bool:
        """Whether a statement sets a name that nothing reads any more."""
        if self.loaded is None or not isinstance(node, (ast.Assign, ast.AnnAssign)):
            return False
        target = node.targets[0] if isinstance(node, ast.Assign) else node.target
        return isinstance(target, ast.Name) and target.id not in self.loaded

    def _if(self, node: ast.If, depth: int) -> list[str]:
        branch = self.known.branch(node)
        if branch is None and any(self.known.complains(each) for each in node.body):
            branch = node.orelse
        if branch is not None:
            return self.block(branch, depth)
        body = self.block(node.body, depth + 4)
        return [*self._header(node, depth), *indented(body or ["pass"]), *self._otherwise(node, depth)]

    def _otherwise(self, node: ast.If, depth: int) -> list[str]:
        if not node.orelse or any(self.known.complains(each) for each in node.orelse):
            return []
        first = node.orelse[0]
        if len(node.orelse) == 1 and isinstance(first, ast.If) and self.known.branch(first) is None:
            lines = self._if(first, depth)
            if lines and lines[0].startswith("elif "):
                return lines
        lines = self.block(node.orelse, depth + 4)
        return ["else:", *indented(lines)] if lines else []

    def _try(self, node: ast.Try, depth: int) -> list[str]:
        if all(any(self.known.complains(each) for each in handler.body) for handler in node.handlers) and not node.finalbody:
            return self.block([*node.body, *node.orelse], depth)
        lines = ["try:", *indented(self.block(node.body, depth + 4) or ["pass"])]
        for handler in node.handlers:
            kind = f" {self.expression(handler.type)}" if handler.type else ""
            name = f" as {handler.name}" if handler.name else ""
            lines += [f"except{kind}{name}:", *indented(self.block(handler.body, depth + 4) or ["pass"])]
        for word, rest in (("else", node.orelse), ("finally", node.finalbody)):
            if rest:
                lines += [f"{word}:", *indented(self.block(rest, depth + 4) or ["pass"])]
        return lines

    def _header(self, node: ast.If | ast.For | ast.While | ast.With, depth: int) -> list[str]:
        inner = [each for each in children(node) if not isinstance(each, ast.stmt)]
        start = self.source.span(node)[0]
        last = self.source.span(inner[-1])[1]
        rest = self.source.text(last, self.source.span(node.body[0])[0])
        closing, _, behind = rest.partition(":")
        text = dedented(self._pieces(start, last, inner) + closing + ":", node.col_offset)
        return statement(text, depth, kept_comment(behind.split("\n")[0]))

    def _class(self, node: ast.ClassDef, name: str) -> list[str]:
        bases = [self.expression(base) for base in node.bases]
        lines = [f"@{self.expression(each)}" for each in node.decorator_list]
        lines.append(f"class {name}({', '.join(bases)}):" if bases else f"class {name}:")
        fields = bool(node.decorator_list) or "NamedTuple" in bases
        own = stored_fields(node)
        body: list[str] = []
        for at, each in enumerate(node.body):
            if isinstance(each, ast.FunctionDef):
                if not self._wanted(each.name):
                    continue
                known = self.known.constants if each.name == "__init__" else {}
                inner = Rewriter(Defined(self.source, self.found.name, each), self.names, known, self.known.facts)
                inner.fields = own
                method = self._twice(inner, each, each.name, 4)
                if method[-1].strip() != "pass":
                    above, _ = self._above(first_line(each), node.body[at - 1] if at else None)
                    body += [""] * bool(body) + above + method
            elif isinstance(each, ast.AnnAssign) and fields and "ClassVar" not in ast.unparse(each.annotation):
                if self._unread_field(each):
                    continue
                value = f" = {self.expression(each.value)}" if each.value else ""
                body.append(f"{ast.unparse(each.target)}: {plain_type(each.annotation)}{value}")
            elif not (isinstance(each, ast.Assign) and ast.unparse(each.targets[0]) in _NEVER_NEEDED):
                body += self._statement(each, 4)
        told = [sentence(node), ""] if sentence(node) else []
        return [*lines, *indented(told + body if body else told[:1] or ["pass"])]

    def _unread_field(self, node: ast.AnnAssign) -> bool:
        """Whether a field of the one object that there is, and which is known, is at its default and read by nothing."""
        name = ast.unparse(node.target)
        if f"self.{name}" not in self.known.facts or node.value is None or name in self.names.attributes:
            return False
        return bool(self.known.facts[f"self.{name}"] == getattr(self.found.value, name))

    def _wanted(self, method: str) -> bool:
        if method in _NEVER_NEEDED:
            return False
        if method in self.names.attributes or (method.startswith("__") and method.endswith("__")):
            return True
        bases = inspect.getmro(self.found.value)[1:-1]
        return any(method in vars(base) for base in bases if not base.__module__.startswith("leadline"))

    def _arguments(self, node: ast.arguments) -> list[str]:
        plain = [*node.posonlyargs, *node.args]
        defaults = [None] * (len(plain) - len(node.defaults)) + list(node.defaults)
        texts = [
            self._argument(arg, default) for arg, default in zip(plain, defaults, strict=True) if arg.arg not in self.given
        ]
        if node.vararg:
            texts.append(f"*{node.vararg.arg}")
        pairs = zip(node.kwonlyargs, node.kw_defaults, strict=True)
        named = [self._argument(arg, default) for arg, default in pairs if arg.arg not in self.given]
        if named and not node.vararg:
            texts.append("*")
        return [*texts, *named, *([f"**{node.kwarg.arg}"] if node.kwarg else [])]

    def _argument(self, arg: ast.arg, default: ast.expr | None) -> str:
        return arg.arg if default is None else f"{arg.arg}={self.expression(default)}"

    def _table(self, node: ast.expr) -> str:
        """A table of ours by name, with the rows that are needed; an empty text for any other constant."""
        if not isinstance(node, ast.Dict):
            return ""
        keys = [key.value for key in node.keys if isinstance(key, ast.Constant) and isinstance(key.value, str)]
        if len(keys) < len(node.keys):
            return ""
        values = dict(zip(keys, node.values, strict=True))
        rows = [(text, call, self.expression(values[call.name])) for text, call in self.names.rows(keys)]
        return "{" + ", ".join(f"{literal(text)}: {table_row(call, value)}" for text, call, value in rows) + "}"

    def _above(self, line: int, before: ast.stmt | None) -> tuple[list[str], bool]:
        """The comments directly above a line, and whether an empty line stands above them."""
        first = (before.end_lineno or 0) if before is not None else 0
        comments: list[str] = []
        at = line - 2
        while at >= first and self.source.lines[at].strip().startswith("#"):
            comments.insert(0, self.source.lines[at].strip())
            at -= 1
        return comments, at >= first and not self.source.lines[at].strip()

    def _comment(self, node: ast.stmt) -> str:
        return kept_comment(self.source.behind(node))

    # Expressions

    def expression(self, node: ast.expr) -> str:
        """The text of an expression, names resolved and what is known put in."""
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            return node.id
        node = self.known.simplified(node)
        if isinstance(node, ast.Name) and node.id in self.texts:
            return self.texts[node.id]
        if isinstance(node, ast.Name) and node.id in self.known.constants:
            return literal(self.known.constants[node.id])
        if not isinstance(node, (ast.Constant, ast.Tuple, ast.List)) and isinstance(value := self.known.value(node), PLAIN):
            return literal(value)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
            kept = isinstance(node.value, ast.Name) and node.value.id == "self" and node.attr in self.fields
            self.names.attributes.update([] if kept else [node.attr])
        if isinstance(node, ast.BoolOp) and id(node) in self._tests:
            return self._test(node)
        if isinstance(node, (ast.Name, ast.Attribute)) and (text := self._reference(node)):
            return text
        if isinstance(node, ast.Call) and (text := self._inlined(node) or self._call(node)):
            return text
        if isinstance(node, ast.Lambda):
            arguments = ", ".join(self._arguments(node.args))
            return f"lambda{' ' * bool(arguments)}{arguments}: {self.expression(node.body)}"
        return self._slice(node)

    def _test(self, node: ast.BoolOp) -> str:
        """A condition that counts as true or false alone, without those of its parts that are settled."""
        left = [each for each in node.values if self.known.value(each) is UNKNOWN]
        if len(left) == len(node.values):
            return self._slice(node)
        return (" and " if isinstance(node.op, ast.And) else " or ").join(map(self.expression, left))

    def _reference(self, node: ast.Name | ast.Attribute) -> str:
        if isinstance(node, ast.Name) and node.id in self.known.local:
            self.seen.add(node.id)
            return node.id
        found = self.known.resolve(node)
        name = node.id if isinstance(node, ast.Name) else node.attr
        if isinstance(found, Defined):
            return self.names.defined(found, alias=name, taken=self.taken)
        return self.names.imported(found, name) if isinstance(found, Imported) else ""

    def _inlined(self, node: ast.Call) -> str:
        """A call of one of our functions whose one line is known by its arguments, as that line."""
        answer = self.known.answer(node)
        if answer is None or not any(isinstance(self.known.value(each), PLAIN) for each in answer.given.values()):
            return ""
        inside = list(ast.walk(answer.value))
        if not all(isinstance(each, _SIMPLE) for each in answer.given.values()) or any(map(binds, inside)):
            return ""
        if any(isinstance(each, ast.Name) and each.id in answer.knowledge.local - set(answer.given) for each in inside):
            return ""
        inner = Rewriter(answer.knowledge.found, self.names, answer.knowledge.constants, answer.knowledge.facts)
        inner.taken |= self.taken
        inner.texts = {name: self.expression(each) for name, each in answer.given.items()}
        return inner.expression(answer.value)

    def _call(self, node: ast.Call) -> str:
        """A call that says what is the default already, without that; an empty text for any other."""
        found = self.known.resolve(node.func)
        if found == Imported("typing", "cast"):
            return self.expression(node.args[1])
        if isinstance(found, Defined) and found.key == "leadline.spelling:make":
            return f"{self.expression(node.args[1])}[{self.expression(node.args[0])}]()"
        if isinstance(node.func, ast.Name) and node.func.id == "getattr" and isinstance(node.args[1], ast.Constant):
            self.names.attributes.add(str(node.args[1].value))
        defaults = defaults_of(self.known.live(node.func)) if node.keywords else {}
        kept = [word for word in node.keywords if not self._is_default(word, defaults)]
        if len(kept) == len(node.keywords):
            return ""
        words = [
            f"{word.arg}={self.expression(word.value)}" if word.arg else f"**{self.expression(word.value)}" for word in kept
        ]
        return f"{self.expression(node.func)}({', '.join([*map(self.expression, node.args), *words])})"

    def _is_default(self, word: ast.keyword, defaults: Mapping[str, Any]) -> bool:
        value = self.known.value(word.value)
        if isinstance(word.value, ast.Constant) or value is UNKNOWN or word.arg is None or word.arg not in defaults:
            return False
        return bool(type(value) is type(defaults[word.arg]) and value == defaults[word.arg])

    def _slice(self, node: ast.AST) -> str:
        if isinstance(node, ast.JoinedStr):
            for each in ast.walk(node):
                if isinstance(each, ast.Name):
                    self._reference(each)
        inner = [] if isinstance(node, ast.JoinedStr) else children(node)
        return self._pieces(*self.source.span(node), inner)

    def _pieces(self, start: int, end: int, inner: Sequence[ast.AST]) -> str:
        """The source from `start` to `end`, with the expressions inside it rewritten."""
        text, at = "", start
        for child in inner:
            first, last = self.source.span(child)
            text += self.source.text(at, first)
            text += self.expression(child) if isinstance(child, ast.expr) else self._slice(child)
            at = last
        return text + self.source.text(at, end)
