"""What is read off a piece of our code: its parts in the order of the text, its comments, its first sentence."""

from __future__ import annotations

import ast
import functools
import re

from leadline.plan.script.layout import literal
from leadline.spelling import Call


def first_line(node: ast.stmt) -> int:
    """The line on which a statement begins, with its decorators."""
    decorators = node.decorator_list if isinstance(node, (ast.FunctionDef, ast.ClassDef)) else []
    return min([node.lineno, *(each.lineno for each in decorators)])


def sentence(node: ast.FunctionDef | ast.ClassDef) -> str:
    """The first sentence of a docstring as one of its own; an empty text where that is more than a line."""
    first = (ast.get_docstring(node) or "").split("\n")[0]
    return f'"""{first}"""' if first.endswith(".") and "\\" not in first and not first.startswith('"') else ""


@functools.cache
def children(node: ast.AST) -> list[ast.AST]:
    """The parts of a node that have a place in the text, in its order."""
    found: list[ast.AST] = []
    waiting = list(ast.iter_child_nodes(node))
    while waiting:
        child = waiting.pop()
        if hasattr(child, "lineno"):
            found.append(child)
        else:
            waiting += ast.iter_child_nodes(child)
    return sorted(found, key=lambda each: (each.lineno, each.col_offset))  # type: ignore[attr-defined]


def table_row(call: Call, value: str) -> str:
    """What stands in a table for a name with arguments: something to be called without any."""
    arguments = [*map(literal, call.arguments), *(f"{name}={literal(each)}" for name, each in call.keywords.items())]
    if not arguments:
        return value
    return f"lambda: {value}({', '.join(arguments)})"


def binds(node: ast.AST) -> bool:
    return isinstance(node, (ast.comprehension, ast.Lambda, ast.NamedExpr))


def dedented(text: str, columns: int) -> str:
    first, *rest = text.split("\n")
    return "\n".join([first, *(line[columns:] if line[:columns].isspace() else line for line in rest)])


def kept_comment(text: str) -> str:
    """A comment that says something to a reader, not to a checker."""
    text = text.strip()
    return "" if not text.startswith("#") or re.match(r"# *(type:|noqa|pragma)", text) else text


def plain_type(annotation: ast.expr) -> str:
    """The annotation of a field, which a dataclass must have, without imports."""
    text = ast.unparse(annotation)
    return text if text in ("bool", "int", "float", "str") else "object"


@functools.cache
def truth_tests(node: ast.AST) -> frozenset[int]:
    """The identities of the expressions inside that are asked only whether they are true."""
    tests: list[ast.expr] = []
    for each in ast.walk(node):
        if isinstance(each, (ast.If, ast.While, ast.IfExp)):
            tests.append(each.test)
        elif isinstance(each, ast.comprehension):
            tests += each.ifs
    return frozenset(map(id, tests))


@functools.cache
def stored_fields(node: ast.ClassDef) -> frozenset[str]:
    """What an object of this class keeps under `self`."""
    stored = (each for each in ast.walk(node) if isinstance(each, ast.Attribute) and isinstance(each.ctx, ast.Store))
    return frozenset(each.attr for each in stored if isinstance(each.value, ast.Name) and each.value.id == "self")
