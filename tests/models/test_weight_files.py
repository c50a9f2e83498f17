"""Files of weights from every hand: what is read, what is refused, and that nothing in them is executed."""

from __future__ import annotations

import gzip
import os
import pickle
import re
import tempfile
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import nn

from leadline.errors import DataError, LeadlineError, SourceNotFoundError
from leadline.models.weight_files import read_weights


def tensors() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {"conv.weight": torch.randn(2, 3, generator=generator), "conv.steps": torch.tensor(5)}


def assert_read(path: Path) -> None:
    found = read_weights(path)
    assert list(found) == list(tensors())
    assert all(torch.equal(found[name], tensor) for name, tensor in tensors().items())


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: OrderedDict(state),
        lambda state: {"state_dict": state, "best_prec1": 91.7, "epoch": 3},
        lambda state: {"model": {"state_dict": state}, "optimizer": {"lr": 0.1}},
        lambda state: {"model_state_dict": {f"module.{name}": value for name, value in state.items()}},
        lambda state: {f"module._orig_mod.{name}": value for name, value in state.items()},
        lambda state: {"n_averaged": torch.tensor(3)} | {f"module.{name}": value for name, value in state.items()},
    ],
)
def test_state_dicts_of_torch_in_both_formats(wrap: Any, legacy: bool, tmp_path: Path) -> None:
    path = tmp_path / "weights.bin"  # what it is, is seen from its bytes
    torch.save(wrap(tensors()), path, _use_new_zipfile_serialization=not legacy)
    assert_read(path)


def test_safetensors_and_a_folder_with_them(tmp_path: Path) -> None:
    save_file(tensors(), tmp_path / "model.safetensors")
    assert set(read_weights(tmp_path)) == set(tensors())
    assert torch.equal(read_weights(tmp_path / "model.safetensors")["conv.weight"], tensors()["conv.weight"])


def test_a_prefix_that_only_some_names_have_stays(tmp_path: Path) -> None:
    torch.save({"module.a": torch.ones(1), "b": torch.ones(1)}, tmp_path / "w.pt")
    assert list(read_weights(tmp_path / "w.pt")) == ["module.a", "b"]


class Malicious:
    """Writes a file when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.trace}",)


@pytest.mark.parametrize("how", ["plain pickle", "new pickle", "torch zip", "torch legacy", "beside tensors"])
def test_a_malicious_pickle_is_refused_and_not_run(how: str, tmp_path: Path) -> None:
    trace, path = tmp_path / "it_ran", tmp_path / "weights.pt"
    evil = Malicious(trace)
    if how.endswith("pickle"):
        path.write_bytes(pickle.dumps(evil, protocol=2 if how == "plain pickle" else 4))
    elif how == "beside tensors":
        torch.save({"state_dict": tensors(), "extra": evil}, path)
    else:
        torch.save(evil, path, _use_new_zipfile_serialization=how == "torch zip")
    with pytest.raises(DataError, match="nothing of it was run") as caught:
        read_weights(path)
    assert not trace.exists()
    assert "weights_only" not in str(caught.value)  # torch's own advice, to read it unguarded, is not passed on
    if how == "new pickle":  # which torch does not read far enough to see
        assert "a pickle of another program (protocol 4)" in str(caught.value)
    else:
        assert re.search("would run code of whoever made it.*system", str(caught.value))
    assert "\n" not in str(caught.value)
    # The trap is a real one: an unguarded reader springs it.
    if how.endswith("pickle"):
        pickle.loads(path.read_bytes())
        assert trace.exists()


def test_a_whole_network_is_refused(tmp_path: Path) -> None:
    torch.save(nn.Linear(2, 2), tmp_path / "net.pt")
    with pytest.raises(DataError, match=r"torch.nn.modules.linear.Linear.*save model.state_dict\(\) alone"):
        read_weights(tmp_path / "net.pt")


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ([1, 2], "a list"),
        ({}, "holds no state dict.*got an empty one"),
        ({"epoch": 3, "history": [1.0]}, "a dict with epoch, history"),
        ({"a": torch.ones(1), "b": "text"}, "a dict with a, b"),
        ({1: torch.ones(1)}, "a dict with 1"),
        (torch.ones(3), r"a Tensor of shape \[3\]"),
        (torch.optim.SGD([torch.ones(1, requires_grad=True)]).state_dict(), "got the state of an optimizer"),
        (dict.fromkeys("abcdefgh", 1), "a dict with a, b, c, d, e, f, …"),
        ({"n_averaged": torch.tensor(3)}, "a dict with n_averaged"),
        ({"model": {"model": {"model": {"model": {"model": {"a": torch.ones(1)}}}}}}, "a dict with model"),
    ],
)
def test_what_is_no_state_dict_is_refused(value: Any, says: str, tmp_path: Path) -> None:
    torch.save(value, tmp_path / "w.pt")
    with pytest.raises(DataError, match=says):
        read_weights(tmp_path / "w.pt")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "an empty file"),
        (b"\n<!DOCTYPE html><html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1", "a pointer of Git LFS"),
        (gzip.compress(b"weights", mtime=0), "a gzip archive: unpack it first"),
        (b"a,b\n1,2\n3,4\n5,6\n", "holds no weights.*got a text that begins with 'a,b'"),
        ("größte Gewichte\n".encode() * 9, "a text that begins with 'größte Gewichte'"),
        ("x" * 39 + "ß", "a text that begins with"),
        (b"  \n\n", "a text without a word"),
        (b"\x10\0\0", "got a file of 3 bytes"),
        (b"\x10" + bytes(60), "a file that begins with b'.x10"),
        (b"\x89PNG\r\n\x1a\n", r"a picture \(PNG\)"),
        (b"\x93NUMPY\x01\0" + bytes(99), "an array of numpy"),
        (b"\x10\0\0\0\0\0\0\0{not json      }", "are damaged"),
        (b"PK\x03\x04 not a zip", "is damaged.*Got 14 bytes that begin as a zip archive does, and are none"),
        (b"\x80", "is damaged"),
    ],
)
def test_other_files_are_told_apart(content: bytes | str, says: str, tmp_path: Path) -> None:
    (tmp_path / "w").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError, match=says) as caught:
        read_weights(tmp_path / "w")
    assert "\n" not in str(caught.value)


def zipped(path: Path, **files: bytes) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)


def traced(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch would rather have torch.export
        torch.jit.save(torch.jit.trace(nn.Linear(2, 2), torch.ones(1, 2)), path)


@pytest.mark.parametrize(
    ("write", "says"),
    [
        (lambda path: path.write_bytes(pickle.dumps({"a": 1})), "a pickle of another program"),
        (lambda path: path.write_bytes(pickle.dumps({"w": torch.ones(2)})), "a pickle of another program"),
        (lambda path: np.savez(path.open("wb"), x=np.ones(2)), r"arrays of numpy \(.npz\)"),
        (lambda path: zipped(path, a=b"x", b=b"y"), "a zip archive with a, b"),
        (lambda path: zipped(path), "got an empty zip archive"),
        (traced, "a TorchScript program"),
    ],
)
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_archives_and_pickles_of_other_programs_are_told_apart(write: Callable[[Path], Any], says: str, tmp_path: Path) -> None:
    write(tmp_path / "w")
    with pytest.raises(DataError, match=says) as caught:
        read_weights(tmp_path / "w")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("form", ["safetensors", "zip", "legacy"])
def test_a_download_that_broke_off_says_how_much_of_it_came(form: str, tmp_path: Path) -> None:
    path, state = tmp_path / "w", {"a": torch.ones(1000)}
    if form == "safetensors":
        save_file(state, path)
    else:
        torch.save(state, path, _use_new_zipfile_serialization=form == "zip")
    whole = path.read_bytes()
    path.write_bytes(whole[:3000])
    says = {
        "safetensors": f"Got the first 3,000 of its {len(whole):,} bytes. Fetch or save the file again.",
        "zip": "Got 3,000 bytes of a file that goes on: its end is missing. Fetch the file again",
        "legacy": f"Got 3,000 bytes of a file that goes on for {len(whole) - 3000:,} more.",
    }
    with pytest.raises(DataError, match="damaged") as caught:
        read_weights(path)
    assert says[form] in str(caught.value)
    if form == "safetensors":
        path.write_bytes(whole[:20])
        with pytest.raises(DataError, match="the first 20 bytes of a file whose header alone has"):
            read_weights(path)


def test_a_folder_of_weights_by_another_name_gets_the_name(tmp_path: Path) -> None:
    torch.save(tensors(), tmp_path / "pytorch_model.bin")
    with pytest.raises(SourceNotFoundError, match=f"Name the file itself: {tmp_path / 'pytorch_model.bin'}"):
        read_weights(tmp_path)


def test_a_dictionary_that_holds_itself_is_refused(tmp_path: Path) -> None:
    endless: dict[str, Any] = {}
    endless["model"] = endless
    torch.save(endless, tmp_path / "w.pt")
    with pytest.raises(DataError, match="holds no state dict"):
        read_weights(tmp_path / "w.pt")


def test_a_file_that_may_not_be_opened_is_one_paragraph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: Any) -> None:
        raise PermissionError(13, "Permission denied")

    torch.save(tensors(), tmp_path / "w.pt")
    monkeypatch.setattr(Path, "open", forbidden)
    with pytest.raises(DataError, match="w.pt cannot be read.*Permission denied"):
        read_weights(tmp_path / "w.pt")


def test_a_path_that_leads_nowhere(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.pt"):
        with pytest.raises(SourceNotFoundError, match="There are no weights at"):
            read_weights(path)


@given(cut=st.floats(0, 0.999), form=st.sampled_from(["safetensors", "zip", "legacy"]))
def test_a_file_cut_short_is_an_error_and_never_half_a_network(cut: float, form: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "w"
        if form == "safetensors":
            save_file(tensors(), path)
        else:
            torch.save(tensors(), path, _use_new_zipfile_serialization=form == "zip")
        whole = path.read_bytes()
        path.write_bytes(whole[: int(cut * len(whole))])
        with pytest.raises(LeadlineError):
            read_weights(path)
