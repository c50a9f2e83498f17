"""Published weights: found on this machine or fetched, checked by their digits, and what they score on real pictures."""

from __future__ import annotations

import hashlib
import http.server
import importlib.util
import io
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from leadline import models
from leadline.errors import DataError, DownloadError
from leadline.models.published_weights import IMAGENET_MEAN, IMAGENET_STD, PUBLISHED, published_file
from leadline.models.weight_loading import load_weights

SHARED = Path(__file__).parents[3] / "shared" / "data"


def small() -> nn.Module:
    return models.resnet20(width=2)


@pytest.fixture
def content() -> bytes:
    torch.manual_seed(0)
    file = io.BytesIO()
    torch.save({"state_dict": {f"module.{name}": value for name, value in small().state_dict().items()}}, file)
    return file.getvalue()


@pytest.fixture
def site(content: bytes) -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/resnet20.th"
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def no_other_caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))


@pytest.mark.parametrize("digits", [64, 8])
def test_they_are_fetched_once_and_checked_by_as_many_digits_as_are_known(
    digits: int, site: str, content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sha256 = hashlib.sha256(content).hexdigest()[:digits]
    monkeypatch.setitem(PUBLISHED, "resnet20", replace(PUBLISHED["resnet20"], url=site, sha256=sha256))
    told: list[tuple[int, int]] = []
    model = small()
    record = load_weights(model, "resnet20", cache=tmp_path, progress=lambda *now: told.append(now))
    assert record.source == "resnet20"
    assert set(record.loaded) == set(model.state_dict())
    assert told[-1] == (len(content), len(content))
    assert (tmp_path / "downloads" / "weights" / "resnet20.th").read_bytes() == content
    load_weights(small(), "resnet20", cache=tmp_path, progress=lambda *now: told.append(now))
    assert told[-1] == (len(content), len(content))
    assert len(told) == 1


@pytest.fixture
def short(content: bytes, site: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The whole SHA-256 of weights of which the first two digits are published."""
    whole = hashlib.sha256(content).hexdigest()
    monkeypatch.setitem(PUBLISHED, "resnet20", replace(PUBLISHED["resnet20"], url=site, sha256=whole[:2]))
    return whole


def twin(whole: str) -> bytes:
    """Other content with the same first two digits: with 8 it would take an attacker some minutes."""
    return next(found for at in range(100_000) if hashlib.sha256(found := f"evil {at}".encode()).hexdigest()[:2] == whole[:2])


def test_the_whole_sum_of_the_first_download_is_kept_and_asked_for_from_then_on(
    short: str, content: bytes, tmp_path: Path
) -> None:
    path = published_file("resnet20", cache=tmp_path)
    record = path.with_name("resnet20.th.sha256")
    assert record.read_text() == short + "\n"
    assert published_file("resnet20", cache=tmp_path).read_bytes() == content
    path.write_bytes(twin(short))
    with pytest.raises(DataError, match=f"not the one that was here before. Expected SHA-256 {short}, as .*{record.name}"):
        published_file("resnet20", cache=tmp_path)
    path.unlink()
    assert published_file("resnet20", cache=tmp_path).read_bytes() == content, "the same is fetched again"
    path.unlink()
    record.write_text(hashlib.sha256(twin(short)).hexdigest())
    with pytest.raises(DownloadError, match="is not the right file"):
        published_file("resnet20", cache=tmp_path)
    assert not path.exists()


def test_a_sum_is_kept_of_what_lay_elsewhere_and_holds_for_every_place(
    short: str, content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEADLINE_DATA", str(tmp_path / "data"))
    own = tmp_path / "data" / "weights" / "resnet20.th"
    own.parent.mkdir(parents=True)
    own.write_bytes(content)
    assert published_file("resnet20", cache=tmp_path) == own
    assert [path.name for path in own.parent.iterdir()] == ["resnet20.th"], "nothing is written beside a person's data"
    assert (tmp_path / "downloads" / "weights" / "resnet20.th.sha256").read_text().strip() == short
    own.unlink()
    other = tmp_path / "torch" / "hub" / "checkpoints" / "resnet20.th"
    other.parent.mkdir(parents=True)
    other.write_bytes(twin(short))
    with pytest.raises(DataError, match="not the one that was here before"):
        published_file("resnet20", cache=tmp_path)


@pytest.mark.parametrize("kept", ["", "not a sum", "0" * 64, "é" * 64, "G" * 64])
def test_a_kept_sum_that_cannot_be_one_is_made_anew(kept: str, short: str, tmp_path: Path) -> None:
    record = tmp_path / "downloads" / "weights" / "resnet20.th.sha256"
    record.parent.mkdir(parents=True)
    record.write_text(kept, encoding="utf-8")
    published_file("resnet20", cache=tmp_path)
    assert record.read_text() == short + "\n"


def test_where_nothing_can_be_written_the_published_digits_are_what_is_checked(
    short: str, content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEADLINE_DATA", str(tmp_path / "data"))
    own = tmp_path / "data" / "weights" / "resnet20.th"
    own.parent.mkdir(parents=True)
    own.write_bytes(content)
    (tmp_path / "downloads").write_text("a file where the folder would be")
    assert published_file("resnet20", cache=tmp_path) == own


def test_of_a_sum_that_is_known_whole_none_is_kept(
    site: str, content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sha256 = hashlib.sha256(content).hexdigest()
    monkeypatch.setitem(PUBLISHED, "resnet20", replace(PUBLISHED["resnet20"], url=site, sha256=sha256))
    path = published_file("resnet20", cache=tmp_path)
    assert [each.name for each in path.parent.iterdir()] == ["resnet20.th"]


def test_what_comes_with_other_digits_is_not_kept(site: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PUBLISHED, "resnet20", replace(PUBLISHED["resnet20"], url=site, sha256="00000000"))
    with pytest.raises(DownloadError, match="is not the right file"):
        load_weights(small(), "resnet20", cache=tmp_path)
    assert not list((tmp_path / "downloads").rglob("*.th"))


def test_without_a_network_one_paragraph_says_size_and_command(tmp_path: Path) -> None:
    with pytest.raises(DownloadError) as caught:
        load_weights(models.vgg11(width=2, hidden=2), "vgg11_bn", cache=tmp_path)
    text = str(caught.value)
    assert "The weights 'vgg11_bn' (506.9 MB, ImageNet) are not on this machine" in text
    url, place = "https://download.pytorch.org/models/vgg11_bn-6002323d.pth", tmp_path / "downloads" / "weights"
    assert f"curl -L -o vgg11_bn-6002323d.pth {url} and then put the file at {place / 'vgg11_bn-6002323d.pth'}." in text
    assert "\n" not in text


@pytest.mark.parametrize("where", ["LEADLINE_DATA", "TORCH_HOME", "cache"])
def test_files_on_this_machine_are_used_from_wherever_they_lie(
    where: str, content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    below = {"LEADLINE_DATA": "weights", "TORCH_HOME": "hub/checkpoints", "cache": "downloads/weights"}[where]
    if where != "cache":
        monkeypatch.setenv(where, str(tmp_path))
    known = replace(PUBLISHED["resnet20"], sha256=hashlib.sha256(content).hexdigest()[:8])
    monkeypatch.setitem(PUBLISHED, "resnet20", known)
    path = tmp_path / below / known.file
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    assert published_file("resnet20", cache=tmp_path if where == "cache" else tmp_path / "other") == path


def test_a_file_of_that_name_with_other_content_is_named(tmp_path: Path) -> None:
    path = tmp_path / "downloads" / "weights" / "resnet18-f37072fd.pth"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"half of it")
    with pytest.raises(
        DataError, match=r"is not the published file of that name. Expected SHA-256 f37072fd…; got [0-9a-f]{64}"
    ):
        published_file("resnet18", cache=tmp_path)


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_table_agrees_with_itself_and_with_the_networks(name: str) -> None:
    known = PUBLISHED[name]
    assert known.file.rpartition("-")[2].split(".")[0] == known.sha256[:8]
    assert len(known.sha256) in (8, 64)
    assert set(known.sha256) <= set("0123456789abcdef")
    with torch.device("meta"):
        model = models.MODELS[known.builder](known.classes, **dict(known.arguments))
    stored = sum(value.numel() * value.element_size() for value in model.state_dict().values())
    # A file is its numbers and a little more; those of CIFAR-10 are small enough for the names to count.
    assert stored <= (known.megabytes + 0.06) * 2**20 <= stored * 1.002 + 200_000


def cifar_test_pictures() -> tuple[Tensor, Tensor]:
    """The 1,000 exact test pictures, by the unpacker beside them."""
    packed, unpacker = SHARED / "cifar10" / "test_first1000.med.xz", SHARED / "unpack.py"
    if not (packed.is_file() and unpacker.is_file()):
        pytest.skip(f"the CIFAR-10 test pictures are not at {packed}")
    spec = importlib.util.spec_from_file_location("unpack", unpacker)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    images: NDArray[np.uint8]
    images, labels = module.read_packed_images(packed)
    mean, std = (torch.tensor(each).reshape(1, 3, 1, 1) for each in (IMAGENET_MEAN, IMAGENET_STD))
    scaled = torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float() / 255
    return (scaled - mean) / std, torch.from_numpy(labels).long()


@pytest.mark.parametrize(("name", "right"), [("resnet20", 0.90), ("resnet56", 0.92)])
def test_published_weights_are_right_on_real_pictures(name: str, right: float, monkeypatch: pytest.MonkeyPatch) -> None:
    if not (SHARED / "weights" / PUBLISHED[name].file).is_file():
        pytest.skip(f"the published weights are not at {SHARED / 'weights'}")
    pictures, labels = cifar_test_pictures()
    monkeypatch.setenv("LEADLINE_DATA", str(SHARED))
    model = models.MODELS[name](classes=10)
    record = load_weights(model, name)
    assert len(record.loaded) == {"resnet20": 97, "resnet56": 277}[name]
    model.eval()
    with torch.inference_mode():
        answers = torch.cat([model(batch).argmax(1) for batch in pictures.split(250)])
    assert (answers == labels).float().mean() >= right
