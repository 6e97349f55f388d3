"""The agent programs: how each is started, and how its output is read.

An agent is one module here. `build_command` returns its command line, and `reader` is the class that turns its output into
events and decides why it failed (see `stream_events`). A supervisor loads the module by its name in `supervisor.drivers`, so it
imports the standard library only. `registry` has how it is launched (`LAUNCHERS`, which return a `LaunchSpec`) and how a person
resumes its session (`RESUME_ARGUMENTS`). All steps are in docs/contributing.md.

An operator's own agent needs no module: `custom` builds its command line from config.toml, and `json_stream` reads its output.
"""
