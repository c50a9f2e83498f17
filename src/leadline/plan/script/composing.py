"""A script put together: its imports, its definitions and its parts, with the empty lines that belong between them."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Sequence
from typing import ClassVar

from leadline.plan.script.extracting import Extract

_OF_PARTS = {
    "copy": "import copy",
    "functools": "import functools",
    "math": "import math",
    "OrderedDict": "from collections import OrderedDict",
    "Path": "from pathlib import Path",
    "SimpleNamespace": "from types import SimpleNamespace",
    "torch": "import torch",
    "load_file": "from safetensors.torch import load_file",
    "save_file": "from safetensors.torch import save_file",
    "nn": "from torch import nn",
    "F": "from torch.nn import functional as F",
}


class Composition:
    """The parts of a script, filled one after another.

    Args:
        introduction: its docstring.
        extract: the definitions of ours that it uses.

    Example:
        >>> made = Composition("Nothing.", Extract(set(), reserved=set()))
        >>> made.settings, made.saving = ["x = math.pi"], ["print(x)"]
        >>> print(made.text())
        \"\"\"Nothing.\"\"\"
        <BLANKLINE>
        import math
        <BLANKLINE>
        x = math.pi
        <BLANKLINE>
        print(x)
        <BLANKLINE>
    """

    # What the parts call their own; no definition may have such a name.
    NAMES: ClassVar[frozenset[str]] = frozenset(
        """HERE OUTPUT SEED EPOCHS BATCH STEPS LEARNING_RATE DEVICE data train_inputs train_targets valid_inputs valid_targets
        mean std scale shift target_mean target_std target_unit standardized in_units prepare augment batches model start
        shares loss_of mean_loss evaluate follow optimizer parameters rates average taken late clip plateau penalties best
        kept waited step epoch total rows inputs targets done group rate loss valid_loss score train_loss network parts whole
        part answers share slow fast p rule ended asked random closure added decay every minimize SimpleNamespace copy
        functools math OrderedDict Path torch load_file save_file nn F""".split()  # noqa: SIM905 - ninety lines otherwise
    )

    def __init__(self, introduction: str, extract: Extract) -> None:
        self.introduction, self.extract = introduction, extract
        self.settings: list[str] = []
        self.load: list[str] = []
        self.data: list[list[str]] = []
        self.network: list[str] = []
        self.judging: list[list[str]] = []
        self.training: list[str] = []
        self.saving: list[str] = []

    def text(self) -> str:
        """The whole file."""
        blocks = [
            self.settings,
            *self._definitions(),
            self.load,
            *self.data,
            self.network,
            *self.judging,
            self.training,
            self.saving,
        ]
        body = _spaced(blocks)
        quotes = '"""'
        head = f"{quotes}{self.introduction}{chr(10) if chr(10) in self.introduction else ''}{quotes}"
        return f"{head}\n\n{_imports(self.extract, body)}\n\n{body}\n"

    def beginning(self, seed: int) -> str:
        """What makes the network and prepares the data, without reading the file."""
        body = _spaced([[f"SEED = {seed}"], *self._definitions(), *self.data, self.network])
        return f"{_imports(self.extract, body)}\n\n{body}\n"

    def _definitions(self) -> list[list[str]]:
        """Constants of one line stand together."""
        blocks: list[list[str]] = []
        constants = False
        for lines in self.extract.definitions():
            simple = len(lines) == 1
            if simple and constants:
                blocks[-1] += lines
            else:
                blocks.append(list(lines))
            constants = simple
        return blocks


def _spaced(blocks: Iterable[Sequence[str]]) -> str:
    """Blocks with two empty lines around functions and classes and one between others."""
    text, before = "", False
    for block in blocks:
        if not block:
            continue
        defines = block[0].startswith(("def ", "class ", "@"))
        if text:
            text += "\n\n\n" if defines or before else "\n\n"
        text += "\n".join(block)
        before = defines
    return text


def _imports(extract: Extract, body: str) -> str:
    """The imports that the code uses, the standard library's first, those from one module in one line."""
    used = {node.id for node in ast.walk(ast.parse(body)) if isinstance(node, ast.Name)}
    lines = {line for name, line in _OF_PARTS.items() if name in used} | set(extract.imports())
    together: dict[str, set[str]] = {}
    for line in lines:
        module, _, names = line.partition(" import ") if line.startswith("from ") else (line, "", "")
        together.setdefault(module, set()).update([names] if names else [])
    ordered = sorted(together, key=lambda module: (module.startswith("from "), module.lower()))
    groups: list[list[str]] = [[], []]
    for module in ordered:
        names = ", ".join(sorted(together[module]))
        ours = module.split()[1].split(".")[0] not in sys.stdlib_module_names
        groups[ours].append(f"{module} import {names}" if names else module)
    return "\n\n".join("\n".join(group) for group in groups if group)
