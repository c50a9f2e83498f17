"""Each folder imports only from those above it in the design's table, wherever in a file the import stands."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import leadline

ROOT = Path(leadline.__file__).parent

# One row may use the rows above it; within a row, nothing uses its neighbours.
ROWS: list[set[str]] = [
    {"errors"},
    {"files", "spelling"},
    {"losses", "metrics", "initialize"},
    {"layers"},
    {"optim"},
    {"text"},
    {"data"},
    {"models"},
    {"language"},
    {"training"},
    {"explain"},
    {"transfer"},
    {"baselines"},
    {"plan"},
    {"diagnose"},
    {"report"},
    {"runs"},
    {"cli"},
    {"__main__"},
]
HEIGHT = {name: row for row, names in enumerate(ROWS) for name in names}
# The verbs that `leadline` itself offers live further down.
VERBS = {"fit": "runs", "open": "runs", "resume": "runs", "train": "runs"}
REPORT_MAY_USE = {"errors", "files"}


def imported(source: str, package: str) -> set[str]:
    """Every absolute dotted name that `source`, a module in `package`, imports: at the top, in functions, relative or not."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            home = ".".join([*above, *([node.module] if node.module else [])])
            names |= {f"{home}.{alias.name}" for alias in node.names}
    return names


def ours(names: set[str]) -> set[str]:
    """The first folder or file of Leadline in each of the dotted names that is Leadline's."""
    parts = {name.split(".")[1] for name in names if name.startswith("leadline.")}
    return {VERBS.get(part, part) for part in parts} - {"__version__"}


def modules() -> list[Path]:
    return sorted(path.relative_to(ROOT) for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py")


def read(module: Path) -> set[str]:
    package = ".".join(["leadline", *module.parent.parts])
    return imported((ROOT / module).read_text(encoding="utf-8"), package)


def folder(module: Path) -> str:
    return module.parts[0].removesuffix(".py")


@pytest.mark.parametrize(
    ("source", "package", "expected"),
    [
        ("import leadline.runs.folder", "leadline.data", {"runs"}),
        ("from leadline import runs, errors", "leadline.data", {"runs", "errors"}),
        ("from leadline import train", "leadline.data", {"runs"}),
        ("from leadline.runs.folder import Run", "leadline.data", {"runs"}),
        ("from ..runs import folder", "leadline.data", {"runs"}),
        ("from . import schema", "leadline.data", {"data"}),
        ("from .schema import Schema", "leadline.data", {"data"}),
        ("def f():\n    if True:\n        from leadline.runs import Run", "leadline.data", {"runs"}),
        ("from .. import __version__", "leadline.data", set()),
        ("import torch", "leadline.data", set()),
    ],
)
def test_every_way_of_importing_is_seen(source: str, package: str, expected: set[str]) -> None:
    assert ours(imported(source, package)) == expected


@pytest.mark.parametrize("module", modules(), ids=str)
def test_a_module_imports_only_from_above(module: Path) -> None:
    here = folder(module)
    assert here in HEIGHT, f"{module}: the table of folders does not know {here!r}"
    wrong = {name for name in ours(read(module)) - {here} if HEIGHT.get(name, len(ROWS)) >= HEIGHT[here]}
    assert not wrong, f"{module} imports from {sorted(wrong)}, which stand beside or below {here!r}"


@pytest.mark.parametrize("module", [module for module in modules() if folder(module) == "report"], ids=str)
def test_the_report_needs_only_records(module: Path) -> None:
    names = read(module)
    assert ours(names) - {"report"} <= REPORT_MAY_USE
    assert "torch" not in {name.split(".")[0] for name in names}


@pytest.mark.parametrize("word", ["utils", "core", "base", "common", "helpers", "misc"])
def test_no_folder_or_file_is_a_drawer(word: str) -> None:
    assert not [module for module in modules() if word in [part.removesuffix(".py") for part in module.parts]]
