"""Rests of providers: how long, how often in a row, and what is remembered."""

import os
from pathlib import Path

import pytest

from kugetsu_engine.domain.decisions.waiting_reasons import Cooldown
from kugetsu_engine.paths import StatePaths
from kugetsu_engine.scheduler.provider_backoff import ProviderBackoff
from kugetsu_engine.state.rate_limits import FORGET_AFTER_S, describe_cooldowns, list_provider_cooldowns, load_pauses
from kugetsu_engine.storage import files

START = 1_800_000_000.0


class Clock:
    """A clock that is set by hand."""

    now = START

    def __call__(self) -> float:
        return self.now


class Bench:
    """The rests of two providers, one of them of two agents."""

    def __init__(self, folder: Path) -> None:
        self.clock = Clock()
        self.told: Cooldown | None = None
        """What the last limit gave to tell."""
        self.paths = StatePaths(str(folder / "state"))
        files.create_folders(self.paths.folders())
        self.open()

    def open(self) -> None:
        """Begin anew, as an engine that starts does."""
        self.pauses = ProviderBackoff(self.paths, self.clock, lambda agent: "shared" if agent in ("a", "b") else agent)

    def hit(self, agent: str = "a", failure: str = "rate_limit", ran: float = 1.0, resets_at: float | None = None) -> float:
        """An attempt that has just ended ran into a limit; seconds until the end of the rest."""
        now = self.clock.now
        self.told = self.pauses.record_limit(agent, failure, "429", now - ran, now, resets_at, 30.0, 3600.0)
        return self.pauses.list_cooldowns()["shared" if agent in ("a", "b") else agent].until - now

    def rests(self) -> set[str]:
        """The providers that rest."""
        return set(self.pauses.list_cooldowns())


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A fresh one."""
    return Bench(tmp_path)


def test_rests_double_until_an_attempt_goes_well(bench: Bench) -> None:
    """30 s, 60 s, 120 s, never over the maximum; after a success 30 s again."""
    lengths = []
    for _ in range(9):
        lengths.append(bench.hit())
        bench.clock.now += lengths[-1] + 10
    assert lengths == [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]
    bench.pauses.record_success("b")
    assert bench.hit() == 30


def test_agents_that_ran_side_by_side_run_into_one_limit(bench: Bench) -> None:
    """Three failures of one moment are one rest, not three in a row, and are told once, unless it grows much."""
    assert bench.hit() == 30
    assert bench.told is not None
    bench.clock.now += 1
    assert bench.hit("b", ran=60) == pytest.approx(30, abs=1)
    bench.clock.now += 1
    assert bench.hit("a", ran=60) == pytest.approx(30, abs=1)
    assert bench.told is None
    bench.clock.now += 40
    assert bench.hit() == 60
    bench.clock.now += 1
    assert bench.hit(ran=60, resets_at=bench.clock.now + 3600) >= 3600
    assert bench.told is not None


def test_an_attempt_that_is_taken_in_again_makes_no_longer_rest(bench: Bench) -> None:
    """A full disk, or a crash, keeps its task from being recorded for a while."""
    ended = START - 0.1
    for turn in range(10):
        told = bench.pauses.record_limit("a", "rate_limit", "429", ended - 1, ended, None, 30.0, 3600.0)
        assert (told is not None) == (turn == 0)
        assert bench.pauses.list_cooldowns()["shared"].until == pytest.approx(ended + 30, abs=0.002)
        bench.clock.now += 1
        if turn == 5:
            bench.open()


def test_a_success_of_an_attempt_that_began_before_ends_no_rest(bench: Bench) -> None:
    """It says nothing about now."""
    bench.hit()
    bench.pauses.record_success("a")
    assert bench.rests() == {"shared"}


def test_a_time_of_reset_is_believed_and_only_slightly_exceeded(bench: Bench) -> None:
    """With a little more, so that not all come in the same second; one that is past or far away is passed over."""
    assert 7200 <= bench.hit(resets_at=START + 7200) <= 7230
    bench.pauses.end_cooldown("a")
    assert bench.hit(resets_at=START - 5) == 30
    bench.pauses.end_cooldown("a")
    assert bench.hit(resets_at=START + 90 * 86400) == 30


def test_a_quota_and_a_refused_key_rest_longer(bench: Bench) -> None:
    """Ten times as long, as nothing changes within seconds."""
    assert bench.hit(failure="quota") == 300
    assert bench.hit("other", failure="credentials") == 300


def test_a_rest_outlives_the_engine_and_is_lifted_by_agent(bench: Bench) -> None:
    """Whichever of its agents is named."""
    bench.hit("a")
    bench.open()
    assert bench.rests() == {"shared"}
    assert not bench.pauses.end_cooldown("other")
    assert bench.pauses.end_cooldown("b")
    assert not bench.pauses.end_cooldown("b")
    bench.open()
    assert bench.rests() == set()


def test_the_end_of_a_rest_is_told_once(bench: Bench) -> None:
    """Also to the engine that starts afterwards."""
    bench.hit()
    assert bench.pauses.pop_ended() == []
    bench.clock.now += 31
    bench.open()
    assert bench.pauses.pop_ended() == ["shared"]
    bench.open()
    assert bench.pauses.pop_ended() == []


def test_an_attempt_that_ended_long_ago_begins_no_rest(bench: Bench) -> None:
    """No engine was there to see it; the limit is over by now."""
    ended = START - 3600
    assert bench.pauses.record_limit("a", "rate_limit", "429", ended - 1, ended, None, 30.0, 3600.0) is None
    assert bench.pauses.pop_ended() == []


def test_an_old_limit_is_forgotten(bench: Bench) -> None:
    """What happened a day ago is no series."""
    bench.hit()
    bench.clock.now += FORGET_AFTER_S + 31
    assert bench.hit() == 30


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b'{"a": 1}', b"\xff\xfe", b'{"a": {"failure": "x"}}', b"[" * 100_000])
def test_a_broken_file_says_nothing(bench: Bench, data: bytes) -> None:
    """And is replaced by the next rest."""
    Path(bench.paths.pauses).write_bytes(data)
    assert load_pauses(bench.paths) == {}
    bench.open()
    bench.hit()
    assert set(load_pauses(bench.paths)) == {"shared"}


def test_a_rest_without_an_end_in_sight_is_not_believed(bench: Bench) -> None:
    """A clock that was wrong, or a hand that wrote nonsense."""
    bench.hit()
    bench.clock.now -= 365 * 86400
    assert bench.rests() == set()
    assert list_provider_cooldowns(load_pauses(bench.paths), START - 365 * 86400) == {}


def test_a_disk_that_refuses_does_not_keep_a_provider_from_resting(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest holds for as long as this engine lives."""

    def refuse(path: str, data: bytes, durable: bool = True) -> None:
        raise OSError(28, os.strerror(28), path)

    monkeypatch.setattr(files, "replace", refuse)
    assert bench.hit() == 30
    assert bench.rests() == {"shared"}


def test_all_rests_are_told_in_one_line() -> None:
    """For the alert."""
    text = describe_cooldowns({"a": Cooldown("a", START + 7200), "b": Cooldown("b", START + 60, "quota")}, START)
    assert text.startswith("a: rate limit, its tasks wait until ")
    assert "; b: quota, its tasks wait until " in text
