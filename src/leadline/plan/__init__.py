"""Plan: every choice of a training with its reason; how one is proposed for data, written down, changed, and built."""

from leadline.plan.building import Built, build
from leadline.plan.changes import parse_changes
from leadline.plan.measuring import Measured, measure
from leadline.plan.proposal import propose
from leadline.plan.record import DataPlan, ModelPlan, Plan, StartPlan, TrainingPlan

__all__ = [
    "Built",
    "DataPlan",
    "Measured",
    "ModelPlan",
    "Plan",
    "StartPlan",
    "TrainingPlan",
    "build",
    "measure",
    "parse_changes",
    "propose",
]
