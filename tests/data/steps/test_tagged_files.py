"""Files of tagged words: CoNLL in its many forms, CoNLL-U, parts, and what is wrong with a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from leadline.data.steps.tagged_files import is_tagged, read_tagged, read_words
from leadline.errors import DataError, LeadlineError

SENTENCES = "The DT\ncat NN\nsat VBD\n\nDogs NNS\nbark VBP\n\n"
CONLLU = """# sent_id = 1
# text = Don't go
1-2\tDon't\t_\t_\t_\t_\t_\t_\t_\t_
1\tDo\tdo\tAUX\tVB\t_\t3\taux\t_\t_
2\tn't\tnot\tPART\tRB\t_\t3\tadvmod\t_\t_
3\tgo\tgo\tVERB\tVB\t_\t0\troot\t_\t_
3.1\tgone\tgo\tVERB\tVB\t_\t_\t_\t_\t_

1\tStop\tstop\tVERB\tVB\t_\t0\troot\t_\t_
2\t#\t#\t_\tSYM\t_\t1\tdep\t_\t_

"""


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("between", [" ", "\t", "   "])
def test_a_word_and_its_tag_on_each_line(tmp_path: Path, ending: str, between: str) -> None:
    text = SENTENCES.replace(" ", between).replace("\n", ending)
    raw = read_tagged(written(tmp_path / "a.conll", text))
    assert raw.rows == [["The", "cat", "sat"], ["Dogs", "bark"]]
    assert raw.targets == [["DT", "NN", "VBD"], ["NNS", "VBP"]]
    assert (list(raw.ids), raw.name, raw.parts) == (["a.conll:1", "a.conll:5"], "a", None)


def test_more_columns_and_which_is_the_tag(tmp_path: Path) -> None:
    text = "-DOCSTART- -X- O O\n\nEU NNP I-NP I-ORG\nrejects VBZ I-VP O\n\nPeter NNP I-NP I-PER\n\n"
    path = written(tmp_path / "eng.train", text)
    assert read_tagged(path).targets == [["I-ORG", "O"], ["I-PER"]]
    assert read_tagged(path, target="2").targets == [["NNP", "VBZ"], ["NNP"]]
    assert "1 marks of documents" in read_tagged(path).notes[0]
    with pytest.raises(DataError, match="a number from 1 to 4"):
        read_tagged(path, target="5")


def test_the_columns_of_conllu(tmp_path: Path) -> None:
    path = written(tmp_path / "en.conllu", CONLLU)
    raw = read_tagged(path)
    assert raw.rows == [["Do", "n't", "go"], ["Stop", "#"]]
    assert raw.targets == [["AUX", "PART", "VERB"], ["VERB", None]]
    assert read_tagged(path, target="xpos").targets[1] == ["VB", "SYM"]
    assert read_tagged(path, target="8").targets[0] == ["aux", "advmod", "root"]
    with pytest.raises(DataError, match="Did you mean 'UPOS'"):
        read_tagged(path, target="upo")


def test_a_mark_that_looks_like_a_remark_is_a_word(tmp_path: Path) -> None:
    raw = read_tagged(written(tmp_path / "a.conll", "# id: 7\nNo UH\n# SYM\n9 CD\n\nNo UH\n"))
    assert raw.rows == [["No", "#", "9"], ["No"]]


def test_parts_beside_the_training_part_and_in_a_folder(tmp_path: Path) -> None:
    for part in ("train", "dev", "test"):
        written(tmp_path / f"ner.{part}.txt", SENTENCES * 4)
    for source in (tmp_path / "ner.train.txt", tmp_path):
        raw = read_tagged(source)
        assert raw.parts is not None
        assert raw.parts.tolist() == ["train"] * 8 + ["valid"] * 8 + ["test"] * 8
    assert read_tagged(tmp_path / "ner.train.txt").name == "ner"
    assert is_tagged(tmp_path)
    assert read_tagged(tmp_path / "ner.dev.txt").parts is None


def test_parts_as_the_shared_tasks_call_them(tmp_path: Path) -> None:
    for ending in ("train", "testa", "testb"):
        written(tmp_path / f"eng.{ending}", SENTENCES * 4)
    for source in (tmp_path / "eng.train", tmp_path):
        raw = read_tagged(source)
        assert raw.parts is not None
        assert raw.parts.tolist() == ["train"] * 8 + ["valid"] * 8 + ["test"] * 8
    assert is_tagged(tmp_path)
    assert is_tagged(tmp_path / "eng.testb")


def test_a_treebank_with_its_license_and_its_plain_text(tmp_path: Path) -> None:
    for name in ("LICENSE.txt", "README.md", "en-ud-train.txt"):
        written(tmp_path / name, "Some text.")
    for part in ("train", "dev"):
        written(tmp_path / f"en-ud-{part}.conllu", CONLLU)
    assert is_tagged(tmp_path)
    assert read_tagged(tmp_path).parts.tolist() == ["train"] * 2 + ["valid"] * 2  # type: ignore[union-attr]


def test_white_space_that_is_no_blank_belongs_to_words(tmp_path: Path) -> None:
    raw = read_tagged(written(tmp_path / "a.conll", "1\u00a0000 CD\n\u3000 O\nx O\n\nNo UH\n"))
    assert raw.rows == [["1\u00a0000", "\u3000", "x"], ["No"]]


def test_what_is_empty_between_tabs_is_no_tag_and_no_word(tmp_path: Path) -> None:
    raw = read_tagged(written(tmp_path / "a.tsv", "The\tDT\ncat\t\n\tNN\n\nNo\tUH\n"))
    assert raw.rows == [["The", "cat"], ["No"]]
    assert raw.targets == [["DT", None], ["UH"]]


def test_one_sentence_can_be_read_and_another_layout_when_it_is_read_again(tmp_path: Path) -> None:
    path = written(tmp_path / "a.conll", "The DT\ncat NN")
    assert read_tagged(path).rows == [["The", "cat"]]
    assert read_tagged(path, target="xpos", again=True).targets == [["DT", "NN"]]
    universal = written(tmp_path / "en.conllu", CONLLU)
    assert read_tagged(universal, target="xpos", again=True).targets[1] == ["VB", "SYM"]
    assert read_tagged(universal, target="doing", again=True).targets[1] == ["VERB", None]


@pytest.mark.parametrize(
    ("name", "text", "sure"),
    [
        ("a.txt", SENTENCES * 4, True),
        ("a.tsv", SENTENCES.replace(" ", "\t") * 4, True),
        ("a.txt", CONLLU * 6, True),
        ("a.conll", "x", True),
        ("a.txt", "To be or\nnot to be\n\n" * 9, False),  # a poem
        ("a.txt", "".join(f"word{n} other{n}\n{'' if n % 3 else chr(10)}" for n in range(40)), False),  # pairs of words
        ("a.txt", "".join(f"{n / 7:.3f} {n % 2}\n{'' if n % 3 else chr(10)}" for n in range(40)), False),  # numbers
        ("a.txt", "a DT\nb NN\n" * 20, False),  # no blank line
        ("a.csv", SENTENCES.replace(" ", ",") * 4, False),
        ("a.txt", "\x00\x01" * 99, False),
    ],
)
def test_what_is_surely_tagged(tmp_path: Path, name: str, text: str, sure: bool) -> None:
    assert is_tagged(written(tmp_path / name, text)) is sure


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("The DT\ncat NN\nsat VBD\n" * 400, "no blank line, so it is one sentence of 1,200 words"),
        ("The\ncat\n\nsat\n", "holds no tagged words"),
        ("\n\n \n", "is empty"),
        ("# a\n\n# b\n", "tagged words|no sentence"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_in_one_paragraph(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(LeadlineError, match=says):
        read_tagged(written(tmp_path / "a.conll", text))


def test_a_sentence_with_a_broken_line_is_set_aside(tmp_path: Path) -> None:
    raw = read_tagged(written(tmp_path / "a.conll", SENTENCES * 5 + "Oops\nno UH\n\n"))
    assert len(raw) == 10
    assert [(row.id, row.reason) for row in raw.lost] == [("a.conll:36", "line 36 has 1 columns where others have 2")]


def test_invalid_bytes_are_replaced_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.conll"
    path.write_bytes(SENTENCES.encode() * 9 + b"caf\xe9 NN\n\n")
    raw = read_tagged(path)
    assert raw.rows[-1] == ["caf\ufffd"]
    assert "1 byte" in raw.notes[0]


def test_words_without_tags_can_be_read_for_prediction(tmp_path: Path) -> None:
    assert read_words(written(tmp_path / "a.conll", "The\ncat\n\nNo\n")).rows == [["The", "cat"], ["No"]]
    assert read_words(written(tmp_path / "b.conllu", CONLLU)).rows == [["Do", "n't", "go"], ["Stop", "#"]]
