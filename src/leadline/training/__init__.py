"""The loop, its steps, and what surrounds a training; names no model and no data source."""

from leadline.training.best import Best, LastWeights
from leadline.training.callbacks import Callback, Checkpoint, Interruption
from leadline.training.captured import Captured
from leadline.training.closures import ClosureStep
from leadline.training.devices import choose_device
from leadline.training.evaluation import Evaluation, outputs_of
from leadline.training.history import History
from leadline.training.loop import run_loop
from leadline.training.memory import fitting_rows
from leadline.training.monte_carlo import (
    SampledClasses,
    SampledNumbers,
    Thinned,
    dropout_active,
    sample_classes,
    sample_numbers,
)
from leadline.training.population import (
    Candidate,
    Population,
    PopulationBatches,
    PopulationBest,
    PopulationEvaluation,
    stackable,
)
from leadline.training.recorded import Recorded, keeping_buffers
from leadline.training.state import Training
from leadline.training.steps import Step, Supervised

__all__ = [
    "Best",
    "Callback",
    "Candidate",
    "Captured",
    "Checkpoint",
    "ClosureStep",
    "Evaluation",
    "History",
    "Interruption",
    "LastWeights",
    "Population",
    "PopulationBatches",
    "PopulationBest",
    "PopulationEvaluation",
    "Recorded",
    "SampledClasses",
    "SampledNumbers",
    "Step",
    "Supervised",
    "Thinned",
    "Training",
    "choose_device",
    "dropout_active",
    "fitting_rows",
    "keeping_buffers",
    "outputs_of",
    "run_loop",
    "sample_classes",
    "sample_numbers",
    "stackable",
]
