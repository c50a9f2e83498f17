"""The Run folder and the verbs that make and read it: train, resume, open, fit."""

from leadline.runs.ahead import DatedForecasts
from leadline.runs.answering_steps import StepAnswer, StepPredictions
from leadline.runs.fitting import fit
from leadline.runs.folder import open_run as open
from leadline.runs.mending_runs import mend_run, train_mended
from leadline.runs.mixed_scoring import evaluate_mixed
from leadline.runs.observer import Observer
from leadline.runs.predicting import Prediction, Predictions
from leadline.runs.reconstructing.telling_again import OddColumn, ToldAgain, ToldRows
from leadline.runs.run import Run
from leadline.runs.run_diagnosis import diagnose_run
from leadline.runs.scripting import Scripted, script_plan, script_run
from leadline.runs.starting import resume, train

__all__ = [
    "DatedForecasts",
    "Observer",
    "OddColumn",
    "Prediction",
    "Predictions",
    "Run",
    "Scripted",
    "StepAnswer",
    "StepPredictions",
    "ToldAgain",
    "ToldRows",
    "diagnose_run",
    "evaluate_mixed",
    "fit",
    "mend_run",
    "open",
    "resume",
    "script_plan",
    "script_run",
    "train",
    "train_mended",
]
