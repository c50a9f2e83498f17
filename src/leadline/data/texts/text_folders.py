"""Folders of texts as a source: a sub-folder per class, files and a csv of their labels, or a list of short texts per class."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leadline.data.download import Progress
from leadline.data.pictures.folders import part_named
from leadline.data.ragged import Ragged
from leadline.data.raw import Raw
from leadline.data.tables.long_lines import MOST_CHARACTERS
from leadline.data.texts.text_labels import find_label_table, labels_of_files
from leadline.data.texts.text_listing import has_text_classes, text_files_in, texts_in_classes
from leadline.data.texts.texts import Texts
from leadline.errors import DataError, LeadlineError
from leadline.spelling import counted
from leadline.text.reading_text import TextReader, sample_of_text

_WORDS_IN_LIST, _FEWEST_LINES = 3.0, 5  # of one line on average, and lines of a file, where each line is a text of its own
_EXPECTED = "one sub-folder of text files per class, or text files and a csv of their labels"


def is_text_folder(root: Path) -> bool:
    """Whether a folder holds texts with classes or labels, in one of the forms that `read_text_folder` reads.

    Example:
        >>> import tempfile
        >>> root = Path(tempfile.mkdtemp())
        >>> (root / "spam").mkdir(), (root / "ham").mkdir()
        (None, None)
        >>> (root / "spam" / "1.txt").write_text("Win!"), (root / "ham" / "1.txt").write_text("See you")
        (4, 7)
        >>> is_text_folder(root)
        True
    """
    return has_text_classes(root) or find_label_table(root, text_files_in(root)) is not None or holds_lists(root)


def read_text_folder(
    root: Path,
    *,
    target: str | None = None,
    task: str | None = None,
    encoding: str | None = None,
    progress: Progress | None = None,
) -> Raw:
    """The texts of a folder and their classes or labels.

    One sub-folder per class, with or without train, valid and test above them; or files and a csv that names them; or several
    files, each the list of one class, a text on each line. What is read of a text ends after 65,536 characters.

    Args:
        root: the folder.
        target: the label column of a csv.
        task: as in `load`.
        encoding: of the files, where it is known.
        progress: told (done, in all) while files are read.

    Returns:
        Raw, whose inputs are an array of str [N]. Files that cannot be used are among its bad rows.

    Errors: `DataError` where the folder holds no texts, or none with classes.

    Example:
        >>> import tempfile
        >>> root = Path(tempfile.mkdtemp())
        >>> (root / "spam").mkdir(), (root / "ham").mkdir()
        (None, None)
        >>> (root / "spam" / "1.txt").write_text("Win!"), (root / "ham" / "1.txt").write_text("See you")
        (4, 7)
        >>> raw = read_text_folder(root)
        >>> raw.inputs.tolist(), raw.targets.tolist(), raw.ids
        (['See you', 'Win!'], ['ham', 'spam'], ['ham/1.txt', 'spam/1.txt'])
    """
    if not has_text_classes(root):
        if (table := find_label_table(root, text_files_in(root))) is not None:
            listing = labels_of_files(table, root, text_files_in(root), target=target, task=task)
            texts, bad, notes = _read_files([root / name for name in listing.names], encoding, progress)
            bad |= dict(listing.missing)
            return _raw(
                root, texts, listing.targets, listing.names, bad, (*listing.notes, *notes), None, columns=listing.columns
            )
        if holds_lists(root):
            return _read_lists(root, encoding)
    found, notes = texts_in_classes(root)
    if not found:
        raise DataError(f"The folder {root} holds no texts in sub-folders", expected=_EXPECTED, got=_contents(root))
    texts, bad, more = _read_files([path for _, _, path in found], encoding, progress)
    parts = np.array([part for part, _, _ in found]) if found[0][0] else None
    names = [path.relative_to(root).as_posix() for _, _, path in found]
    targets = np.array([label for _, label, _ in found])
    return _raw(root, texts, targets, names, bad, (*notes, *more), parts)


def holds_lists(root: Path) -> bool:
    """Whether a folder holds a list for each class: several text files, each of many lines of one, two or three words.

    Example:
        >>> import tempfile
        >>> root = Path(tempfile.mkdtemp())
        >>> for language, names in (("Greek", "Adamou\\n"), ("Irish", "Brady\\n")):
        ...     _ = (root / f"{language}.txt").write_text(names * 9)
        >>> holds_lists(root)
        True
    """
    files = text_files_in(root)
    if len(files) < 2 or any(part_named(word) for path in files for word in re.split(r"[\W_]+", path.stem)):
        return False
    try:
        samples = [[line for line in sample_of_text(path, most=MOST_CHARACTERS).split("\n") if line.strip()] for path in files]
    except LeadlineError:
        return False
    lines = [line for sample in samples for line in sample]
    short = sum(len(line.split()) for line in lines) <= _WORDS_IN_LIST * len(lines)
    return short and sum(len(sample) >= _FEWEST_LINES for sample in samples) > len(files) / 2


def encode_texts(texts: NDArray[Any], rows: NDArray[np.int64], inputs: Texts) -> Ragged:
    """Some of the raw texts [N] as a split stores them.

    Example:
        >>> encode_texts(np.array(["a b", "b"], object), np.array([1, 0]), Texts(("", "<unk>", "b"), longest=9)).lengths
        array([1, 2])
    """
    if not len(rows):
        return Ragged(np.zeros(0, np.int32), np.zeros(1, np.int64))
    return inputs.encode_all(texts[row] for row in rows.tolist())


def texts_from_list(texts: Sequence[str], targets: Any, *, name: str = "texts") -> Raw:
    """Texts in memory and their targets; the id of a row is "row:17", and a text of nothing but white space is a bad row.

    Args:
        texts: N of them.
        targets: [N], or [N, L].
        name: of the source, for people.

    Errors: `DataError` for another number of targets.

    Example:
        >>> texts_from_list(["See you", " "], [0, 1]).bad
        {1: 'it is empty'}
    """
    bad = {row: "it is empty" for row, text in enumerate(texts) if not text.strip()}
    return _raw(Path(name), list(texts), np.asarray(targets), [f"row:{row}" for row in range(len(texts))], bad, (), None)


def first_copies_of_texts(texts: Sequence[str]) -> NDArray[np.int64]:
    """For each text the number of the first that is the same but for white space and capitals, int64 [N].

    Example:
        >>> first_copies_of_texts(["Call  now", "See you", "call now"]).tolist()
        [0, 1, 0]
    """
    seen: dict[bytes, int] = {}
    first = np.arange(len(texts), dtype=np.int64)
    for row, text in enumerate(texts):
        key = hashlib.blake2b(" ".join(text.casefold().split()).encode(errors="surrogatepass"), digest_size=16).digest()
        first[row] = seen.setdefault(key, row)
    return first


def digest_of_texts(texts: Iterable[str]) -> str:
    """SHA-256 of texts, in their order.

    Example:
        >>> digest_of_texts(["a", "b"]) == digest_of_texts(["ab"])
        False
    """
    digest = hashlib.sha256()
    for text in texts:
        data = text.encode(errors="surrogatepass")
        digest.update(f"{len(data)}:".encode())
        digest.update(data)
    return digest.hexdigest()


def _raw(
    root: Path,
    texts: list[str],
    targets: NDArray[Any],
    names: Sequence[str],
    bad: dict[int, str],
    notes: Sequence[str],
    parts: NDArray[np.str_] | None,
    *,
    columns: tuple[str, ...] | None = None,
) -> Raw:
    inputs = np.empty(len(texts), object)
    inputs[:] = texts
    copies = first_copies_of_texts(texts)
    copies[list(bad)] = list(bad)  # files that cannot be read are no copies of each other
    return Raw(
        name=root.name,
        inputs=inputs,
        targets=targets,
        ids=list(names),
        parts=parts,
        columns=columns,
        notes=tuple(notes),
        bad=bad,
        copies=copies,
        digest=digest_of_texts(texts),
    )


def _read_files(
    paths: Sequence[Path], encoding: str | None, progress: Progress | None
) -> tuple[list[str], dict[int, str], list[str]]:
    """The text of each file, why some cannot be used, and what a person should know of the others."""
    texts: list[str] = []
    bad: dict[int, str] = {}
    replaced = files = cut = 0
    for row, path in enumerate(paths):
        text = ""
        try:
            reader = TextReader(path, encoding, piece=MOST_CHARACTERS)
            for piece in reader:
                text += piece
                if len(text) > MOST_CHARACTERS:
                    cut += 1
                    text = text[:MOST_CHARACTERS]
                    break
            replaced += reader.replaced
            files += reader.replaced > 0
        except (LeadlineError, OSError) as error:
            bad[row], text = _reason(error, path), ""
        texts.append(text)
        if progress is not None and ((row + 1) % 1_000 == 0 or row + 1 == len(paths)):
            progress(row + 1, len(paths))
    notes = []
    if replaced:
        those = counted(replaced, "byte", "bytes")
        notes.append(
            f"{those} in {counted(files, 'file')} meant nothing in {(encoding or 'UTF-8').upper()}; replaced by \ufffd."
        )
    if cut:
        those = counted(cut, "text is", "texts are")
        notes.append(f"{those} longer than {MOST_CHARACTERS:,} characters; the rest was not read.")
    return texts, bad, notes


def _reason(error: Exception, path: Path) -> str:
    """What an error says of a file, without its name, which stands beside the reason."""
    said = error.what if isinstance(error, LeadlineError) else str(error)
    return said.replace(f"{path} ", "it ", 1)


def _read_lists(root: Path, encoding: str | None) -> Raw:
    texts: list[str] = []
    labels: list[str] = []
    ids: list[str] = []
    notes: list[str] = []
    for path in text_files_in(root):
        reader = TextReader(path, encoding)
        lines = "".join(reader).split("\n")
        there = [(number, line.strip()) for number, line in enumerate(lines, 1) if line.strip()]
        texts += [line[:MOST_CHARACTERS] for _, line in there]
        labels += [path.stem] * len(there)
        ids += [f"{path.name}:{number}" for number, _ in there]
        notes += reader.notes()
    note = f"Each line is a text of its own; its class is the name of its file, one of {len(set(labels)):,}."
    return _raw(root, texts, np.array(labels), ids, {}, (note, *notes), None)


def _contents(root: Path) -> str:
    flat = len(text_files_in(root))
    return f"{counted(flat, 'text file')} without sub-folders or labels" if flat else "no text file"
