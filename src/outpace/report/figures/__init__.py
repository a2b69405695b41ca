"""The figures of a report, drawn by matplotlib as SVG that belongs into a page."""

from outpace.report.figures.canvas import Picture
from outpace.report.figures.hosts import capacities, time_by_host
from outpace.report.figures.ratios import rounds, strategies
from outpace.report.figures.timeline import timeline

__all__ = ["Picture", "capacities", "rounds", "strategies", "time_by_host", "timeline"]
