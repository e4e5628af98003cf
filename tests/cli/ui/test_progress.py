"""The lines that `docket get` shows while it waits."""

import io

from docket.cli.ui.progress import Progress, verdict_lines
from docket.domain.job import Job, SourceAnswer, State, Verdict


def job(*answers: SourceAnswer, state: State = State.RUNNING) -> Job:
    return Job(
        id="0192f0c1-0000-7000-8000-000000000000",
        state=state,
        query="port 53",
        asked="port 53",
        explanation="",
        after="2026-11-24T14:02:00.000000Z",
        before="2026-11-24T14:10:00.000000Z",
        owner="",
        note="",
        created_at="2026-11-24T14:20:00.000000Z",
        deadline="2026-11-24T14:40:00.000000Z",
        sources=answers,
    )


def shown(*states: Job, live: bool = False, colour: bool = False) -> str:
    out = io.StringIO()
    bars = Progress(out, live=live, colour=colour)
    for state in states:
        bars.update(state)
    return out.getvalue()


def reading(progress: float, packets: int = 1) -> SourceAnswer:
    return SourceAnswer(name="a:b", progress=progress, packets=packets, bytes=80 * packets, attempt=1)


def test_without_a_terminal_each_change_is_one_line() -> None:
    """A log gets a line at the beginning, at each quarter of the window, and with the verdict; never one twice."""
    done = SourceAnswer(name="a:b", progress=1.0, packets=9, bytes=720, attempt=1, verdict=Verdict.COMPLETE)
    text = shown(job(SourceAnswer(name="a:b")), job(reading(0.01)), job(reading(0.02)), job(reading(0.6)), job(done))
    assert text.splitlines() == [
        "a:b: reading, 1 packet, 80 B",
        "a:b: reading, 1 packet, 80 B",
        "a:b: complete: 9 packets, 720 B",
    ]


def test_on_a_terminal_lines_are_drawn_anew() -> None:
    """The cursor goes up by as many lines as there are sources."""
    first = job(reading(0.5), SourceAnswer(name="a:c"))
    text = shown(first, first, live=True)
    assert text.count("\x1b[2A") == 1
    assert "a:b  ##########..........  50 %  reading, 1 packet, 80 B\n" in text
    assert "a:c  ....................   0 %  waiting for its worker\n" in text


def test_colour_is_never_alone_and_only_on_demand() -> None:
    """A verdict is a word; its colour comes only where the terminal has some."""
    bad = job(SourceAnswer(name="a:b", verdict=Verdict.REFUSED, attempt=1))
    plain, coloured = shown(bad, live=True), shown(bad, live=True, colour=True)
    assert "\x1b[31m" not in plain
    assert "\x1b[31mrefused: 0 packets, 0 B\x1b[0m" in coloured


def test_waiting_is_said_in_the_words_of_the_source() -> None:
    """A sentence from the worker stands where the numbers would."""
    waiting = SourceAnswer(name="a:b", sentence="place 3 in the queue", attempt=1)
    assert shown(job(waiting)) == "a:b: place 3 in the queue\n"


def test_full_answer_has_a_full_bar() -> None:
    """Whatever the last progress was, a complete source is at 100 %."""
    done = SourceAnswer(name="a:b", verdict=Verdict.EMPTY, progress=0.4, attempt=1)
    assert "#################### 100 %" in shown(job(done), live=True)


def test_broken_off_answer_keeps_its_bar() -> None:
    """A source that was broken off stays where it was, whatever the server says of its progress."""
    cut = SourceAnswer(name="a:b", verdict=Verdict.CANCELLED, progress=1.0, attempt=1)
    assert shown(job(reading(0.5)), job(cut), live=True).endswith(
        "##########..........  50 %  cancelled: 0 packets, 0 B\n"
    )


def test_line_between_is_not_drawn_over() -> None:
    """After a line of another kind the bars are drawn anew below it."""
    out = io.StringIO()
    bars = Progress(out, live=True, colour=False)
    bars.update(job(reading(0.5)))
    bars.interject("Cancelling.")
    bars.update(job(reading(0.5)))
    assert "\x1b[1A" not in out.getvalue().partition("Cancelling.")[2]


def test_verdicts_are_sentences_with_a_next_step() -> None:
    """Each source has its line; what to do next stands below."""
    answers = (
        SourceAnswer(name="a:b", verdict=Verdict.COMPLETE, sentence="All 9 packets are here."),
        SourceAnswer(name="a:c", verdict=Verdict.REFUSED, sentence="403\x1b[2J", next_step="Look at its certificate."),
    )
    assert verdict_lines(job(*answers, state=State.PARTIAL)) == [
        "a:b: complete. All 9 packets are here.",
        "a:c: refused. 403\\x1b[2J.",
        "  Look at its certificate.",
    ]
