"""Plan: every choice of a training with its reason; how one is proposed for data, written down, changed, and built."""

from leadline.plan.building import Built, build
from leadline.plan.changes import parse_changes
from leadline.plan.measuring import Measured, measure
from leadline.plan.proposal import propose
from leadline.plan.record import DataPlan, ModelPlan, Plan, StartPlan, TrainingPlan
from leadline.plan.restarts import candidates
from leadline.plan.script import save_script

__all__ = [
    "Built",
    "DataPlan",
    "Measured",
    "ModelPlan",
    "Plan",
    "StartPlan",
    "TrainingPlan",
    "build",
    "candidates",
    "measure",
    "parse_changes",
    "propose",
    "save_script",
]
