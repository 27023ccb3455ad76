"""Comparison and Decision -> the six files of a run, and what a person sees in a terminal.

`files.write_run` writes them all. Charts, templates and the terminal are imported by those who draw, so that importing
this package stays cheap.
"""

from evalkit.report.files import write_run

__all__ = ["write_run"]
