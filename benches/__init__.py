"""Speed, stated as ratios measured in one run.

`python -m benches` (or `make bench`) prints a report: this machine's peak and bandwidth, then matrix products,
elementwise operations, overheads and training steps beside NumPy, torch and JAX where they are installed.
`pytest benches --benchmark-only` times the same cases with pytest-benchmark, one group for each.
`make instructions` compares instruction counts with those in `instructions.json`.

Each `bench_*.py` holds the cases of one subject, written for every framework with its ordinary public API. The report
runs every framework in a process of its own, takes turns among them, and stops all but the one being timed: neither
their thread pools nor a drifting clock favours one.
"""
