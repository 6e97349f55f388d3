"""`kugetsu doctor`: healthy or not by its exit code, in words and as JSON; it changes nothing unless told to."""

import json
import os

from .conftest import Shell


def test_a_state_directory_in_use_is_healthy(shell: Shell) -> None:
    """Exit code 0, and facts about the surroundings."""
    shell.enqueue("local/app#1", "work", "--hold")
    (shell.state / "config.toml").write_text('agent = "demo"\n')
    done = shell("doctor")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "healthy"
    assert "flock works" in done.stdout


def test_what_is_wrong_is_said_and_mended_when_asked(shell: Shell) -> None:
    """Exit code 1 with findings; `--fix` mends what it can and says so; then it is healthy."""
    task_id = shell.enqueue("local/app#1", "work", "--hold")
    item = shell.state / f"queue/items/{task_id}.json"
    item.chmod(0o640)
    done = shell("doctor", "--verify", "--json")
    found = json.loads(done.stdout)
    assert done.returncode == 1
    assert found["healthy"] is False
    assert [(one["code"], one["rule"], one["path"]) for one in found["findings"]] == [("open_to_others", "I12", str(item))]
    assert os.stat(item).st_mode & 0o777 == 0o640
    mended = shell("doctor", "--verify", "--fix")
    assert (mended.returncode, mended.stdout.splitlines()[-1]) == (0, "healthy")
    assert os.stat(item).st_mode & 0o777 == 0o600


def test_it_makes_no_state_directory(shell: Shell) -> None:
    """Looking where nothing is yet says so and leaves it at that."""
    done = shell("doctor")
    assert "does not exist yet" in done.stdout
    assert not shell.state.exists()


def test_a_folder_that_others_may_write_to_is_named_with_the_way_out(shell: Shell) -> None:
    """The rest of kugetsu refuses to work there; the doctor says what to do."""
    shell.state.mkdir(mode=0o700)
    shell.state.chmod(0o777)
    done = shell("doctor")
    assert done.returncode == 1
    assert f"chmod 700 {shell.state}" in done.stdout
