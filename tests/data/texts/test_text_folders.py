"""Folders of texts: classes, parts, lists, and what lies between them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from leadline.data.raw import set_aside
from leadline.data.texts.text_folders import (
    digest_of_texts,
    encode_texts,
    first_copies_of_texts,
    holds_lists,
    is_text_folder,
    read_text_folder,
)
from leadline.data.texts.texts import Texts
from leadline.errors import DataError


def make(root: Path, files: Mapping[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


def test_each_sub_folder_is_a_class(tmp_path: Path) -> None:
    root = make(tmp_path, {"spam/1.txt": "Win!", "spam/deep/2.md": "Buy", "ham/1.txt": "See you"})
    assert is_text_folder(root)
    raw = read_text_folder(root)
    assert raw.ids == ["ham/1.txt", "spam/1.txt", "spam/deep/2.md"]
    assert raw.inputs.tolist() == ["See you", "Win!", "Buy"]
    assert raw.targets.tolist() == ["ham", "spam", "spam"]
    assert raw.parts is None
    assert raw.notes == ()
    assert not raw.is_table
    assert len(raw.hash()) == 64


def test_parts_above_the_classes(tmp_path: Path) -> None:
    root = make(
        tmp_path,
        {"train/a/1.txt": "x", "train/b/1.txt": "y", "val/a/1.txt": "z", "TEST/b/1.txt": "w", "other/c/1.txt": "v"},
    )
    raw = read_text_folder(root)
    assert raw.parts is not None
    assert list(zip(raw.parts.tolist(), raw.targets.tolist(), raw.inputs.tolist(), strict=True)) == [
        ("train", "a", "x"), ("train", "b", "y"), ("valid", "a", "z"), ("test", "b", "w"),
    ]  # fmt: skip
    assert "Beside the train folder these were left out: other." in raw.notes


def test_the_folder_of_film_reviews_as_it_is_unpacked(tmp_path: Path) -> None:
    kinds = [f"{part}/{kind}" for part in ("train", "test") for kind in ("pos", "neg")]
    files = {f"aclImdb/{kind}/{n}_7.txt": f"{kind} {n}" for kind in kinds for n in range(3)}
    files |= {f"aclImdb/train/unsup/{n}_0.txt": f"no class {n}" for n in range(5)}
    files |= {"aclImdb/README": "about", "aclImdb/imdb.vocab": "the", "aclImdb/train/urls_pos.txt": "http"}
    raw = read_text_folder(make(tmp_path, files))
    assert set(raw.targets.tolist()) == {"pos", "neg"}
    assert len(raw) == 12
    assert "The texts in unsup have no class and were left out." in raw.notes
    assert "3 files that are no texts in a class folder were left out." in raw.notes
    assert "The classes are the folders in aclImdb." in raw.notes


def test_files_without_an_extension_are_texts_where_there_are_no_others(tmp_path: Path) -> None:
    root = make(tmp_path / "news", {"autos/103": "Engine", "space/204": "Moon", "space/39.1": "Orbit"})
    assert read_text_folder(root).inputs.tolist() == ["Engine", "Moon", "Orbit"]
    photos = make(tmp_path / "photos", {"autos/a.jpg": "x", "space/b.jpg": "y", "space/LICENSE": "z"})
    assert not is_text_folder(photos)


def test_a_flat_folder_with_a_table_of_labels(tmp_path: Path) -> None:
    root = make(
        tmp_path / "letters",
        {
            "labels.csv": "file,label\na.txt,good\nb.txt,bad\nc,good\nd.txt,bad\n",
            "a.txt": "fine", "b.txt": "awful", "c.txt": "nice", "e.txt": "no label",
        },
    )  # fmt: skip
    assert is_text_folder(root)
    raw = read_text_folder(root)
    assert raw.inputs.tolist() == ["fine", "awful", "nice", ""]
    assert raw.targets.tolist() == ["good", "bad", "good", "bad"]
    assert raw.bad == {3: "labels.csv names it, but it is not there"}
    assert raw.notes[0] == "The labels are the column label of labels.csv."
    assert "1 text that has no label was left out." in raw.notes


def test_a_table_beside_the_folder_with_several_labels(tmp_path: Path) -> None:
    root = make(tmp_path / "letters", {f"{n}.txt": f"text {n}" for n in range(3)})
    (tmp_path / "letters.tsv").write_text("name\ttags\n0\turgent;home\n1\thome\n2\turgent\n")
    raw = read_text_folder(root)
    assert raw.columns == ("home", "urgent")
    assert raw.targets.tolist() == [[1, 1], [1, 0], [0, 1]]


def test_a_list_for_each_class(tmp_path: Path) -> None:
    files = {"Irish.txt": "O'Brien\nBrady\r\n\nWalsh\nKelly\nByrne\n", "Czech.txt": "Novák\nSvoboda\nDvořák\nBlaha\nKolář"}
    root = make(tmp_path, files)
    assert holds_lists(root)
    assert is_text_folder(root)
    raw = read_text_folder(root)
    assert raw.inputs.tolist() == [
        "Novák",
        "Svoboda",
        "Dvořák",
        "Blaha",
        "Kolář",
        "O'Brien",
        "Brady",
        "Walsh",
        "Kelly",
        "Byrne",
    ]
    assert raw.targets.tolist() == ["Czech"] * 5 + ["Irish"] * 5
    assert raw.ids[6:8] == ["Irish.txt:2", "Irish.txt:4"]
    assert "Each line is a text of its own" in raw.notes[0]


@pytest.mark.parametrize(
    "files",
    [
        {"a.txt": "One running text, of a few sentences.\n" * 9, "b.txt": "And another of them, all in prose.\n" * 9},
        {"words.train.txt": "one\ntwo\n" * 9, "words.test.txt": "three\nfour\n" * 9},
        {"a.txt": "one\n" * 9},
        {"a.txt": "one\n" * 9, "b.txt": bytes(300)},
        {},
    ],
)
def test_flat_folders_that_are_no_lists(files: dict[str, str | bytes], tmp_path: Path) -> None:
    root = make(tmp_path, files)
    assert not is_text_folder(root)
    with pytest.raises(DataError, match=r"holds no texts in sub-folders. Expected one sub-folder of text files per class"):
        read_text_folder(root)


def test_files_that_cannot_be_used_are_bad_rows(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {f"{kind}/{n}.txt": f"{kind} text {n}" for kind in "ab" for n in range(40)}
    files |= {"a/x.txt": "", "a/y.txt": " \n", "b/z.txt": bytes(500)}
    raw = read_text_folder(make(tmp_path, files))
    reasons = {raw.ids[row]: reason for row, reason in raw.bad.items()}
    assert reasons == {"a/x.txt": "it is empty", "a/y.txt": "it is empty", "b/z.txt": "it is a binary file, not text"}
    assert raw.copies is not None
    assert [raw.copies[row] for row in raw.bad] == list(raw.bad)
    rows, excluded = set_aside(raw.ids, raw.bad)
    assert len(rows) == 80
    assert len(excluded) == 3


def test_invalid_bytes_and_long_texts_are_said(tmp_path: Path) -> None:
    root = make(tmp_path, {"a/1.txt": b"caf\xe9 au lait", "a/2.txt": b"th\xe9 \xe9 so on", "b/1.txt": "word " * 40_000})
    raw = read_text_folder(root)
    assert raw.notes == (
        "3 bytes in 2 files meant nothing in UTF-8; replaced by \ufffd.",
        "1 text is longer than 65,536 characters; the rest was not read.",
    )
    assert raw.inputs[0] == "caf\ufffd au lait"
    assert len(raw.inputs[2]) == 65_536
    assert read_text_folder(root, encoding="cp1252").inputs[0] == "café au lait"


def test_copies_are_told_whatever_their_spaces_and_capitals(tmp_path: Path) -> None:
    root = make(tmp_path, {"a/1.txt": "Call now", "a/2.txt": "call\n  NOW ", "b/1.txt": "Call later"})
    copies = read_text_folder(root).copies
    assert copies is not None
    assert copies.tolist() == [0, 0, 2]
    assert first_copies_of_texts(["x", "y", "X"]).tolist() == [0, 1, 0]


def test_progress_is_told(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    read_text_folder(make(tmp_path, {"a/1.txt": "x", "b/1.txt": "y"}), progress=lambda done, count: told.append((done, count)))
    assert told == [(2, 2)]


def test_one_class_is_read_and_left_to_be_refused(tmp_path: Path) -> None:
    raw = read_text_folder(make(tmp_path, {"a/1.txt": "x", "a/2.txt": "y"}))
    assert raw.targets.tolist() == ["a", "a"]


def test_texts_are_encoded_by_rows() -> None:
    texts = np.array(["a b", "b", "c"], object)
    inputs = Texts.learn(["a b", "a b"])
    stored = encode_texts(texts, np.array([2, 0]), inputs)
    assert [row.tolist() for row in stored] == [[1], [2, 3]]
    assert len(encode_texts(texts, np.zeros(0, np.int64), inputs)) == 0


def test_the_digest_tells_texts_apart() -> None:
    all_of_them = [["ab"], ["a", "b"], ["b", "a"], ["a", "b", ""], ["a:b"], []]
    assert len({digest_of_texts(texts) for texts in all_of_them}) == len(all_of_them)
