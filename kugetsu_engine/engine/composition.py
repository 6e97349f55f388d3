"""Builds an engine from its parts; each is made after those it needs."""

import time
from collections.abc import Callable, Mapping

from ..agents import registry
from ..config.env_files import EnvFiles
from ..config.loader import SettingsSource
from ..config.prompt_template import PromptFile
from ..domain.alerts import Alerts
from ..domain.task import Notice
from ..paths import StatePaths
from ..process import identity
from ..queue.task_store import TaskStore
from ..scheduler.agent_pauses import AgentPauses
from ..scheduler.attempts import AttemptTracker
from ..scheduler.budget import Budget
from ..scheduler.change_tracker import ChangeTracker
from ..scheduler.conversation_log import ConversationLog
from ..scheduler.cooldowns import Cooldowns
from ..scheduler.dispatcher import Dispatcher
from ..scheduler.engine_context import EngineContext
from ..scheduler.finish_attempt import AttemptFinisher, FinishedAttempt
from ..scheduler.late_messages import LateMessages
from ..scheduler.memory_reservation import MemoryReservation
from ..scheduler.memory_shedding import MemoryShedding
from ..scheduler.orphans import OrphanReaper
from ..scheduler.preparations import Preparations
from ..scheduler.provider_backoff import ProviderBackoff
from ..scheduler.queue_control import QueueControl
from ..scheduler.recovery import Recovery
from ..scheduler.resource_gate import ResourceGate
from ..scheduler.session_recorder import SessionRecorder
from ..scheduler.shared_server import SharedServer
from ..scheduler.start_obstacles import StartObstacles
from ..state import issue_names
from ..state.memory_peaks import MemoryPeaksFile
from ..state.run_times import RunTimesFile
from ..storage import files, wakeup_fifo
from ..storage.engine_lock import EngineLock
from ..supervisor.launcher import Launcher
from ..supervisor.waker import Waker
from .agent_requests import AgentRequests
from .config_alerts import ConfigAlerts
from .flow_recorder import FlowRecorder
from .heartbeat import is_engine_alive
from .index_file import IndexFile
from .loop import Engine
from .request_handlers import RequestHandlers
from .request_inbox import RequestInbox

LOCK_WAIT_S = 2.0
"""How long to wait for the lock: a command may hold it for a moment."""


def open_engine(
    paths: StatePaths, environ: Mapping[str, str], mode: str, *, clock: Callable[[], float] = time.time,
    monotonic: Callable[[], float] = time.monotonic, launcher: Launcher | None = None,
    on_notice: Callable[[Notice], None] | None = None, resume: bool = False,
    boot_id: Callable[[], str] = identity.read_boot_id, drain: bool = False,
) -> Engine:  # fmt: skip
    """Take the engine's lock of a state directory and build the engine.

    Args:
        resume: do not pause the queue if the machine was restarted while there was work.
        boot_id: differs after every start of the machine.
        drain: start no tasks, from the first turn on.

    Raises:
        EngineHeld: another process is the engine.
        StateDirError: the state directory cannot be used.
    """
    lock, waker = EngineLock(paths), Waker()
    try:
        files.create_folders(paths.folders())
        lock.acquire(0.0 if mode == "command" or is_engine_alive(paths) else LOCK_WAIT_S)
        issue_names.keep_older_names(paths)
        engine = _compose(
            paths, dict(environ), mode, clock, monotonic, boot_id, lock=lock, waker=waker,
            launcher=launcher or Launcher(paths.supervisor_log), on_notice=on_notice, resume=resume,
        )  # fmt: skip
        engine.controls.draining = drain
        engine.read_state()
        if engine.context.lasts and (fd := wakeup_fifo.listen(paths.wakeup_fifo)) is not None:
            waker.listen(fd, engine.note_new_tasks)
        return engine
    except BaseException:
        waker.close()
        lock.release()
        raise


def _compose(
    paths: StatePaths, environ: Mapping[str, str], mode: str, clock: Callable[[], float], monotonic: Callable[[], float],
    boot_id: Callable[[], str], *, lock: EngineLock, waker: Waker, launcher: Launcher,
    on_notice: Callable[[Notice], None] | None, resume: bool,
) -> Engine:  # fmt: skip
    listeners: list[Callable[[Notice], None]] = []

    def publish(notice: Notice) -> None:
        for listener in listeners:
            listener(notice)

    settings, alerts = SettingsSource(paths, environ), Alerts(clock)
    store = TaskStore(paths, clock, alerts.warn, publish, monotonic, settings.default_server)
    context = EngineContext(paths, environ, mode, settings, clock, monotonic, boot_id, alerts, store.add_notice)
    controls = QueueControl(paths, settings.limit, context.lasts, clock)
    gate = ResourceGate((paths.root, paths.worktrees))
    backoff = ProviderBackoff(paths, clock, lambda agent: registry.find_provider(agent, settings.current))
    obstacles = StartObstacles(context, store=store)
    server = SharedServer(context, store=store, slots=lambda: controls.limit)

    # called when an attempt has ended
    cooldowns = Cooldowns(context, backoff=backoff)
    sessions = SessionRecorder(context)
    conversations = ConversationLog(context, quarantine=store.quarantine)
    budget = Budget(paths, clock, controls)
    run_times = RunTimesFile(paths)
    late_messages = LateMessages(context, store=store)

    peaks = MemoryPeaksFile(paths)
    reservation = MemoryReservation(
        paths, store=store, peaks=peaks, default_agent=lambda: settings.current.agent, monotonic=monotonic
    )  # fmt: skip
    learn_run_time, forget_learned = _make_run_time_listeners(run_times, settings)
    finisher = AttemptFinisher(
        context, store=store, launcher=launcher, gate=gate, obstacles=obstacles,
        before=(learn_run_time, reservation.learn_peak, cooldowns.note_result, sessions.note_result, conversations.note_result),
        after=(
            forget_learned, reservation.forget_learned, lambda finished: budget.add_attempt(finished.attempt),
            late_messages.note_end),
    )  # fmt: skip
    attempts = AttemptTracker(
        context, store=store, waker=waker, launcher=launcher, gate=gate, finisher=finisher,
        cooldowns=cooldowns, sessions=sessions,
    )  # fmt: skip
    preparations = Preparations(context, store=store, waker=waker, launcher=launcher, gate=gate)
    obstacles.is_made_ahead = preparations.is_made
    dispatcher = Dispatcher(
        context, store=store, controls=controls, attempts=attempts, finisher=finisher, conversations=conversations,
        backoff=backoff, gate=gate, reservation=reservation, obstacles=obstacles, launcher=launcher, server=server,
        preparations=preparations,
    )  # fmt: skip

    pauses = AgentPauses(context, store=store, attempts=attempts)
    shedding = MemoryShedding(context, store=store, pauses=pauses, reservation=reservation)
    handlers = RequestHandlers(
        context, store=store, controls=controls, backoff=backoff, attempts=attempts, dispatcher=dispatcher,
        agents=AgentRequests(context, store=store, controls=controls, pauses=pauses),
    )  # fmt: skip
    recovery = Recovery(context, store=store, controls=controls, attempts=attempts)
    listeners += [recovery.add_quarantined, *([on_notice] if on_notice is not None else [])]
    # after the listeners, as it journals the start and may set aside what it finds in the journal's place
    flow = FlowRecorder(context, journal=store.journal, controls=controls, gate=gate, backoff=backoff)
    return Engine(
        context, lock=lock, waker=waker, launcher=launcher, store=store, controls=controls, gate=gate, backoff=backoff,
        budget=budget, run_times=run_times, attempts=attempts, recovery=recovery, reaper=OrphanReaper(context),
        changes=ChangeTracker(context), late_messages=late_messages, server=server, shedding=shedding,
        dispatcher=dispatcher, flow=flow,
        inbox=RequestInbox(context, handlers=handlers, quarantine=store.quarantine, flow=flow),
        config_alerts=ConfigAlerts(context, env_files=EnvFiles(paths), prompt_file=PromptFile(paths)),
        index=IndexFile(context, store=store), resume=resume,
    )  # fmt: skip


def _make_run_time_listeners(
    run_times: RunTimesFile, settings: SettingsSource
) -> tuple[Callable[[FinishedAttempt], None], Callable[[FinishedAttempt], None]]:  # fmt: skip
    """Make the listeners before and after a task changes: if writing it fails and is repeated, it is still learned once."""
    learned: set[str] = set()

    def learn_run_time(finished: FinishedAttempt) -> None:
        task, seconds = finished.task, finished.attempt.worked_s
        if finished.attempt.outcome == "ok" and seconds is not None and task.id not in learned:
            run_times.learn(task, task.agent or settings.current.agent, seconds)
            learned.add(task.id)

    def forget_learned(finished: FinishedAttempt) -> None:
        learned.discard(finished.task.id)

    return learn_run_time, forget_learned
