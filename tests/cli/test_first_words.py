"""What somebody types first: help on a verb, a mistyped verb, the version, a short reference, completions for their shell."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kugetsu_engine import __version__
from kugetsu_engine.cli import man_page, version
from kugetsu_engine.cli.verbs import VERBS

from .conftest import Shell

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("words", [["enqueue"], ["queue", "list"], ["show"], ["server", "add"], ["githost"]])
def test_help_of_a_verb_is_what_its_option_prints(shell: Shell, words: list[str]) -> None:
    done = shell("help", *words)
    assert done.returncode == 0, done.stderr
    new = ["githost" if word == "server" else word for word in words]
    assert done.stdout == shell(*new, "--help").stdout
    assert done.stdout.startswith(f"usage: kugetsu {' '.join(new)}")


@pytest.mark.parametrize(
    ("words", "meant"),
    [(["enqeue", "x", "y"], "enqueue"), (["hlep"], "help"), (["queue", "lst"], "list"), (["help", "statsu"], "status"),
     (["help", "queue", "staats"], "stats")],
)  # fmt: skip
def test_a_mistyped_verb_names_the_one_that_was_meant(shell: Shell, words: list[str], meant: str) -> None:
    done = shell(*words)
    assert done.returncode == 64
    assert done.stderr.rstrip().endswith(f"did you mean {meant}?")
    assert done.stderr.count("\n") == 1


def test_a_verb_like_no_other_leads_to_the_list(shell: Shell) -> None:
    done = shell("zzz")
    assert done.returncode == 64
    assert "kugetsu --help lists them" in done.stderr


def test_the_old_name_of_githost_is_understood(shell: Shell) -> None:
    assert shell("server", "add", "forge.test", "/srv/git").returncode == 0
    assert shell("server", "get", "forge.test").stdout == "/srv/git\n"
    assert shell("githost", "get", "forge.test").stdout == "/srv/git\n"


class TestShortReferences:
    """`api#88`, as lists show it."""

    def test_stands_for_the_task_of_the_issue(self, shell: Shell) -> None:
        shell.enqueue("github.com/acme/api#88")
        assert shell.json("show", "api#88")["id"] == "q_1"
        assert shell.json("show", "API#88")["id"] == "q_1"
        assert shell("hold", "api#88").returncode == 0

    def test_is_refused_where_two_issues_are_shown_alike(self, shell: Shell) -> None:
        shell.enqueue("github.com/acme/api#88")
        shell.enqueue("local/api#88")
        done = shell("show", "api#88")
        assert done.returncode == 64
        assert "github.com/acme/api#88, local/api#88" in done.stderr

    @pytest.mark.parametrize("text", ["api#88", "pi#8", "#", "api#", "#x"])
    def test_of_no_issue_is_no_task(self, shell: Shell, text: str) -> None:
        shell.enqueue("local/api#888")
        done = shell("show", text)
        assert done.returncode == 4
        assert done.stderr.count("\n") == 1


class TestVersion:
    """The version names the commit where that is known."""

    def test_of_a_checkout(self, shell: Shell) -> None:
        commit = version.read_checkout_commit(str(shell.folder))
        assert commit is not None
        assert len(commit) == 40
        assert version.read_checkout_commit(str(shell.folder / "nowhere")) is None
        assert version.read_checkout_commit(str(shell.state.parent)) is None

    def test_is_printed(self, shell: Shell) -> None:
        assert shell("--version").stdout.startswith(f"kugetsu {__version__}")

    def test_of_a_build(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(version, "COMMIT_FILE", str(tmp_path / "commit.txt"))
        (tmp_path / "commit.txt").write_text("0123456789abcdef0123456789abcdef01234567\n")
        assert version.describe_version() == f"{__version__} (commit 0123456789)"

    def test_a_wheel_has_the_commit_and_the_manual(self, tmp_path: Path) -> None:
        """Built as an installer builds it, from a clone."""
        clone = tmp_path / "clone"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel"], cwd=clone, check=True, capture_output=True)
        (wheel,) = (clone / "dist").glob("*.whl")
        shutil.unpack_archive(wheel, tmp_path / "wheel", "zip")
        head = subprocess.run(["git", "-C", str(clone), "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout
        assert (tmp_path / "wheel/kugetsu_engine/commit.txt").read_text() == head
        assert list((tmp_path / "wheel").glob("*.data/data/share/man/man1/kugetsu.1"))
        assert not (clone / "kugetsu_engine/commit.txt").exists()


class TestCompletion:
    """`completion --install` writes where the shell looks."""

    @pytest.mark.parametrize(
        ("program", "place"),
        [("bash", "share/bash-completion/completions/kugetsu"), ("zsh", "share/zsh/site-functions/_kugetsu"),
         ("fish", "config/fish/completions/kugetsu.fish")],
    )  # fmt: skip
    def test_writes_the_script_of_the_shell(self, shell: Shell, tmp_path: Path, program: str, place: str) -> None:
        folders = {"XDG_DATA_HOME": str(tmp_path / "share"), "XDG_CONFIG_HOME": str(tmp_path / "config")}
        shell.environ |= {"SHELL": f"/usr/bin/{program}", **folders}
        done = shell("completion", "--install")
        assert done.returncode == 0, done.stderr
        assert str(tmp_path / place) in done.stdout
        assert (tmp_path / place).read_text().strip() == shell("completion", program).stdout.strip()
        assert shell("completion", "--install").returncode == 0

    @pytest.mark.parametrize("words", [["--install"], [], ["--install", "tcsh"]])
    def test_says_what_to_do_where_it_cannot(self, shell: Shell, words: list[str]) -> None:
        shell.environ["SHELL"] = "/opt/odd/ksh"
        done = shell("completion", *words)
        assert done.returncode == 64
        assert "kugetsu completion" in done.stderr

    def test_a_folder_that_cannot_be_written(self, shell: Shell, tmp_path: Path) -> None:
        (tmp_path / "share").write_text("a file")
        shell.environ["XDG_DATA_HOME"] = str(tmp_path / "share")
        done = shell("completion", "--install", "bash")
        assert done.returncode == 1
        assert done.stderr.count("\n") == 1


class TestManual:
    """docs/kugetsu.1 is made from the table of verbs."""

    def test_is_up_to_date(self) -> None:
        assert (ROOT / "docs/kugetsu.1").read_text() == man_page.make_page(), "make man"

    def test_has_every_verb(self) -> None:
        page = man_page.make_page().replace("\\-", "-")
        for verb in VERBS:
            assert f"\n.B {verb}" in page

    @pytest.mark.skipif(shutil.which("groff") is None, reason="groff is missing")
    def test_is_valid_roff(self) -> None:
        done = subprocess.run(
            ["groff", "-man", "-Tutf8", "-ww", "-z"], input=man_page.make_page(), capture_output=True, text=True, check=True,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
        )  # fmt: skip
        assert done.stderr == ""
