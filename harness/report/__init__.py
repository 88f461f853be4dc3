"""Results out as PDF, JUnit XML and Markdown. Reads a run folder, never a device.

Importing this is light: matplotlib and typst are imported when a PDF is made.
"""

from harness.report.junit import render_junit
from harness.report.pdf import render_pdf
from harness.report.render import render
from harness.report.summary import append_step_summary, render_summary

__all__ = ["append_step_summary", "render", "render_junit", "render_pdf", "render_summary"]
