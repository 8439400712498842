"""The report of a run: one HTML page of what a model learned and how far to trust its numbers."""

from harmonium.report.page import write_report

__all__ = ["write_report"]
