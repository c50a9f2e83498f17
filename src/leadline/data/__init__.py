"""From a source (photos, tables, arrays, a name) to a Dataset: splits, targets, ids, and the Schema learned from training."""

from leadline.data.answers import Classes, Labels, Numbers
from leadline.data.batches import Batches
from leadline.data.dataset import Dataset, Excluded, Origin, Split
from leadline.data.forecasts.forecast_answers import Forecasts
from leadline.data.forecasts.windows import Windows
from leadline.data.loading import load
from leadline.data.pictures.augment import Augment
from leadline.data.pictures.drawn_answers import Drawings
from leadline.data.pictures.enlarging import LargePictures, SmallPictures
from leadline.data.pictures.near_copies import NearCopies, find_near_copies
from leadline.data.pictures.pictures import Pictures
from leadline.data.ragged import Ragged
from leadline.data.reading_again import read
from leadline.data.schema import Schema
from leadline.data.series.series import Series
from leadline.data.steps.step_answers import StepClasses, StepNumbers
from leadline.data.steps.tagged_sentences import Sentences
from leadline.data.tables.table import Table
from leadline.data.texts.texts import Texts
from leadline.data.trees.tree_batches import TreeBatches
from leadline.data.trees.trees import NodeClasses, Trees
from leadline.data.unlabelled.reconstructions import Reconstructions
from leadline.data.unlabelled.unit_inputs import UnitPictures, UnitVectors
from leadline.data.vectors import Vectors

__all__ = [
    "Augment",
    "Batches",
    "Classes",
    "Dataset",
    "Drawings",
    "Excluded",
    "Forecasts",
    "Labels",
    "LargePictures",
    "NearCopies",
    "NodeClasses",
    "Numbers",
    "Origin",
    "Pictures",
    "Ragged",
    "Reconstructions",
    "Schema",
    "Sentences",
    "Series",
    "SmallPictures",
    "Split",
    "StepClasses",
    "StepNumbers",
    "Table",
    "Texts",
    "TreeBatches",
    "Trees",
    "UnitPictures",
    "UnitVectors",
    "Vectors",
    "Windows",
    "find_near_copies",
    "load",
    "read",
]
