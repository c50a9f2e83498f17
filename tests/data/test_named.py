"""Data sets by name: found on this machine, fetched from a local server, or explained."""

from __future__ import annotations

import dataclasses
import functools
import gzip
import hashlib
import http.server
import io
import struct
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits

from leadline import data
from leadline.data import named
from leadline.errors import DataError, DownloadError

CIFAR = np.random.default_rng(0).integers(0, 256, (6, 20, 3073), dtype=np.uint8)
CIFAR[:, :, 0] %= 10
CIFAR[0, :10, 0] = np.arange(10)


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def mnist_files(seed: int = 0) -> dict[str, bytes]:
    random = np.random.default_rng(seed)
    files = {}
    for prefix, count in (("train", 50), ("t10k", 20)):
        files[f"{prefix}-images-idx3-ubyte.gz"] = idx(random.integers(0, 256, (count, 28, 28), dtype=np.uint8))
        files[f"{prefix}-labels-idx1-ubyte.gz"] = idx((np.arange(count) % 10).astype(np.uint8))
    return files


def put(folder: Path, files: dict[str, bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(gzip.compress(content))


def cifar_archive() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for number, name in enumerate([f"data_batch_{number}.bin" for number in range(1, 6)] + ["test_batch.bin"]):
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = CIFAR[number].nbytes
            tar.addfile(member, io.BytesIO(CIFAR[number].tobytes()))
    return buffer.getvalue()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder and the address at which it is served."""
    folder = tmp_path / "served"
    folder.mkdir()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def from_here(monkeypatch: pytest.MonkeyPatch, name: str, url: str, sums: dict[str, str]) -> None:
    files = tuple((file, sums.get(file, "")) for file, _ in named.NAMED[name].files)
    monkeypatch.setitem(named.NAMED, name, dataclasses.replace(named.NAMED[name], url=url, files=files))


def test_digits_are_those_of_scikit_learn() -> None:
    dataset = data.load("digits")
    bundled = load_digits()
    rows = [int(row.removeprefix("row:")) for split in (dataset.train, dataset.valid, dataset.test) for row in split.ids]
    assert sorted(rows) == list(range(1797))
    for split in (dataset.train, dataset.valid, dataset.test):
        own = [int(row.removeprefix("row:")) for row in split.ids]
        np.testing.assert_array_equal(split.inputs[:, :, :, 0], bundled.images[own])
        np.testing.assert_array_equal(split.targets, bundled.target[own])
    assert dataset.train.inputs.dtype == np.uint8


@pytest.mark.parametrize("below", ["mnist", "."])
def test_mnist_is_found_under_leadline_data(below: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = mnist_files()
    put(tmp_path / below, files)
    labels = "t10k-labels-idx1-ubyte.gz"
    from_here(monkeypatch, "mnist", "http://127.0.0.1:9/", {labels: hashlib.sha256(files[labels]).hexdigest()})
    monkeypatch.setenv("LEADLINE_DATA", str(tmp_path))
    dataset = data.load("mnist", cache=tmp_path / "cache")
    assert (len(dataset.train) + len(dataset.valid), len(dataset.test)) == (50, 20)
    assert dataset.origin.source == dataset.name == "mnist"


def test_the_files_of_fashion_mnist_are_not_taken_for_mnist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, mnist_files())
    from_here(monkeypatch, "fashion-mnist", "http://127.0.0.1:9/", {})
    monkeypatch.setenv("LEADLINE_DATA", str(tmp_path))
    with pytest.raises(DownloadError):
        data.load("fashion-mnist", cache=tmp_path / "cache")


def test_class_names_keep_their_usual_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "fashion_mnist", mnist_files())
    monkeypatch.setenv("LEADLINE_DATA", str(tmp_path))
    dataset = data.load("fashion-mnist")
    assert dataset.schema.answers.names[:2] == ("T-shirt/top", "Trouser")
    assert [int(row.removeprefix("test:")) % 10 for row in dataset.test.ids] == dataset.test.targets.tolist()
    again = data.read("fashion-mnist", dataset.schema)
    np.testing.assert_array_equal(again.targets, dataset.test.targets)


def test_mnist_is_fetched_once(served: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = mnist_files()
    put(served[0], files)
    from_here(monkeypatch, "mnist", served[1], {name: hashlib.sha256(content).hexdigest() for name, content in files.items()})
    told: list[tuple[int, int]] = []
    first = data.load("mnist", cache=tmp_path / "cache", progress=lambda *now: told.append(now))
    assert told
    for path in served[0].iterdir():
        path.unlink()
    again = data.load("mnist", cache=tmp_path / "cache")
    assert again.origin == first.origin
    np.testing.assert_array_equal(again.test.inputs, first.test.inputs)


def test_cifar_is_fetched_and_kept_unpacked(served: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = cifar_archive()
    (served[0] / "cifar-10-binary.tar.gz").write_bytes(archive)
    from_here(monkeypatch, "cifar10", served[1], {"cifar-10-binary.tar.gz": hashlib.sha256(archive).hexdigest()})
    dataset = data.load("cifar10", cache=tmp_path / "cache")
    assert [path.name for path in (tmp_path / "cache/downloads/cifar10").iterdir()] == ["cifar10.npz"]
    planes = CIFAR[5, :, 1:].reshape(20, 3, 32, 32)
    np.testing.assert_array_equal(dataset.test.inputs, planes.transpose(0, 2, 3, 1))
    np.testing.assert_array_equal(dataset.test.targets, CIFAR[5, :, 0])
    assert dataset.schema.answers.names[3] == "cat"
    assert data.load("cifar10", cache=tmp_path / "cache").origin == dataset.origin


def test_cifar_in_its_unpacked_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with tarfile.open(fileobj=io.BytesIO(cifar_archive())) as tar:
        tar.extractall(tmp_path / "cifar10", filter="data")
    monkeypatch.setenv("LEADLINE_DATA", str(tmp_path))
    assert len(data.load("cifar10").test) == 20
    (tmp_path / "cifar10/cifar-10-batches-bin/data_batch_1.bin").write_bytes(b"short")
    with pytest.raises(DataError, match="missing or cut short"):
        data.load("cifar10")


def test_offline_it_says_where_to_put_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from_here(monkeypatch, "mnist", "http://127.0.0.1:9/", {})
    with pytest.raises(DownloadError, match=r"not on this machine.*put .*train-images-idx3-ubyte\.gz") as raised:
        data.load("mnist", cache=tmp_path / "cache")
    assert str(tmp_path / "cache" / "downloads" / "mnist") in str(raised.value)


def test_labels_of_another_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = mnist_files()
    files["train-labels-idx1-ubyte.gz"] = idx(np.full(50, 46, dtype=np.uint8))
    put(tmp_path / "mnist", files)
    monkeypatch.setenv("LEADLINE_DATA", str(tmp_path))
    with pytest.raises(DataError, match="not those of mnist"):
        data.load("mnist")
