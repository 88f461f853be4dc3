"""Results out as JSON, PDF, JUnit XML, Markdown."""
