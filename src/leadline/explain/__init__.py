"""Explaining: what an answer depends on. Arrays in, arrays out: any function from inputs to answers can be asked."""

from leadline.explain.dependence import Dependence, partial_dependence
from leadline.explain.importance import Importance, permutation_importance

__all__ = ["Dependence", "Importance", "partial_dependence", "permutation_importance"]
