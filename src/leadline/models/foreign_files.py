"""What a file is that holds no weights: told from its first bytes, or from the names in an archive; nothing is executed."""

from __future__ import annotations

import zipfile
from pathlib import Path

from leadline.spelling import counted

_BEGINNINGS = {
    b"version https://": "a pointer of Git LFS to the file: `git lfs pull` fetches it",
    b"\x89PNG": "a picture (PNG)",
    b"\xff\xd8\xff": "a picture (JPEG)",
    b"GIF8": "a picture (GIF)",
    b"\x93NUMPY": "an array of numpy (.npy)",
    b"\x1f\x8b": "a gzip archive: unpack it first",
    b"BZh": "a bzip2 archive: unpack it first",
    b"\xfd7zXZ": "an xz archive: unpack it first",
    b"PK\x05\x06": "an empty zip archive",
    b"7z\xbc\xaf": "a 7z archive: unpack it first",
    b"GGUF": "a GGUF file, as llama.cpp reads it",
    b"PAR1": "a table (parquet)",
    b"%PDF": "a PDF",
    b"\x7fELF": "a program",
}
_LEGACY = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19"  # the number that torch begins its legacy files with


def looks_like(first: bytes, size: int) -> str:
    """What a file is, by its first bytes, in words.

    Args:
        first: some 40 of them, where there are so many.
        size: of the file in bytes.

    Example:
        >>> looks_like(b"epoch,loss\\n1,0.5\\n", 17), looks_like(b"", 0)
        ("a text that begins with 'epoch,loss'", 'an empty file')
    """
    if not first:
        return "an empty file"
    if first.lstrip()[:1] == b"<":
        return "a web page: the download was of a page about the file"
    for beginning, words in _BEGINNINGS.items():
        if first.startswith(beginning):
            return words
    text = first.decode("utf-8", errors="ignore")
    whole = len(text.encode()) >= len(first) - 3  # the last letter may be cut in two
    if whole and all(letter.isprintable() or letter in "\t\r\n" for letter in text):
        return f"a text that begins with {text.strip().splitlines()[0]!r}" if text.strip() else "a text without a word"
    if size < 8:
        return f"a file of {counted(size, 'byte')}"
    return f"a file that begins with {first[:8]!r}"


def other_pickle(file: Path) -> str:
    """What a zip archive or a pickle is that `torch.load` did not read: empty where it is damaged, as far as can be told.

    Args:
        file: that begins as one of them does.

    Example:
        >>> import pickle, tempfile
        >>> path = Path(tempfile.mkdtemp()) / "notes.pkl"
        >>> _ = path.write_bytes(pickle.dumps({"epochs": 3}, protocol=4))
        >>> other_pickle(path)
        'a pickle of another program (protocol 4)'
    """
    with file.open("rb") as opened:
        first = opened.read(16)
    if first[:1] == b"\x80":
        if first.startswith(_LEGACY) or len(first) < 3:
            return ""
        return f"a pickle of another program (protocol {first[1]})"
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError):
        return ""
    if any(name.endswith("/constants.pkl") for name in names):
        return "a TorchScript program, by torch.jit.save"
    if any(name.endswith("data.pkl") for name in names):
        return ""
    if names and all(name.endswith(".npy") for name in names):
        return "arrays of numpy (.npz)"
    return f"a zip archive with {', '.join(names[:3])}{', …' if len(names) > 3 else ''}"
