"""opencode, run in one of two ways: a process for each attempt, or one server shared by all attempts.

* `process_mode` runs `opencode run` as the agent. `database` and `session_ids` prepare opencode's database and the session.
* `server_mode` builds the command lines of the shared server, of its keeper and of the run client.
* `server_keeper` is a process beside the engine. It starts `opencode serve`, restarts it, and writes its status to a file.
* `run_client` is the agent process of an attempt on the server. It connects to the keeper (`keeper_protocol`, a Unix socket)
  and gets the server's port and password. Then it talks to the server (`http_api`) and prints what `opencode run` would print.
* `server_clients` is the keeper's side of these connections. When one closes, it stops what the server still does for it.
* `events` reads that output in the supervisor, the same way for both modes, and decides why an attempt failed.
* `plugin.js` runs inside the server and gives each command the environment of its own attempt.
"""
