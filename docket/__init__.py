"""Docket: packets on request, with an answer that can be trusted."""

__version__ = "2.0.0.dev0"
