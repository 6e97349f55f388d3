"""The timeline and the figures: every attempt has its place, none lies over another, and the numbers add up."""

import random
import re
from itertools import pairwise

from kugetsu_engine.client.snapshot import Active, EngineView, Snapshot
from kugetsu_engine.domain.decisions.duration_model import RunTimes
from kugetsu_engine.domain.task import Attempt, Delivered, Task, Usage
from kugetsu_engine.domain.text.quantities import format_moment, format_number
from kugetsu_engine.domain.text.times import iso
from kugetsu_tui.formatting.cells import measure_width
from kugetsu_tui.viewmodels import utilization

NOW = 1_800_000_000.0


def ran(number: int, start: float, took: float, outcome: str = "ok", state: str = "completed") -> Task:
    """An ended task of one attempt; `start` in seconds before now."""
    attempt = Attempt(
        1, iso(NOW - start), iso(NOW - start + took), outcome=outcome, elapsed_s=took,  # type: ignore[arg-type]
        delivered=Delivered(commits=2), usage=Usage(1000, 0.5),
    )  # fmt: skip
    return Task(
        f"q_{number}", f"local/app#{number}", state=state, attempt=1, attempts=[attempt],  # type: ignore[arg-type]
        completed_at=iso(NOW - start + took),
    )  # fmt: skip


def snapshot(*done: Task, active: tuple[Active, ...] = ()) -> Snapshot:
    """A picture of the past."""
    return Snapshot(NOW, EngineView(False), 3, active, (), done, len(done), (), "", (), RunTimes(), default_agent="demo")


def text(spans: utilization.Spans) -> str:
    """A line without its colours."""
    return "".join(part for part, _ in spans)


def test_bars_never_overlap_and_every_line_is_as_wide_as_it_should_be() -> None:
    """Whatever ran, at any width."""
    dice = random.Random(7)
    for _ in range(60):
        tasks = [ran(0, 60, 30)] + [ran(n, dice.uniform(1, 7000), dice.uniform(0.1, 4000)) for n in range(dice.randint(1, 40))]
        bars = utilization.list_bars(snapshot(*tasks), NOW - 3600)
        for row in utilization.arrange_lanes(bars):
            assert all(one.end <= other.start for one, other in pairwise(row))
        width = dice.randint(20, 180)
        lines = utilization.draw_timeline(bars, NOW - 3600, NOW, width)
        assert {measure_width(text(line)) for line in lines} == {width}


def test_what_runs_now_reaches_to_the_right_end_and_says_its_number() -> None:
    task = Task("q_5", "local/app#5", state="running", attempt=1)
    picture = snapshot(ran(1, 3000, 1500), active=(Active(task, None, None, 1200.0, 3600.0, None),))
    line, *_ = utilization.draw_timeline(utilization.list_bars(picture, NOW - 3600), NOW - 3600, NOW, 60)
    assert "#1" in text(line)
    assert "#5" in text(line)
    assert line[-1][1] == "info"
    assert [tone for _, tone in line if tone == "good"] == ["good"]


def test_the_axis_has_times_of_the_clock_below_their_cells() -> None:
    """At every length and width: round, in order, apart from each other and from `now`."""
    for span in utilization.SPANS_S:
        for width in (30, 59, 100, 180):
            line = text(utilization.draw_timeline([utilization.Bar("q_1", NOW - 60, NOW, "good")], NOW - span, NOW, width)[-1])
            assert measure_width(line) == width
            assert line.endswith(" now")
            for label in re.finditer(r"(?:(\d\d \w\w\w) )?(\d\d):(\d\d)", line):
                assert int(label[3]) % 5 == 0
                there = format_moment(NOW - span + label.start() * span / width, NOW if label[1] else None)
                minutes = [int(clock[-5:-3]) * 60 + int(clock[-2:]) for clock in (there, label[0])]
                assert (minutes[1] - minutes[0]) % 1440 <= span / width / 60 + 1


def test_the_time_that_is_looked_at_first_shows_what_ran_lately() -> None:
    """A morning is not squeezed into two cells, nor is it cut."""
    assert utilization.choose_span(snapshot(ran(1, 1500, 60))) == 3600
    assert utilization.choose_span(snapshot(ran(1, 1500, 60), ran(2, 5000, 60))) == 3 * 3600
    assert utilization.choose_span(snapshot(ran(1, 1500, 60), ran(2, 90_000, 60))) == 3600
    assert utilization.choose_span(snapshot(ran(1, 40_000, 60))) == 12 * 3600
    assert utilization.choose_span(snapshot(ran(1, 20_000, 15_000))) == 6 * 3600
    assert utilization.choose_span(snapshot()) == 6 * 3600


def test_nothing_ran() -> None:
    assert text(utilization.draw_timeline([], NOW - 60, NOW, 40)[0]) == "no agent ran in this span"


def test_the_figures_add_up_and_the_biggest_comes_first() -> None:
    tasks = [ran(n, 5000 - n, 100.0) for n in range(6)]
    tasks += [ran(9, 300, 10.0, "failed", "error")]
    other = Task("q_20", "local/zoo#1", state="cancelled", completed_at=iso(NOW))
    total, by_repository, by_agent = utilization.count_figures([*tasks, other], "demo")
    assert (total.tasks, total.completed, total.failed, total.attempts, total.commits) == (8, 6, 1, 7, 14)
    assert (total.tokens, total.cost) == (7000, 3.5)
    assert list(by_repository) == ["app", "zoo"]
    assert list(by_agent) == ["demo"]
    lines = [text(line) for line in utilization.draw_table(total, (("by repository", by_repository),), 100)]
    assert "75%" in lines[1]
    assert " 7.0k " in lines[1]


def test_a_narrow_table_drops_columns_from_the_right() -> None:
    total, by_repository, _ = utilization.count_figures([ran(1, 100, 10.0)], "demo")
    for width in (20, 40, 80, 140):
        lines = utilization.draw_table(total, (("by repository", by_repository),), width)
        assert all(measure_width(text(line)) <= max(width, 24) for line in lines)


def test_tokens_are_counted_by_thousands() -> None:
    """They are no bytes."""
    counts = (0, 512, 999, 1000, 9949, 9950, 999_499, 999_500, 1_000_000, 12_345_678, 3_400_000_000)
    written = [format_number(count) for count in counts]
    assert written == ["0", "512", "999", "1.0k", "9.9k", "10k", "999k", "1.0M", "1.0M", "12M", "3.4G"]
