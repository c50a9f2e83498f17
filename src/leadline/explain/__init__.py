"""Explaining: what an answer depends on, and what a network is made of.

Dependence and importance take any function from arrays to arrays; the others take a network apart: what each layer costs, how
far it sees, and whether its backward pass is right.
"""

from leadline.explain.dependence import Dependence, partial_dependence
from leadline.explain.field_drawing import draw_receptive_field, effective_field
from leadline.explain.field_records import Along, Field, LayerField, ReceptiveFields
from leadline.explain.fields import receptive_field
from leadline.explain.gradient_checks import gradient_check
from leadline.explain.gradient_results import GradientCheck, GradientEntry, TensorCheck
from leadline.explain.importance import Importance, permutation_importance
from leadline.explain.summaries import Summary, SummaryRow, summary

__all__ = [
    "Along",
    "Dependence",
    "Field",
    "GradientCheck",
    "GradientEntry",
    "Importance",
    "LayerField",
    "ReceptiveFields",
    "Summary",
    "SummaryRow",
    "TensorCheck",
    "draw_receptive_field",
    "effective_field",
    "gradient_check",
    "partial_dependence",
    "permutation_importance",
    "receptive_field",
    "summary",
]
