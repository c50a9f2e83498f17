"""Files of word vectors in word2vec's two formats, text and binary, as gensim and others read and write them."""

from __future__ import annotations

import gzip
import mmap
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from leadline.errors import ArgumentError, DataError, SourceNotFoundError
from leadline.files import writing
from leadline.text.word_vectors import WordVectors

BINARY = (".bin", ".bin.gz")
_LONGEST = 4096  # bytes of a word; without a space in so many the file is something else
_SHOWN = 60


def write_vectors(vectors: WordVectors, path: Path | str, *, binary: bool | None = None) -> Path:
    """Write vectors in word2vec's format: a line "V D", then for each word it and its D numbers.

    In text a number has as many digits as it takes to read the same float32 again; a word is divided by a blank from what
    follows, so blanks and ends of lines in a word become "_"; other white space of Unicode stays.

    Args:
        vectors: to be written.
        path: of the file; one that is there is replaced.
        binary: whether numbers are written as little-endian float32; where the name ends in .bin when None.

    Errors: `StorageError` where there is no room.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "two.txt"
        >>> print(write_vectors(WordVectors(["a", "b"], np.array([[0.5, 1], [0, -2.0]])), path).read_text())
        2 2
        a 0.5 1.0
        b 0.0 -2.0
    """
    path = Path(path)
    binary = path.name.endswith(BINARY) if binary is None else binary
    with writing(path) as raw:
        file: IO[bytes] = gzip.GzipFile(fileobj=raw, mode="wb") if path.suffix == ".gz" else raw  # type: ignore[assignment]
        file.write(f"{len(vectors)} {vectors.width}\n".encode())
        for word, row in zip(vectors.words, vectors.vectors, strict=True):
            name = b"_".join(word.encode(errors="replace").split()) or b"_"  # bytes know ASCII's blanks alone
            numbers = row.astype("<f4").tobytes() if binary else " ".join(map(str, row)).encode()
            file.write(name + b" " + numbers + b"\n")
        if file is not raw:
            file.close()
    return path


def read_vectors(path: Path | str, *, most: int | None = None) -> WordVectors:
    """Read a file of word vectors: word2vec's text or binary format, or text without its first line, as GloVe writes it.

    Args:
        path: of the file; gzip is unpacked.
        most: only so many from the beginning, which are the commonest words in most files.

    Errors: `SourceNotFoundError` where there is no file; `DataError` that names the line or the word for a wrong first line,
    rows of different lengths, what is no number, or a file that ends too early.

    Example:
        >>> import tempfile
        >>> path = write_vectors(WordVectors(["a", "b"], np.eye(2)), Path(tempfile.mkdtemp()) / "two.bin")
        >>> read_vectors(path).vectors.tolist()
        [[1.0, 0.0], [0.0, 1.0]]
    """
    path = Path(path)
    if not path.is_file():
        raise SourceNotFoundError(f"There is no file of word vectors at {path}", do="Check the path.")
    if most is not None and most < 1:
        raise ArgumentError("There would be no word", expected="most ≥ 1", got=most)
    with path.open("rb") as raw:
        if not raw.read(1):
            raise DataError(f"{path} is empty", expected="word vectors")
        raw.seek(0)
        if raw.read(2) == b"\x1f\x8b":
            raw.seek(0)
            try:
                content: Any = gzip.GzipFile(fileobj=raw).read()
            except (EOFError, OSError, zlib.error) as error:
                raise DataError(f"{path} is no whole gzip file", got=str(error), do="Fetch or write it again.") from error
        else:
            content = mmap.mmap(raw.fileno(), 0, access=mmap.ACCESS_READ)
        try:
            return _read(content, path, most)
        finally:
            if isinstance(content, mmap.mmap):
                content.close()


def _read(content: Any, path: Path, most: int | None) -> WordVectors:
    end = content.find(b"\n")
    first = bytes(content[: end if end >= 0 else min(len(content), _LONGEST)])
    head = first.split()
    if len(head) != 2:
        return _from_text(content, 0, path, None, most)
    if not all(part.isdigit() and int(part) for part in head):
        _wrong(path, "its first line", "the number of words and that of numbers each, above 0", first)
    count, width = map(int, head)
    start = end + 1 if end >= 0 else len(content)
    if _is_text(content, start, width):
        return _from_text(content, start, path, (count, width), most)
    return _from_binary(content, start, path, (count, width), most)


def _is_text(content: Any, start: int, width: int) -> bool:
    """Whether the row that begins here is text: a word and numbers up to the end of its line, or what was meant to be."""
    end = content.find(b"\n", start)
    row = bytes(content[start : end if end >= 0 else len(content)])
    _, *numbers = row.rsplit(None, width) or [b""]
    if len(numbers) == width and all(map(_number, numbers)):
        return True
    try:
        text = row.decode()
    except UnicodeDecodeError:
        return False
    return not row.strip() or (
        all(letter.isprintable() or letter in "\t\r" for letter in text) and (len(row.split()) > 2 or width == 1)
    )


def _from_text(content: Any, start: int, path: Path, size: tuple[int, int] | None, most: int | None) -> WordVectors:
    words: dict[str, None] = {}
    rows: list[NDArray[np.float32]] = []
    width, line = (size[1] if size else 0), (1 if size else 0)
    for row in _lines(content, start):
        line += 1
        if not row.strip() and rows:
            continue  # an empty line at the end
        if not width:
            width = len(row.split()) - 1
            if width < 2:
                _wrong(path, f"line {line}", "a word and its numbers, or the line “V D” before them", row)
        # Bytes are divided at ASCII's blanks alone: what else Unicode calls white space may be a word.
        name, *numbers = row.rsplit(None, width) or [b""]
        if len(numbers) != width:
            _wrong(path, f"line {line}", f"a word and {width} numbers", row)
        try:
            values = np.array(numbers, np.float32)
        except ValueError:
            _wrong(path, f"line {line}", f"a word and {width} numbers", row)
        parts = name.split()
        if len(parts) > 1 and _number(parts[-1]):
            _wrong(path, f"line {line}", f"a word and {width} numbers", row)
        word = name.strip().decode("utf-8", "replace")
        if word not in words:  # the first is the commoner one
            words[word] = None
            rows.append(values)
        if most is not None and len(rows) == most:
            break
    else:
        read = line - 1 if size else line
        if size and read < size[0]:
            _wrong(path, "its end", f"{size[0]:,} words, as its first line says", f"{read:,} words")
        if size and len(words) > size[0]:
            _wrong(path, "its first line", f"{len(words):,} words, as many as there are", f"{size[0]:,} words")
    return _checked(path, list(words), np.array(rows, np.float32))


def _from_binary(content: Any, start: int, path: Path, size: tuple[int, int], most: int | None) -> WordVectors:
    count, width = size
    wanted = min(count, most or count)
    if len(content) - start < wanted * (4 * width + 2) - wanted:
        held = max(0, (len(content) - start) // (4 * width + 2))
        _wrong(path, "its end", f"{count:,} words of {width} numbers, as its first line says", f"at most {held:,} of them")
    words: dict[str, None] = {}
    vectors = np.zeros((wanted, width), np.float32)
    at = start
    for number in range(wanted):
        end = content.find(b" ", at, at + _LONGEST)
        if end < 0 or end + 1 + 4 * width > len(content):
            _wrong(
                path,
                f"word {number + 1:,}",
                f"{count:,} words of {width} numbers",
                "the end of the file, or none of its words",
            )
        word = bytes(content[at:end]).lstrip(b"\n").decode("utf-8", "replace")
        if word not in words:
            vectors[len(words)] = np.frombuffer(content[end + 1 : end + 1 + 4 * width], "<f4")
            words[word] = None
        at = end + 1 + 4 * width
    if wanted == count and bytes(content[at : at + _SHOWN]).strip():
        _wrong(path, "its first line", f"more than {count:,} words, or other ones", f"{count:,} words of {width} numbers")
    return _checked(path, list(words), vectors[: len(words)])


def _checked(path: Path, words: list[str], vectors: NDArray[np.float32]) -> WordVectors:
    if not np.isfinite(vectors).all():
        row = int(np.flatnonzero(~np.isfinite(vectors).all(axis=1))[0])
        _wrong(path, f"the word {words[row]!r}", "numbers", "values that are none (NaN or infinity)")
    return WordVectors(words, vectors)


def _lines(content: Any, start: int) -> Iterator[bytes]:
    while start < len(content):
        end = content.find(b"\n", start)
        end = len(content) if end < 0 else end
        yield bytes(content[start:end])
        start = end + 1


def _number(text: bytes) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _wrong(path: Path, where: str, expected: str, got: bytes | str) -> NoReturn:
    shown = got if isinstance(got, str) else repr(got[:_SHOWN].decode("utf-8", "replace")) + ("…" if len(got) > _SHOWN else "")
    raise DataError(
        f"{path} is no file of word vectors that can be used: {where} is wrong",
        expected=expected,
        got=shown,
        do="It may be cut short, or of another format: fetch or write it again.",
    )
