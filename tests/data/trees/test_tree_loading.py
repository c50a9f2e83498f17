"""Trees from files to a Dataset: parts, labels and words of training alone, and bad trees set aside with their lines."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch

from leadline import data
from leadline.data.schema import Schema
from leadline.data.trees.tree_batches import TreeBatches
from leadline.data.trees.tree_loading import is_tree_source, load_trees, read_trees
from leadline.data.trees.trees import NodeClasses, Trees, label_names, unpadded
from leadline.errors import ArgumentError, DataError, SourceNotFoundError
from leadline.layers.level_arrays import node_heights, tree_levels
from leadline.text.brackets import tree_from_brackets


def treebank(seed: int, count: int) -> list[str]:
    """Lines like those of a sentiment treebank."""
    chance = random.Random(seed)

    def tree(words: int) -> tuple[str, int]:
        if words == 1:
            word, label = chance.choice([("good", 3), ("bad", 1), ("the", 2), ("film", 2), (f"w{chance.randrange(30)}", 2)])
            return f"({label} {word})", label
        cut = chance.randrange(1, words)
        (left, one), (right, other) = tree(cut), tree(words - cut)
        label = max(0, min(4, one + other - 2))
        return f"({label} {left} {right})", label

    return [tree(chance.randrange(1, 9))[0] for _ in range(count)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for seed, (part, count) in enumerate((("train", 120), ("dev", 30), ("test", 40))):
        (tmp_path / f"{part}.txt").write_text("\n".join(treebank(seed, count)) + "\n", encoding="utf-8")
    return tmp_path


def test_the_parts_of_the_files_are_the_splits(folder: Path) -> None:
    dataset = data.load(folder)
    assert (dataset.task, len(dataset.train), len(dataset.valid), len(dataset.test)) == ("trees", 120, 30, 40)
    assert dataset.schema.answers.names == ("0", "1", "2", "3", "4")
    assert dataset.train.ids[6] == "train.txt:7"
    lines = (folder / "test.txt").read_text().splitlines()
    trees = dataset.schema.inputs
    assert isinstance(trees, Trees)
    for row in (0, 17, 39):
        tree = tree_from_brackets(lines[row])
        assert dataset.test.targets.row(row).tolist() == [int(label) for label in tree.labels if label is not None]
        np.testing.assert_array_equal(dataset.test.inputs.row(row), trees.encode(lines[row]))  # type: ignore[union-attr]
        words = [trees.vocabulary[number] for number in dataset.test.inputs.row(row)[:, 0] if number]  # type: ignore[union-attr]
        known = [word if word in trees.vocabulary else "<unk>" for word in tree.leaves]
        assert words == known
    assert Schema.from_json(dataset.schema.to_json()) == dataset.schema
    again = data.load(
        dataset.origin.source, **{key: value for key, value in dataset.origin.options.items() if value is not None}
    )
    assert again.fingerprint() == dataset.fingerprint()


def test_words_come_from_training_alone(folder: Path) -> None:
    with (folder / "test.txt").open("a") as file:
        file.write("(3 (2 Unheard) (3 GOOD))\n")
    dataset = data.load(folder)
    stored = dataset.test.inputs.row(40)  # type: ignore[union-attr]
    good = dataset.schema.inputs.vocabulary.index("good")  # type: ignore[union-attr]
    assert stored[:, 0].tolist() == [1, good, 0]
    assert "unheard" not in dataset.schema.inputs.vocabulary  # type: ignore[union-attr]


def test_a_single_file_is_divided_and_sentences_that_are_alike_stay_together(tmp_path: Path) -> None:
    lines = treebank(5, 100)
    (tmp_path / "films.txt").write_text("\n".join(lines * 2), encoding="utf-8")
    dataset = load_trees(tmp_path / "films.txt", seed=3)
    sets = [
        {bytes(row[:, 0].tobytes()) for row in split.inputs}  # type: ignore[union-attr]
        for split in (dataset.train, dataset.valid, dataset.test)
    ]
    assert not sets[0] & sets[1]
    assert not sets[0] & sets[2]
    assert not sets[1] & sets[2]
    assert sum(map(len, (dataset.train, dataset.valid, dataset.test))) == 200
    assert any("trees that are alike together" in note for note in dataset.notes)
    other = load_trees(tmp_path / "films.txt", seed=4)
    assert other.fingerprint() != dataset.fingerprint()


def test_the_same_words_in_other_brackets_stay_together(tmp_path: Path) -> None:
    lines = [f"({n % 2} ({n % 2} (0 a{n}) (1 b)) (1 c))\n({n % 2} (0 a{n}) ({n % 2} (1 b) (1 c)))\n" for n in range(60)]
    (tmp_path / "films.txt").write_text("".join(lines))
    dataset = load_trees(tmp_path / "films.txt")
    parts = [
        {(int(name.removeprefix("films.txt:")) - 1) // 2 for name in split.ids}
        for split in (dataset.train, dataset.valid, dataset.test)
    ]
    assert not parts[0] & parts[1]
    assert not parts[0] & parts[2]
    assert not parts[1] & parts[2]


def test_bad_trees_are_set_aside_with_their_lines(folder: Path) -> None:
    lines = (folder / "train.txt").read_text().splitlines()
    lines[4] = "(3 (2 a (2 b))"
    lines[50] = "()"
    lines[77] = "(27 (2 good) (2 film))"
    (folder / "train.txt").write_text("\n".join(lines))
    dataset = data.load(folder)
    assert len(dataset.train) == 117
    assert dataset.schema.answers.names == ("0", "1", "2", "3", "4")
    reasons = {row.id: row.reason for row in dataset.excluded}
    assert reasons == {
        "train.txt:5": "train.txt: line 5, column 9: the node of the word 'a' has a child as well",
        "train.txt:51": "train.txt: line 51, column 2: the tree is empty",
        "train.txt:78": "train.txt:78: the label '27' is out of the range of the others, 0 to 4",
    }


def test_labels_out_of_range_that_are_no_slips_become_classes_and_are_named(folder: Path) -> None:
    lines = (folder / "train.txt").read_text().splitlines()
    (folder / "train.txt").write_text("\n".join(lines + ["(9 (9 good) (2 film))"] * 15))
    dataset = data.load(folder)
    assert dataset.schema.answers.names[-1] == "9"
    (note,) = [note for note in dataset.notes if "hardly come" in note]
    assert "'9' (30 nodes)" in note
    assert not dataset.excluded


def test_a_file_without_a_tree_beside_others_is_passed_over(tmp_path: Path) -> None:
    lines = treebank(5, 60)
    (tmp_path / "a.mrg").write_text("\n".join(lines))
    (tmp_path / "b.mrg").write_text(" \n")
    assert sum(map(len, (data.load(tmp_path).train, data.load(tmp_path).valid, data.load(tmp_path).test))) == 60


def test_too_many_bad_trees_are_a_mistake(folder: Path) -> None:
    lines = [
        "(3 (2 a) (2 b)" if number % 10 == 3 else line
        for number, line in enumerate((folder / "train.txt").read_text().splitlines())
    ]
    (folder / "train.txt").write_text("\n".join(lines))
    with pytest.raises(DataError, match=r"12 of 190 trees cannot be used\. .* line 4: 1 bracket is never closed"):
        data.load(folder)


@pytest.mark.parametrize("label", ["9", "-1", "x"])
def test_a_label_that_training_does_not_have(folder: Path, label: str) -> None:
    schema = data.load(folder).schema
    with (folder / "test.txt").open("a") as file:
        file.write(f"({label} (2 a) (2 film))\n")
    dataset = data.load(folder)
    assert [row.id for row in dataset.excluded] == ["test.txt:41"]
    assert f"'{label}'" in dataset.excluded[0].reason
    split = read_trees(folder, schema)
    assert len(split) == 40
    assert f"its label '{label}' is not one of the training" in split.notes[0]
    (folder / "alone.txt").write_text(f"({label} (2 a) (2 film))\n")
    with pytest.raises(DataError, match=f"1 of 1 trees cannot be used.*label '{label}'"):
        read_trees(folder / "alone.txt", schema)


def test_labels_need_not_be_numbers_and_nodes_not_have_any(tmp_path: Path) -> None:
    lines = [
        f"( (S (NP (N man{n % 7})) (VP (V saw) (NP (D the) (N dog))) (. .)) )" if n % 2 else f"(NP (D a) (N cat{n}))"
        for n in range(40)
    ]
    (tmp_path / "bank.mrg").write_text("\n".join(lines))
    dataset = data.load(tmp_path / "bank.mrg")
    assert dataset.schema.answers.names == (".", "D", "N", "NP", "S", "V", "VP")
    assert dataset.schema.inputs.arity == 3  # type: ignore[union-attr]
    (tmp_path / "some.txt").write_text(
        "\n".join(f"({n % 2} (a{n} x) ((0 b) (1 c{n})))".replace(f"(a{n} x)", "(0 x)") for n in range(30))
    )
    some = load_trees(tmp_path / "some.txt")
    assert int((some.train.targets.values == -100).sum()) == len(some.train)


def test_nothing_there(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("\n  \n")
    with pytest.raises(DataError, match=r"There is no tree in .*train\.txt"):
        load_trees(tmp_path / "train.txt")
    with pytest.raises(SourceNotFoundError):
        load_trees(tmp_path / "nowhere")
    with pytest.raises(ArgumentError, match="learns from files"):
        load_trees(3)  # type: ignore[arg-type]
    (tmp_path / "train.txt").write_text("".join(f"(1 a{number})\n" for number in range(40)))
    with pytest.raises(DataError, match="All nodes have the same label"):
        load_trees(tmp_path / "train.txt")


def test_a_folder_of_files_that_say_no_part_is_one_treebank(tmp_path: Path) -> None:
    lines = treebank(5, 90)
    for number in range(3):
        (tmp_path / f"wsj_{number:04}.mrg").write_text("\n".join(lines[30 * number : 30 * number + 30]))
    (tmp_path / "README").write_text("nothing of this kind")
    dataset = data.load(tmp_path)
    assert (dataset.task, sum(map(len, (dataset.train, dataset.valid, dataset.test)))) == ("trees", 90)
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceNotFoundError, match="no file of trees in the folder"):
        load_trees(tmp_path / "empty")


def test_trees_to_judge_by_may_have_nodes_of_more_children(folder: Path) -> None:
    with (folder / "test.txt").open("a") as file:
        file.write("(3 (2 a) (2 b) (3 c) (2 d))\n")
    assert data.load(folder).schema.inputs.arity == 4  # type: ignore[union-attr]


def test_a_file_that_is_named_is_the_one_that_is_judged(folder: Path) -> None:
    schema = data.load(folder).schema
    for part, count in (("train", 120), ("dev", 30), ("test", 40)):
        split = read_trees(folder / f"{part}.txt", schema)
        assert len(split) == count
        assert split.ids[0] == f"{part}.txt:1"
    (folder / "train.txt").unlink()
    assert len(read_trees(folder, schema)) == 40
    with pytest.raises(DataError, match=r"says that it is the training part\. .* got dev\.txt and test\.txt"):
        load_trees(folder)
    (folder / "test.txt").unlink()
    assert len(read_trees(folder, schema)) == 30
    with pytest.raises(ArgumentError, match="no part 'test'"):
        read_trees(folder, schema, part="test")


def test_texts_are_no_trees(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("Once upon a time there was (so they say) a king.\n" * 50)
    assert not is_tree_source(tmp_path)
    assert data.load(tmp_path / "train.txt", cache=tmp_path / "cache").task == "tokens"
    assert not is_tree_source(3)
    assert not is_tree_source(tmp_path / "nowhere.txt")


def test_words_of_a_file_of_vectors_are_known_too(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "vectors.vec").write_text("unheard 1 2\ngood 3 4\n")
    dataset = data.load(folder, vectors=tmp_path / "vectors.vec")
    plain = data.load(folder)
    assert set(dataset.schema.inputs.vocabulary) - set(plain.schema.inputs.vocabulary) == {"unheard"}  # type: ignore[union-attr]
    assert dataset.fingerprint() != plain.fingerprint()


def test_of_many_vectors_those_of_words_in_any_tree_are_kept(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (folder / "test.txt").open("a") as file:
        file.write("(3 (2 Late) (3 good))\n")
    (tmp_path / "vectors.vec").write_text("first 1 2\nsecond 1 3\nthird 3 4\nlate 5 6\nGOOD 7 8\n")
    assert not any("vectors.vec" in note for note in data.load(folder, vectors=tmp_path / "vectors.vec").notes)
    monkeypatch.setattr("leadline.data.trees.tree_loading._MOST_VECTORS", 2)
    dataset = data.load(folder, vectors=tmp_path / "vectors.vec")
    added = set(dataset.schema.inputs.vocabulary) - set(data.load(folder).schema.inputs.vocabulary)  # type: ignore[union-attr]
    assert added == {"first", "second", "late"}
    (note,) = [note for note in dataset.notes if "vectors.vec" in note]
    assert note.startswith("Of the 5 words of ")
    assert note.endswith("the first 2 are known, and any that stands in one of these trees.")


def test_padded_rows_are_read_as_they_were(folder: Path) -> None:
    inputs = data.load(folder).test.inputs
    padded = inputs.padded(0)  # type: ignore[union-attr]
    again = unpadded(padded)
    np.testing.assert_array_equal(again.values, inputs.values)  # type: ignore[union-attr]
    np.testing.assert_array_equal(again.offsets, inputs.offsets)  # type: ignore[union-attr]


def test_batches_are_the_levels_of_their_trees_in_a_new_order_each_epoch(folder: Path) -> None:
    dataset = data.load(folder)
    split = dataset.train
    batches = TreeBatches(split, dataset.schema, 16, seed=3, shuffle=True)
    assert len(batches) == 8
    orders = [batches.order(epoch).tolist() for epoch in (0, 1, 0)]
    assert sorted(orders[0]) == list(range(120))
    assert orders[0] == orders[2] != orders[1]
    rows = np.array(orders[1][32:48])
    levels, targets = next(batches.epoch(1, first=2))
    chosen = split.take(rows)
    plain = tree_levels(chosen.inputs.values[:, 0], chosen.inputs.values[:, 1])  # type: ignore[union-attr]
    for name in ("words", "children", "owners", "slots", "above", "roots", "order"):
        assert getattr(levels, name).tolist() == getattr(plain, name).tolist(), name
    assert (levels.sizes, levels.edges, levels.arity) == (plain.sizes, plain.edges, plain.arity)
    assert targets.tolist() == chosen.targets.values[levels.order.numpy()].tolist()
    tall = [int(node_heights(row[:, 1]).max()) for row in split.inputs]  # type: ignore[union-attr]
    assert batches.depths.tolist() == tall
    nodes = [places for places, _, _ in batches.by_height()]
    assert sorted(place for each in nodes for place in each.tolist()) == list(range(len(split.targets.values)))


@pytest.mark.parametrize("small", [True, False])
def test_batches_that_are_always_the_same_are_put_together_once(
    folder: Path, small: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    monkeypatch.setattr(
        "leadline.data.trees.tree_batches.tree_levels", lambda *given, **more: made.append(1) or tree_levels(*given, **more)
    )
    monkeypatch.setattr("leadline.data.trees.tree_batches._MOST_KEPT", 100_000 if small else 10)
    dataset = data.load(folder)
    batches = TreeBatches(dataset.valid, dataset.schema, 8)
    with torch.inference_mode():
        next(batches.by_height())  # whoever stops early leaves nothing behind
        first = list(batches.by_height())
    assert len(first) == 4
    again = list(batches.by_height())
    assert len(made) == (5 if small else 9)
    for (places, levels, targets), (places_again, levels_again, targets_again) in zip(first, again, strict=True):
        assert torch.equal(places, places_again)
        assert torch.equal(levels.children, levels_again.children)
        assert torch.equal(targets, targets_again)
        assert not levels.words.is_inference()


def test_label_names_and_their_middle() -> None:
    assert label_names(["-2", "10", "-1"]) == ("-2", "-1", "10")
    assert label_names(["1", "01", "0"]) == ("0", "01", "1")
    assert label_names(["--2", "1", "-"]) == ("-", "--2", "1")
    assert NodeClasses(("0", "1", "2", "3", "4")).middle == 2
    assert NodeClasses(("0", "1")).middle is None
    assert NodeClasses(("NP", "S", "VP")).middle is None
    with pytest.raises(DataError, match=r"The label '7' is not among those of the training"):
        NodeClasses(("0", "1")).encode(["0", "7"])


def test_what_a_trained_network_is_given() -> None:
    trees = Trees(("", "<unk>", "good", "film"))
    for raw in ("(3 (2 Good) (2 film))", "((good) (film))", b"((good) (film))", tree_from_brackets("(1 (0 good) (0 film))")):
        assert trees.encode(raw).tolist() == [[2, 2], [3, 1], [0, 0]]
    with pytest.raises(DataError, match="There is no tree in this text"):
        trees.encode("a good film")
    with pytest.raises(ArgumentError, match="was trained on trees"):
        trees.encode(3)


def test_words_without_brackets_of_their_own_are_told_and_not_taken_for_labels() -> None:
    trees = Trees(("", "<unk>", "not", "very", "good", "in", "2"), labels=("0", "1"))
    # A word may be one that training did not have, and its letters may have no capitals.
    for raw in ("(not (very good))", "(NOT ((very) (good)))", "(NOT (VERY GOOD))", "(is (so good))", "(1 (so x))", "(很 好)"):
        with pytest.raises(DataError, match="stands where a tree has its labels, and is none of them"):
            trees.encode(raw)
    with pytest.raises(DataError, match="'is' stands"):
        trees.encode(tree_from_brackets("(is (not (very good)))"))
    for raw in ("((not) ((very) (good)))", "(S (IN not) (AP-1 (RB very) (JJ good)))", "(1 (2 not) (0 (3 very) (-4 good)))"):
        assert trees.encode(raw)[:, 0].tolist() == [2, 3, 4, 0, 0]
