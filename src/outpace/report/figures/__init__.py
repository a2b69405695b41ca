"""The figures of a report, drawn by matplotlib as SVG that belongs into a page."""

from outpace.report.figures.arrivals import latencies, queues, rates
from outpace.report.figures.canvas import Picture
from outpace.report.figures.capacity import capacities
from outpace.report.figures.gain import makespans
from outpace.report.figures.latency import time_by_host
from outpace.report.figures.strategies import gains, ratios
from outpace.report.figures.timeline import timeline

__all__ = [
    "Picture",
    "capacities",
    "gains",
    "latencies",
    "makespans",
    "queues",
    "rates",
    "ratios",
    "time_by_host",
    "timeline",
]
