"""`python -m bench`: run every measurement and print its table. No test depends on these."""

from bench import merge

for measurement in (merge,):
    print(measurement.run(), flush=True)
