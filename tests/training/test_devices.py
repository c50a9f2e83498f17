import pytest
import torch

from leadline.errors import ArgumentError
from leadline.training import choose_device
from leadline.training.devices import has_bfloat16, settle


def test_auto_is_a_device_that_works() -> None:
    assert torch.ones(2, device=choose_device("auto")).sum() == 2


@pytest.mark.parametrize("name", ["cuda:77", "gpu", "abacus"])
def test_an_absent_device_is_an_error_that_names_it(name: str) -> None:
    with pytest.raises(ArgumentError, match=f"no device '{name}'"):
        choose_device(name)


def test_no_bfloat16_where_it_would_be_emulated() -> None:
    assert not has_bfloat16(torch.device("cpu"))


def test_settling_seeds() -> None:
    settle(torch.device("cpu"), seed=3)
    one = torch.rand(2)
    settle(torch.device("cpu"), seed=3)
    assert torch.equal(one, torch.rand(2))
