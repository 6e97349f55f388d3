"""Providers that rest: after a rate limit, a spent quota, or a refused key nothing is started that would run into it again.
And hosts that did not answer when a clone was to be made: they are asked again later, by one task first.

Kept in `queue/pauses.json`, written by the engine alone; so a rest outlives it. It ends by itself, or by `resume --agent`.
"""

from collections.abc import Callable

import msgspec

from ..domain import failures
from ..domain.decisions.scheduling import Cooldown
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
"""A rest that grows by less is not told again."""
HOST_REST_S, HOST_REST_MAX_S = 30.0, 900.0
"""The first rest of a host that does not answer, which doubles with each in a row, and the longest."""


class ProviderBackoff:
    """The rests of one engine's providers."""

    def __init__(self, paths: StatePaths, now: Callable[[], float], provider_of: Callable[[str], str]) -> None:
        """Read what stands.

        Args:
            provider_of: whose limits an agent runs into.
        """
        self._paths = paths
        self._now = now
        self._provider_of = provider_of
        self._pauses = load_pauses(paths)
        self.version = 0
        """Grows with each change of what rests, so that others know that they must look again."""

    def list_cooldowns(self) -> dict[str, Cooldown]:
        """The rests that last still, by provider."""
        return list_provider_cooldowns(self._pauses, self._now())

    def record_limit(
        self, agent: str, failure: str, text: str, started: float | None, ended: float | None, resets_at: float | None,
        delay: float, delay_max: float,
    ) -> Cooldown | None:  # fmt: skip
        """Take in that an attempt ran into a limit; the rest that this begins or makes much longer, else None.

        Args:
            started: when the attempt began, in seconds since 1970.
            ended: when it ended, which may be long ago if no engine was there to see it.
            resets_at: when the limit is over, where the provider said so.
            delay: the first rest where it did not, in seconds; doubles with each in a row.
            delay_max: the longest such rest, longer for what takes longer to mend.
        """
        now, provider = self._now(), self._provider_of(agent)
        policy = failures.get_policy(failure)
        before = self._pauses.get(provider)
        before = before if before and _age(before, now) < FORGET_AFTER_S else None
        # Agents that ran side by side run into one limit together: that is one rest, not several in a row. So is an attempt
        # that is taken in again, as a crash or a full disk kept it from the books.
        same = before is not None and started is not None and started <= (epoch(before.since) or 0.0) <= now
        count = (before.count if same else before.count + 1) if before else 1
        longest = max(delay_max, delay * policy.pause)
        until = (ended or now) + min(delay * policy.pause * 2.0 ** min(count - 1, 30), longest)
        if resets_at is not None and now < resets_at <= now + BELIEVED_S:
            import random  # not at the top: commands that read load this module, and draw no lots

            until = resets_at + random.uniform(0.0, min(0.02 * (resets_at - now), 30.0))
        elif same and before is not None:
            until = max(until, epoch(before.until) or 0.0)
        since = before.since if same and before else iso(now)
        self._put({**self._pauses, provider: Pause(failure, since, iso(until), text[:300], count, until <= now)})
        news = not same or before is None or until > (epoch(before.until) or 0.0) + NEWS_S
        return self.list_cooldowns().get(provider) if news else None

    def record_success(self, agent: str) -> None:
        """Take in that an attempt reached its provider: the next limit is again the first in a row."""
        provider = self._provider_of(agent)
        pause = self._pauses.get(provider)
        if pause is not None and (epoch(pause.until) or 0.0) <= self._now():
            self._put({name: other for name, other in self._pauses.items() if name != provider})

    def list_unreachable_hosts(self) -> dict[str, Cooldown]:
        """The hosts that did not answer, until one of their tasks has been prepared; their rest may be over."""
        return list_host_cooldowns(self._pauses, self._now())

    def record_host_failure(self, host: str, text: str, started: float | None) -> Cooldown | None:
        """Take in that a host did not answer a task that was being prepared; the rest that this begins, else None.

        Args:
            started: when the attempt began, in seconds since 1970; several side by side make one rest.
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
        """Take in that a task of a host was prepared: its other tasks go on."""
        pause = self._pauses.get(host)
        if pause is not None and pause.failure == NETWORK:
            self._put({name: other for name, other in self._pauses.items() if name != host})

    def end_cooldown(self, name: str) -> bool:
        """End the rest of a host, a provider, or an agent's provider, now; whether there was one."""
        if name in self.list_unreachable_hosts():
            self.record_host_answer(name)
            return True
        rest = self.list_cooldowns()
        provider = name if name in rest else self._provider_of(name)
        if provider not in rest:
            return False
        self._put({other: pause for other, pause in self._pauses.items() if other != provider})
        return True

    def pop_ended(self) -> list[str]:
        """The providers whose rest has ended since the last call."""
        rest = self.list_cooldowns()
        ended = [name for name, pause in self._pauses.items() if not pause.told and name not in rest]
        if ended:
            self._put({
                name: msgspec.structs.replace(pause, told=True) if name in ended else pause
                for name, pause in self._pauses.items()
            })  # fmt: skip
        return ended

    def _put(self, pauses: dict[str, Pause]) -> None:
        """Take over and write down; a disk that refuses costs the memory of it, not the rest itself."""
        self._pauses = {name: pause for name, pause in pauses.items() if _age(pause, self._now()) < FORGET_AFTER_S}
        self.version += 1
        try:
            files.replace(self._paths.pauses, msgspec.json.encode(self._pauses))
        except OSError:
            return


def _age(pause: Pause, now: float) -> float:
    return now - (epoch(pause.until) or 0.0)
