"""Trees in brackets, as treebanks write them, read from files of any size, one tree after another.

`(3 (2 good) (4 film))`: each pair of brackets is a node with its label and its children, or with its label and one word.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from leadline.errors import DataError
from leadline.text.bracketed_trees import BracketedTree
from leadline.text.reading_text import TextReader

_SPACE = " \t\r\n\f\v"  # what divides words: treebanks have words with other spaces in them, such as "2\u00a01/2"
_TOKENS = re.compile(rf"[()]|[^{_SPACE}()]+")
_LAST_END = re.compile(rf"[{_SPACE}()](?=[^{_SPACE}()]*\Z)")
# A tree begins with brackets that hold nothing but a label, down to a word; a single word is a tree if nothing follows it.
_ATOM = rf"[^{_SPACE}()]+"
_BEGINNING = re.compile(rf"(?:\(\s*(?:{_ATOM})?\s*)+\(\s*{_ATOM}\s+{_ATOM}\s*\)|\(\s*{_ATOM}\s+{_ATOM}\s*\)\s*$")
_LINES = 50  # that are looked at
_SHOWN = 40  # characters of a text or a word that an error quotes
# How treebanks write what would be read as a bracket, and what once was a mark of theirs.
_ESCAPES = {"-LRB-": "(", "-RRB-": ")", "-LSB-": "[", "-RSB-": "]", "-LCB-": "{", "-RCB-": "}"}


class MalformedTree(NamedTuple):
    """A tree that could not be read: the line it begins in, and why.

    Example:
        >>> MalformedTree(3, "line 3, column 9: a bracket is closed that was never opened").line
        3
    """

    line: int
    reason: str


class BracketReader:
    """The trees of a text, one after another, in as much memory as the largest of them takes.

    White space and line ends count for nothing but this: a bracket that opens in the first column begins a new tree. So where
    brackets do not balance one tree is lost, and not all that follow. A last pair without a label around one node is no node.
    `-LRB-` and its like stand for the brackets themselves, `\\/` and `\\*` for / and *.

    Args:
        pieces: of the text, each ending between two words, as those of `text.TextReader`.
        labelled: whether every node has a label; without, `(good)` is a word, and a label is optional.

    Attributes:
        malformed: what could not be read so far.

    Example:
        >>> reader = BracketReader(["(1 (0 bad)\\n", "(3 (2 so) (4 good))\\n"])
        >>> [tree.sentence for tree in reader], reader.malformed[0].reason
        (['so good'], 'line 1: 1 bracket is never closed')
    """

    def __init__(self, pieces: Iterable[str], *, labelled: bool = True) -> None:
        self.pieces, self.labelled = pieces, labelled
        self.malformed: list[MalformedTree] = []

    def __iter__(self) -> Iterator[BracketedTree]:
        self.malformed = []
        line, column = 1, 0
        growing, skipping = _Growing(self.labelled), False
        for text in _stretches(self.pieces):
            if column == 0 and text[0] == "(":
                if growing.open:
                    self._lose(growing.begun, growing.unclosed())
                    growing = _Growing(self.labelled)
                skipping = False
            if not skipping:
                try:
                    yield from growing.read(text, line)
                except _Slip as slip:
                    place = column + slip.place(text) + 1
                    self._lose(growing.begun if growing.open else line, f"line {line}, column {place}: {slip}")
                    growing, skipping = _Growing(self.labelled), True
            line, column = (line + 1, 0) if text[-1] == "\n" else (line, column + len(text))
        if growing.open:
            self._lose(growing.begun, growing.unclosed())

    def _lose(self, line: int, reason: str) -> None:
        self.malformed.append(MalformedTree(line, reason))


def _stretches(pieces: Iterable[str]) -> Iterator[str]:
    """The text line by line, of long lines a part at a time, never cut within a word."""
    held = ""
    for piece in pieces:
        held += piece
        cut = _LAST_END.search(held)
        if cut is not None:
            *lines, rest = held[: cut.end()].split("\n")
            held = held[cut.end() :]
            yield from (line + "\n" for line in lines)
            if rest:
                yield rest
    if held:
        yield held


class _Slip(Exception):  # noqa: N818 - caught where it is told
    """What is wrong at which token of a stretch of text."""

    def __init__(self, what: str, token: int) -> None:
        super().__init__(what)
        self.token = token

    def place(self, text: str) -> int:
        """How many characters stand before the token."""
        return next(match.start() for number, match in enumerate(_TOKENS.finditer(text)) if number == self.token)


class _Growing:
    """One tree after another as its tokens come: nodes are written down when their brackets close."""

    def __init__(self, labelled: bool) -> None:
        self.labelled = labelled
        self.begun = 0
        self.open: list[tuple[list[str], list[int]]] = []  # of each open bracket: its words, and the places of its children
        self.labels: list[str | None] = []
        self.words: list[str | None] = []
        self.distances: list[int] = []

    def read(self, text: str, line: int) -> Iterator[BracketedTree]:
        for number, token in enumerate(_TOKENS.findall(text)):
            if token == "(":
                if not self.open:
                    self.begun = line
                elif len(self.open[-1][0]) > 1:
                    raise _Slip(f"the node of the word {_quoted(self.open[-1][0][1])} has a child as well", number)
                self.open.append(([], []))
            elif token == ")":
                if not self.open:
                    raise _Slip("a bracket is closed that was never opened", number)
                self._close(number)
                if not self.open:
                    self._unwrap()
                    yield BracketedTree(tuple(self.labels), tuple(self.words), tuple(self.distances), self.begun)
                    self.labels, self.words, self.distances = [], [], []
            elif not self.open:
                raise _Slip(f"{_quoted(token)} stands outside of all brackets", number)
            else:
                words, children = self.open[-1]
                if children:
                    raise _Slip(f"{_quoted(token)} stands beside other nodes, without brackets of its own", number)
                if len(words) > 1:
                    raise _Slip(f"{_quoted(token)} is a second word of one node", number)
                words.append(token)

    def _close(self, number: int) -> None:
        words, children = self.open.pop()
        if children:
            label, word = words[0] if words else None, None
        elif not words:
            raise _Slip("the tree is empty" if not self.open else "a node is empty", number)
        elif len(words) == 1 and self.labelled:
            raise _Slip(f"{_quoted(words[0])} is a label without a word, or a word without a label", number)
        else:
            label, word = words[0] if len(words) > 1 else None, _unescaped(words[-1])
        place = len(self.labels)
        self.labels.append(label)
        self.words.append(word)
        self.distances.append(0)
        for child in children:
            self.distances[child] = place - child
        if self.open:
            self.open[-1][1].append(place)

    def _unwrap(self) -> None:
        """Treebanks put a last pair of brackets without a label around some trees: it is no node."""
        if self.labels[-1] is None and self.words[-1] is None and len(self.labels) > 1:
            roots = [place for place in range(len(self.labels) - 1) if place + self.distances[place] == len(self.labels) - 1]
            if len(roots) == 1:
                self.distances[roots[0]] = 0
                for nodes in (self.labels, self.words, self.distances):
                    nodes.pop()

    def unclosed(self) -> str:
        count = len(self.open)
        return f"line {self.begun}: {count} bracket{'s are' if count > 1 else ' is'} never closed"


def tree_from_brackets(text: str, *, labelled: bool = True) -> BracketedTree:
    """The one tree of a text.

    Args:
        text: such as "(3 (2 good) (4 film))".
        labelled: whether every node has a label.

    Errors: `DataError` for brackets that do not balance, with their line and column, an empty tree, and none or several.

    Example:
        >>> tree_from_brackets("((good) (film))", labelled=False).words
        ('good', 'film', None)
    """
    if "(" not in text:
        raise DataError(
            "There is no tree in this text",
            expected="a tree in brackets, such as (3 (2 good) (4 film))",
            got=repr(text[:_SHOWN]),
            do="Parse the sentence first: the network reads trees.",
        )
    reader = BracketReader([text.strip()], labelled=labelled)
    trees = list(reader)
    if reader.malformed:
        raise DataError(f"The tree cannot be read: {reader.malformed[0].reason}", got=repr(text.strip()[:_SHOWN]))
    if len(trees) != 1:
        raise DataError("This is not one tree", expected="one pair of outer brackets", got=f"{len(trees)} trees")
    return trees[0]


def looks_bracketed(path: Path | str, encoding: str | None = None) -> bool:
    """Whether a text file begins with a tree in brackets.

    Args:
        path: of the file.
        encoding: where it is known.

    Errors: as `text.TextReader`.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "a.txt"
        >>> _ = path.write_text("(see below) is no tree")
        >>> looks_bracketed(path)
        False
    """
    start = ""
    for piece in TextReader(path, encoding, piece=1 << 14):
        start += piece
        if len(start.lstrip()) > 1 << 12:
            break
    if not start.lstrip().startswith("("):
        return False
    # Some of the lines may be malformed; those that go on from another begin with white space.
    lines = [line for line in start.splitlines()[:_LINES] if line.strip() and not line[0].isspace()]
    return 2 * sum(bool(_BEGINNING.match(line)) for line in lines) > len(lines) or (
        not lines and bool(_BEGINNING.match(start.lstrip()))
    )


def _quoted(token: str) -> str:
    return repr(token if len(token) <= _SHOWN else token[: _SHOWN - 1] + "…")


def _unescaped(word: str) -> str:
    if word[0] == "-" and word in _ESCAPES:
        return _ESCAPES[word]
    return word.replace("\\/", "/").replace("\\*", "*") if "\\" in word else word
