"""Random draws: see `test_random.py` for their distributions."""
