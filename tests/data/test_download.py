"""Downloads from a server on this machine that breaks off, does not resume, or sends the wrong thing."""

from __future__ import annotations

import errno
import gzip
import hashlib
import http.server
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from leadline.data.download import fetch
from leadline.errors import DownloadError, StorageError

CONTENT = os.urandom(700_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(http.server.BaseHTTPRequestHandler):
    """Serves `content`; can stop after `break_after` bytes of an answer, and can ignore ranges."""

    content = CONTENT
    break_after: int | None = None
    ranges = True
    asked: list[str | None]

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        type(self).asked.append(asked)
        if self.path == "/nothing":
            self.send_error(404)
            return
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and self.ranges else 0
        if start >= len(self.content):
            self.send_error(416)
            return
        body = self.content[start:]
        self.send_response(206 if asked and self.ranges else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: self.break_after])

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[tuple[type[Server], str]]:
    handler = type("Handler", (Server,), {"asked": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as listening:
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield handler, f"http://127.0.0.1:{listening.server_port}/file"
        listening.shutdown()
        thread.join()


def test_a_file_comes_whole_and_only_once(server: tuple[type[Server], str], tmp_path: Path) -> None:
    handler, url = server
    told: list[tuple[int, int]] = []
    path = fetch(url, tmp_path / "a" / "file", sha256=SHA256, progress=lambda *now: told.append(now))
    assert path.read_bytes() == CONTENT
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    fetch(url, path, sha256=SHA256)
    assert handler.asked == [None]
    assert os.listdir(path.parent) == ["file"]


def test_a_connection_that_breaks_off_is_taken_up_again(server: tuple[type[Server], str], tmp_path: Path) -> None:
    handler, url = server
    handler.break_after = 300_000
    assert fetch(url, tmp_path / "file", sha256=SHA256).read_bytes() == CONTENT
    assert handler.asked == [None, "bytes=300000-", "bytes=600000-"]


def test_what_has_come_is_kept_for_the_next_start(server: tuple[type[Server], str], tmp_path: Path) -> None:
    handler, url = server
    handler.break_after = 200_000
    with pytest.raises(DownloadError, match="broke off"):
        fetch(url, tmp_path / "file", sha256=SHA256)
    assert not (tmp_path / "file").exists()
    assert (tmp_path / "file.part").stat().st_size == 600_000
    handler.break_after = None
    assert fetch(url, tmp_path / "file", sha256=SHA256).read_bytes() == CONTENT
    assert handler.asked[-1] == "bytes=600000-"


def test_a_server_that_does_not_resume(server: tuple[type[Server], str], tmp_path: Path) -> None:
    handler, url = server
    handler.ranges = False
    (tmp_path / "file.part").write_bytes(b"from before")
    assert fetch(url, tmp_path / "file", sha256=SHA256).read_bytes() == CONTENT


def test_a_part_that_is_whole_already(server: tuple[type[Server], str], tmp_path: Path) -> None:
    (tmp_path / "file.part").write_bytes(CONTENT)
    assert fetch(server[1], tmp_path / "file", sha256=SHA256).read_bytes() == CONTENT


def test_the_wrong_content_is_thrown_away(server: tuple[type[Server], str], tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="not the right file"):
        fetch(server[1], tmp_path / "file", sha256="0" * 64)
    assert os.listdir(tmp_path) == []


def test_the_checksum_of_what_is_packed(server: tuple[type[Server], str], tmp_path: Path) -> None:
    handler, url = server
    handler.content = gzip.compress(CONTENT)
    assert fetch(url, tmp_path / "file", sha256=SHA256, packed=True).read_bytes() == handler.content
    handler.content = b"\x1f\x8bno gzip at all"
    with pytest.raises(DownloadError, match="damaged gzip"):
        fetch(url, tmp_path / "other", sha256=SHA256, packed=True)


def test_no_connection(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="could not be downloaded"):
        fetch("http://127.0.0.1:9/file", tmp_path / "file", sha256=SHA256)


def test_a_file_that_is_not_on_the_server(server: tuple[type[Server], str], tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="Not Found"):
        fetch(server[1].replace("/file", "/nothing"), tmp_path / "file", sha256=SHA256)


def test_a_full_disk(server: tuple[type[Server], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("leadline.data.download._checksum", full)
    with pytest.raises(StorageError, match="The disk is full"):
        fetch(server[1], tmp_path / "file", sha256=SHA256)
