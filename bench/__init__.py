"""Measurements: each figure beside a reference taken in the same run. `make bench` runs them all."""
