"""`leadline info`."""

from __future__ import annotations

import builtins
import importlib
import json
import os
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch

import leadline
from leadline.cli import machine
from leadline.data.caching import cache_folder

TypeIn = Callable[..., tuple[int, str, str]]


def test_it_tells_what_a_bug_report_needs(type_in: TypeIn, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEADLINE_DATA", "/my/data")
    status, out, err = type_in("info", "--json")
    facts = json.loads(out)
    assert (status, err) == (0, "")
    assert facts["leadline"].startswith(leadline.__version__)
    assert facts["python"].startswith(platform.python_version())
    assert f"torch {torch.__version__}" in facts["packages"]
    assert f"numpy {numpy.__version__}" in facts["packages"]
    assert facts["cache"].startswith(f"{cache_folder()} (")
    assert facts["data"] == "/my/data"
    assert str(workplace) in facts["here"]
    assert facts["threads"].startswith(f"{torch.get_num_threads()} ")
    assert f"{os.cpu_count()} cores" in facts["cpu"]
    assert ("none" in facts["cuda"]) == (not torch.cuda.is_available())


def test_for_people_it_is_labelled_lines(type_in: TypeIn) -> None:
    _, out, _ = type_in("info")
    assert out.startswith(f"leadline  {leadline.__version__}")
    assert "\ncuda      " in out


def test_every_dependency_is_listed() -> None:
    declared = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    for line in machine.packages():
        assert f'"{line.split()[0]}>=' in declared
        assert not line.endswith("missing")
    assert len(machine.packages()) == 14


def test_a_missing_package_is_said_so() -> None:
    assert machine.version("no-such-package-anywhere") == "missing"


def test_a_torch_that_cannot_be_imported_is_a_fact_and_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str) -> Any:
        raise OSError("libtorch_cpu.so: cannot open shared object file")

    monkeypatch.setattr(importlib, "import_module", refuse)
    assert list(machine.torch_facts()) == [
        ("torch", "cannot be imported: OSError('libtorch_cpu.so: cannot open shared object file')")
    ]


def test_a_system_that_tells_nothing_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, *arguments: Any, **options: Any) -> str:
        raise PermissionError(13, "denied")

    monkeypatch.setattr(Path, "read_text", refuse)
    monkeypatch.setattr(builtins, "open", refuse)
    assert machine.cpu_name()
    assert "cores" in machine.cores()
    assert "GiB" in machine.main_memory()


def test_the_limits_of_a_container_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = {"cpu.max": "150000 100000\n", "memory.max": f"{2 * 2**30}\n"}
    monkeypatch.setattr(machine, "_control_group", limits.__getitem__)
    assert machine.cores().endswith("limited to 1.5 by its container")
    assert machine.main_memory().endswith("limited to 2.0 GiB by its container")


def test_free_space_is_that_of_the_place_where_a_folder_would_be(tmp_path: Path) -> None:
    assert machine.free(tmp_path / "not" / "yet" / "there").endswith("GiB free")
