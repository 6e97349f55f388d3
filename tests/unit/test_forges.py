"""GitHub and Gitea by their REST APIs, against a server on this machine: shapes, pages, faults, and where a token goes."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kugetsu_engine.config.loader import ForgeSettings, load_settings
from kugetsu_engine.config.settings import Settings
from kugetsu_engine.domain import refs
from kugetsu_engine.domain.pull_request import Checks, PullRequest
from kugetsu_engine.domain.text.times import iso
from kugetsu_engine.errors import ForgeError
from kugetsu_engine.forges import client, hosts
from kugetsu_engine.forges.cache import CachedForges
from kugetsu_engine.forges.helper import main
from kugetsu_engine.paths import StatePaths
from kugetsu_engine.state import pull_requests
from tests.support.forge import FakeForge, Reply, later
from tests.support.waiting import patience

REF = refs.parse_reference("forge.test/o/r#7")
BRANCH = "fix/issue-7"
SECRET = "s3cr3t-token"


@pytest.fixture(params=["github", "gitea"])
def forge(request: pytest.FixtureRequest) -> Iterator[FakeForge]:
    """A forge of either kind."""
    found = FakeForge(request.param)
    yield found
    found.close()


@pytest.fixture
def asking(forge: FakeForge, paths: StatePaths) -> CachedForges:
    """Forges of a state directory whose settings name the fake one, with a token for it."""
    forge.token = SECRET
    Path(paths.config).write_text(f'[forges."forge.test"]\nkind = "{forge.kind}"\napi = "{forge.api}"\n', encoding="utf-8")
    Path(paths.env, "forges.env").write_text(f"KUGETSU_TOKEN_FORGE_TEST={SECRET}\n", encoding="utf-8")
    return CachedForges(paths, {})


def _path(forge: FakeForge, rest: str) -> str:
    return f"/repos/o/r/{rest}"


def test_an_issue_gives_its_title_and_body(forge: FakeForge, asking: CachedForges) -> None:
    """Each kind is asked in its own way, with its own form of the token; an empty body is null there."""
    forge.issues["o/r#7"] = {"number": 7, "title": "Broken login", "body": "Since **monday**.\r\n"}
    found = asking.fetch_issue_text(REF)
    assert found is not None
    assert (found.title, found.body) == ("Broken login", "Since **monday**.\r\n")
    forge.issues["o/r#7"]["body"] = None
    assert (asking.fetch_issue_text(REF) or found).body == ""


def test_the_open_pull_request_of_the_branch_counts_else_the_newest(forge: FakeForge, asking: CachedForges) -> None:
    """Those of other branches do not, wherever their name begins alike."""
    assert asking.find_forge(REF) is not None
    forge.pulls["o/r"] = []
    assert asking.fetch_pull_request(REF, BRANCH) is None
    forge.add_pull("o/r", 1, "fix/issue-77")
    forge.add_pull("o/r", 2, BRANCH, "merged")
    forge.add_pull("o/r", 3, BRANCH, "closed")
    found = asking.fetch_pull_request(REF, BRANCH)
    assert found is not None
    assert (found.number, found.state) == (3, "closed")
    forge.add_pull("o/r", 4, BRANCH, "open", draft=True)
    forge.add_pull("o/r", 5, BRANCH, "merged")
    found = asking.fetch_pull_request(REF, BRANCH)
    assert found == PullRequest(4, "https://forge.test/o/r/pulls/4", "open", "Pull 4", True, "c0ffee")
    assert str(found) == "PR #4 draft"


def test_a_list_of_several_pages_is_read_on(forge: FakeForge, asking: CachedForges) -> None:
    """By the Link header, and not without end."""
    forge.page_size = 10
    for number in range(1, 25):
        forge.add_pull("o/r", number, BRANCH if number == 24 or forge.kind == "github" else "other", "closed")
    forge.add_pull("o/r", 25, BRANCH)
    found = asking.fetch_pull_request(REF, BRANCH)
    assert found is not None
    assert found.number == 25
    forge.pulls["o/r"] = [dict(pull, head={"ref": "x", "sha": "1"}) for pull in forge.pulls["o/r"] * 10]
    forge.asked.clear()
    if forge.kind == "gitea":
        assert asking.fetch_pull_request(REF, BRANCH) is None
        assert len(forge.asked) == client.MAX_PAGES


@pytest.mark.parametrize(
    ("statuses", "runs", "wanted"),
    [
        ([], [], None), (["success"], [], Checks("success", 1)), (["success", "pending"], [], Checks("pending", 2)),
        (["failure", "pending"], [], Checks("failure", 2, 1)),
        ([], [("completed", "success"), ("completed", "skipped")], Checks("success", 2)),
        (["success"], [("in_progress", None)], Checks("pending", 2)),
        (["success"], [("completed", "timed_out")], Checks("failure", 2, 1)),
    ],
)  # fmt: skip
def test_checks_are_added_up(
    forge: FakeForge, asking: CachedForges, statuses: list[str], runs: list[tuple[str, str | None]], wanted: Checks | None
) -> None:
    """Statuses of both kinds, and GitHub's check runs beside them."""
    forge.add_pull("o/r", 4, BRANCH)
    forge.statuses["c0ffee"] = statuses
    forge.runs["c0ffee"] = runs
    found = asking.fetch_pull_request(REF, BRANCH)
    assert found is not None
    if forge.kind == "github" or not runs:
        assert found.checks == wanted


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply(401), "refuses the token (401): renew KUGETSU_TOKEN_FORGE_TEST"),
        (Reply(403), "denies access (403)"), (Reply(404), "did not find it (404)"),
        (Reply(500), "has a server error (500)"), (Reply(502, body=b"<html>"), "has a server error (502)"),
        (Reply(418), "answered 418"),
        (Reply(200, body=b"<html>"), "not answer with JSON"), (Reply(200, body=b"[" * 100_000), "not answer with JSON"),
        (Reply(200, body=b'"text"'), "not answer with what was asked for"),
        (Reply(200, body=b"\xff\xfe"), "not answer with JSON"),
        (Reply(200, body=b" " * (client.MAX_BYTES + 1)), "more than 4M"),
        (Reply(302), "redirected more than 3 times"), (Reply(429, {"Retry-After": "20"}), "until its rate limit resets (429)"),
        (Reply(403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": later(500)}), "until its rate limit resets (403)"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_each_failure_is_a_sentence(forge: FakeForge, asking: CachedForges, reply: Reply, words: str) -> None:
    """It names the forge and says what to do; the token is in none of them."""
    forge.replies[_path(forge, "issues/7")] = reply
    with pytest.raises(ForgeError) as caught:
        asking.fetch_issue_text(REF)
    assert words in str(caught.value)
    assert str(caught.value).startswith("forge.test ")
    assert SECRET not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_slow_forge_is_given_up(forge: FakeForge, asking: CachedForges, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that never answers, and one that drips."""
    monkeypatch.setattr(client, "TOTAL_S", 0.3)
    for reply in (Reply(hang=True), Reply(drip=True, body=b" " * 1000)):
        forge.replies[_path(forge, "issues/7")] = reply
        before = time.monotonic()
        with pytest.raises(ForgeError, match="did not answer in"):
            asking.fetch_issue_text(REF)
        assert time.monotonic() - before < 5 * patience()
        Path(asking._paths.pulls).unlink()


@pytest.mark.parametrize("how", ["redirect", "next page"])
def test_a_token_never_goes_to_another_host(forge: FakeForge, asking: CachedForges, how: str) -> None:
    """Nor to another port of the same machine; the other one is not even asked."""
    other = FakeForge("github")
    try:
        target = f"http://127.0.0.1:{other.port}/repos/o/r/pulls"
        reply = (
            Reply(302, {"Location": target})
            if how == "redirect"
            else Reply(headers={"Link": f'<{target}>; rel="next"'}, body=b"[]")
        )
        forge.replies[_path(forge, "pulls")] = reply
        with pytest.raises(ForgeError, match="points to another host"):
            asking.fetch_pull_request(REF, BRANCH)
        assert other.asked == []
    finally:
        other.close()


def test_a_redirect_on_the_same_host_is_followed(forge: FakeForge, asking: CachedForges) -> None:
    """As for a repository that was renamed."""
    prefix = "/api/v1" if forge.kind == "gitea" else ""
    forge.replies[_path(forge, "issues/7")] = Reply(301, {"Location": f"{prefix}/repos/new/r/issues/7"})
    forge.issues["new/r#7"] = {"title": "Moved", "body": ""}
    found = asking.fetch_issue_text(REF)
    assert found is not None
    assert found.title == "Moved"


def test_a_forge_that_cannot_be_reached_is_left_alone_for_a_while(paths: StatePaths) -> None:
    """The second question asks nobody; the time doubles; an answer ends it."""
    gone = FakeForge("github")
    gone.close()
    Path(paths.config).write_text(f'[forges."forge.test"]\nkind = "github"\napi = "{gone.api}"\n', encoding="utf-8")
    now = 1_800_000_000.0
    with pytest.raises(ForgeError, match="cannot be reached"):
        CachedForges(paths, {}, lambda: now).fetch_issue_text(REF)
    with pytest.raises(ForgeError, match="next request at"):
        CachedForges(paths, {}, lambda: now + 59).fetch_issue_text(REF)
    with pytest.raises(ForgeError, match="cannot be reached: "):
        CachedForges(paths, {}, lambda: now + 61).fetch_issue_text(REF)
    assert pull_requests.load_pull_requests(paths).silent["forge.test"].until == iso(now + 61 + 120)
    back = FakeForge("github")
    try:
        back.issues["o/r#7"] = {"title": "Here"}
        Path(paths.config).write_text(f'[forges."forge.test"]\nkind = "github"\napi = "{back.api}"\n', encoding="utf-8")
        assert CachedForges(paths, {}, lambda: now + 500).fetch_issue_text(REF) is not None
        assert pull_requests.load_pull_requests(paths).silent == {}
    finally:
        back.close()


def test_what_was_learnt_is_kept_with_its_age_and_asked_again_when_it_is_old(
    forge: FakeForge, asking: CachedForges, paths: StatePaths
) -> None:
    """A merged one is not asked about any more; a file that is garbage is forgotten."""
    forge.add_pull("o/r", 4, BRANCH)
    asking.fetch_pull_request(REF, BRANCH)
    known = asking.read_known(REF)
    assert known is not None
    assert (known.branch, known.pull is not None and known.pull.number) == (BRANCH, 4)
    assert pull_requests.list_due_refreshes(pull_requests.load_pull_requests(paths), time.time()) == {}
    old = CachedForges(paths, {}, lambda: time.time() - 1000)
    old.fetch_pull_request(REF, BRANCH)
    assert pull_requests.list_due_refreshes(pull_requests.load_pull_requests(paths), time.time()) == {str(REF): BRANCH}
    forge.pulls["o/r"][0] |= {"state": "closed", "merged_at": "2026-11-21T10:00:00Z", "merged": True}
    assert asking.refresh_pull_requests() == []
    known = asking.read_known(REF)
    assert known is not None
    assert str(known.pull) == "PR #4 merged"
    assert pull_requests.list_due_refreshes(pull_requests.load_pull_requests(paths), time.time() + 3600) == {}
    Path(paths.pulls).write_bytes(b"{garbage")
    assert asking.read_known(REF) is None
    asking.fetch_pull_request(REF, BRANCH)
    assert asking.read_known(REF) is not None


def test_the_helper_prints_one_document(
    forge: FakeForge, asking: CachedForges, paths: StatePaths, capsys: pytest.CaptureFixture[str]
) -> None:
    """An answer, nothing known, or a sentence about what went wrong; never a traceback."""
    forge.issues["o/r#7"] = {"title": "T", "body": "B"}
    forge.add_pull("o/r", 4, BRANCH)
    for words in (["text", paths.root, "forge.test/o/r#7"], ["pull", paths.root, "forge.test/o/r#7", BRANCH],
                  ["text", paths.root, "local/x#7"], ["text", paths.root, "forge.test/o/r#8"], ["text", paths.root, "what"],
                  ["refresh", paths.root]):  # fmt: skip
        assert main(words) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert found[:3] == [{"title": "T", "body": "B"}, {"url": "https://forge.test/o/r/pulls/4"}, {}]
    assert "did not find it (404)" in found[3]["error"]
    assert "is not a valid issue reference" in found[4]["error"]
    assert found[5] == {"asked": 0, "faults": []}


def test_what_cannot_be_asked_again_is_said_once(forge: FakeForge, asking: CachedForges) -> None:
    """A sentence for each fault, whatever the number of issues; a reference that is none is one of them."""
    forge.token = "another"
    wanted = {f"forge.test/o/r#{number}": BRANCH for number in range(1, 7)} | {"nonsense": BRANCH, "local/x#1": BRANCH}
    faults = asking.refresh_pull_requests(wanted)
    assert len(faults) == 2
    assert faults[0].startswith("'nonsense' is not a valid issue reference")
    assert "refuses the token" in faults[1]


@pytest.mark.parametrize(
    ("settings", "tokens", "host", "wanted"),
    [
        (Settings(), {}, "github.com", None),
        (Settings(), {"GITHUB_TOKEN": "a"}, "github.com", ("github", "https://api.github.com", "a")),
        (Settings(), {"GH_TOKEN": "a", "GITEA_TOKEN": "b"}, "github.com", ("github", "https://api.github.com", "a")),
        (Settings(), {"GITHUB_TOKEN": "a"}, "git.example.org", None),
        (Settings(), {"GITEA_TOKEN": "a"}, "codeberg.org", None),
        (Settings(), {"GITHUB_TOKEN": "a", "GITEA_TOKEN": "b"}, "evil.test", None),
        (Settings(), {"KUGETSU_TOKEN_GIT_EXAMPLE_ORG": "a"}, "git.example.org",
         ("gitea", "https://git.example.org/api/v1", "a")),
        (Settings(default_server="git.example.org"), {"GITEA_TOKEN": "a"}, "git.example.org",
         ("gitea", "https://git.example.org/api/v1", "a")),
        (Settings(default_server="git.example.org"), {}, "git.example.org", None),
        (Settings(forges={"codeberg.org": ForgeSettings("forgejo")}), {}, "codeberg.org",
         ("gitea", "https://codeberg.org/api/v1", None)),
        (Settings(forges={"a.test": ForgeSettings("gitea"), "b.test": ForgeSettings("gitea")}), {"GITEA_TOKEN": "a"}, "a.test",
         ("gitea", "https://a.test/api/v1", None)),
        (Settings(forges={"ghe.test": ForgeSettings("github")}), {"GITHUB_TOKEN": "a"}, "ghe.test",
         ("github", "https://ghe.test/api/v3", None)),
        (Settings(forges={"github.com": ForgeSettings("off")}), {"GITHUB_TOKEN": "a"}, "github.com", None),
    ],
)  # fmt: skip
def test_a_token_is_meant_for_one_host(
    settings: Settings, tokens: dict[str, str], host: str, wanted: tuple[str, str, str | None] | None
) -> None:
    """Nobody is asked without a token or a setting, and no token goes to a host it was not made for."""
    found = hosts.find_forge(host, settings, tokens)
    assert (None if found is None else (found.kind, found.api, found.token)) == wanted


def test_a_token_is_not_sent_in_the_clear_nor_if_it_is_none() -> None:
    """http:// only on this machine; a token with a space or a line break is named, not shown."""
    for forge, words in (
        (hosts.Forge("h", "gitea", "http://h/api/v1", SECRET, "T"), "without encryption"),
        (hosts.Forge("h", "gitea", "https://h/api/v1", "two words", "T"), "T is not a valid token"),
        (hosts.Forge("h", "gitea", "ftp://h", None, "T"), "is not a valid API address"),
        (hosts.Forge("h", "gitea", "https://user:pass@h", None, "T"), "is not a valid API address"),
    ):
        with pytest.raises(ForgeError, match=words) as caught:
            client.ForgeClient(forge)
        assert SECRET not in str(caught.value)


def test_a_broken_file_of_tokens_is_told_in_one_line(paths: StatePaths, capsys: pytest.CaptureFixture[str]) -> None:
    """A task may start all the same; who asks is not told that the forge wants a token."""
    Path(paths.config).write_text('[forges."forge.test"]\nkind = "gitea"\n', encoding="utf-8")
    Path(paths.env, "forges.env").mkdir()
    assert hosts.may_be_usable(paths, load_settings(paths, {})[0], "forge.test")
    assert main(["text", paths.root, "forge.test/o/r#7"]) == 0
    [said] = capsys.readouterr().out.splitlines()
    assert f"{paths.env}/forges.env is not a regular file" in json.loads(said)["error"]
