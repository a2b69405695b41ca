"""The figures of a report, drawn by matplotlib as SVG that belongs into a page."""

from outpace.report.figures.canvas import Picture
from outpace.report.figures.hosts import capacities, time_by_host
from outpace.report.figures.lanes import MOST_HOSTS, in_flight, lanes_of
from outpace.report.figures.ratios import rounds, strategies
from outpace.report.figures.timeline import timeline

__all__ = [
    "MOST_HOSTS",
    "Picture",
    "capacities",
    "in_flight",
    "lanes_of",
    "rounds",
    "strategies",
    "time_by_host",
    "timeline",
]
