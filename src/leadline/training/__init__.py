"""The loop, its steps, and what surrounds a training; names no model and no data source."""

from leadline.training.best import Best
from leadline.training.callbacks import Callback, Checkpoint, Interruption
from leadline.training.devices import choose_device
from leadline.training.evaluation import Evaluation, outputs_of
from leadline.training.history import History
from leadline.training.loop import run_loop
from leadline.training.state import Training
from leadline.training.steps import Step, Supervised

__all__ = [
    "Best",
    "Callback",
    "Checkpoint",
    "Evaluation",
    "History",
    "Interruption",
    "Step",
    "Supervised",
    "Training",
    "choose_device",
    "outputs_of",
    "run_loop",
]
