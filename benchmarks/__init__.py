"""What the harness itself costs, beside its peers: ``python -m benchmarks``.

``docs/performance.md`` says what is measured, how, and what came out.
"""
