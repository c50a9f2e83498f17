"""The SqueezeNet of Keras against the network that it was written from, in Theano's way and in TensorFlow's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from leadline import models
from leadline.errors import ArgumentError, DataError
from leadline.models import keras_squeezenets
from leadline.models.published_weights import IMAGENET_MEAN, IMAGENET_STD
from leadline.models.weight_files import read_weights
from leadline.models.weight_loading import load_weights

REAL = Path(__file__).parents[3] / "shared" / "data" / "weights" / "squeezenet_weights_th_dim_ordering_th_kernels_notop.h5"
PLACES = {2: 3, 3: 4, 4: 6, 5: 7, 6: 9, 7: 10, 8: 11, 9: 12}


def written(network: nn.Module, path: Path, *, theano: bool, top: bool) -> None:
    """The weights of a network for Caffe's inputs, as Keras writes them on one of its two backends."""
    h5py = pytest.importorskip("h5py")
    end = "" if theano else ":0"
    with h5py.File(path, "w") as file:
        for name, tensor in network.state_dict().items():
            module, _, kind = name.rpartition(".")
            if module == "features.0":
                layer = "conv1"
            elif module == "classifier.1":
                if not top:
                    continue
                layer = "conv10"
            else:
                _, place, part = module.split(".")
                number = next(key for key, value in PLACES.items() if value == int(place))
                layer = f"fire{number}/{part.replace('squeeze', 'squeeze1x1')}/fire{number}"
            array = tensor.numpy()
            if kind == "weight":
                array = array[:, :, ::-1, ::-1] if theano else array.transpose(2, 3, 1, 0)
            file[f"{layer}/{kind}{end}"] = array


@pytest.mark.parametrize("theano", [True, False])
@pytest.mark.parametrize("top", [True, False])
def test_on_torchvisions_inputs_it_answers_as_the_original_does_on_caffes(theano: bool, top: bool, tmp_path: Path) -> None:
    torch.manual_seed(0)
    original, ours = models.squeezenet(7).eval(), models.squeezenet(7).eval()
    written(original, tmp_path / "squeezenet.h5", theano=theano, top=top)
    record = load_weights(ours, tmp_path / "squeezenet.h5", head="same" if top else "new")
    assert len(record.loaded) == (52 if top else 50)
    if not top:
        ours.get_submodule("classifier").load_state_dict(original.get_submodule("classifier").state_dict())
    colours = torch.rand(3, 3, 40, 40)  # red, green, blue in 0 … 1
    caffe = 255 * colours.flip(1) - torch.tensor([103.939, 116.779, 123.68]).reshape(1, 3, 1, 1)
    mean, std = (torch.tensor(each).reshape(1, 3, 1, 1) for each in (IMAGENET_MEAN, IMAGENET_STD))
    with torch.no_grad():
        expected, got = original(caffe), ours((colours - mean) / std)
    assert expected.std() > 0
    assert torch.allclose(got, expected, rtol=1e-3, atol=1e-3 * expected.abs().max().item())


def test_without_its_head_the_way_out_is_said(tmp_path: Path) -> None:
    written(models.squeezenet(7), tmp_path / "s.h5", theano=True, top=False)
    with pytest.raises(ArgumentError, match=r"lacks classifier.1.weight, classifier.1.bias. .*head='new'"):
        load_weights(models.squeezenet(7), tmp_path / "s.h5")


def test_other_networks_of_keras_are_refused(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "vgg.h5", "w") as file:
        file["block1_conv1/kernel:0"], file["block1_conv1/bias:0"] = np.zeros((3, 3, 3, 64)), np.zeros(64)
    with pytest.raises(DataError, match="is not the SqueezeNet of Keras.*a layer block1_conv1"):
        read_weights(tmp_path / "vgg.h5")
    with h5py.File(tmp_path / "empty.h5", "w") as file:
        file.create_group("conv1")
    with pytest.raises(DataError, match="is not the SqueezeNet of Keras"):
        read_weights(tmp_path / "empty.h5")


def test_what_an_optimizer_left_in_the_file_is_passed_over(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    written(models.squeezenet(7), tmp_path / "s.h5", theano=False, top=True)
    plain = read_weights(tmp_path / "s.h5")
    with h5py.File(tmp_path / "s.h5", "a") as file:
        file["optimizer_weights/adam/step:0"] = np.zeros(())
    assert list(read_weights(tmp_path / "s.h5")) == list(plain)


def test_text_and_gray_filters_are_refused(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "text.h5", "w") as file:
        file["names"] = ["a", "b"]
    with pytest.raises(DataError, match="is not the SqueezeNet of Keras. Expected numbers only"):
        read_weights(tmp_path / "text.h5")
    with h5py.File(tmp_path / "gray.h5", "w") as file:
        file["conv1/kernel"], file["conv1/bias"] = np.zeros((64, 1, 3, 3)), np.zeros(64)
    with pytest.raises(DataError, match="Expected a layer conv1 of colours"):
        read_weights(tmp_path / "gray.h5")


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    written(models.squeezenet(2), tmp_path / "s.h5", theano=True, top=False)
    whole = (tmp_path / "s.h5").read_bytes()
    (tmp_path / "s.h5").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="damaged"):
        read_weights(tmp_path / "s.h5")


def test_without_h5py_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(keras_squeezenets.importlib, "import_module", missing)
    (tmp_path / "s.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    with pytest.raises(ArgumentError, match=r"need h5py.*pip install 'leadline\[hub\]'"):
        read_weights(tmp_path / "s.h5")


def test_the_published_file_fits() -> None:
    pytest.importorskip("h5py")
    if not REAL.is_file():
        pytest.skip(f"the weights are not at {REAL}")
    model = models.squeezenet(5).eval()
    record = load_weights(model, REAL, head="new")
    assert len(record.loaded) == 50
    assert (record.missing, record.unexpected, record.new_head) == ((), (), "classifier.1")
    features: Tensor
    with torch.no_grad():
        features = model.get_submodule("features")(torch.randn(2, 3, 64, 64))
    # A trained network: most of its last maps are silent somewhere and loud elsewhere, none is out of bounds.
    assert 0.5 < (features == 0).float().mean() < 0.99
    assert 1 < features.max() < 1e4
