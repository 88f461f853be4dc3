"""harness: the latency compliance bench for robots."""

__version__ = "0.1.0"
