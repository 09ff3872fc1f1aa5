"""The controller daemon of a chiropractic drop table."""

__version__ = "0.1.0"
