"""From the record of a training to one self-contained HTML page: nothing to load, nothing to run, nothing fetched."""

from leadline.report.page import render, summary_card, write

__all__ = ["render", "summary_card", "write"]
