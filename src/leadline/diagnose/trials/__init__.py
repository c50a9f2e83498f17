"""Counterfactual trainings on copies: what would have been, had one thing been otherwise."""

from leadline.diagnose.trials.branching import branch, branches
from leadline.diagnose.trials.changes import CHANGES, SOUND, said
from leadline.diagnose.trials.composing import compose
from leadline.diagnose.trials.gains import best_of, gain_of
from leadline.diagnose.trials.habits import Habits, habits_of
from leadline.diagnose.trials.twins import Trials

__all__ = ["CHANGES", "SOUND", "Habits", "Trials", "best_of", "branch", "branches", "compose", "gain_of", "habits_of", "said"]
