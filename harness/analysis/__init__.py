"""Run folder in, results out: matching, samples, statistics, verdicts. Needs only files."""
