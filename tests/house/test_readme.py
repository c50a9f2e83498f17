"""The Python in the README and the docs runs, from top to bottom of each page, in an empty folder."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(page: Path) -> list[tuple[int, str]]:
    """The Python blocks of a page, each with the number of its first line."""
    text = page.read_text(encoding="utf-8")
    return [(text[: match.start(1)].count("\n") + 1, match.group(1)) for match in FENCE.finditer(text)]


def test_the_readme_has_examples() -> None:
    assert len(blocks(ROOT / "README.md")) >= 2


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)], ids=lambda page: page.name)
def test_the_examples_run(page: Path, workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, object] = {"__name__": "page"}
    for line, code in blocks(page):
        # Empty lines before the code make a traceback point at the line in the page.
        exec(compile("\n" * (line - 1) + code, str(page), "exec"), names)
    assert capsys.readouterr().out.strip(), "the examples print something"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_pictures_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target
