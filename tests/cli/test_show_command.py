"""The group `leadline show`."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

TypeIn = Callable[..., tuple[int, str, str]]


def test_help_lists_the_parts(type_in: TypeIn) -> None:
    status, out, err = type_in("show", "--help")
    assert (status, err) == (0, "")
    assert [line.split()[0] for line in out.split("Commands:")[1].strip().splitlines()] == ["summary", "script", "augmentation"]


def test_an_unknown_part_names_the_nearest(type_in: TypeIn) -> None:
    status, out, err = type_in("show", "sumary", "resnet18")
    assert (status, out) == (2, "")
    assert "There is no 'sumary' to show. Did you mean 'summary'?" in err


def test_help_of_the_summary_loads_nothing_heavy() -> None:
    code = "import sys, contextlib\nfrom leadline.cli import main\nwith contextlib.suppress(SystemExit):\n"
    code += "    main(['show', 'summary', '--help'])\nprint('torch' in sys.modules, 'numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False False"
