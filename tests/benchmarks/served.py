"""Peers that need a server of their own: rq with Redis, and pueue with its daemon."""

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

from .ground import Ground, executable
from .measure import Unavailable, end, environment, wait_for

DRAIN_LIMIT_S = 90.0
RQ_APP = """\
import subprocess
def job(argv):
    subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
"""
RQ_FILL = """\
import json, sys
from redis import Redis
from rq import Queue
queue = Queue(connection=Redis(unix_socket_path=sys.argv[1]))
import app
for argv in json.load(open(sys.argv[2])):
    queue.enqueue(app.job, argv, result_ttl=0)
"""
RQ_WORK = """\
import sys
from redis import Redis
from rq import Queue, Worker
connection = Redis(unix_socket_path=sys.argv[1])
Worker([Queue(connection=connection)], connection=connection, name=sys.argv[2]).work(logging_level="ERROR")
"""
"""The worker that rq's own command starts: it forks for each job."""
PUEUE_CONFIG = """\
client: {{}}
daemon: {{}}
shared:
  pueue_directory: {folder}
  runtime_directory: {folder}
  use_unix_socket: true
  unix_socket_path: {folder}/socket
"""


@cache
def rq_python() -> str:
    """An interpreter that has rq: that of `$KUGETSU_BENCH_RQ` or `$KUGETSU_BENCH_HUEY`, or this one.

    Raises:
        Unavailable: there is none, or no Redis.
    """
    if executable("redis-server") is None:
        raise Unavailable("redis-server is not installed (Debian: redis-server)")
    for python in (os.environ.get("KUGETSU_BENCH_RQ"), os.environ.get("KUGETSU_BENCH_HUEY"), sys.executable):
        if python and subprocess.run([python, "-c", "import rq, redis"], capture_output=True, check=False).returncode == 0:
            return python
    raise Unavailable("rq is not installed (pip install rq redis, or KUGETSU_BENCH_RQ=/path/to/a/python that has it)")


def rq(ground: Ground, count: int, limit: int, worktree: bool) -> None:
    """Redis flushes each write, as the others do; the queue is filled, then as many workers as there are slots are started."""
    python, folder = rq_python(), ground.folder / "rq"
    folder.mkdir()
    (folder / "app.py").write_text(RQ_APP, encoding="utf-8")
    (folder / "jobs.json").write_text(json.dumps([ground.job(number, worktree) for number in range(count)]), encoding="utf-8")
    socket, env = f"{folder}/redis", environment(PYTHONPATH=str(folder))
    null = subprocess.DEVNULL
    server = subprocess.Popen(
        ["redis-server", "--port", "0", "--unixsocket", socket, "--dir", str(folder), "--save", "", "--appendonly", "yes",
         "--appendfsync", "always"], stdin=null, stdout=null, stderr=null, env=env,
    )  # fmt: skip
    workers: list[subprocess.Popen[bytes]] = []
    try:
        wait_for(Path(socket).exists, 10, "redis")
        subprocess.run([python, "-c", RQ_FILL, socket, "jobs.json"], cwd=folder, env=env, check=True, capture_output=True)
        workers += [
            subprocess.Popen(
                [python, "-c", RQ_WORK, socket, f"w{number}"], cwd=folder, env=env, stdin=null, stdout=null, stderr=null
            )
            for number in range(limit)
        ]
        wait_for(lambda: ground.ended() == count, DRAIN_LIMIT_S, "rq to drain", 0.05)
    finally:
        for process in (*workers, server):
            end(process)


def pueue(ground: Ground, count: int, limit: int, worktree: bool) -> None:
    """Filled while its daemon is paused."""
    program, daemon = need_pueue()
    folder = ground.folder / "pueue"
    folder.mkdir(mode=0o700)
    config = folder / "pueue.yml"
    config.write_text(PUEUE_CONFIG.format(folder=folder), encoding="utf-8")
    env, null = environment(), subprocess.DEVNULL
    server = subprocess.Popen([daemon, "-c", str(config)], env=env, stdin=null, stdout=null, stderr=null)

    def call(*words: str) -> None:
        subprocess.run([program, "-c", str(config), *words], env=env, check=True, capture_output=True)

    try:
        wait_for((folder / "socket").exists, 10, "pueue's daemon")
        call("pause")
        call("parallel", str(limit))
        for number in range(count):
            call("add", "--escape", "--", *ground.job(number, worktree))
        call("start")
        wait_for(lambda: ground.ended() == count, DRAIN_LIMIT_S, "pueue to drain", 0.05)
    finally:
        end(server)


def need_pueue() -> tuple[str, str]:
    """The client and the daemon.

    Raises:
        Unavailable: they are not installed.
    """
    program, daemon = executable("pueue"), executable("pueued")
    if program is None or daemon is None:
        raise Unavailable("pueue is not installed (cargo install pueue)")
    return program, daemon
