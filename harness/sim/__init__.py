"""Simulated robots: processes of their own, never imported by the harness."""
