import warnings

import pytest
import torch

from leadline.errors import ArgumentError
from leadline.training import choose_device
from leadline.training.devices import has_bfloat16, noting_nondeterminism, preserved, settle


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


def test_after_a_training_torch_is_as_it_was_before() -> None:
    threads, random = torch.get_num_threads(), torch.get_rng_state()
    with preserved():
        settle(torch.device("cpu"), seed=3, threads=threads + 1)
        torch.rand(3)
        torch.use_deterministic_algorithms(True, warn_only=True)
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), random)
    assert not torch.are_deterministic_algorithms_enabled()


def test_kernels_without_a_deterministic_form_are_noted() -> None:
    lacking = "cumsum_cuda does not have a deterministic implementation"

    def warn() -> list[str]:
        with noting_nondeterminism() as noted:
            warnings.warn(f"{lacking}. You can file an issue", stacklevel=1)
            warnings.warn("something else", stacklevel=1)
        return noted

    with pytest.warns(UserWarning, match="something else"):
        assert warn() == [lacking]
