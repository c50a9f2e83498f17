"""Public names: frozen in one table, documented with an example, unlike the name of any module, and cheap to reach."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import leadline

TABLE: dict[str, list[str]] = tomllib.loads((Path(__file__).parent / "public_names.toml").read_text(encoding="utf-8"))


def modules() -> Iterator[ModuleType]:
    """Leadline and every module below it, imported."""
    yield leadline
    for found in pkgutil.walk_packages(leadline.__path__, "leadline."):
        if not found.name.endswith("__main__"):
            yield importlib.import_module(found.name)


def callables() -> Iterator[tuple[str, Any]]:
    """Every class and function that a module of ours defines at its top level, with its full name."""
    for module in modules():
        for name, value in vars(module).items():
            if callable(value) and getattr(value, "__module__", None) == module.__name__ and not name.startswith("__"):
                yield f"{module.__name__}.{name}", value


def public() -> Iterator[tuple[str, Any]]:
    """Every class and function in the `__all__` of Leadline and its packages; a type alias is neither."""
    for package, names in TABLE.items():
        module = importlib.import_module(package)
        for name in names:
            value = getattr(module, name)
            if isinstance(value, type) or inspect.isroutine(value):
                yield f"{package}.{name}", value


def is_kind(value: Any) -> bool:
    """Whether this is an exception or a protocol: a kind of thing, which nobody calls for its result."""
    return isinstance(value, type) and (issubclass(value, BaseException) or getattr(value, "_is_protocol", False))


def packages() -> list[str]:
    return ["leadline", *(module.name for module in pkgutil.iter_modules(leadline.__path__, "leadline.") if module.ispkg)]


def test_the_table_knows_every_package() -> None:
    assert sorted(TABLE) == sorted(packages())


@pytest.mark.parametrize("package", packages())
def test_the_public_names_are_those_of_the_table(package: str) -> None:
    names = importlib.import_module(package).__all__
    assert sorted(names) == sorted(TABLE.get(package, [])), (
        f"{package}.__all__ changed: if that was meant, change public_names.toml"
    )


@pytest.mark.parametrize("package", packages())
def test_every_public_name_exists(package: str) -> None:
    module = importlib.import_module(package)
    assert [name for name in module.__all__ if not hasattr(module, name)] == []
    assert len(set(module.__all__)) == len(module.__all__)


def test_every_public_callable_says_what_it_does() -> None:
    # A dataclass without a docstring gets its own signature as one.
    silent = [
        name
        for name, value in public()
        if not inspect.getdoc(value) or (inspect.getdoc(value) or "").startswith(f"{name.split('.')[-1]}(")
    ]
    assert silent == []


def test_every_public_callable_shows_an_example_that_runs() -> None:
    # Exceptions are shown where they are raised, and a protocol is not called; the doctests run what is found here.
    # `__doc__` and not `getdoc`, which would let a class pass with the example of its base.
    found = {name: doctest.DocTestParser().get_examples(value.__doc__ or "") for name, value in public() if not is_kind(value)}
    assert [name for name, examples in found.items() if not examples] == []


def test_every_module_says_what_it_is_for() -> None:
    assert [module.__name__ for module in modules() if not module.__doc__] == []


def test_no_callable_has_the_name_of_a_module() -> None:
    # `leadline.plan.plan` beside `leadline.plan` is one too many, and `from leadline import plan` must find the package.
    taken = {module.__name__.split(".")[-1] for module in modules()}
    assert [name for name, _ in callables() if name.split(".")[-1] in taken] == []


def test_no_public_constructor_or_function_takes_any_keyword() -> None:
    loose = []
    for name, value in public():
        if is_kind(value):
            continue  # their constructors are Python's own
        try:
            parameters = inspect.signature(value).parameters.values()
        except ValueError:  # a builtin without a signature
            continue
        loose += [name for parameter in parameters if parameter.kind is inspect.Parameter.VAR_KEYWORD]
    assert loose == []


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'tarin'"):
        _ = leadline.tarin


def test_dir_lists_the_lazy_names() -> None:
    assert {"train", "fit", "open", "resume", "data", "plan"} <= set(dir(leadline))


LOADED = "import sys\n{}\nprint(*sorted({{name.split('.')[0] for name in sys.modules}}))"
HEAVY = {"torch", "numpy", "matplotlib", "sklearn", "PIL", "polars", "numba", "rich"}


def loaded_by(statement: str) -> set[str]:
    """The top-level packages in memory after a fresh interpreter has run `statement`."""
    out = subprocess.run([sys.executable, "-c", LOADED.format(statement)], capture_output=True, text=True, check=True)
    return set(out.stdout.splitlines()[-1].split())


def test_importing_leadline_loads_nothing_else() -> None:
    assert not loaded_by("import leadline") & (HEAVY | {"click"})


HELP = """
import contextlib
from leadline.cli import main
with contextlib.suppress(SystemExit):
    main({arguments})
print()
"""


@pytest.mark.parametrize("verb", ["", "train", "plan", "resume", "predict", "evaluate", "report", "show", "gradcheck", "info"])
def test_help_loads_nothing_heavy(verb: str) -> None:
    assert not loaded_by(HELP.format(arguments=[*verb.split(), "--help"])) & HEAVY


def test_help_answers_at_once() -> None:
    # The promise is 0.3 s on a machine that does nothing else; the best of five leaves out what the other workers do.
    seconds = []
    for _ in range(5):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-m", "leadline", "--help"], capture_output=True, check=True)
        seconds.append(time.perf_counter() - started)
    assert min(seconds) < 0.3
