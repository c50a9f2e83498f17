from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import leadline
from leadline.errors import ArgumentError, RunError, SourceNotFoundError
from leadline.optim import Plateau
from leadline.runs.fitting import _OnDevice
from leadline.training import Callback, Training


def loader(rows: int = 64, shuffle: bool = False) -> DataLoader[tuple[torch.Tensor, ...]]:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(rows, 4, generator=generator)
    return DataLoader(TensorDataset(inputs, (inputs[:, 0] > 0).long()), batch_size=16, shuffle=shuffle)


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))


@pytest.mark.parametrize("kind", [np.array, torch.tensor])
def test_lists_of_rows_are_arrays(kind: Callable[[Any], Any]) -> None:
    series = [kind([[at], [0.0], [at / 9]]) for at in range(40)]  # [T, 1]
    classes = [at % 2 for at in range(40)]

    def losses(train: Any) -> list[float]:
        torch.manual_seed(0)
        return leadline.fit(nn.Sequential(nn.Flatten(), nn.Linear(3, 2)), train, epochs=2, device="cpu")["loss"]

    whole = losses((torch.stack([torch.as_tensor(row) for row in series]).float(), torch.tensor(classes)))
    for inputs in (series, [row[:, 0] for row in series]):
        for targets in (classes, np.array(classes), [torch.tensor(each) for each in classes]):
            assert losses((inputs, targets)) == whole
    with pytest.raises(ArgumentError, match=r"The inputs are not all of one shape.*\[2, 1\], \[3, 1\].*leadline\.train"):
        leadline.fit(nn.Linear(3, 2), ([series[0], series[0][:2]], [0, 1]))
    batches = ([torch.ones(4, 3), torch.zeros(4).long()], [torch.ones(4, 3), torch.ones(4).long()])
    assert len(leadline.fit(nn.Linear(3, 2), batches, epochs=2, device="cpu")) == 2  # two batches, and no arrays


def test_any_module_on_any_loader_learns() -> None:
    model = network()
    history = leadline.fit(
        model,
        loader(),
        valid=loader(32),
        epochs=30,
        optimizer=torch.optim.Adam(model.parameters(), lr=0.01),
        measures={"accuracy": lambda outputs, targets: (outputs.argmax(1) == targets).float().mean()},
        device="cpu",
    )
    assert history["valid_accuracy"][-1] > 0.9
    assert history["valid_loss"][-1] < history["valid_loss"][0]


def test_a_generator_can_be_read_only_once() -> None:
    with pytest.raises(ArgumentError, match="only once"):
        leadline.fit(network(), (batch for batch in loader()))


def test_patience_needs_validation() -> None:
    with pytest.raises(ArgumentError, match="patient"):
        leadline.fit(network(), loader(), patience=3)
    with pytest.raises(ArgumentError, match="at least 1 epoch"):
        leadline.fit(network(), loader(), epochs=0)


def test_a_checkpoint_resumes_between_epochs_and_says_so(tmp_path: Path) -> None:
    whole = network()
    leadline.fit(whole, loader(), epochs=4, device="cpu")
    path = tmp_path / "fit.checkpoint"
    leadline.fit(network(), loader(), epochs=4, device="cpu", checkpoint=path, callbacks=[Stop(5)])
    assert not path.exists(), "stopped within an epoch, where a foreign loader cannot be entered"
    stopped = leadline.fit(network(), loader(), epochs=4, device="cpu", checkpoint=path, callbacks=[StopAfter(2)])
    assert stopped.stopped == "enough"
    model = network()
    history = leadline.fit(model, loader(), epochs=4, device="cpu", checkpoint=path)
    assert "start of an epoch" in history.notes[0]
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), whole.parameters(), strict=True))


class Stop(Callback):
    def __init__(self, step: int) -> None:
        self.at = step

    def batch_end(self, now: Training) -> str | None:
        return "enough" if now.step == self.at else None


class StopAfter(Callback):
    def __init__(self, epoch: int) -> None:
        self.at = epoch

    def evaluated(self, now: Training) -> str | None:
        return "enough" if now.epoch == self.at else None


def test_moved_batches_keep_length_epochs_and_structure() -> None:
    class Enterable:
        def __len__(self) -> int:
            return 3

        def __iter__(self) -> Iterator[Any]:
            return self.epoch(0)

        def epoch(self, number: int, first: int = 0) -> Iterator[Any]:
            return ({"a": torch.full((2,), number), "b": (torch.ones(1), "text")} for _ in range(first, 3))

    device = torch.device("meta")
    moved = _OnDevice(Enterable(), device)
    assert len(moved) == 3
    (batch,) = moved.epoch(4, 2)
    assert batch["a"].device == batch["b"][0].device == device
    assert batch["b"][1] == "text"
    plain = _OnDevice([(torch.ones(1),)], device)
    assert not hasattr(plain, "epoch")
    assert len(list(plain)) == 1


def test_a_finished_fit_called_again_remembers_its_history(tmp_path: Path) -> None:
    first = leadline.fit(network(), loader(), epochs=2, device="cpu", checkpoint=tmp_path / "c")
    again = leadline.fit(network(), loader(), epochs=2, device="cpu", checkpoint=tmp_path / "c")
    assert again["loss"] == first["loss"]


def test_checkpoints_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFoundError, match="no folder"):
        leadline.fit(network(), loader(), device="cpu", checkpoint=tmp_path / "missing" / "c")
    leadline.fit(network(), loader(), epochs=1, device="cpu", checkpoint=tmp_path / "c")
    with pytest.raises(RunError, match="another network"):
        leadline.fit(nn.Linear(4, 2), loader(), epochs=2, device="cpu", checkpoint=tmp_path / "c")


def test_a_plateau_schedule_hears_the_validation_loss() -> None:
    batches = [(torch.ones(4, 2), torch.zeros(4, dtype=torch.long))]
    network = torch.nn.Linear(2, 3)
    frozen = torch.optim.SGD(network.parameters(), lr=1e-30)  # so the loss stays where it is
    history = leadline.fit(network, batches, valid=batches, optimizer=frozen, schedule=Plateau(0.5, 1), epochs=4, device="cpu")
    assert history["rate"] == pytest.approx([1e-30, 1e-30, 0.5e-30, 0.25e-30])


def test_a_plateau_schedule_without_validation_is_refused() -> None:
    batches = [(torch.ones(4, 2), torch.zeros(4, dtype=torch.long))]
    with pytest.raises(ArgumentError, match="plateau schedule waits"):
        leadline.fit(torch.nn.Linear(2, 3), batches, schedule=Plateau(), epochs=2, device="cpu")
