"""Counterfactual trainings on copies: what would have been, had one thing been otherwise."""

from leadline.diagnose.trials.branching import branch, branches
from leadline.diagnose.trials.changes import CHANGES, said
from leadline.diagnose.trials.gains import best_of, gain_of
from leadline.diagnose.trials.habits import Habits, habits_of
from leadline.diagnose.trials.twins import Trials

__all__ = ["CHANGES", "Habits", "Trials", "best_of", "branch", "branches", "gain_of", "habits_of", "said"]
