"""What the rigs of a bench do, as metrics: a process of its own reads their run folders, so that no run
waits for it or knows of it. ``harness metrics`` serves them; docs/dashboards.md lists them.
"""
