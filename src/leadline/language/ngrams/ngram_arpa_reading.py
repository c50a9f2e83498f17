"""Reading ARPA files, from whatever program: the same probabilities as those that KenLM gives for the same file."""

from __future__ import annotations

import gzip
import math
import re
from collections.abc import Iterator
from itertools import chain, repeat
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray

from leadline.errors import DataError, SourceNotFoundError
from leadline.language.ngrams.ngram_arpa import BEGIN_MARK, END_MARK, NEVER
from leadline.language.ngrams.ngram_merging import sorted_codes
from leadline.language.ngrams.ngram_models import ModelLevel, NGramModel
from leadline.text.vocabularies import PADDING, UNKNOWN, Vocabulary, special_words

_BEGIN, _END = BEGIN_MARK.encode(), END_MARK.encode()
_UNKNOWNS = (b"<unk>", b"<UNK>")
_NO_UNKNOWN = -100.0  # of the unknown word, where a file has none: KenLM's
_LOG_10 = math.log(10.0)
_LINE_END = "\n"  # what a boundary is called in a vocabulary
_ROUNDED = 1e-6  # above 0, of a probability of 1
_NUMBER = re.compile(rb"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|-inf")
_LINES = 1 << 13  # at a time
_NO_WORD, _IS_BEGIN, _IS_END = -1, -2, -3


class ArpaModel(NamedTuple):
    """A model and the words that its numbers stand for.

    Example:
        >>> from leadline.language.ngrams.ngram_training import fit_ngrams
        >>> vocabulary = Vocabulary.from_counts({"a": 2, "b": 1})
        >>> ArpaModel(fit_ngrams(vocabulary.encode(["a", "b", "a"]), 4, order=2).model, vocabulary).model.order
        2
    """

    model: NGramModel
    vocabulary: Vocabulary


def read_arpa(path: Path | str, vocabulary: Vocabulary | None = None) -> ArpaModel:
    """The model of an ARPA file, plain or compressed by gzip.

    Args:
        path: of the file.
        vocabulary: whose numbers the words get, for instance that of a network that the model is to be mixed with, where the
            end of a line is "\\n". Its words that the file lacks are ruled out. None makes one of the words in the file.

    Errors: `SourceNotFoundError`; `DataError` for a file without its sections, with more or fewer n-grams than it says, or
    with a line that cannot be read, whose number is told.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "small.arpa"
        >>> text = "@data@|ngram 1=4|ngram 2=1||@1-grams:|-1 <unk>|-99 <s> -0.3|-0.5 </s>|-0.2 a 0||@2-grams:|-0.1 <s> a||@end@"
        >>> _ = path.write_text(text.replace("@", "\\\\").replace("|", "\\n"))
        >>> model, vocabulary = read_arpa(path)
        >>> a, end = vocabulary.numbers["a"], vocabulary.numbers["\\n"]
        >>> [round(model.query(*each) / math.log(10), 4) for each in ((a, [end]), (end, [end]), (end, [a]))]
        [-0.1, -0.8, -0.5]
    """
    path = Path(path)
    if not path.is_file():
        raise SourceNotFoundError(f"There is no file {path}", do="Check the path.")
    with path.open("rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
    with gzip.open(path, "rb") if zipped else path.open("rb") as lines:
        try:
            return _Reader(path, iter(lines)).read(vocabulary)
        except (OSError, EOFError, UnicodeDecodeError) as error:
            raise DataError(f"{path} cannot be read to its end", got=str(error), do="Copy or fetch it again.") from error


class _Section(NamedTuple):
    """The lines of one length: what stands between the two numbers, [G], log10 p and log10 of the weights, [G] each."""

    words: Any
    log_p: NDArray[np.float64]
    back_off: NDArray[np.float64]


class _Reader:
    """One file while it is read."""

    def __init__(self, path: Path, lines: Iterator[bytes]) -> None:
        self.path, self.lines, self.line = path, lines, 0
        self.heading: bytes | None = None  # that was read last, and ended what was before it
        self.numbers: dict[bytes, int] = {}
        self.boundary: int | None = None

    def read(self, vocabulary: Vocabulary | None) -> ArpaModel:
        counts = self._counts()
        singles = self._section(1, counts[0])
        words = self._number(singles, vocabulary)
        levels = [self._single_words(singles, len(words))]
        for length, count in enumerate(counts[1:], 2):
            levels.append(self._level(self._section(length, count), levels, len(words)))
        self._expect(b"\\end\\")
        levels[-1] = levels[-1]._replace(back_off=np.zeros(0, np.float32))
        model = NGramModel(levels, len(words), boundary=self.boundary)
        return ArpaModel(model, vocabulary or Vocabulary(tuple(words), (0,) * len(words)))

    def _counts(self) -> list[int]:
        """How many n-grams of each length the file says that it has."""
        for line in self._read_lines():
            if line == b"\\data\\":
                break
        else:
            raise DataError(f"{self.path} is no ARPA file", expected="a line \\data\\", got="none", do="Give an ARPA file.")
        counts: list[int] = []
        for line in self._read_lines():
            if not line.startswith(b"ngram"):
                self.heading = line
                break
            length, _, number = (part.strip() for part in line[5:].partition(b"="))
            if not (length.isdigit() and number.isdigit()) or int(length) != len(counts) + 1:
                self._wrong(line, f"ngram {len(counts) + 1}=NUMBER")
            counts.append(int(number))
        if not counts:
            raise DataError(f"{self.path} does not say how many n-grams it has", expected="lines such as ngram 1=1000")
        return counts

    def _section(self, length: int, count: int) -> _Section:
        """The lines under the heading of a length, up to the next heading: of single words as they are, else their numbers."""
        self._expect(b"\\%d-grams:" % length)
        self.heading = None
        parts: list[_Section] = []
        found = 0
        while self.heading is None:
            lines, places = self._block()
            if not lines:
                break
            found += len(lines)
            parts.append(self._parsed(lines, places, length))
        if found != count:
            raise DataError(
                f"{self.path} does not have as many {length}-grams as it says",
                expected=f"{count:,}",
                got=f"{found:,}",
                do="Fetch or write it again: it may have been cut.",
            )
        words: Any
        if length == 1:
            words = [word for part in parts for word in part.words]
        else:
            words = np.concatenate([np.zeros((0, length), np.int64), *(part.words for part in parts)])
        log_p, back_off = (np.concatenate([np.zeros(0), *column]) for column in list(zip(*parts, strict=True))[1:] or ((), ()))
        return _Section(words, log_p, back_off)

    def _block(self) -> tuple[list[bytes], list[int]]:
        """The next lines and their numbers, up to a heading, which ends them."""
        lines: list[bytes] = []
        places: list[int] = []
        for line in self._read_lines():
            if line.startswith(b"\\") and len(line.split()) == 1:
                self.heading = line
                break
            lines.append(line)
            places.append(self.line)
            if len(lines) == _LINES:
                break
        return lines, places

    def _parsed(self, lines: list[bytes], places: list[int], length: int) -> _Section:
        """The words and numbers of some lines, all at once; the first line that cannot be read is told."""
        expected = f"a logarithm of 0 or less, {_counted(length)}, and perhaps the logarithm of a weight"
        fields = list(map(bytes.split, lines))
        sizes = np.fromiter(map(len, fields), np.int64, len(fields))
        log_p = _as_numbers([each[0] for each in fields])
        back_off, weighted = np.zeros(len(fields)), np.flatnonzero(sizes == length + 2)
        back_off[weighted] = _as_numbers([fields[at][-1] for at in weighted.tolist()])
        self._check_lines((sizes < length + 1) | (sizes > length + 2) | ~(log_p <= _ROUNDED), lines, places, expected)
        self._check_lines(~(back_off < math.inf), lines, places, expected)
        if length == 1:
            return _Section([each[1] for each in fields], log_p, back_off)
        names = chain.from_iterable(each[1 : length + 1] for each in fields)
        flat = np.fromiter(map(self.numbers.get, names, repeat(_NO_WORD)), np.int64, length * len(fields))
        table = flat.reshape(len(fields), length)
        self._check_lines((table == _NO_WORD).any(axis=1), lines, places, "only words of the section \\1-grams:")
        # Where the mark of a beginning or an end stands elsewhere, the n-gram is never asked for.
        kept = ~((table[:, 1:] == _IS_BEGIN).any(axis=1) | (table[:, :-1] == _IS_END).any(axis=1))
        if self.boundary is None:
            kept &= (table >= 0).all(axis=1)
        else:
            table[table < 0] = self.boundary
        return _Section(table[kept], log_p[kept], back_off[kept])

    def _check_lines(self, wrong: NDArray[np.bool_], lines: list[bytes], places: list[int], expected: str) -> None:
        if wrong.any():
            at = int(np.argmax(wrong))
            self.line = places[at]
            self._wrong(lines[at], expected)

    def _number(self, singles: _Section, vocabulary: Vocabulary | None) -> list[str]:
        """Give each word its number; all words by their numbers come back."""
        at = {name: place for place, name in enumerate(singles.words)}
        if len(at) != len(singles.words):
            twice = next(name for place, name in enumerate(singles.words) if at[name] != place)
            raise DataError(f"{self.path} has the word {_shown(twice)} twice", expected="each word once")
        # Where a sentence never ends, there are none.
        sentences = _BEGIN in at and not (_END in at and singles.log_p[at[_END]] <= NEVER)
        if vocabulary is None:
            words, known = [*special_words(end=False), *([_LINE_END] if sentences else [])], None
        else:
            words, known = list(vocabulary.words), vocabulary.numbers
        if sentences:
            if _LINE_END not in words:
                raise DataError(f"{self.path} knows of sentences, and the vocabulary of no end of a line")
            self.boundary = words.index(_LINE_END)
        self.numbers |= {_BEGIN: _IS_BEGIN, _END: _IS_END}
        for name in singles.words:
            if name in (_BEGIN, _END):
                continue
            if name in _UNKNOWNS:
                self.numbers[name] = UNKNOWN
                continue
            word = _word(name)
            if known is None:
                self.numbers[name] = len(words)
                words.append(word)
            elif word in known:
                self.numbers[name] = known[word]
            else:
                raise DataError(
                    f"{self.path} has the word {_shown(name)}, which the vocabulary lacks",
                    expected="the words of the vocabulary",
                    do="Read it without a vocabulary.",
                )
        return words

    def _single_words(self, singles: _Section, size: int) -> ModelLevel:
        log_p, back_off = np.full(size, -np.inf, np.float32), np.zeros(size, np.float32)
        if not any(name in _UNKNOWNS for name in singles.words):
            log_p[UNKNOWN] = _NO_UNKNOWN * _LOG_10
        natural_p, natural_weight = _natural(singles.log_p).tolist(), _natural(singles.back_off).tolist()
        for name, p, weight in zip(singles.words, natural_p, natural_weight, strict=True):
            number = self.boundary if name in (_BEGIN, _END) else self.numbers[name]
            if number is None:  # a mark of sentences that there are not
                continue
            if name != _BEGIN:
                log_p[number] = p
            if name != _END:
                back_off[number] = weight
        log_p[PADDING] = -np.inf
        return ModelLevel(np.arange(size), log_p, back_off)

    def _level(self, section: _Section, levels: list[ModelLevel], size: int) -> ModelLevel:
        """N-grams of two words and more, in the order of their codes."""
        length = len(levels) + 1
        table = section.words
        places = table[:, 0]
        for column, level in enumerate(levels[1:], 1):
            codes = places * size + table[:, column]
            places = np.minimum(np.searchsorted(level.codes, codes), max(0, len(level.codes) - 1))
            missing = level.codes[places] != codes if len(level.codes) else np.ones(len(codes), bool)
            self._check_none(missing, table, length, "begins with an n-gram that the file does not list")
        codes, order = sorted_codes(places * size + table[:, -1])
        again = np.zeros(len(codes), bool)
        again[order[1:]] = codes[1:] == codes[:-1]
        self._check_none(again, table, length, "comes twice")
        log_p, back_off = (_natural(each[order]).astype(np.float32) for each in (section.log_p, section.back_off))
        return ModelLevel(codes, log_p, back_off)

    def _check_none(self, wrong: NDArray[np.bool_], table: NDArray[np.int64], length: int, what: str) -> None:
        if wrong.any():
            spelled = {number: name for name, number in self.numbers.items()}
            if self.boundary is not None:
                spelled[self.boundary] = _BEGIN
            gram = b" ".join(spelled[word] for word in table[int(np.argmax(wrong))].tolist())
            raise DataError(f"In {self.path} the {length}-gram {_shown(gram)} {what}", do="Write the file again.")

    def _read_lines(self) -> Iterator[bytes]:
        """The lines that are not blank."""
        for line in self.lines:
            self.line += 1
            if line := line.strip():
                yield line

    def _expect(self, heading: bytes) -> None:
        if self.heading != heading:
            name = heading.decode()
            raise DataError(
                f"{self.path} does not end with {name}" if name == "\\end\\" else f"{self.path} lacks the section {name}",
                expected=name,
                got="the end of the file" if self.heading is None else f"{_shown(self.heading)} in line {self.line:,}",
                do="Fetch or write it again: it may have been cut.",
            )

    def _wrong(self, line: bytes, expected: str) -> NoReturn:
        raise DataError(f"Line {self.line:,} of {self.path} cannot be read", expected=expected, got=_shown(line))


def _natural(log_10: NDArray[np.float64]) -> NDArray[np.float64]:
    """Logarithms to base 10 as natural ones; those of nothing are −∞."""
    return np.where(log_10 <= NEVER, -np.inf, log_10 * _LOG_10)


def _as_numbers(texts: list[bytes]) -> NDArray[np.float64]:
    """What they say, NaN for what is no number."""
    try:
        return np.fromiter(map(float, texts), np.float64, len(texts))
    except ValueError:
        return np.array([float(text) if _NUMBER.fullmatch(text) else math.nan for text in texts])


def _word(spelled: bytes) -> str:
    return re.sub(r"<U\+([0-9A-F]{4})>", lambda found: chr(int(found[1], 16)), spelled.decode())


def _counted(length: int) -> str:
    return "a word" if length == 1 else f"{length} words"


def _shown(text: bytes) -> str:
    shown = text.decode(errors="replace")
    return repr(shown if len(shown) <= 80 else shown[:77] + "…")
