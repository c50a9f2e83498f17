"""Text files of any size, read piece by piece in bounded memory, and refused in one paragraph where they are no text."""

from __future__ import annotations

import codecs
import gzip
import hashlib
import io
import re
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Protocol

from leadline.errors import ArgumentError, DataError, EmptyTextError, SourceNotFoundError
from leadline.spelling import counted

PIECE = 1 << 20  # bytes read at a time
_FEWEST = 1 << 12  # in fewer a binary file would not show
_LOOKED_AT = 1 << 16  # bytes that tell the encoding, or that a file is no text
_MOST_CONTROLS, _MOST_NULS = 0.05, 0.001  # shares of the characters
_FEW = 2  # so many of them are an accident, however short the text
_PATIENCE = 1 << 22  # characters without a space, after which one is cut anywhere
_MOST_INVALID = 0.2  # of the bytes; with more the text would be in tatters
_BOMS = (  # the longer first: that of UTF-32 begins like that of UTF-16
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CONTROLS = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")  # not escape, which colors terminals
_INVALID = re.compile("[\ud800-\udfff]")
_BREAK = re.compile(r"\s(?=[^\s/>])")  # not within <br />, which is one token
_LAST_RESORT = re.compile(r"[^\w\s'\u2019.,<>/](?=\w)")
_KINDS = (
    (b"PK\x03\x04", "a zip archive or an office document"),
    (b"\xd0\xcf\x11\xe0", "an old office document"),
    (b"%PDF", "a PDF"),
    (b"{\\rtf", "a rich text document"),
    (b"\xfd7zXZ", "packed with xz"),
    (b"\x28\xb5\x2f\xfd", "packed with zstd"),
)
_AS_TEXT = "Save it as plain text in UTF-8 from the program that wrote it."
_UNPACK = "Unpack it first."


class TextReader:
    """One text file, read again from its beginning each time that it is iterated over, in pieces that end between two tokens.

    UTF-8 is expected; UTF-16 and UTF-32 are known by their mark; gzip is unpacked. Line ends become "\\n". Bytes that mean
    nothing are replaced by U+FFFD and counted. What is held at a time is a piece and what may belong to a last token that goes
    on; where four million characters have no space among them, they are cut after a mark or just anywhere.

    Args:
        path: of the file.
        encoding: where it is known; bytes that mean nothing in it are replaced, too.
        piece: bytes read at a time.

    Attributes:
        replaced: how many bytes (of UTF-16 and others: characters) the last reading has replaced.
        characters: how many characters it has given.
        digest: SHA-256 of the bytes as they lie in the file, once it was read to its end.

    Errors: `SourceNotFoundError` where there is no such file; `DataError` where it is a folder, binary or no whole gzip file,
    `EmptyTextError` where it is empty; `ArgumentError` for an encoding that there is not.

    Example:
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "a.txt"
        >>> _ = path.write_bytes(b"to be\\r\\nor n\\xf6t")
        >>> reader = TextReader(path, piece=4)
        >>> list(reader), reader.replaced
        (['to ', 'be\\n', 'or ', 'n\ufffdt'], 1)
    """

    def __init__(self, path: Path | str, encoding: str | None = None, *, piece: int = PIECE) -> None:
        if piece < 1:
            raise ArgumentError("The pieces of a text are too small", expected="at least 1 byte", got=piece)
        self.path, self.piece = Path(path), piece
        self._named = _known(encoding) if encoding is not None else None
        self.encoding = self._named or "utf-8"
        self.replaced = self.characters = 0
        self._foreign = self._begun = False
        self.digest = ""

    def __iter__(self) -> Iterator[str]:
        self.replaced = self.characters = 0
        self._foreign = self._begun = False
        blank, held = True, ""
        for text in self._decoded():
            blank = blank and not text.strip()
            held += text
            if cut := _last_break(held, patient=len(held) < _PATIENCE):
                self.characters += cut
                yield held[:cut]
                held = held[cut:]
        if blank:
            raise EmptyTextError(f"{self.path} is empty", expected="a text", got="nothing but white space" if held else None)
        if held:
            self.characters += len(held)
            yield held

    def notes(self) -> list[str]:
        """What a person should know about how the file was read to its end."""
        if not self.replaced:
            return []
        what = "byte" if self.encoding == "utf-8" else "character"
        those = counted(self.replaced, f"{what} that means", f"{what}s that mean")
        note = f"{self.path.name} holds {those} nothing in {self.encoding.upper()}; replaced by \ufffd."
        if self._named is None and self.encoding == "utf-8" and not self._foreign:
            note += ' It may be in another encoding: name it, as in --set data.encoding="cp1252".'
        return [note]

    def _decoded(self) -> Iterator[str]:
        digest = hashlib.sha256()
        with _opened(self.path) as raw:
            packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            told = _Told(raw, digest.update)
            try:
                yield from self._texts(gzip.GzipFile(fileobj=told) if packed else told)
            except (EOFError, zlib.error, gzip.BadGzipFile) as error:
                raise DataError(
                    f"{self.path} is not a whole gzip file", got=str(error), do="Fetch or pack it again."
                ) from error
        self.digest = digest.hexdigest()

    def _texts(self, source: _Source) -> Iterator[str]:
        head = source.read(max(self.piece, _LOOKED_AT))
        self.encoding = self._named or _told_by(head)
        _refuse_other_kinds(head, self.path)
        plain = self.encoding == "utf-8"
        # Surrogates stand for the single bytes that mean nothing, so that these can be counted.
        decoding = codecs.getincrementaldecoder(self.encoding)("surrogateescape" if plain else "replace")
        decoder = io.IncrementalNewlineDecoder(decoding, translate=True)
        for start in range(0, len(head), self.piece):
            yield from self._sound(decoder.decode(head[start : start + self.piece]))
        if plain and self.replaced > max(_FEW, _MOST_INVALID * len(head)):
            raise DataError(
                f"{self.path} is not in UTF-8",
                got=f"{self.replaced:,} bytes that mean nothing in it among the first {len(head):,}",
                do='Name its encoding, as in --set data.encoding="cp1251".',
            )
        for chunk in iter(lambda: source.read(self.piece), b""):
            yield from self._sound(decoder.decode(chunk))
        yield from self._sound(decoder.decode(b"", final=True))

    def _sound(self, text: str) -> Iterator[str]:
        """The text without what means nothing, if any is left."""
        if text and not self._begun:
            text, self._begun = text.removeprefix("\ufeff"), True
        if not text.isascii():
            text, invalid = _INVALID.subn("\ufffd", text)
            self.replaced += invalid if self.encoding == "utf-8" else text.count("\ufffd")
            self._foreign = self._foreign or not text.replace("\ufffd", "").isascii()
        controls = len(_CONTROLS.findall(text))
        if controls:
            nuls = text.count("\0")
            if controls > max(_FEW, _MOST_CONTROLS * len(text)) or nuls > max(_FEW, _MOST_NULS * len(text)):
                raise DataError(
                    f"{self.path} is a binary file, not text",
                    expected="plain text in UTF-8",
                    got=f"{controls:,} control characters among {len(text):,}",
                    do=_AS_TEXT,
                )
            self.replaced += nuls
            text = text.replace("\0", "\ufffd")
        if text:
            yield text


def sample_of_text(path: Path | str, encoding: str | None = None, *, most: int = PIECE) -> str:
    """The beginning of a text file, some `most` characters of it.

    Errors: as `TextReader`.

    Example:
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "a.txt"
        >>> _ = path.write_text("to be or not to be")
        >>> sample_of_text(path, most=8)
        'to be or'
    """
    parts: list[str] = []
    length = 0
    for text in TextReader(path, encoding, piece=max(_FEWEST, min(most, PIECE))):
        parts.append(text)
        length += len(text)
        if length >= most:
            break
    return "".join(parts)[:most]


class _Source(Protocol):
    def read(self, size: int, /) -> bytes: ...


class _Told(io.RawIOBase):
    """A file whose every byte is told to someone on the way."""

    def __init__(self, raw: IO[bytes], tell: Callable[[bytes], None]) -> None:
        self._raw, self._hear = raw, tell

    def read(self, size: int = -1, /) -> bytes:
        chunk = self._raw.read(size)
        self._hear(chunk)
        return chunk


def _opened(path: Path) -> IO[bytes]:
    try:
        return path.open("rb")
    except FileNotFoundError as error:
        raise SourceNotFoundError(f"There is no file {path}", do="Check the path.") from error
    except IsADirectoryError as error:
        raise DataError(f"{path} is a folder, not a file", expected="a text file") from error
    except PermissionError as error:
        raise DataError(f"{path} may not be read", do="Change its permissions.") from error


def _known(encoding: str) -> str:
    try:
        "".encode(encoding)  # refuses what is no encoding of text, such as base64, too
    except (LookupError, ValueError) as error:
        raise ArgumentError(
            f"There is no encoding {encoding!r} of text", expected="one that Python knows, such as utf-8, cp1252 or shift_jis"
        ) from error
    return codecs.lookup(encoding).name


def _told_by(head: bytes) -> str:
    for mark, encoding in _BOMS:
        if head.startswith(mark):
            return encoding
    even, odd = head[:_LOOKED_AT:2].count(0), head[1:_LOOKED_AT:2].count(0)
    few = len(head[:_LOOKED_AT]) // 100
    # Latin text in UTF-16 without a mark: every other byte is NUL, and none of those between.
    if max(even, odd) > 20 * few and max(even, odd) > 1 and min(even, odd) <= few // 2:
        return "utf-16-le" if odd > even else "utf-16-be"
    return "utf-8"


def _refuse_other_kinds(head: bytes, path: Path) -> None:
    for magic, kind in _KINDS:
        if head.startswith(magic):
            raise DataError(f"{path} is {kind}, not plain text", do=_UNPACK if "packed" in kind else _AS_TEXT)


def _last_break(text: str, *, patient: bool) -> int:
    """Where the last piece that surely ends between two tokens ends; 0 where there is no such place and more may come."""
    width = 1 << 10
    while True:
        start = max(0, len(text) - width)
        if found := _end_of_last(_BREAK, text, start):
            return found
        if start == 0:
            break
        width *= 8
    if patient:
        return 0
    return _end_of_last(_LAST_RESORT, text, max(0, len(text) - (1 << 16))) or len(text)


def _end_of_last(pattern: re.Pattern[str], text: str, start: int) -> int:
    """Where the last match ends; 0 where there is none. A list of all of them could take more room than the text."""
    last = deque(pattern.finditer(text, start), maxlen=1)
    return last[0].end() if last else 0
