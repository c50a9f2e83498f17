"""What `torch.optim` lacks: schedules as pure functions of progress, optimizers by name, parameter groups, weight averaging."""

from leadline.optim.averaging import ExponentialAverage
from leadline.optim.optimizers import OPTIMIZERS, make_optimizer, parameter_groups
from leadline.optim.schedules import SCHEDULES, Schedule, constant, cosine, make_schedule, one_cycle, step_drops, warm_up

__all__ = [
    "OPTIMIZERS",
    "SCHEDULES",
    "ExponentialAverage",
    "Schedule",
    "constant",
    "cosine",
    "make_optimizer",
    "make_schedule",
    "one_cycle",
    "parameter_groups",
    "step_drops",
    "warm_up",
]
