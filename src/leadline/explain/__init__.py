"""Explaining: what an answer depends on, and what a network is made of.

Dependence and importance take any function from arrays to arrays; the others take a network apart: what each layer costs, how
far it sees, whether its backward pass is right, where it looks in a picture, and what excites it.
"""

from leadline.explain.activation_maps import ClassMap, class_activation, grad_cam
from leadline.explain.boxes import Box, box_of, enlarged
from leadline.explain.colored_text import text_png
from leadline.explain.contact_sheets import contact_sheet
from leadline.explain.dependence import Dependence, partial_dependence
from leadline.explain.duplicate_pictures import DuplicateGroups, duplicate_groups
from leadline.explain.field_drawing import draw_receptive_field, effective_field
from leadline.explain.field_records import Along, Field, LayerField, ReceptiveFields
from leadline.explain.fields import receptive_field
from leadline.explain.filters import class_templates, first_filters
from leadline.explain.gates_in_time import GateReading, gate_readings
from leadline.explain.gradient_checks import gradient_check
from leadline.explain.gradient_results import GradientCheck, GradientEntry, TensorCheck
from leadline.explain.gradients_in_time import TimeGradient, gradient_through_time
from leadline.explain.importance import Importance, permutation_importance
from leadline.explain.labelled_sheets import Cell, sheet_png
from leadline.explain.leaving_out_words import word_importance
from leadline.explain.look_alikes import joined_groups, nearest_by_features, unit_rows
from leadline.explain.occluding import edge_color, log_odds, occlusion
from leadline.explain.occluding_stretches import stretch_importance
from leadline.explain.overlays import framed, heat_picture, mosaic, overlay, shown_picture, weight_picture
from leadline.explain.passes import MapLayer, feature_maps, map_layers
from leadline.explain.patches import Patch, exciting_patches
from leadline.explain.plane_drawing import Group, plane_png
from leadline.explain.planes import Plane, feature_plane
from leadline.explain.saliencies import saliency
from leadline.explain.samples.kept_sheets import KeptSheets, kept_film, sheet_frames
from leadline.explain.samples.sample_sheets import animated, beside_nearest_sheet, drawn_bytes, sample_sheet
from leadline.explain.sequence_drawing import gates_png, time_gradient_png
from leadline.explain.stretch_drawing import cells_png, stretches_png
from leadline.explain.summaries import Summary, SummaryRow, summary
from leadline.explain.unrolling import turned_layers
from leadline.explain.word_maps import word_map_png, words_to_map

__all__ = [
    "Along",
    "Box",
    "Cell",
    "ClassMap",
    "Dependence",
    "DuplicateGroups",
    "Field",
    "GateReading",
    "GradientCheck",
    "GradientEntry",
    "Group",
    "Importance",
    "KeptSheets",
    "LayerField",
    "MapLayer",
    "Patch",
    "Plane",
    "ReceptiveFields",
    "Summary",
    "SummaryRow",
    "TensorCheck",
    "TimeGradient",
    "animated",
    "beside_nearest_sheet",
    "box_of",
    "cells_png",
    "class_activation",
    "class_templates",
    "contact_sheet",
    "draw_receptive_field",
    "drawn_bytes",
    "duplicate_groups",
    "edge_color",
    "effective_field",
    "enlarged",
    "exciting_patches",
    "feature_maps",
    "feature_plane",
    "first_filters",
    "framed",
    "gate_readings",
    "gates_png",
    "grad_cam",
    "gradient_check",
    "gradient_through_time",
    "heat_picture",
    "joined_groups",
    "kept_film",
    "log_odds",
    "map_layers",
    "mosaic",
    "nearest_by_features",
    "occlusion",
    "overlay",
    "partial_dependence",
    "permutation_importance",
    "plane_png",
    "receptive_field",
    "saliency",
    "sample_sheet",
    "sheet_frames",
    "sheet_png",
    "shown_picture",
    "stretch_importance",
    "stretches_png",
    "summary",
    "text_png",
    "time_gradient_png",
    "turned_layers",
    "unit_rows",
    "weight_picture",
    "word_importance",
    "word_map_png",
    "words_to_map",
]
