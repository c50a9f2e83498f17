"""Metrics: pure functions from predictions and truth, torch tensors on any device, to float64 scores; and their intervals."""

from leadline.metrics.anomalies import Threshold, anomaly_auroc, best_f1_threshold, quantile_threshold, tail_probabilities
from leadline.metrics.calibration import calibration_curve, calibration_error, labels_log_loss, log_loss
from leadline.metrics.classification import (
    accuracy,
    balanced_accuracy,
    confusion_matrix,
    exact_match,
    labels_accuracy,
    labels_f1,
    macro_f1,
    top_k_accuracy,
)
from leadline.metrics.information import (
    cross_entropy,
    entropy,
    information_content,
    kl_divergence,
    mutual_information,
    perplexity,
)
from leadline.metrics.intervals import bootstrap_interval, paired_difference, scores
from leadline.metrics.pictures import luminance, psnr, psnr_of_each, ssim, ssim_of_each
from leadline.metrics.ranking import auroc, average_precision, labels_auroc, labels_average_precision
from leadline.metrics.regression import mean_absolute_error, r2_score, root_mean_squared_error
from leadline.metrics.sample_distances import KernelDistance, frechet_distance, kernel_distance
from leadline.metrics.sample_spreads import (
    Copying,
    SampleSpread,
    copying,
    coverage,
    mean_pairwise_distance,
    nearest_rows_of,
    sample_spread,
)
from leadline.metrics.spans import spans_in
from leadline.metrics.table import Metric, for_task
from leadline.metrics.temperature import fit_temperature

__all__ = [
    "Copying",
    "KernelDistance",
    "Metric",
    "SampleSpread",
    "Threshold",
    "accuracy",
    "anomaly_auroc",
    "auroc",
    "average_precision",
    "balanced_accuracy",
    "best_f1_threshold",
    "bootstrap_interval",
    "calibration_curve",
    "calibration_error",
    "confusion_matrix",
    "copying",
    "coverage",
    "cross_entropy",
    "entropy",
    "exact_match",
    "fit_temperature",
    "for_task",
    "frechet_distance",
    "information_content",
    "kernel_distance",
    "kl_divergence",
    "labels_accuracy",
    "labels_auroc",
    "labels_average_precision",
    "labels_f1",
    "labels_log_loss",
    "log_loss",
    "luminance",
    "macro_f1",
    "mean_absolute_error",
    "mean_pairwise_distance",
    "mutual_information",
    "nearest_rows_of",
    "paired_difference",
    "perplexity",
    "psnr",
    "psnr_of_each",
    "quantile_threshold",
    "r2_score",
    "root_mean_squared_error",
    "sample_spread",
    "scores",
    "spans_in",
    "ssim",
    "ssim_of_each",
    "tail_probabilities",
    "top_k_accuracy",
]
