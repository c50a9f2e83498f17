"""Files of tagged words: a word and its tag on each line, a blank line behind each sentence (CoNLL), or CoNLL-U."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from leadline.data.dataset import Excluded
from leadline.data.steps.step_rows import StepRows
from leadline.data.tokens.token_sources import files_by_part
from leadline.errors import DataError, LeadlineError, nearest
from leadline.text.reading_text import TextReader, sample_of_text

ENDINGS = frozenset({".conll", ".conllu", ".conllx", ".conll03", ".bio", ".iob", ".iob2", ".tagged"})
"""Endings of names of files that hold tagged words and nothing else."""
_PERHAPS = frozenset(
    {".txt", ".tsv", ".tab", ".data", ".tags", ".pos", ".ner", ".train", ".dev", ".test", ".testa", ".testb", ""}
)
_SHARED_TASK = {"testa": "valid", "testb": "test"}  # as the parts of the shared tasks of 2002 and 2003 are called
_TRAINING = re.compile(r"(?i)(?<![a-z])train(?:ing)?(?![a-z])")
_CONLLU = ("ID", "FORM", "LEMMA", "UPOS", "XPOS", "FEATS", "HEAD", "DEPREL", "DEPS", "MISC")
_ALIKE = 0.95  # of the lines have as many columns as most
_FEWEST_LINES, _FEWEST_BLOCKS = 12, 3
_LINES_A_TAG = 4  # lines a different tag has on average: words of a poem in two columns have fewer
_LARGE = 0.9  # of the tags begin with no small letter: NOUN, B-PER, O; words of a text mostly do
_SAMPLED = 1 << 17  # characters that tell what a file is
_LONG = 1_000  # words: a file without a blank line that is longer is no sentence
_BLANKS = re.compile(r"[ \t]+")  # between columns; other white space may be a word, or part of one
_NOTHING = "_"  # what stands in CoNLL-U where nothing is said
_DOCUMENT = "-DOCSTART-"
_NUMBERED = re.compile(r"\d+(?:[-.]\d+)?")


def is_tagged(source: object) -> bool:
    """Whether a source is surely one of tagged words: by the ending of its name, or by its lines.

    Lines tell where nearly all have the same columns, a blank line comes now and then, and the last column says few different
    things over and over, which begin with no small letter.

    Args:
        source: as `load` takes it.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "tags.txt"
        >>> _ = path.write_text("The DET\\ncat NOUN\\nsat VERB\\n\\n" * 6)
        >>> is_tagged(path), is_tagged("digits")
        (True, False)
    """
    if not isinstance(source, (str, Path)) or "\n" in str(source):
        return False
    path = Path(source).expanduser()
    try:
        if path.is_dir():
            files = _visible(path)
            training = [each for each in files if _TRAINING.search(each.name)]
            sure = any(each.suffix.lower() in ENDINGS for each in training)  # whatever lies beside it: a license, a readme
            return sure or (bool(training) and all(map(is_tagged, files)))
        if not path.is_file():
            return False
        if path.suffix.lower() in ENDINGS:
            return True
        return path.suffix.lower() in _PERHAPS and _looks_tagged(sample_of_text(path, most=_SAMPLED))
    except (LeadlineError, OSError):
        return False


def _looks_tagged(sample: str) -> bool:
    lines = sample.split("\n")[:-1] if len(sample) >= _SAMPLED else sample.split("\n")
    blocks = sum(bool(line.strip()) and not before.strip() for before, line in zip(["", *lines], lines, strict=False))
    table = Layout.of([line for line in lines if line.strip()])
    rows = [fields for line in lines if line.strip() and len(fields := table.fields(line)) == table.width]
    said = sum(bool(line.strip()) and not table.is_remark(line) for line in lines)
    if not 2 <= table.width <= 14 or said < _FEWEST_LINES or blocks < _FEWEST_BLOCKS or len(rows) < _ALIKE * said:
        return False
    tags = [row[_CONLLU.index("UPOS") if table.conllu else -1] for row in rows]
    words = [row[table.word] for row in rows]
    numbers = sum(bool(re.fullmatch(r"[-+.\d]+(e[-+]?\d+)?", word)) for word in words)
    large = sum(bool(tag) and not tag[0].islower() for tag in tags)
    few = 2 <= len(set(tags)) <= min(len(set(words)), len(rows) / _LINES_A_TAG)
    return few and large >= _LARGE * len(rows) and 2 * numbers < len(rows)


class Layout:
    """How the lines of a file are divided: by tabs or white space, into how many columns, and where the word stands.

    Args:
        tabs: whether columns are divided by tabs alone, so that a word may hold a space.
        width: columns of most lines.
        word: the place of the word, from 0.
        conllu: whether these are the ten columns of CoNLL-U.

    Example:
        >>> layout = Layout.of(["1\\tThe\\tDT", "2\\tcat\\tNN", "1\\tNo\\tUH"])
        >>> layout.width, layout.word, layout.fields("1\\tThe\\tDT")
        (3, 1, ['1', 'The', 'DT'])
    """

    def __init__(self, *, tabs: bool, width: int, word: int, conllu: bool) -> None:
        self.tabs, self.width, self.word, self.conllu = tabs, width, word, conllu

    @classmethod
    def of(cls, lines: Sequence[str]) -> Layout:
        """The layout of some lines, none of them blank."""
        plain = [line for line in lines if not line.startswith("#")]
        tabs = 2 * sum("\t" in line for line in plain) > len(plain)
        rows = [_divided(line, tabs=tabs) for line in plain]
        width = Counter(map(len, rows)).most_common(1)[0][0] if rows else 0
        rows = [row for row in rows if len(row) == width]
        # Words that are counted from 1 in each sentence: the next column is the word.
        numbered = width > 2 and sum(bool(_NUMBERED.fullmatch(row[0].strip())) for row in rows) >= _ALIKE * len(rows)
        numbered = numbered and any(row[0].strip() == "1" for row in rows)
        return cls(tabs=tabs, width=width, word=int(numbered), conllu=numbered and width == len(_CONLLU))

    def fields(self, line: str) -> list[str]:
        """The columns of a line."""
        return _divided(line, tabs=self.tabs)

    def is_remark(self, line: str) -> bool:
        """Whether a line says something about the sentence; in other files than CoNLL-U, # may be a word."""
        return line.startswith("#") and (self.conllu or len(self.fields(line)) != self.width)

    def place(self, target: str, path: Path, *, again: bool = False) -> int:
        """Where the tag stands that a person asked for: its number from 1, or in CoNLL-U its name; "" for the usual one.

        Args:
            target: what was asked for.
            path: of the file, for people.
            again: whether the usual one does where there is no such column.

        Errors: `DataError` for a column that there is not.
        """
        usual = _CONLLU.index("UPOS") if self.conllu else self.width - 1
        if not target:
            return usual
        if self.conllu and target.upper() in _CONLLU:
            return _CONLLU.index(target.upper())
        if target.isdigit() and 1 <= int(target) <= self.width:
            return int(target) - 1
        if again:
            return usual
        close = nearest(target.upper(), _CONLLU) if self.conllu else None
        raise DataError(
            f"{path} has no column {target!r} of tags",
            expected=f"a number from 1 to {self.width}" + (f", or one of {', '.join(_CONLLU)}" if self.conllu else ""),
            do=f"Did you mean {close!r}?" if close else None,
        )


def _divided(line: str, *, tabs: bool) -> list[str]:
    return [field.strip() for field in line.split("\t")] if tabs else _BLANKS.split(line.strip(" \t"))


def read_tagged(source: Path | str, *, target: str = "", encoding: str | None = None, again: bool = False) -> StepRows:
    """The sentences of a file, with those of NAME.dev and NAME.test beside NAME.train, or of a folder of such files.

    Each line holds a word first and its tag last, divided by tabs or white space, or the ten columns of CoNLL-U (UPOS is the
    tag then, "_" no tag); a blank line ends a sentence. Lines of remarks (#), of words that stand for several (1-2) or for none
    (1.1), and marks of documents are passed over. A sentence with a line that has other columns is set aside.

    Args:
        source: a path.
        target: the number of the tag's column from 1, or its name in CoNLL-U.
        encoding: of the files, where it is known.
        again: for a training that exists, whose file may have been laid out in another way: without such a column the usual one
            is taken.

    Errors: `DataError` for a file without blank lines, or one that holds no tagged words.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "tags.conll"
        >>> _ = path.write_text("The DET\\ncat NOUN\\n\\nsat VERB\\n")
        >>> raw = read_tagged(path)
        >>> raw.rows, raw.targets, raw.ids
        ([['The', 'cat'], ['sat']], [['DET', 'NOUN'], ['VERB']], ['tags.conll:1', 'tags.conll:4'])
    """
    path = Path(source).expanduser().absolute()
    parts = _files(path)
    reading = _Reading(target, encoding, again=again)
    for part, files in parts.items():
        for file in files:
            reading.read(file, part)
    return reading.rows(_named(path), several=len(parts) > 1)


def read_words(path: Path | str, *, encoding: str | None = None) -> StepRows:
    """The sentences of a file of words, one on each line, whether or not tags stand beside them; no step has a target.

    Args:
        path: of the file.
        encoding: of it, where it is known.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "new.conll"
        >>> _ = path.write_text("The\\ncat\\n\\nNo\\n")
        >>> read_words(path).rows
        [['The', 'cat'], ['No']]
    """
    reading = _Reading("", encoding)
    reading.read(Path(path), "", tagged=False)
    return reading.rows(Path(path).name, several=False)


def _visible(folder: Path) -> list[Path]:
    return sorted(each for each in folder.iterdir() if each.is_file() and not each.name.startswith("."))


def _files(path: Path) -> dict[str, list[Path]]:
    """The files by part; in a folder those beside the one that says it is training, whatever their names end with."""
    if path.is_dir():
        training = [each for each in _visible(path) if _TRAINING.search(each.name)]
        path = min(training, key=lambda each: each.suffix.lower() not in ENDINGS, default=path)
    parts = files_by_part(path)
    if not path.is_dir() and (said := _TRAINING.search(path.name)):
        for word, part in _SHARED_TASK.items():
            other = path.with_name(path.name[: said.start()] + word + path.name[said.end() :])
            if part not in parts and other.is_file():
                parts[part] = [other]
    return parts


def _named(path: Path) -> str:
    words = [word for word in re.split(r"[.]", path.name) if word]
    plain = [word for word in words[:-1] if not re.fullmatch(r"(?i)train(ing)?", word)] if len(words) > 1 else words
    return re.sub(r"(?i)[-_]?train(ing)?$", "", ".".join(plain)) or path.stem


class _Reading:
    """What has been read so far of one file or several."""

    def __init__(self, target: str, encoding: str | None, *, again: bool = False) -> None:
        self.target, self.encoding, self.again = target, encoding, again
        self.words: list[list[str]] = []
        self.tags: list[list[str | None]] = []
        self.ids: list[str] = []
        self.parts: list[str] = []
        self.lost: list[Excluded] = []
        self.notes: list[str] = []
        self.documents = 0

    def read(self, path: Path, part: str, *, tagged: bool = True) -> None:
        reader = TextReader(path, self.encoding)
        lines = "".join(reader).split("\n")
        self.notes += reader.notes()
        layout = Layout.of([line for line in lines[:20_000] if line.strip()])
        if layout.width < 2 and tagged:
            raise DataError(
                f"{path} holds no tagged words",
                expected="a word and its tag on each line",
                got=f"lines such as {_sample(lines)}",
            )
        tag = layout.place(self.target, path, again=self.again) if tagged else None
        before = len(self.words)
        start, rows = 0, []
        for number, line in enumerate([*lines, ""], 1):
            if line.strip():
                start = start or number
                rows.append((number, line))
            elif rows:
                self._sentence(f"{path.name}:{start}", rows, layout, tag, part)
                start, rows = 0, []
        if tagged and len(self.words) - before == 1 and len(self.words[-1]) > _LONG and all(map(str.strip, lines[:-1])):
            raise DataError(
                f"{path} has no blank line, so it is one sentence of {len(self.words[-1]):,} words",
                expected="a blank line behind each sentence",
            )

    def _sentence(self, name: str, rows: list[tuple[int, str]], layout: Layout, tag: int | None, part: str) -> None:
        words: list[str] = []
        tags: list[str | None] = []
        for number, line in rows:
            fields = layout.fields(line)
            if layout.is_remark(line):
                continue
            if fields[0] == _DOCUMENT:
                self.documents += 1
                continue
            if len(fields) != layout.width:
                reason = f"line {number} has {len(fields)} columns where others have {layout.width}"
                self.lost.append(Excluded(name, reason))
                return
            if layout.word and not fields[0].isdigit():
                continue
            if not fields[layout.word]:
                continue
            words.append(fields[layout.word])
            said = None if tag is None or (layout.conllu and fields[tag] == _NOTHING) else fields[tag]
            tags.append(said or None)
        if words:
            self.words.append(words)
            self.tags.append(tags)
            self.ids.append(name)
            self.parts.append(part)

    def rows(self, name: str, *, several: bool) -> StepRows:
        if not self.words:
            reason = "; ".join(f"{row.id} ({row.reason})" for row in self.lost[:5])
            raise DataError(f"{name} holds no sentence that can be used", got=reason or "nothing but remarks and blank lines")
        parts = np.array(self.parts) if several else None
        documents = [f"{self.documents:,} marks of documents were passed over."] if self.documents else []
        notes = tuple(dict.fromkeys([*self.notes, *documents]))
        return StepRows(
            name, self.words, self.tags, self.ids, target=self.target, parts=parts, notes=notes, lost=tuple(self.lost)
        )


def _sample(lines: Sequence[str]) -> str:
    return repr(next((line for line in lines if line.strip()), "")[:40])
