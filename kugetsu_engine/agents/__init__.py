"""The agent programs: how each is started, and how its output is read.

An agent is one module here. `build_command` returns its command line, and its `Reader` (see `stream_events`) turns its output
into events and decides why it failed. `registry` has an entry for it in `LAUNCHERS`, which returns a `LaunchSpec`: the command
line and everything else that engine and supervisor need to know. `supervisor.drivers` names the module, so that a supervisor
can load it by the name in a job; so it uses the standard library only. An operator's own agent needs no module: `custom` builds
its command line from config.toml, and `json_stream` reads its output.
"""
