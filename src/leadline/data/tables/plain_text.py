"""From the bytes of a text file, in whatever encoding, to UTF-8 with line feeds; or the reason why it is no text."""

from __future__ import annotations

import codecs
import gzip
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from leadline.errors import DataError

_LOOKED_AT = 1 << 16  # bytes enough to tell a picture or a program from text
_CHUNK = 1 << 24
_BOMS = (  # the longer first: that of UTF-32 begins like that of UTF-16
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\v\f\r\x1b"))
_AS_CSV = "Open it in the program that wrote it and save it as csv in UTF-8."
_KINDS = (
    (b"\xd0\xcf\x11\xe0", "an old Excel file", _AS_CSV),
    (b"PAR1", "a parquet file", "Give it the extension .parquet."),
    (b"ARROW1", "an Arrow file", "Give it the extension .arrow."),
    (b"%PDF", "a PDF", _AS_CSV),
    (b"BZh", "packed with bzip2", "Unpack it first."),
    (b"\xfd7zXZ", "packed with xz", "Unpack it first."),
    (b"\x28\xb5\x2f\xfd", "packed with zstd", "Unpack it first."),
)
_BROKEN = 0.01  # of the lines of a text may hold bytes that mean nothing in UTF-8; with more it is in another encoding
_GUESSED = 'If that is wrong, name the encoding, as in --set data.encoding="cp1250".'


@dataclass(frozen=True)
class PlainText:
    """A text in UTF-8 whose lines end in a line feed; bytes that mean nothing in its encoding have become NUL."""

    data: bytes
    notes: tuple[str, ...] = ()


def read_text(content: bytes, name: str, encoding: str | None = None) -> PlainText:
    """Understand the bytes of a text file.

    UTF-8, UTF-16 and UTF-32 are recognised; anything else is taken for Windows-1252, and a note says so. UTF-8 with a few
    broken lines is UTF-8. gzip is unpacked.

    Args:
        content: the whole file.
        name: of the file, for messages.
        encoding: when it is known.

    Raises:
        DataError: the file is empty, or not text, or not in the encoding that was named.

    Example:
        >>> read_text(b"a\\r\\nb", "a.csv").data
        b'a\\nb'
        >>> read_text("größe".encode("cp1252"), "a.csv").notes[0][:64]
        'a.csv is not in UTF-8; it was read as Windows-1252, in which lin'
    """
    content = _unpacked(content, name)
    _refuse_other_kinds(content, name)
    text = _guessed(content, name) if encoding is None else PlainText(_named(content, encoding, name))
    _refuse_web_pages(text.data, name)
    return PlainText(_with_line_feeds(text.data), text.notes)


def _unpacked(content: bytes, name: str) -> bytes:
    if not content.startswith(b"\x1f\x8b"):
        return content
    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{name} is not a whole gzip file", got=str(error), do="Fetch or pack it again.") from error


def _refuse_other_kinds(content: bytes, name: str) -> None:
    if content.startswith(b"PK\x03\x04"):
        excel = b"xl/" in content or name.casefold().endswith((".xlsx", ".xlsm"))
        kind, do = ("an Excel file", _AS_CSV) if excel else ("a zip archive", "Unpack it first.")
        raise DataError(f"{name} is {kind}, not text", expected="a text file of rows", do=do)
    for magic, kind, do in _KINDS:
        if content.startswith(magic):
            raise DataError(f"{name} is {kind}, not text", expected="a text file of rows", do=do)


def _refuse_web_pages(data: bytes, name: str) -> None:
    start = data[:1000].lstrip().lower()
    if start.startswith((b"<!doctype", b"<html", b"<head", b"<?xml", b"<svg")):
        kind = "XML" if start.startswith((b"<?xml", b"<svg")) and b"<html" not in start else "a web page"
        raise DataError(
            f"{name} is {kind}, not a table",
            expected="rows of values",
            got=data.lstrip()[:40].decode(errors="replace"),
            do="The download probably went wrong: fetch the file itself, not the page that shows it.",
        )
    if start.startswith((b'{"', b'[{"')):
        raise DataError(f"{name} is JSON, not a table", expected="rows of values", do="Save it as csv or parquet.")
    if not start and not data.strip():
        raise DataError(f"{name} is empty", expected="a header and rows")


def _named(content: bytes, encoding: str, name: str) -> bytes:
    """From an encoding that was named; where that is UTF-8, a few bytes that are not are no reason to refuse all others."""
    try:
        return _decoded(content, encoding, name)
    except DataError:
        data = content.removeprefix(codecs.BOM_UTF8)
        if encoding.casefold().replace("_", "-") not in ("utf-8", "utf8", "utf-8-sig") or not _is_nearly_sound(data):
            raise
        return b"".join(_without_broken(chunk) for chunk in _chunks(data))


def _decoded(content: bytes, encoding: str, name: str) -> bytes:
    """From an encoding that was named, or that a mark at the start names."""
    try:
        codec = codecs.lookup(encoding).name
    except (LookupError, ValueError) as error:
        raise DataError(
            f"There is no encoding {encoding!r}", expected="one that Python knows, such as utf-8, cp1250 or shift_jis"
        ) from error
    try:
        text = content.decode("utf-8-sig" if codec == "utf-8" else codec)
        return text.removeprefix("\ufeff").encode()
    except LookupError as error:  # such as rot13, which turns text into text
        raise DataError(f"{encoding!r} is not an encoding of text", expected="one such as utf-8 or cp1250") from error
    except UnicodeError as error:
        where = f" on line {_line_of(content, error.start):,}" if isinstance(error, UnicodeDecodeError) else ""
        raise DataError(
            f"{name} is not in {encoding}", got=f"bytes{where} that mean nothing in it", do="Name another encoding."
        ) from error


def _guessed(content: bytes, name: str) -> PlainText:
    named = next((encoding for mark, encoding in _BOMS if content.startswith(mark)), None) or _wide(content[:_LOOKED_AT])
    data = _decoded(content, named, name) if named and named != "utf-8" else content.removeprefix(codecs.BOM_UTF8)
    start = data[:_LOOKED_AT]
    if len(start) - len(start.translate(None, _CONTROLS)) > 0.05 * len(start):
        raise DataError(f"{name} is a binary file, not text", expected="a text file of rows")
    if data.isascii() or all(_is_utf8(chunk) for chunk in _chunks(data)):
        return PlainText(data)
    sound, broken = _count_lines(data)
    if sound >= broken:  # text in another encoding is practically never UTF-8 by accident
        return PlainText(b"".join(_without_broken(chunk) for chunk in _chunks(data)))
    try:
        return _western(data, name)
    except DataError:
        if not _is_nearly_sound(data):
            raise
        return PlainText(b"".join(_without_broken(chunk) for chunk in _chunks(data)))


def _is_nearly_sound(data: bytes) -> bool:
    return _count_lines(data)[1] <= _BROKEN * data.count(b"\n")


def _wide(start: bytes) -> str | None:
    """UTF-16 without a mark: many of every other byte are NUL, none of those between them, and the first line ends in one."""
    even, odd = start[::2].count(0), start[1::2].count(0)
    line = re.search(rb"[\r\n]", start)
    if line is None or max(even, odd) < 0.1 * len(start) or min(even, odd) > 0.01 * len(start):
        return None
    at = line.start()
    if odd > even:
        return "utf-16-le" if at % 2 == 0 and start[at + 1 : at + 2] == b"\0" else None
    return "utf-16-be" if at % 2 == 1 and start[at - 1] == 0 else None


def _count_lines(content: bytes) -> tuple[int, int]:
    """How many lines with other than ASCII characters are UTF-8, and how many are not."""
    verdicts = [_is_utf8(line) for chunk in _chunks(content) for line in chunk.split(b"\n") if not line.isascii()]
    return sum(verdicts), len(verdicts) - sum(verdicts)


def _chunks(content: bytes) -> Iterator[bytes]:
    """Pieces of some megabytes that end where a line ends, so that none ends within a character."""
    start = 0
    while start < len(content):
        stop = content.find(b"\n", start + _CHUNK) + 1 or len(content)
        yield content[start:stop]
        start = stop


def _is_utf8(piece: bytes) -> bool:
    try:
        piece.decode()
    except UnicodeDecodeError:
        return False
    return True


def _without_broken(chunk: bytes) -> bytes:
    if _is_utf8(chunk):
        return chunk
    return re.sub("[\udc80-\udcff]", "\0", chunk.decode(errors="surrogateescape")).encode()


def _western(content: bytes, name: str) -> PlainText:
    try:
        text = content.decode("cp1252")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{name} is neither in UTF-8 nor in Windows-1252",
            got=f"bytes on line {_line_of(content, error.start):,} that mean nothing in either",
            do='Name its encoding, as in --set data.encoding="shift_jis".',
        ) from error
    # A word with a letter shows at a glance whether the guess is right; a lone sign such as € hardly does.
    found = re.search(r"[^\W\d_]*(?!ª|º)[^\x00-\x7f\W\d_][^\W\d_]*", text) or re.search(r"[^\s,;|]*[^\x00-\x7f][^\s,;|]*", text)
    assert found is not None
    line = text.count("\n", 0, found.start()) + 1
    note = (
        f'{name} is not in UTF-8; it was read as Windows-1252, in which line {line:,} says "{found.group()[:40]}". {_GUESSED}'
    )
    return PlainText(text.encode(), (note,))


def _line_of(content: bytes, at: int) -> int:
    return content.count(b"\n", 0, at) + 1


def _with_line_feeds(data: bytes) -> bytes:
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n")
        data = data.replace(b"\r", b"\n")
    return data
