"""The table of every fault that the harness knows, and what Docket made of each: `python -m tests.faults.table`.

All of it runs against the real pipeline: web, collector and workers as processes of their own, over a real RabbitMQ;
capture directories, each a source of its own, by one `docket run`.
The seed decides the moments of the kills; SEED=… repeats a run. The exit code is 0 if every row is right.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path

from tests.faults.directories import ask_directories
from tests.faults.disturbances import disturb_all
from tests.faults.outcome import Outcome
from tests.faults.sources import ask_all
from tests.services.chance import seed_from_environment
from tests.services.rabbitmq import Broker

_SENTENCE_COLUMNS = 72


def run_table(place: Path, broker: Broker, seed: int) -> Iterator[Outcome]:
    """Every row, as it is done. Below `place` there must be nothing yet; the broker is restarted and killed."""
    for name in ("sources", "disturbances"):
        (place / name).mkdir()
        broker.add_vhost(f"faults-{name}")
    yield from ask_all(place / "sources", broker.url("faults-sources"))
    broker.drop_vhost("faults-sources")
    yield from disturb_all(place / "disturbances", broker, "faults-disturbances", seed)
    broker.drop_vhost("faults-disturbances")
    (place / "directories").mkdir()
    yield from ask_directories(place / "directories")


def line(outcome: Outcome) -> str:
    """A row as text; what is wrong with it on lines of its own."""
    sentence = textwrap.shorten(outcome.sentence, _SENTENCE_COLUMNS, placeholder=" …")
    row = f"{outcome.fault:<44} {outcome.verdict:<12} {outcome.state:<10} {outcome.took_s:5.1f} s  {sentence}"
    return "\n".join([row, *(f"    WRONG: {wrong}" for wrong in outcome.wrong)])


def main() -> int:
    """Print the table. The services' logs are kept if anything is wrong."""
    seed = seed_from_environment()
    print(f"seed {seed}\n")
    print(f"{'fault':<44} {'verdict':<12} {'state':<10} {'time':>7}  sentence")
    place = Path(tempfile.mkdtemp(prefix="docket-faults-"))
    broker = Broker(place / "rabbitmq")
    outcomes = []
    try:
        broker.start()
        for outcome in run_table(place, broker, seed):
            print(line(outcome), flush=True)
            outcomes.append(outcome)
    except BaseException:
        print(f"the logs are in {place}")
        raise
    finally:
        broker.close()
    wrong = [outcome.fault for outcome in outcomes if outcome.wrong]
    print(f"\n{len(outcomes)} faults, {len(outcomes) - len(wrong)} right")
    if wrong:
        print(f"not right: {', '.join(wrong)}; the logs are in {place}")
        return 1
    shutil.rmtree(place)
    return 0


if __name__ == "__main__":
    sys.exit(main())
