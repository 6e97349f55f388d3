"""Taking the operator's requests: in order, each answered, and what is none set aside."""

from .alerts import Alerts
from .errors import BadFile, NotNow
from .flight import FlightRecorder
from .paths import StatePaths
from .quarantine import Quarantine
from .store import requests
from .verbs import Verbs


def apply_requests(paths: StatePaths, verbs: Verbs, quarantine: Quarantine, alerts: Alerts, flight: FlightRecorder) -> None:
    """Apply the waiting requests, in order, and answer each.

    Raises:
        OSError: the disk refuses; what is not answered is still there.
    """
    for path in requests.strangers(paths):
        quarantine.take(path, "no request by its name")
    for number in requests.waiting(paths):
        try:
            request = requests.load(paths, number)
            flight.begin()
            reply = verbs.apply(request)
            flight.answered(request, reply)
        except FileNotFoundError:
            continue
        except NotNow as error:
            alerts.warn("disk", error.message)
            return
        except BadFile as error:
            reply = requests.Answer(False, error.message, "", 1)
            quarantine.take(requests.file_of(paths, number), error.message)
        requests.answer(paths, number, reply)
