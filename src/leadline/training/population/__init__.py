"""Many networks of one architecture trained at once: random restarts, searches for rates, ensembles."""

from leadline.training.population.batches import PopulationBatch, PopulationBatches
from leadline.training.population.best import PopulationBest, Ranked
from leadline.training.population.deciding import stackable
from leadline.training.population.evaluation import PopulationEvaluation
from leadline.training.population.one_network import Candidate
from leadline.training.population.step import Population
from leadline.training.population.updates import UPDATES

__all__ = [
    "UPDATES",
    "Candidate",
    "Population",
    "PopulationBatch",
    "PopulationBatches",
    "PopulationBest",
    "PopulationEvaluation",
    "Ranked",
    "stackable",
]
