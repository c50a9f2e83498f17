"""Text files to the three parts of a language model's data: token numbers on disk, memory-mapped, and their vocabulary."""

from __future__ import annotations

import hashlib
import re
import sysconfig
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from leadline.data.tokens.token_streams import PARTS, contiguous_parts, named_parts
from leadline.data.tokens.tokens import Tokens, tokenizer_of
from leadline.errors import DataError, SourceNotFoundError
from leadline.spelling import counted
from leadline.text.reading_text import sample_of_text
from leadline.text.token_files import write_tokens
from leadline.text.units import suggested_unit
from leadline.text.vocabularies import UNKNOWN

_ENDINGS = (".txt", ".text", ".md", ".rst", ".tokens", ".raw", ".py", ".tex", ".html", ".gz")
_VALID, _TEST = 0.05, 0.05
_TRAINING = re.compile(r"(?<![a-z])train(?:ing)?(?![a-z])")
_MOST_UNKNOWN = 0.1  # share of unknown tokens beyond which a person should hear of it


@dataclass(frozen=True, eq=False)
class TokenParts:
    """Training, validation and test of a text as token numbers, what they stand for, and what was noticed.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "rhyme.txt"
        >>> _ = path.write_text("Twinkle, twinkle, little star,\\n" * 40)
        >>> parts = read_token_parts(path, path.parent / "kept")
        >>> parts.tokens.by, len(parts.train), len(parts.valid), len(parts.test)
        ('words', 288, 16, 16)
    """

    tokens: Tokens
    train: NDArray[Any]
    valid: NDArray[Any]
    test: NDArray[Any]
    digest: str
    notes: tuple[str, ...] = ()


def read_token_parts(
    source: Path | str | Sequence[Path | str],
    keep: Path | str,
    *,
    by: str = "",
    lower: bool = False,
    min_count: int = 1,
    most: int | None = None,
    always: Collection[str] = (),
    encoding: str | None = None,
    valid: float = _VALID,
    test: float = _TEST,
) -> TokenParts:
    """Read a text for a language model, once; its numbers are kept in a folder and mapped from there.

    One file, or several that follow each other, are cut into training, validation and test, in this order. Files that say
    which part they are (ptb.train.txt, ptb.valid.txt, ptb.test.txt), in a folder or beside the training part, are taken as
    they are; a part that is missing is cut from the end of the training text. The vocabulary is learned from the training
    part alone.

    Args:
        source: a file, several files, or a folder.
        keep: the folder that the numbers go to.
        by: "characters", "words" or "spaced words"; "" for what suits the text.
        lower: whether all letters are made lower case.
        min_count: tokens seen less often are not known.
        most: at most so many tokens are known.
        always: tokens that are known however seldom they were seen.
        encoding: of the files, where it is known.
        valid: share of the text that validation is cut from.
        test: likewise.

    Errors: `SourceNotFoundError` where there is no text; `DataError` for what is empty, binary or too short to be divided.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> for part in ("train", "valid", "test"):
        ...     _ = (folder / f"a.{part}.txt").write_text("the cat sat on the mat .\\n" * 30)
        >>> parts = read_token_parts(folder, folder / "kept", by="spaced words")
        >>> len(parts.train), parts.tokens.decode(parts.test[:7].tolist())
        (240, 'the cat sat on the mat .')
    """
    files = files_by_part(source)
    keep, notes = Path(keep), []
    if not by:
        first = files["train"][0]
        by, reason = suggested_unit(sample_of_text(first, encoding), sum(path.stat().st_size for path in files["train"]))
        notes.append(f"The text is read by {by}: {reason}.")
    tokenizer = tokenizer_of(by, lower=lower)
    missing = [part for part in PARTS if part not in files]
    shares = {"valid": valid if "valid" in missing else 0.0, "test": test if "test" in missing else 0.0}
    whole = write_tokens(
        files["train"],
        keep / "train.npy",
        tokenizer,
        min_count=min_count,
        most=most,
        learn_from=(lambda count: _parts(count, shares)["train"].stop) if any(shares.values()) else None,
        always=always,
        encoding=encoding,
    )
    written = {"train": whole} | {
        part: write_tokens(files[part], keep / f"{part}.npy", tokenizer, vocabulary=whole.vocabulary, encoding=encoding)
        for part in ("valid", "test")
        if part in files
    }
    arrays = {part: file.numbers for part, file in written.items()}
    arrays |= {part: whole.numbers[place] for part, place in _parts(len(whole), shares).items()}
    for part, array in arrays.items():
        if len(array) < 2:
            raise DataError(
                f"The {part} part of the text is too short to foretell anything in it",
                expected="at least 2 tokens",
                got=len(array),
            )
    for file in written.values():
        notes.extend(file.notes)
    foreign = max(float((arrays[part] == UNKNOWN).mean()) for part in ("valid", "test"))
    if foreign > _MOST_UNKNOWN:
        notes.append(f"The vocabulary of the training part lacks {100 * foreign:.0f} % of the tokens of validation or test.")
    digest = hashlib.sha256("\n".join([*(file.digest for file in written.values()), repr(shares)]).encode()).hexdigest()
    tokens = Tokens(whole.vocabulary, by, lower)
    return TokenParts(tokens, arrays["train"], arrays["valid"], arrays["test"], digest, tuple(notes))


def python_sources() -> list[Path]:
    """The files of Python's own standard library, in the order of their names, without its tests: a text that is everywhere.

    Errors: `SourceNotFoundError` where this Python came without its source text.

    Example:
        >>> len(python_sources()) > 100
        True
    """
    library = Path(sysconfig.get_path("stdlib"))
    left_out = {"test", "tests", "idlelib", "lib2to3", "site-packages", "dist-packages", "__pycache__", "turtledemo"}
    found = [path for path in sorted(library.rglob("*.py")) if not left_out & set(path.relative_to(library).parts)]
    found = [path for path in found if path.stat().st_size]
    if not found:
        raise SourceNotFoundError(f"Python's standard library has no source text in {library}", do="Give a text of your own.")
    return found


def _parts(count: int, shares: dict[str, float]) -> dict[str, slice]:
    """Which tokens of the training text are training, and which of its end has to serve for the parts that have a share."""
    cut = [part for part, share in shares.items() if share]
    if len(cut) == 2:
        return contiguous_parts(count, **shares)
    if not cut:
        return {"train": slice(0, count)}
    at = count - max(2, round(count * shares[cut[0]]))
    if at < 2:
        raise DataError("The text is too short to be divided", expected="at least 4 tokens", got=count)
    return {"train": slice(0, at), cut[0]: slice(at, count)}


def files_by_part(source: Path | str | Sequence[Path | str]) -> dict[str, list[Path]]:
    """The files of a text by the part that they are; those that say nothing are training.

    Args:
        source: a file, several, or a folder. Beside a file that says it is training the other parts are found.

    Errors: `SourceNotFoundError` where there is no text; `DataError` where two files of a folder are one part.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> for name in ("a.train.txt", "a.dev.txt", "b.train.txt"):
        ...     _ = (folder / name).write_text("text")
        >>> {part: [path.name for path in paths] for part, paths in files_by_part(folder / "a.train.txt").items()}
        {'train': ['a.train.txt'], 'valid': ['a.dev.txt']}
    """
    if not isinstance(source, (str, Path)):
        if not source:
            raise SourceNotFoundError("There is no text", expected="at least one file")
        return {"train": [Path(path) for path in source]}
    path = Path(source)
    if not path.exists():
        raise SourceNotFoundError(f"There is no text at {path}", do="Check the path.")
    if not path.is_dir():
        return {"train": [path]} | {part: [file] for part, file in _beside(path).items()}
    parts = named_parts(path)
    if "train" in parts:
        return {part: [file] for part, file in parts.items()}
    texts = [file for file in sorted(path.rglob("*")) if file.is_file() and file.suffix.lower() in _ENDINGS]
    texts = [file for file in texts if not any(piece.startswith(".") for piece in file.relative_to(path).parts)]
    if not texts:
        endings = counted(len(list(path.iterdir())), "entry", "entries")
        raise SourceNotFoundError(f"There is no text in the folder {path}", expected="files such as .txt", got=endings)
    return {"train": texts}


def _beside(path: Path) -> dict[str, Path]:
    """The other parts of a file that says it is training, by files that are called as it is but for that word."""
    said = _TRAINING.search(path.name)
    if said is None:
        return {}
    found: dict[str, Path] = {}
    for word in ("valid", "validation", "val", "dev", "test", "testing"):
        other = path.with_name(path.name[: said.start()] + word + path.name[said.end() :])
        if other.is_file():
            found.setdefault("test" if word.startswith("test") else "valid", other)
    return found
