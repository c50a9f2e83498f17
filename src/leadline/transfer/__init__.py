"""Transfer: what a trained network knows, for other data: cut, freeze, new heads, kept features, which situation this is."""

from leadline.transfer.cutting import CutNetwork, cut
from leadline.transfer.deciding import STRATEGIES
from leadline.transfer.depths import Depth, cut_depths
from leadline.transfer.freezing import freeze, frozen, unfreeze
from leadline.transfer.grids import GridHead, GridRow, fit_head_grid, fit_vectors_head
from leadline.transfer.kept import KeptFeatures, check_features, keep_features
from leadline.transfer.last_features import before_head, features_of
from leadline.transfer.networks import redrawn, schema_for, set_head, with_new_head
from leadline.transfer.own_features import OwnFeatures, learn_own_features
from leadline.transfer.rates import GradualUnfreezing, TrainedStage, stages_of, with_depth_rates
from leadline.transfer.situation import Situation, measure_situation
from leadline.transfer.skills import Skill

__all__ = [
    "STRATEGIES",
    "CutNetwork",
    "Depth",
    "GradualUnfreezing",
    "GridHead",
    "GridRow",
    "KeptFeatures",
    "OwnFeatures",
    "Situation",
    "Skill",
    "TrainedStage",
    "before_head",
    "check_features",
    "cut",
    "cut_depths",
    "features_of",
    "fit_head_grid",
    "fit_vectors_head",
    "freeze",
    "frozen",
    "keep_features",
    "learn_own_features",
    "measure_situation",
    "redrawn",
    "schema_for",
    "set_head",
    "stages_of",
    "unfreeze",
    "with_depth_rates",
    "with_new_head",
]
