"""The bugs: what is replaced by what, and the tests that must notice."""

from typing import NamedTuple

MODEL = "tests/model"
FILES = "tests/unit/test_files.py"
RECOVERY = "tests/engine/test_recovery.py"
FAILURES = "tests/engine/test_failures.py"


class Bug(NamedTuple):
    """One bug."""

    name: str
    file: str
    old: str
    """Stands exactly once in the file."""
    new: str
    tests: str
    """What pytest is given: paths, and `-k WORDS`."""


BUGS: tuple[Bug, ...] = (
    Bug(
        "naive write of JSON",
        "kugetsu_engine/storage/files.py",
        "    temporary = write_aside(path, data, durable or whole)\n"
        "    try:\n        os.rename(temporary, path)\n    except OSError:\n",
        "    with open(path, 'wb') as file:\n        file.write(data)\n    return\n"
        "    try:\n        pass\n    except OSError:\n",
        FILES,
    ),
    Bug(
        "the folder is not flushed",
        "kugetsu_engine/storage/files.py",
        "    if durable:\n        flush_folder(os.path.dirname(path))\n",
        "",
        FILES,
    ),
    Bug(
        "rename before flush",
        "kugetsu_engine/storage/files.py",
        "    temporary = write_aside(path, data, durable or whole)\n    try:\n        os.rename(temporary, path)\n",
        "    temporary = write_aside(path, data, False)\n    try:\n        os.rename(temporary, path)\n"
        "        fd = os.open(path, os.O_RDONLY)\n        os.fsync(fd)\n        os.close(fd)\n",
        FILES,
    ),
    Bug(
        "count, then spawn: the slot is not locked",
        "kugetsu_engine/state/slots.py",
        "            fd = try_lock(paths.slot_lock(number))\n",
        "            fd = os.open(paths.slot_lock(number), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)\n",
        "tests/model/test_gate.py",
    ),
    Bug(
        "the slot's descriptor is not passed on",
        "kugetsu_engine/scheduler/dispatcher.py",
        "self._launcher.launch(job, lease.fds)",
        "self._launcher.launch(job, lease.fds[1:])",
        "tests/model/test_gate.py",
    ),
    Bug(
        "the locks are held by the engine alone",
        "kugetsu_engine/supervisor/supervisor.py",
        "    tree.become_subreaper()\n",
        "    for fd in received[1]:\n        unlock(os.dup(fd))\n    tree.become_subreaper()\n",
        "tests/engine/test_planted.py -k hold_the_locks",
    ),
    Bug(
        "a result is ignored on restart",
        "kugetsu_engine/scheduler/attempts.py",
        "                counts[self._settle(entry.id)] += 1\n",
        '                self._finisher.requeue(self._store.get(entry.id), "restarted")\n',
        f"{RECOVERY} -k what_ended_while",
    ),
    Bug(
        "an attempt that never began is not given back",
        "kugetsu_engine/domain/decisions/attempt_end.py",
        '        "attempt": attempt_before(task), "retry_at"',
        '        "retry_at"',
        f"{RECOVERY} -k never_began",
    ),
    Bug(
        "retry without a limit",
        "kugetsu_engine/domain/decisions/attempt_end.py",
        "    if used >= timing.max_attempts:\n",
        "    if used >= timing.max_attempts + 1000:\n",
        f"tests/unit/test_policy.py {MODEL}",
    ),
    Bug(
        "last in, first out, by the time of the file",
        "kugetsu_engine/domain/task.py",
        "    return (-priority, position, number, task_id)\n",
        "    return (-priority, -(epoch(pending_since) or 0.0), -number, task_id)\n",
        f"tests/unit/test_ledger.py {MODEL}",
    ),
    Bug(
        "the process group instead of the sweep",
        "kugetsu_engine/supervisor/supervisor.py",
        "        swept = tree.sweep_tree(os.getpid(), attempt.agent_pid, grace)\n",
        "        swept = 0\n        tree.signal_group(attempt.agent_pid or os.getpid(), signal.SIGTERM)\n",
        f"{FAILURES} -k session_of_its_own",
    ),
    Bug(
        "the agent does not die with its supervisor",
        "kugetsu_engine/process/tree.py",
        "        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)\n",
        "        pass\n",
        "tests/engine/test_planted.py",
    ),
    Bug(
        "alive is who has the pid",
        "kugetsu_engine/process/identity.py",
        " and read_start_ticks(pid) == ticks\n",
        " and read_start_ticks(pid) is not None\n",
        "tests/unit/test_identity.py",
    ),
    Bug(
        "a refused look means free",
        "kugetsu_engine/storage/locks.py",
        "    except FileNotFoundError:\n        return False\n    except BlockingIOError:\n        return True\n",
        "    except BlockingIOError:\n        return True\n    except OSError:\n        return False\n",
        "tests/unit/test_identity.py",
    ),
    Bug(
        "a zombie is alive",
        "kugetsu_engine/process/identity.py",
        'return None if fields[0] in "ZX" else int(fields[19])',
        "return int(fields[19])",
        "tests/unit/test_identity.py",
    ),
    Bug(
        "time limits by the clock on the wall",
        "kugetsu_engine/supervisor/agent_run.py",
        "        attempt, now = self.attempt, time.monotonic()\n        if attempt.stop_reason and",
        "        attempt, now = self.attempt, time.time()\n        if attempt.stop_reason and",
        "tests/engine/test_planted.py -k clock_on_the_wall",
    ),
    Bug(
        "a sleep in the loop",
        "kugetsu_engine/engine/loop.py",
        "        now = self._monotonic()\n        if not self.lock.still_ours():",
        "        time.sleep(15)\n        now = self._monotonic()\n        if not self.lock.still_ours():",
        "tests/engine/test_planted.py -k no_turn_sleeps",
    ),
    Bug(
        "what is set aside writes over what was",
        "kugetsu_engine/storage/files.py",
        "{stamp.replace(':', '')}-{os.urandom(3).hex()}-{name}",
        "{name}",
        FILES,
    ),
    Bug(
        "what cannot be read counts as empty",
        "kugetsu_engine/state/queue_settings.py",
        "UNREADABLE = Control(paused=True)",
        "UNREADABLE = Control()",
        "tests/corrupt -k paused",
    ),
    Bug(
        "nothing but the watcher: no rescan",
        "kugetsu_engine/engine/loop.py",
        "        full = now >= self._rescan_at\n",
        "        full = self._rescan_at == 0.0\n",
        "tests/model/test_hand_edits.py -k merge_conflict",
    ),
    Bug(
        "markup is read from data",
        "kugetsu_tui/modals/confirm.py",
        "yield Static(Content(clean(self.question, 400)), ",
        "yield Static(self.question, ",
        "tests/tui/test_markup.py tests/tui/test_hostile.py",
    ),
    Bug(
        "a cleaner that lets C1 controls pass",
        "kugetsu_engine/domain/text/safe_text.py",
        'if kind in ("Cc", "Cs"):',
        'if kind == "Cs" or (kind == "Cc" and character < chr(128)):',
        "tests/unit/test_safe_text.py",
    ),
    Bug(
        "a cleaner that does not know ST",
        "kugetsu_engine/domain/text/safe_text.py",
        r'*(?:\x07|\x1b\\|\x9c)?"  # OSC',
        r'*\x07"  # OSC',
        "tests/unit/test_safe_text.py",
    ),
    Bug(
        "the prompt in the command line",
        "kugetsu_engine/supervisor/agent_run.py",
        "attempt.sandbox.launch(workspace.build_agent_argv(job))",
        'attempt.sandbox.launch([*workspace.build_agent_argv(job), str(job["prompt"])])',
        "tests/engine/test_agent_contract.py -k never_in_argv",
    ),
    Bug(
        "a stop that ends bubblewrap instead of the agent",
        "kugetsu_engine/supervisor/sandbox.py",
        "        if first is None:\n            tree.signal_group(pid, number)\n",
        "        if first is None or number:\n            tree.signal_group(pid, number)\n",
        "tests/security/test_sandbox.py -k grace",
    ),
    Bug(
        "a sandbox that was not made counts as an agent that failed",
        "kugetsu_engine/supervisor/agent_run.py",
        "        if not made and code >= 0 and not attempt.stop_reason:\n",
        "        if not made and code < 0 and not attempt.stop_reason:\n",
        "tests/security/test_sandbox.py -k last_moment",
    ),
    Bug(
        "the pointers of a worktree can be written in its sandbox",
        "kugetsu_engine/process/bubblewrap.py",
        "    for path in git.fixed:\n        mounts.show(path)\n",
        "",
        "tests/security/test_sandbox.py -k no_escape",
    ),
    Bug(
        "a sandbox in which secrets can be read",
        "kugetsu_engine/process/bubblewrap.py",
        '    _hide(mounts, facts, (f"{facts.home}/{name}" for name in SECRETS))\n',
        "",
        "tests/security/test_sandbox.py -k no_escape",
    ),
    Bug(
        "an agent runs without the sandbox that it was to have",
        "kugetsu_engine/supervisor/sandbox.py",
        "        if self._wanted is None:\n            return Launch(argv)\n",
        "        if self._wanted is None or argv:\n            return Launch(argv)\n",
        "tests/security/test_sandbox.py -k no_escape",
    ),
    Bug(
        "files with the modes of the umask",
        "kugetsu_engine/storage/files.py",
        "    fd = os.open(temporary, _CREATE, 0o600)\n",
        "    fd = os.open(temporary, _CREATE, 0o666)\n",
        f"{FILES} -k private",
    ),
    Bug(
        "nobody looks after the engine's thread",
        "kugetsu_engine/engine/engine_thread.py",
        "                except Exception as error:\n",
        "                except ZeroDivisionError as error:\n",
        "tests/engine/test_books.py -k fails_is_started_again",
    ),
    Bug(
        "no handler of SIGTERM",
        "kugetsu_engine/cli/commands/run_engine.py",
        "    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):\n",
        "    for number in (signal.SIGINT, signal.SIGHUP):\n",
        "tests/engine/test_planted.py",
    ),
    Bug(
        "the agent writes straight into its log",
        "kugetsu_engine/supervisor/agent_run.py",
        '        pumped = job["output"] == "pump"\n',
        "        pumped = False\n",
        "tests/engine/test_planted.py",
    ),
    Bug(
        "the brake stops before it pauses",
        "kugetsu_engine/engine/request_handlers.py",
        "            paused = self._controls.pause_by_operator()\n",
        "            paused = True\n",
        "tests/engine/test_stop_all.py -k starts_nothing_in_its_place",
    ),
    Bug(
        "starts between the parts of one act",
        "kugetsu_engine/engine/loop.py",
        "            if self.inbox.settled:\n",
        "            if True:\n",
        "tests/unit/test_stop_all.py",
    ),
    Bug(
        "what cannot be measured counts as delivered",
        "kugetsu_engine/supervisor/outcome.py",
        '    if result["outcome"] != "ok" or expect not in ("changes", "commits"):\n',
        '    if result["outcome"] != "ok" or expect not in ("changes", "commits") or delivered is None:\n',
        "tests/unit/test_delivery.py",
    ),
    Bug(
        "an event counts only at the beginning of a line",
        "kugetsu_engine/agents/stream_events.py",
        "    while (match := _OBJECT_START.search(text, at)) is not None and broken < MAX_BROKEN:\n",
        "    while (match := _OBJECT_START.match(text, at)) is not None and broken < MAX_BROKEN:\n",
        "tests/unit/test_event_lines.py",
    ),
    Bug(
        "a fetch follows the refspec of a mirror",
        "kugetsu_engine/git/start_point.py",
        '"--refmap=", "--",',
        '"--",',
        "tests/unit/test_base.py -k remote_has_now",
    ),
    Bug(
        "a look enters what an agent left",
        "kugetsu_engine/git/baseline.py",
        '    "--ignore-submodules=dirty",\n',
        '    "--ignore-submodules=none",\n',
        "tests/security/test_traps.py -k nested",
    ),
    Bug(
        "a slot in the operator's hands is a free one",
        "kugetsu_engine/domain/decisions/waiting_reasons.py",
        "        return self.used + len(self.by_hand) + self.obstacles.slots\n",
        "        return self.used + self.obstacles.slots\n",
        "tests/unit/test_reasons.py",
    ),
    Bug(
        "what the engine found in its way is not told",
        "kugetsu_engine/client/snapshot.py",
        "            obstacles=self.engine.obstacles",
        "            obstacles=Obstacles()",
        "tests/unit/test_reasons.py -k one_obstacle",
    ),
    Bug(
        "an issue is the text it was written as",
        "kugetsu_engine/domain/refs.py",
        '    return reference if reference.startswith(f"{LOCAL}/") else reference.lower()\n',
        "    return reference\n",
        "tests/engine/test_one_issue.py -k never_have_two_agents",
    ),
    Bug(
        "a misspelt key of an agent stops nothing",
        "kugetsu_engine/config/tables.py",
        '        stops: tuple[Stop, ...] = (Stop("agent", name),)\n',
        "        stops: tuple[Stop, ...] = ()\n",
        "tests/unit/test_wrong_settings.py",
    ),
)
