"""`make chaos`: 200 jobs over four sources in the midst of chaos, three seeds in a row; SEED=… repeats a run."""

from __future__ import annotations

import os
import random
import shutil
import sys
import tempfile
from pathlib import Path

from tests.chaos.run import run
from tests.services.rabbitmq import Broker

JOBS = 200
SEEDS = 3
HARD = ("broker restarted", "broker killed")
JOBS_PER_BLOW = 6


def main() -> int:
    """Print a report per seed. The exit code is 0 if nothing is wrong; else the logs are kept."""
    given = os.environ.get("SEED")
    seeds = [int(given)] if given else [random.SystemRandom().randrange(1 << 32) for _ in range(SEEDS)]
    for seed in seeds:
        print(f"seed {seed} …", flush=True)
        place = Path(tempfile.mkdtemp(prefix="docket-chaos-"))
        broker = Broker(place / "rabbitmq")
        (place / "docket").mkdir()
        try:
            broker.start()
            report = run(place / "docket", broker, seed, JOBS, HARD, JOBS_PER_BLOW)
        except BaseException:
            print(f"the logs are in {place}")
            raise
        finally:
            broker.close()
        print(report.text(), flush=True)
        if report.wrong:
            print(f"the logs are in {place}; SEED={seed} asks the same again")
            return 1
        shutil.rmtree(place)
    return 0


if __name__ == "__main__":
    sys.exit(main())
