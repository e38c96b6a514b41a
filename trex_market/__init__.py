"""A futures market for a neighbourhood's electricity."""

__version__ = "0.1.0"
