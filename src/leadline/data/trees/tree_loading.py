"""From files of trees in brackets to a Dataset, and to the trees of another file for a Schema that exists."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leadline.data import splits
from leadline.data.dataset import Dataset, Excluded, Origin, Split
from leadline.data.ragged import Ragged
from leadline.data.schema import Schema
from leadline.data.sources import SEPARATOR, nowhere
from leadline.data.tokens.token_sources import files_by_part
from leadline.data.tokens.token_streams import named_parts
from leadline.data.trees.tree_checks import check_few, label_note, label_scale, told, unusable
from leadline.data.trees.tree_files import TreeRows, read_tree_files
from leadline.data.trees.trees import NodeClasses, Trees, label_names
from leadline.data.words.vector_sources import vectors_from
from leadline.errors import ArgumentError, DataError, LeadlineError, SourceNotFoundError
from leadline.spelling import counted
from leadline.text.brackets import looks_bracketed
from leadline.text.vocabularies import UNKNOWN

Numbers = NDArray[np.int64]
_PARTS = ("train", "valid", "test")
_TEXTS = frozenset({".txt", ".text", ".ptb", ".mrg", ".tree", ".trees", ".brackets", ".gz"})
_MOST_VECTORS = 100_000  # words of a file of vectors that are known though they stand in no tree
_STRANGE = 0.01  # share of unknown words from which a person hears of it


def is_tree_source(source: Any) -> bool:
    """Whether a source is a file of trees in brackets, or a folder with train.txt and its like.

    Args:
        source: as `load` takes it.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "train.txt"
        >>> _ = path.write_text("(3 (2 good) (4 film))")
        >>> is_tree_source(path), is_tree_source(path.parent), is_tree_source("digits")
        (True, True, False)
    """
    if not isinstance(source, (str, Path)) or SEPARATOR in str(source):
        return False
    path = Path(source).expanduser()
    try:
        if path.is_dir():
            texts = sorted(each for each in path.iterdir() if each.suffix.lower() in _TEXTS and not each.name.startswith("."))
            first = next((each for each in texts if "train" in each.name.lower()), texts[0] if texts else None)
            return first is not None and looks_bracketed(first)
        return path.suffix.lower() in _TEXTS and path.is_file() and looks_bracketed(path)
    except (LeadlineError, OSError):
        return False


def load_trees(
    source: Path | str | Sequence[Path | str],
    *,
    vocabulary: int | None = None,
    vectors: Path | str | None = None,
    valid: float = 0.15,
    test: float = 0.15,
    seed: int = 0,
    name: str | None = None,
    encoding: str | None = None,
) -> Dataset:
    """Read trees with labelled nodes; vocabulary and labels are learned from the training part.

    Files that say which part they are (train.txt, dev.txt, test.txt) are taken so; a part that is missing is cut from the
    training part, trees that are alike in one part, and each label of a root by itself.

    Args:
        source: a file, several, or a folder.
        vocabulary: at most so many words of the trees are known; None for all.
        vectors: a file of word vectors or a Run of them, whose words are known as well: the first 100,000, and any that stands
            in one of the trees.
        valid: share of the trees, or their number.
        test: likewise.
        seed: of the shuffle.
        name: what the Dataset is called.
        encoding: of the files, where it is known.

    Raises:
        SourceNotFoundError: a path leads nowhere.
        DataError: there is no tree, or more than 5 % of them cannot be used; the first such is told with its line.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "films.txt"
        >>> _ = path.write_text("".join(f"({n % 2} (0 word{n}) (1 film))\\n" for n in range(40)))
        >>> load_trees(path)
        Dataset('films', task='trees', 28 + 6 + 6 rows, inputs trees of up to 2 children a node, 29 different words)
    """
    paths, origin, called = _found(source)
    files = _files(paths)
    if "train" not in files:
        raise DataError(
            f"No file in {paths} says that it is the training part",
            expected="train.txt beside the others",
            got=" and ".join(file.name for of_part in files.values() for file in of_part),
        )
    read = {part: read_tree_files(files[part], encoding) for part in _PARTS if part in files}
    scale = label_scale(read["train"].label_counts())
    excluded, sound = list[Excluded](), dict[str, Numbers]()
    for part, rows in read.items():
        bad = unusable(rows, scale=scale)
        excluded += [*rows.lost, *told(rows, bad)]
        sound[part] = np.setdiff1d(np.arange(len(rows.ids)), list(bad))
    check_few(excluded, sum(len(rows.ids) + len(rows.lost) for rows in read.values()))
    divided, notes = _divided(read, sound, valid=valid, test=test, seed=seed)
    train, chosen = divided["train"]
    more, cut = _with_vectors(vectors, read) if vectors else ((), [])
    arity = max(rows.arity(numbers) for rows, numbers in divided.values())  # or the first evaluation would end the training
    answers = NodeClasses(label_names(train.labels_of(chosen)))
    trees = Trees.learn(train.word_counts(chosen), arity, most=vocabulary, more=more, labels=answers.names)
    if answers.outputs < 2:
        raise DataError("All nodes have the same label", expected="at least two labels", got=answers.names[0])
    made: dict[str, Split] = {}
    for part, (of_part, numbers) in divided.items():
        made[part], strangers = _split(of_part, numbers, trees, answers)
        excluded += strangers
        if not len(made[part]):
            raise DataError(f"No tree is left for {part}", expected="more trees")
    notes += label_note({name: count for name, count in train.label_counts(chosen).items() if count})
    notes += cut + _about_words(made["test"]) + _about_copies(read, sound)
    digest = hashlib.sha256()
    for part in _PARTS:
        for ragged in (made[part].inputs, made[part].targets):
            digest.update(ragged.digest().encode())  # type: ignore[union-attr]
    digest.update("\0".join((*trees.vocabulary, *answers.names)).encode(errors="surrogatepass"))
    options: dict[str, Any] = {"task": NodeClasses.task, "valid": valid, "test": test, "seed": seed}
    chosen_too = {"vocabulary": vocabulary, "vectors": str(vectors) if vectors else None, "encoding": encoding}
    options |= {key: value for key, value in chosen_too.items() if value is not None}
    return Dataset(
        name=name or called,
        train=made["train"],
        valid=made["valid"],
        test=made["test"],
        schema=Schema(trees, answers),
        origin=Origin(origin, digest.hexdigest(), options),
        notes=tuple(dict.fromkeys([*(note for rows in read.values() for note in rows.notes), *notes])),
        excluded=tuple(excluded),
    )


def read_trees(
    source: Any, schema: Schema, *, part: str | None = None, encoding: str | None = None, most_children: int = 0
) -> Split:
    """The labelled trees of another source, for a Schema that exists: of a folder its test part where a file says that it is.

    Args:
        source: a file, several, or a folder.
        schema: of the training.
        part: "train", "valid" or "test"; the test part, or what there is, when None.
        encoding: of the files, where it is known.
        most_children: of a node that the network takes; trees with more are set aside. 0 where it takes any number.

    Raises:
        DataError: there is no tree, or more than 5 % of them cannot be used.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "films.txt"
        >>> _ = path.write_text("".join(f"({n % 2} (0 word{n}) (1 film))\\n" for n in range(40)))
        >>> len(read_trees(path, load_trees(path).schema))
        40
    """
    trees, answers = schema.inputs, schema.answers
    assert isinstance(trees, Trees)
    assert isinstance(answers, NodeClasses)
    paths, _, _ = _found(source)
    files = _files(paths) if isinstance(paths, list) or paths.is_dir() else {"train": [paths]}
    chosen = part or next(each for each in ("test", "train", "valid") if each in files)
    if chosen not in files:
        raise ArgumentError(f"The trees have no part {chosen!r}", expected="one of " + ", ".join(files))
    rows = read_tree_files(files[chosen], encoding)
    split, strangers = _split(rows, np.arange(len(rows.ids)), trees, answers, most_children)
    excluded = [*rows.lost, *strangers]
    check_few(excluded, len(rows.ids) + len(rows.lost))
    left_out = [f"{counted(len(excluded), 'tree was', 'trees were')} left out: {excluded[0].reason}."] if excluded else []
    return Split(split.inputs, split.targets, split.ids, (*rows.notes, *left_out, *_about_words(split)))


def _found(source: Any) -> tuple[Path | list[Path], str, str]:
    """Where the trees lie, what Origin calls them, and their name."""
    given = str(source).split(SEPARATOR) if isinstance(source, (str, Path)) else source
    if not isinstance(given, (list, tuple)) or not given or not all(isinstance(each, (str, Path)) for each in given):
        raise ArgumentError("A network over trees learns from files of them", expected="paths", got=type(source).__name__)
    paths = [Path(each).expanduser().absolute() for each in given]
    for each, path in zip(given, paths, strict=True):
        if not path.exists():
            raise nowhere(each, path)
    called = paths[0].name if paths[0].is_dir() else paths[0].stem
    return paths[0] if len(paths) == 1 else paths, SEPARATOR.join(map(str, paths)), called


def _files(paths: Path | list[Path]) -> dict[str, list[Path]]:
    """The files by the part that they are; where no name in a folder says one, all of them are training."""
    if isinstance(paths, list) or not paths.is_dir():
        return files_by_part(paths)
    if parts := named_parts(paths):
        return {part: [file] for part, file in parts.items()}
    texts = [file for file in sorted(paths.rglob("*")) if file.suffix.lower() in _TEXTS and file.is_file()]
    texts = [file for file in texts if not any(piece.startswith(".") for piece in file.relative_to(paths).parts)]
    if not texts:
        raise SourceNotFoundError(f"There is no file of trees in the folder {paths}", expected="files such as train.txt")
    return {"train": texts}


_Divided = dict[str, tuple[TreeRows, Numbers]]


def _divided(
    read: dict[str, TreeRows], sound: dict[str, Numbers], *, valid: float, test: float, seed: int
) -> tuple[_Divided, list[str]]:
    """Which trees of which files are each part."""
    divided: _Divided = {part: (read[part], sound[part]) for part in read}
    lacking = [part for part in ("valid", "test") if part not in read]
    if not lacking:
        return divided, []
    rows, pool = divided["train"]
    _, strata = np.unique(rows.root_labels()[pool], return_inverse=True)
    shares = {"valid": valid if "valid" in lacking else 0, "test": test if "test" in lacking else 0}
    parts = splits.assign(strata, rows.first_copies()[pool], **shares, seed=seed)
    divided["train"] = (rows, pool[parts == splits.TRAIN])
    for part, number in (("valid", splits.VALID), ("test", splits.TEST)):
        if part in lacking:
            divided[part] = (rows, pool[parts == number])
    cut = " and ".join({"valid": "validation", "test": "test"}[part] for part in lacking)
    return divided, [f"The files have no part for {cut}: trees were drawn for it, trees that are alike together."]


def _with_vectors(vectors: Path | str, read: dict[str, TreeRows]) -> tuple[list[str], list[str]]:
    """Words that are known as there are vectors of them: the first in the file, and all that stand in a tree; and a note."""
    words = vectors_from(vectors).words
    rest = words[_MOST_VECTORS:]
    if not rest:
        return list(words), []
    standing = set[str]().union(*(rows.words for rows in read.values()))
    known = [*words[:_MOST_VECTORS], *(word for word in rest if word.lower() in standing)]
    first = f"Of the {len(words):,} words of {vectors} the first {_MOST_VECTORS:,} are known"
    return known, [f"{first}, and any that stands in one of these trees."]


def _split(
    rows: TreeRows, numbers: Numbers, trees: Trees, answers: NodeClasses, most_children: int = 0
) -> tuple[Split, list[Excluded]]:
    """Some of the trees as a Split, and those of them that cannot be judged, which are set aside."""
    strange = unusable(rows, answers=answers, most_children=most_children)
    kept, others = np.setdiff1d(numbers, list(strange)), np.intersect1d(numbers, list(strange))
    split = Split(*rows.encoded(kept, trees, answers), [rows.ids[row] for row in kept.tolist()])
    return split, told(rows, {row: strange[row] for row in others.tolist()})


def _about_words(split: Split) -> list[str]:
    assert isinstance(split.inputs, Ragged)
    words = split.inputs.values[:, 0]
    share = float((words == UNKNOWN).sum() / max(1, (words > 0).sum()))
    if share < _STRANGE:
        return []
    return [f"{100 * share:.1f} % of the words to judge by are not known: training never had them."]


def _about_copies(read: dict[str, TreeRows], sound: dict[str, Numbers]) -> list[str]:
    """Sentences of validation and test that training has as well."""
    train = read["train"].sentences(sound["train"])
    notes = []
    for part in ("valid", "test"):
        if part in read and (shared := len([each for each in read[part].sentences(sound[part]) if each in train])):
            stand = "sentence stands" if shared == 1 else "sentences stand"
            notes.append(f"{shared:,} {part} {stand} in train as well; the source put them there.")
    return notes
