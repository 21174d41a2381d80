"""Random draws: nothing to compute, so their checks are in `test_random.py`; the sweep only sees that they are known."""
