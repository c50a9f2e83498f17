"""Token files: texts of any size as the numbers of their tokens, in an array on disk that is mapped rather than read."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from leadline.errors import ArgumentError, DataError, RunError
from leadline.files import read_json, storage, write_json, writing
from leadline.text.reading_text import TextReader
from leadline.text.tokenizers import CharacterTokenizer, Tokenizer, tokenizer_from_json, tokenizer_to_json
from leadline.text.vocabularies import END_WORD, Vocabulary, count_characters, count_tokens


@dataclass(frozen=True, eq=False)
class TokenFile:
    """One or several texts as the numbers of their tokens.

    Attributes:
        numbers: of the tokens, uint16 or int32 [T], memory-mapped and read-only.
        vocabulary: what the numbers stand for.
        tokenizer: how text becomes tokens.
        characters: how many the texts have.
        replaced: how many bytes meant nothing and were replaced.
        digest: SHA-256 of the files as they lie on disk.
        notes: what a person should know about how they were read.

    Example:
        >>> from leadline.text.tokenizers import CharacterTokenizer
        >>> vocabulary = Vocabulary.from_counts({"a": 2, "b": 1})
        >>> tokens = TokenFile(np.array([2, 3, 2], np.uint16), vocabulary, CharacterTokenizer(), 3, 0, digest="")
        >>> len(tokens), tokens.text()
        (3, 'aba')
    """

    numbers: NDArray[Any]
    vocabulary: Vocabulary
    tokenizer: Tokenizer
    characters: int
    replaced: int
    digest: str
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.numbers)

    def text(self, start: int = 0, stop: int | None = None) -> str:
        """Some of the tokens as text."""
        return self.tokenizer.join(self.vocabulary.decode(self.numbers[start:stop]))


def write_tokens(
    sources: Path | str | Sequence[Path | str],
    target: Path | str,
    tokenizer: Tokenizer,
    *,
    vocabulary: Vocabulary | None = None,
    min_count: int = 1,
    most: int | None = None,
    end: bool = False,
    learn_from: Callable[[int], int] | None = None,
    always: Collection[str] = (),
    encoding: str | None = None,
) -> TokenFile:
    """Encode texts to a file of numbers and open it; whatever their size, what is held in memory is a piece of some megabytes.

    The texts are read twice: once to count their tokens for the vocabulary, once to encode. `target` is a .npy file; beside it
    a .json holds all else. Both are written aside and renamed, the .json last: without it the .npy is not opened.

    Args:
        sources: one text file, or several that follow each other.
        target: the .npy file to write.
        tokenizer: from text to tokens.
        vocabulary: where it is known; the texts are then read once.
        min_count: tokens seen less often are not known.
        most: at most so many tokens are known.
        end: whether a mark stands behind each text.
        learn_from: from the number of all tokens to how many of them, from the first on, teach the vocabulary; all when None.
            The texts are then read once more.
        always: tokens that are known however seldom they were seen.
        encoding: of the texts, where it is known.

    Errors: `DataError` where a text is empty or no text; `StorageError` where there is no room; `ArgumentError` where no token,
    or more than there are, would teach the vocabulary.

    Example:
        >>> import pathlib, tempfile
        >>> from leadline.text.tokenizers import WordTokenizer
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> _ = (folder / "a.txt").write_text("to be or not to be")
        >>> tokens = write_tokens(folder / "a.txt", folder / "a.npy", WordTokenizer())
        >>> tokens.numbers.tolist(), tokens.numbers.dtype.name, tokens.text(2)
        ([3, 2, 5, 4, 3, 2], 'uint16', 'or not to be')
    """
    paths = [Path(sources)] if isinstance(sources, (str, Path)) else [Path(source) for source in sources]
    target = Path(target)
    if not paths:
        raise ArgumentError("There is no text to encode", expected="at least one file")
    if target.suffix != ".npy":
        raise ArgumentError("The numbers are kept in a .npy file", got=str(target))
    if vocabulary is not None and end and not vocabulary.end:
        raise ArgumentError("The vocabulary has no mark for the end of a text", do="Make it with end=True.")
    texts = _Texts(paths, tokenizer, encoding, end=end)
    if vocabulary is None:
        counts = texts.counted()
        if learn_from is not None:
            first = learn_from(texts.seen)
            if not 1 <= first <= texts.seen:
                raise ArgumentError("The vocabulary cannot be learned so", expected=f"1 to {texts.seen:,} tokens", got=first)
            counts = texts.counted(first)
        vocabulary = Vocabulary.from_counts(counts, min_count=min_count, most=most, end=end, always=always)
    with storage(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_suffix(".json")
    with writing(target) as file:
        _write_numbers(file, texts.encoded(vocabulary), vocabulary.dtype)
        beside.unlink(missing_ok=True)  # that of an older file would not fit
    record = {"vocabulary": vocabulary.to_json(), "tokenizer": tokenizer_to_json(tokenizer), "notes": texts.notes}
    write_json(beside, record | {"characters": texts.characters, "replaced": texts.replaced, "digest": texts.digest})
    return open_tokens(target)


def open_tokens(path: Path | str) -> TokenFile:
    """What `write_tokens` has written.

    Errors: `RunError` where one of the two files is not there, damaged, or does not fit the other.

    Example:
        >>> import pathlib, tempfile
        >>> from leadline.text.tokenizers import CharacterTokenizer
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> _ = (folder / "a.txt").write_text("abracadabra")
        >>> _ = write_tokens(folder / "a.txt", folder / "a.npy", CharacterTokenizer())
        >>> open_tokens(folder / "a.npy").text(0, 4)
        'abra'
    """
    path = Path(path)
    try:
        record = read_json(path.with_suffix(".json"))
        numbers = np.load(path, mmap_mode="r", allow_pickle=False)
        tokens = TokenFile(
            numbers=numbers,
            vocabulary=Vocabulary.from_json(record["vocabulary"]),
            tokenizer=tokenizer_from_json(record["tokenizer"]),
            characters=int(record["characters"]),
            replaced=int(record["replaced"]),
            digest=str(record["digest"]),
            notes=tuple(record["notes"]),
        )
    except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
        raise RunError(f"{path} is no file of tokens that can be used", got=str(error), do="Encode the text again.") from error
    if numbers.ndim != 1 or numbers.dtype != tokens.vocabulary.dtype:
        raise RunError(
            f"{path} does not fit its vocabulary", got=f"{numbers.dtype} {numbers.shape}", do="Encode the text again."
        )
    return tokens


class _Texts:
    """Several texts, one after the other, and what the last reading of them has found."""

    def __init__(self, paths: Sequence[Path], tokenizer: Tokenizer, encoding: str | None, *, end: bool) -> None:
        self.readers = [TextReader(path, encoding) for path in paths]
        self.tokenizer, self.end = tokenizer, end
        self.seen = self.forgotten = 0  # tokens, in the last counting
        # Whole characters need no lists of tokens, which would take a hundred times as long.
        self.by_code = isinstance(tokenizer, CharacterTokenizer)

    @property
    def characters(self) -> int:
        return sum(reader.characters for reader in self.readers)

    @property
    def replaced(self) -> int:
        return sum(reader.replaced for reader in self.readers)

    @property
    def digest(self) -> str:
        return hashlib.sha256("\n".join(reader.digest for reader in self.readers).encode()).hexdigest()

    @property
    def notes(self) -> list[str]:
        notes = [note for reader in self.readers for note in reader.notes()]
        if self.forgotten:
            held = "so many different tokens that the rarest were forgotten in counting"
            notes.append(
                f"The text has {held}: {self.forgotten:,} in all count as unknown; other counts may be too small by a few."
            )
        return notes

    def counted(self, first: int | None = None) -> Counter[str]:
        """How often each token comes, the marks of ends too, among the `first` ones, or all."""
        pieces = self._first(first)
        self.forgotten = 0
        if not self.by_code:
            return count_tokens(pieces, told=self._forgot)
        ends = 0

        def characters() -> Iterator[str]:
            nonlocal ends
            for piece in pieces:
                if isinstance(piece, str):
                    yield piece
                else:
                    ends += len(piece)

        counts = count_characters(characters())
        return counts + Counter({END_WORD: ends})

    def _forgot(self, count: int) -> None:
        self.forgotten = count

    def encoded(self, vocabulary: Vocabulary) -> Iterator[NDArray[np.int32]]:
        """The numbers of all tokens, piece by piece."""
        for piece in self._pieces():
            yield vocabulary.encode_characters(piece) if isinstance(piece, str) else vocabulary.encode(piece)

    def _pieces(self) -> Iterator[str | list[str]]:
        """All tokens in order: characters as text, all else as lists."""
        for reader in self.readers:
            for text in reader:
                if self.by_code:
                    yield text.lower() if self.tokenizer.lower else text
                else:
                    yield self.tokenizer.split(text)
            if self.end:
                yield [END_WORD]

    def _first(self, number: int | None) -> Iterator[Any]:
        """Pieces until `number` tokens have come; the last one is cut."""
        self.seen = 0
        for piece in self._pieces():
            piece = piece if number is None else piece[: number - self.seen]
            self.seen += len(piece)
            yield piece
            if self.seen == number:
                break


def _write_numbers(file: IO[bytes], pieces: Iterator[NDArray[Any]], dtype: np.dtype[Any]) -> None:
    """A .npy file whose length is known at its end only: NumPy leaves room in the header for any number."""

    def header(length: int) -> None:
        fields = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": (length,)}
        np.lib.format.write_array_header_1_0(file, fields)

    header(0)
    start, length = file.tell(), 0
    for piece in pieces:
        file.write(piece.astype(dtype, copy=False).tobytes())
        length += len(piece)
    if not length:
        raise DataError("The text holds no token", expected="at least one word")
    file.seek(0)
    header(length)
    assert file.tell() == start
