"""Cooldowns of providers, after a rate limit, a spent quota or a refused key; and of hosts that did not answer a clone.

They are kept in `queue/pauses.json`, written by the engine alone, so they outlive it. A cooldown ends after its time, or by
`resume --agent`. A host is then tried by one task first.
"""

from collections.abc import Callable

import msgspec

from ..domain import failures
from ..domain.decisions.waiting_reasons import Cooldown
from ..domain.text.times import epoch, iso
from ..paths import StatePaths
from ..state.rate_limits import (
    BELIEVED_S,
    FORGET_AFTER_S,
    NETWORK,
    Pause,
    list_host_cooldowns,
    list_provider_cooldowns,
    load_pauses,
)
from ..storage import files

NEWS_S = 60.0
"""A cooldown that grows by less is not reported again."""
HOST_REST_S, HOST_REST_MAX_S = 30.0, 900.0
"""The first cooldown of a host, which doubles with each in a row, and the longest."""


class ProviderBackoff:
    """The cooldowns of one engine."""

    def __init__(self, paths: StatePaths, now: Callable[[], float], provider_of: Callable[[str], str]) -> None:
        """Read the stored cooldowns; `provider_of` returns the provider whose limits apply to an agent."""
        self._paths = paths
        self._now = now
        self._provider_of = provider_of
        self._pauses = load_pauses(paths)
        self.version = 0
        """Grows with each change of the cooldowns."""

    def list_cooldowns(self) -> dict[str, Cooldown]:
        """List the current cooldowns by provider."""
        return list_provider_cooldowns(self._pauses, self._now())

    def record_limit(
        self, agent: str, failure: str, text: str, started: float | None, ended: float | None, resets_at: float | None,
        delay: float, delay_max: float,
    ) -> Cooldown | None:  # fmt: skip
        """Record that an attempt ran into a limit; returns the cooldown that this starts or extends much, else None.

        Args:
            started: when the attempt started, in seconds since 1970.
            ended: when it ended, which may be long ago if no engine ran.
            resets_at: when the limit ends, if the provider said so.
            delay: the first cooldown if it did not, in seconds; doubles with each in a row.
            delay_max: the longest such cooldown; some failures extend it.
        """
        now, provider = self._now(), self._provider_of(agent)
        policy = failures.get_policy(failure)
        before = self._pauses.get(provider)
        before = before if before and _age(before, now) < FORGET_AFTER_S else None
        # Agents that ran side by side run into one limit together, which counts as one cooldown. So does an attempt that is
        # recorded again after a crash or a failed write.
        same = before is not None and started is not None and started <= (epoch(before.since) or 0.0) <= now
        count = (before.count if same else before.count + 1) if before else 1
        longest = max(delay_max, delay * policy.pause)
        until = (ended or now) + min(delay * policy.pause * 2.0 ** min(count - 1, 30), longest)
        if resets_at is not None and now < resets_at <= now + BELIEVED_S:
            import random  # not at the top: commands that only read import this module

            until = resets_at + random.uniform(0.0, min(0.02 * (resets_at - now), 30.0))
        elif same and before is not None:
            until = max(until, epoch(before.until) or 0.0)
        since = before.since if same and before else iso(now)
        self._put({**self._pauses, provider: Pause(failure, since, iso(until), text[:300], count, until <= now)})
        news = not same or before is None or until > (epoch(before.until) or 0.0) + NEWS_S
        return self.list_cooldowns().get(provider) if news else None

    def record_success(self, agent: str) -> None:
        """Record that an attempt reached its provider: the next limit counts as the first in a row."""
        provider = self._provider_of(agent)
        pause = self._pauses.get(provider)
        if pause is not None and (epoch(pause.until) or 0.0) <= self._now():
            self._put({name: other for name, other in self._pauses.items() if name != provider})

    def list_unreachable_hosts(self) -> dict[str, Cooldown]:
        """List the hosts that did not answer, until a task of theirs is prepared; their cooldown may be over."""
        return list_host_cooldowns(self._pauses, self._now())

    def record_host_failure(self, host: str, text: str, started: float | None) -> Cooldown | None:
        """Record that a host did not answer while a worktree was made; returns the cooldown that this starts, else None.

        Args:
            started: when the attempt started, in seconds since 1970; several side by side make one cooldown.
        """
        now, before = self._now(), self._pauses.get(host)
        before = before if before and before.failure == NETWORK and _age(before, now) < FORGET_AFTER_S else None
        if before is not None and started is not None and started <= (epoch(before.since) or 0.0) <= now:
            return None
        count = before.count + 1 if before else 1
        until = now + min(HOST_REST_S * 2.0 ** min(count - 1, 30), HOST_REST_MAX_S)
        self._put({**self._pauses, host: Pause(NETWORK, iso(now), iso(until), text[:300], count, True)})
        return self.list_unreachable_hosts().get(host)

    def record_host_answer(self, host: str) -> None:
        """Record that a host answered: its other tasks go on."""
        pause = self._pauses.get(host)
        if pause is not None and pause.failure == NETWORK:
            self._put({name: other for name, other in self._pauses.items() if name != host})

    def end_cooldown(self, name: str) -> bool:
        """End the cooldown of a host, a provider, or an agent's provider; returns whether there was one."""
        if name in self.list_unreachable_hosts():
            self.record_host_answer(name)
            return True
        cooldowns = self.list_cooldowns()
        provider = name if name in cooldowns else self._provider_of(name)
        if provider not in cooldowns:
            return False
        self._put({other: pause for other, pause in self._pauses.items() if other != provider})
        return True

    def pop_ended(self) -> list[str]:
        """Return the providers whose cooldown has ended since the last call."""
        cooldowns = self.list_cooldowns()
        ended = [name for name, pause in self._pauses.items() if not pause.told and name not in cooldowns]
        if ended:
            self._put({
                name: msgspec.structs.replace(pause, told=True) if name in ended else pause
                for name, pause in self._pauses.items()
            })  # fmt: skip
        return ended

    def _put(self, pauses: dict[str, Pause]) -> None:
        """Apply and write the cooldowns; if writing fails, they hold until the engine ends."""
        self._pauses = {name: pause for name, pause in pauses.items() if _age(pause, self._now()) < FORGET_AFTER_S}
        self.version += 1
        try:
            files.replace(self._paths.pauses, msgspec.json.encode(self._pauses))
        except OSError:
            return


def _age(pause: Pause, now: float) -> float:
    return now - (epoch(pause.until) or 0.0)
