"""S15 to S17: keys that agents need stand in the env files and in the agent's environment, and nowhere else."""

from pathlib import Path

import pytest

from kugetsu_engine.client.snapshot_reader import SnapshotReader
from kugetsu_engine.errors import GitError
from kugetsu_engine.git import command
from tests.support.fleet import Fleet
from tests.support.observer import marked_processes

SECRET = "canary-3f9c0b7a"


def test_s17_a_key_is_in_no_file_and_no_command_line_of_ours(fleet: Fleet) -> None:
    """From an env file and from the settings; by the whole tree but these two, by the picture, and by /proc."""
    Path(fleet.paths.env, "default.env").write_text(f"API_KEY={SECRET}-file\n", encoding="utf-8")
    fleet.tables = f'[agents.scripted.env]\nOTHER_KEY = "{SECRET}-settings"'
    fleet.configure(max_attempts=1)
    dump = fleet.folder / "dump"
    dump.mkdir()
    task = fleet.enqueue(dump=str(dump), wait=fleet.waiting_file("x"), exit=3)
    fleet.start_engine()
    fleet.wait_for_started(task)
    record = fleet.record(task)
    assert record is not None
    pids = {record.supervisor_pid, *marked_processes(fleet.paths.root)}
    assert not any(SECRET in Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8", errors="replace") for pid in pids)
    assert SECRET not in Path(f"/proc/{record.supervisor_pid}/environ").read_text(encoding="utf-8", errors="replace")
    fleet.release("x")
    assert fleet.wait_for_end([task])[0].state == "error"
    facts = (dump / "facts.json").read_text(encoding="utf-8")
    assert f"{SECRET}-file" in facts
    assert f"{SECRET}-settings" in facts
    told = SnapshotReader(fleet.paths, {}).read()
    assert SECRET not in repr((told.done, told.notices, told.alerts))
    holders = {
        str(path.relative_to(fleet.paths.root))
        for path in Path(fleet.paths.root).rglob("*")
        if path.is_file() and SECRET.encode() in path.read_bytes()
    }
    assert holders == {"env/default.env", "config.toml"}


def test_s17_a_bad_setting_is_told_without_its_secrets(fleet: Fleet) -> None:
    """A table of the wrong shape: the problem names it, and not what stands in it."""
    fleet.tables = f'[agents.other]\nenv = {{ KEY = ["{SECRET}"] }}'
    fleet.configure()
    told = SnapshotReader(fleet.paths, {}).read()
    assert [alert.code for alert in told.alerts] == ["config"]
    assert "[agents.other] env" in told.alerts[0].text
    assert SECRET not in told.alerts[0].text


@pytest.mark.parametrize("words", [f"https://user:{SECRET}@host/o/r.git", f"ssh://{SECRET}@host/x", f"https://{SECRET}@h/p"])
def test_s17_a_password_in_an_address_is_not_in_gits_words(tmp_path: Path, words: str) -> None:
    """They go into tasks, notifications and the screen."""
    command.git(str(tmp_path), "init", "--quiet")
    for args in (["log", words, "--"], ["ls-files", f"--{words}"]):
        with pytest.raises(GitError, match=r"://\*\*\*@h") as failed:
            command.git(str(tmp_path), *args)
        assert SECRET not in failed.value.message
