"""The seed of a random test: from the environment, or a new one. Whoever takes it shows it when something is wrong."""

import os
import random


def seed_from_environment() -> int:
    """SEED, or a new one."""
    return int(os.environ.get("SEED") or random.SystemRandom().randrange(1 << 32))
