"""Taking the operator's requests: in order, each answered, and what is none set aside."""

from collections.abc import Callable

from .alerts import Alerts
from .errors import BadFile, NotNow
from .flight import FlightRecorder
from .paths import StatePaths
from .quarantine import Quarantine
from .store import requests
from .verbs import Verbs

TURN_S = 0.5
"""How long one turn of the engine applies requests; each is flushed to disk, and agents wait to be started and collected."""


def apply_requests(
    paths: StatePaths, verbs: Verbs, quarantine: Quarantine, alerts: Alerts, flight: FlightRecorder, within_s: float,
    monotonic: Callable[[], float],
) -> bool:  # fmt: skip
    """Apply the waiting requests, in order, and answer each; whether some are left, as the time is over.

    Args:
        within_s: after this time no further request is begun; the first one always is.

    Raises:
        OSError: the disk refuses; what is not answered is still there.
    """
    for path in requests.strangers(paths):
        quarantine.take(path, "no request by its name")
    until = monotonic() + within_s
    for done, number in enumerate(requests.waiting(paths)):
        if done and monotonic() >= until:
            return True
        try:
            request = requests.load(paths, number)
            flight.begin()
            reply = verbs.apply(request)
            flight.answered(request, reply)
        except FileNotFoundError:
            continue
        except NotNow as error:
            alerts.warn("disk", error.message)
            return False
        except BadFile as error:
            reply = requests.Answer(False, error.message, "", 1)
            quarantine.take(requests.file_of(paths, number), error.message)
        requests.answer(paths, number, reply)
    return False
