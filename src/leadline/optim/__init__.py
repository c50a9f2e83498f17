"""What `torch.optim` lacks: optimizers and schedules as they are spelled, clipping, penalties, weight averaging, heads."""

from leadline.optim.averaging import AVERAGES, ExponentialAverage, Lookahead, StochasticAverage, make_average
from leadline.optim.averaging_once_stuck import AverageOnceStuck
from leadline.optim.clipping import CLIPS, Clip, ClipNorm, ClipPercentile, ClipValue, make_clip
from leadline.optim.decays import constant, cosine, exponential, inverse_time, polynomial, step_drops
from leadline.optim.heads import FittedHead, fit_head
from leadline.optim.multiplier import Schedule, set_rates
from leadline.optim.muon import Muon, hidden_matrices, orthogonalized
from leadline.optim.optimizers import OPTIMIZERS, make_optimizer, parameter_groups
from leadline.optim.penalties import Penalties
from leadline.optim.plateau import Plateau
from leadline.optim.schedules import SCHEDULES, make_schedule, one_cycle, warm_up

__all__ = [
    "AVERAGES",
    "CLIPS",
    "OPTIMIZERS",
    "SCHEDULES",
    "AverageOnceStuck",
    "Clip",
    "ClipNorm",
    "ClipPercentile",
    "ClipValue",
    "ExponentialAverage",
    "FittedHead",
    "Lookahead",
    "Muon",
    "Penalties",
    "Plateau",
    "Schedule",
    "StochasticAverage",
    "constant",
    "cosine",
    "exponential",
    "fit_head",
    "hidden_matrices",
    "inverse_time",
    "make_average",
    "make_clip",
    "make_optimizer",
    "make_schedule",
    "one_cycle",
    "orthogonalized",
    "parameter_groups",
    "polynomial",
    "set_rates",
    "step_drops",
    "warm_up",
]
