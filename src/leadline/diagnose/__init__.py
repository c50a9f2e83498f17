"""Diagnosis: what is wrong with a training, how one knows, why, and what mends it."""

from leadline.diagnose.before_training import check
from leadline.diagnose.findings import Finding, Measure, Remedy, Verdict
from leadline.diagnose.kinds import KINDS
from leadline.diagnose.lightning_probes import lightning_callback
from leadline.diagnose.probing import Probe, watch
from leadline.diagnose.readings import Readings

__all__ = ["KINDS", "Finding", "Measure", "Probe", "Readings", "Remedy", "Verdict", "check", "lightning_callback", "watch"]
