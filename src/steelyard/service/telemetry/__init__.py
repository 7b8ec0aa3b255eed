"""Telemetry: what a running service measures, in the form that scrapers read.

Counting happens where things happen, in a microsecond; everything that is state (prices, margin units, the
fund) is read from the engine only when a scraper asks. No account is ever a label.
"""

from steelyard.service.telemetry.metrics import METRICS, Metrics, Reading

__all__ = ["METRICS", "Metrics", "Reading"]
