"""Turns to read: how many at once, who passes whom, what those who wait hear."""

import threading

import pytest

from docket.domain.request import Request
from docket.workers.interface.reader import Stopped
from docket.workers.interface.scheduler import QUICK_IN_A_ROW, QUICK_S, CostModel, Scheduler
from tests.services.waiting import wait_until
from tests.workers.requests import START_US, US, ask


class Principal:
    """One that wants a turn, in a thread of its own, and holds it until told to go."""

    def __init__(self, scheduler: Scheduler, name: str, log: list[str], *, quick: bool, owner: str = "") -> None:
        self.places: list[int] = []
        self.stopped = False
        self._go = threading.Event()
        self._stop = threading.Event()
        self._scheduler, self._name, self._log, self._turn = scheduler, name, log, (quick, owner)
        self._thread = threading.Thread(target=self._visit)
        self._thread.start()

    def _visit(self) -> None:
        try:
            quick, owner = self._turn
            with self._scheduler.turn(quick=quick, stop=self._stop, on_place=self.places.append, owner=owner):
                self._log.append(self._name)
                self._go.wait(10)
        except Stopped:
            self.stopped = True

    def leave(self) -> None:
        self._go.set()
        self._thread.join(10)

    def stop(self) -> None:
        self._stop.set()
        self._scheduler.wake()
        self._thread.join(10)


def waiting(scheduler: Scheduler, count: int) -> None:
    wait_until(lambda: scheduler.waiting == count, f"{count} to wait")


def reading(scheduler: Scheduler, count: int) -> None:
    wait_until(lambda: scheduler.reading == count, f"{count} to read")


def test_no_more_than_allowed_read_at_once() -> None:
    """The third quick one waits until one of two has gone."""
    scheduler, log = Scheduler(2), list[str]()
    visitors = [Principal(scheduler, str(number), log, quick=True) for number in range(3)]
    reading(scheduler, 2)
    waiting(scheduler, 1)
    for visitor in visitors:
        visitor.leave()
    assert (len(log), scheduler.reading, scheduler.waiting) == (3, 0, 0)


def test_one_place_is_kept_for_quick_ones() -> None:
    """With two places, slow ones hold only one, and a quick one passes those that wait."""
    scheduler, log = Scheduler(2), list[str]()
    first = Principal(scheduler, "slow 1", log, quick=False)
    reading(scheduler, 1)
    second = Principal(scheduler, "slow 2", log, quick=False)
    waiting(scheduler, 1)
    quick = Principal(scheduler, "quick", log, quick=True)
    reading(scheduler, 2)
    assert log == ["slow 1", "quick"]
    for visitor in (first, second, quick):
        visitor.leave()
    assert log[2] == "slow 2"


def test_with_one_place_the_quick_ones_go_first() -> None:
    """With one place only, nothing can be kept free; but quick ones are next."""
    scheduler, log = Scheduler(1), list[str]()
    first = Principal(scheduler, "first", log, quick=False)
    reading(scheduler, 1)
    slow = Principal(scheduler, "slow", log, quick=False)
    waiting(scheduler, 1)
    quick = Principal(scheduler, "quick", log, quick=True)
    waiting(scheduler, 2)
    for visitor in (first, quick, slow):
        visitor.leave()
    assert log == ["first", "quick", "slow"]


def test_slow_ones_are_not_passed_for_ever() -> None:
    """After some quick ones in a row a slow one has its turn."""
    scheduler, log = Scheduler(1), list[str]()
    visitors = {"first": Principal(scheduler, "first", log, quick=True)}
    reading(scheduler, 1)
    visitors["slow"] = Principal(scheduler, "slow", log, quick=False)
    for number in range(QUICK_IN_A_ROW + 2):
        visitors[f"quick {number}"] = Principal(scheduler, f"quick {number}", log, quick=True)
    waiting(scheduler, QUICK_IN_A_ROW + 3)
    for turn in range(len(visitors)):
        wait_until(lambda: len(log) > turn, "the next turn")  # noqa: B023 - waited for right here
        visitors[log[turn]].leave()
    assert log.index("slow") == QUICK_IN_A_ROW


def test_the_place_in_the_queue_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits hears the place, and hears again when it changes."""
    monkeypatch.setattr("docket.workers.interface.scheduler.TELL_S", 0.01)
    scheduler, log = Scheduler(1), list[str]()
    visitors = [Principal(scheduler, "0", log, quick=False)]
    reading(scheduler, 1)
    for number in (1, 2):
        visitors.append(Principal(scheduler, str(number), log, quick=False))
        waiting(scheduler, number)
    wait_until(lambda: visitors[2].places == [2], "the second place")
    visitors[0].leave()
    wait_until(lambda: visitors[2].places == [2, 1], "the first place")
    for visitor in visitors[1:]:
        visitor.leave()
    assert visitors[0].places == []


def test_stopped_one_leaves_the_queue() -> None:
    """A job that is cancelled while it waits gives up its place."""
    scheduler, log = Scheduler(1), list[str]()
    first, second, third = (Principal(scheduler, str(number), log, quick=True) for number in range(3))
    waiting(scheduler, 2)
    holder = {"0": first, "1": second, "2": third}[log[0]]
    others = [visitor for visitor in (first, second, third) if visitor is not holder]
    others[0].stop()
    assert (others[0].stopped, scheduler.waiting) == (True, 1)
    holder.leave()
    others[1].leave()
    assert len(log) == 2


def hours(count: int, query: str) -> Request:
    return ask(START_US, START_US + count * 3600 * US, query)


@pytest.mark.parametrize(
    ("request_", "quick"),
    [
        (ask(START_US, START_US + 60 * US, ""), True),
        (hours(1, ""), False),
        (hours(24, "host 10.1.2.3 and port 443"), False),
        (hours(1, "host 10.1.2.3 and port 443"), True),
        (hours(1, "port 53"), False),
    ],
)
def test_first_guess(request_: Request, quick: bool) -> None:
    """Before anything was learned, short windows and narrow questions count as quick."""
    assert (CostModel().guess_s(request_) <= QUICK_S) is quick


def test_what_no_index_narrows_costs_as_much_as_everything() -> None:
    """What is read counts, not what is kept of it."""
    hour_us = 3_600 * US
    requests = [ask(START_US, START_US + hour_us, text) for text in ("", "not port 443", "inner host 10.1.2.3")]
    assert len({CostModel().guess_s(request) for request in requests}) == 1
    narrowed = ask(START_US, START_US + hour_us, "host 10.1.2.3 and not port 443")
    assert CostModel().guess_s(narrowed) < CostModel().guess_s(requests[0])


def test_costs_are_learned() -> None:
    """A source that is quick with a kind of question lets more of that kind into the quick lane."""
    cost_model = CostModel()
    request = hours(1, "port 53")
    for _ in range(20):
        cost_model.learn(request, 0.5)
    assert (cost_model.guess_s(request) < 1.0, cost_model.guess_s(hours(1, "")) > QUICK_S) == (True, True)


def test_owners_take_turns_within_a_lane() -> None:
    """One who comes with a single question is read after one of another's many, not after all of them."""
    scheduler, log = Scheduler(1), list[str]()
    visitors = {"a first": Principal(scheduler, "a first", log, quick=True, owner="a")}
    reading(scheduler, 1)
    for number, (name, owner) in enumerate([("a 1", "a"), ("a 2", "a"), ("a 3", "a"), ("b 1", "b")]):
        visitors[name] = Principal(scheduler, name, log, quick=True, owner=owner)
        waiting(scheduler, number + 1)
    for turn in range(len(visitors)):
        wait_until(lambda: len(log) > turn, "the next turn")  # noqa: B023 - waited for right here
        visitors[log[turn]].leave()
    assert log == ["a first", "b 1", "a 1", "a 2", "a 3"]


def test_a_long_turn_lets_another_owner_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside turns that last long one more is let in, up to the most, of owners who read nothing else."""
    monkeypatch.setattr("docket.workers.interface.scheduler.LONG_S", 0.0)
    scheduler, log = Scheduler(2, most=3), list[str]()
    long = [
        Principal(scheduler, f"a {number}", log, quick=quick, owner="a") for number, quick in enumerate((False, True))
    ]
    reading(scheduler, 2)
    more = Principal(scheduler, "a 2", log, quick=True, owner="a")
    waiting(scheduler, 1)
    other = Principal(scheduler, "b", log, quick=False, owner="b")
    wait_until(lambda: log[2:] == ["b"], "the other owner's turn")
    third = Principal(scheduler, "c", log, quick=True, owner="c")
    waiting(scheduler, 2)
    assert (len(log), scheduler.reading) == (3, 3)
    for visitor in (other, *long, more, third):
        visitor.leave()
    assert scheduler.reading == 0
