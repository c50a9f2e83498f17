"""All of our code that something uses, as definitions that need nothing of ours, each behind those it builds on."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from leadline.plan.script.definitions import Defined, Imported, found_closure, found_object
from leadline.plan.script.rewriting import Rewriter
from leadline.spelling import Call, parse_call


class Extract:
    """Gathers definitions, and the imports that they need.

    Functions and classes are followed through every name in them. A table of ours keeps the rows whose names occur among
    `words` or in the code itself; a method stays where something may call it.

    Args:
        words: names that may be looked up in tables.
        reserved: names that the script uses itself.

    Example:
        >>> from leadline.layers import Gated
        >>> extract = Extract({"silu"}, reserved=set())
        >>> extract.use(Gated), extract.imports()
        ('Gated', ['from torch import nn'])
        >>> [lines[0] for lines in extract.definitions()]
        ['POINTWISE = {"silu": nn.SiLU}', 'def pointwise_activation(text):', 'class Gated(nn.Module):']
    """

    def __init__(self, words: Iterable[str], *, reserved: Iterable[str]) -> None:
        self.words, self.attributes = set(words), set[str]()
        self._names: dict[str, str] = {}
        self._taken = {"": "", **dict.fromkeys(reserved, "")}  # name → key
        self._found: dict[str, Defined] = {}
        self._known: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {}
        self._roots: list[str] = []
        self._imports: dict[str, Imported] = {}
        self._uses: dict[str, list[str]] = {}
        self._now = ""
        self._texts: dict[str, list[str]] = {}
        self._written: tuple[Any, ...] = ()  # of what they were written

    def use(self, value: Any, *, constants: Mapping[str, Any] | None = None, facts: Mapping[str, Any] | None = None) -> str:
        """The name in the script of a function or class of ours.

        Args:
            value: the function or class.
            constants: parameters whose values are known, which leave the signature.
            facts: what else is known, such as "outputs.dtype".

        Errors: `LookupError` for one that was made inside a function.
        """
        return self._root(found_object(value), dict(constants or {}), dict(facts or {}))

    def use_made(self, function: Any, name: str) -> str:
        """The name of a function that one of ours has made, with what it remembers written into it."""
        found, remembered = found_closure(function, name)
        return self._root(found, remembered, {})

    def _root(self, found: Defined, constants: dict[str, Any], facts: dict[str, Any]) -> str:
        if found.key not in self._roots:
            self._roots.append(found.key)
            self._known[found.key] = (constants, facts)
        name = self.defined(found, alias=found.name, taken=set())
        self._write()
        return self._names.get(found.key, name)

    def read(self, lines: Iterable[str]) -> None:
        """Take the texts in some code for words that may be looked up in tables."""
        for line in lines:
            if not line.strip().startswith('"""'):
                self.words.update(re.findall(r'"([^"]+)"', line))

    def definitions(self) -> list[list[str]]:
        """Each definition's lines, those it builds on before it."""
        self._write()
        order: list[str] = []

        def visit(key: str) -> None:
            if key in order or key in path:
                return
            path.append(key)
            for used in self._uses[key]:
                visit(used)
            path.pop()
            order.append(key)

        path: list[str] = []
        for key in self._roots:
            visit(key)
        return [self._texts[key] for key in order]

    def imports(self) -> list[str]:
        """The import statements, unsorted."""
        self._write()
        return [import_statement(found, name) for name, found in self._imports.items()]

    # What rewriters ask for

    def defined(self, found: Defined, *, alias: str, taken: set[str]) -> str:
        """The name of a definition, which is none of `taken`; `alias` is what the code that uses it calls it."""
        key = found.key
        self._found[key] = found
        self._uses.setdefault(self._now, []).append(key)
        numbered = (f"{found.name}_{number}" for number in itertools.count(2))
        name = next(
            name
            for name in itertools.chain([self._names.get(key, found.name), alias], numbered)
            if name not in taken and self._taken.get(name, key) == key
        )
        self._names[key] = name
        self._taken[name] = key
        return name

    def imported(self, found: Imported, name: str) -> str:
        """The name of what another package gives."""
        self._imports[name] = found
        return name

    def rows(self, keys: Sequence[str]) -> list[tuple[str, Call]]:
        """The texts that may be looked up in a table with these keys, each as the call that it spells."""
        asked = [text for text in sorted(self.words) if re.fullmatch(r"\w+(\(.*\))?", text)]
        return [(text, parse_call(text, "row")) for text in asked if text.split("(")[0] in keys]

    def _write(self) -> None:
        """Rewrite until no name, attribute or word is new."""
        while self._written != (now := (dict(self._names), len(self.attributes), len(self.words), tuple(self._roots))):
            self._written = now
            self._texts, self._uses, self._imports = {}, {}, {}
            waiting = list(self._roots)
            while waiting:
                key = waiting.pop()
                if key in self._texts:
                    continue
                self._now = key
                self._uses[key] = []
                rewriter = Rewriter(self._found[key], self, *self._known.get(key, ()))
                self._texts[key] = rewriter.lines(self._names[key])
                self.read(self._texts[key])
                waiting += self._uses[key]
        self._now = ""


def import_statement(found: Imported, name: str) -> str:
    """An import as it stands in a file.

    Example:
        >>> import_statement(Imported("torch.nn.functional"), "F"), import_statement(Imported("math"), "math")
        ('from torch.nn import functional as F', 'import math')
    """
    module, last = (found.module, found.name) if found.name else ("", found.module)
    if not module and "." in last:
        module, _, last = last.rpartition(".")
    renamed = "" if name == last else f" as {name}"
    return f"from {module} import {last}{renamed}" if module else f"import {last}{renamed}"
