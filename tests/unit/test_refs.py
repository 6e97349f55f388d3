"""Issue references: one parser, one injective name for files, one branch."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kugetsu_engine.domain import refs
from kugetsu_engine.errors import UsageError

hosts = st.from_regex(r"[A-Za-z0-9.-]{1,12}", fullmatch=True).filter(lambda host: host not in (".", "..", "local"))
names = st.text(st.characters(codec="utf-8", exclude_characters="/#\\"), min_size=1, max_size=20)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("github.com/user/repo#123", "github.com/user/repo#123"),
        ("https://github.com/user/repo/issues/123", "github.com/user/repo#123"),
        ("http://github.com/user/repo/issues/123/", "github.com/user/repo#123"),
        ("https://github.com/user/repo/pull/9", "github.com/user/repo#9"),
        ("https://git.example.com:8443/user/repo/pulls/9", "git.example.com:8443/user/repo#9"),
        ("https://gitlab.com/group/sub/repo/-/issues/7#note_1", "gitlab.com/group/sub/repo#7"),
        ("https://gitlab.com/group/repo/-/merge_requests/7?tab=x", "gitlab.com/group/repo#7"),
        ("user/repo#5", "forge.test/user/repo#5"),
        ("local/site#1", "local/site#1"),
        ("GitHub.COM/User/Repo#007", "github.com/User/Repo#7"),
        ("  a.b/c/d#1\n", "a.b/c/d#1"),
        ("HTTPS://WWW.GitHub.com:443/user/repo/pull/9/files?w=1#diff", "github.com/user/repo#9"),
        ("https://user:secret@git.example.org/user/repo/issues/9", "git.example.org/user/repo#9"),
        ("https://gitlab.com/group%2Fsub/repo/-/work_items/7", "gitlab.com/group/sub/repo#7"),
        ("https://github.com/user/repo.git#5", "github.com/user/repo#5"),
        ("github.com/user/repo/issues/7#issuecomment-4", "github.com/user/repo#7"),
        ("git@github.com:user/repo.git#5", "github.com/user/repo#5"),
        ("ssh://git@git.example.org:2222/user/repo.git#5", "git.example.org/user/repo#5"),
        ("git.example.org:3000/user/repo#5", "git.example.org:3000/user/repo#5"),
        ("http://[0:0::1]:3000/user/repo/issues/5", "[::1]:3000/user/repo#5"),
        ("github.com./user/repo/#5", "github.com/user/repo#5"),
        ("bücher.example/user/repo#5", "xn--bcher-kva.example/user/repo#5"),
        ("github.com/user/cafe\u0301#5", "github.com/user/caf\u00e9#5"),
        ("https://github.com/user/issues/issues/7", "github.com/user/issues#7"),
        ("LOCAL/Site.git#1", "local/Site.git#1"),
    ],
)
def test_every_accepted_form_reads_as_one_canonical_reference(text: str, expected: str) -> None:
    """Short, full, address of an issue or a pull request, local: the same issue is written the same way."""
    ref = refs.parse_reference(text, "forge.test")
    assert str(ref) == expected == refs.normalize_reference(expected)
    assert refs.parse_reference(str(ref), "other.test") == ref


@pytest.mark.parametrize(
    "text",
    [
        "", "#1", "repo#1", "a/b", "a/b#", "a/b#x", "a/b#-1", "a/../c#1", "./a/b#1", "a//b#1", "/a/b#1", "a/b\\c/d#1",
        "a b/c#1", "a/b#1#2", "a/b\x00/c#1", "a/\u202eb#1", "a/b\x1b[31m#1", "https://github.com/user#1", "x/y#" + "9" * 13,
        "a/" + "b" * 600 + "#1", "a/\ud800#1", "ftp://host/a/b#1", "a/b/.git#1", "h:99999/a/b#1", "h/a%20b/c#1", "h/a%ff/c#1",
        "owner/repo/issues/7", "git@host:repo#1",
    ],
)  # fmt: skip
def test_what_is_no_reference_is_refused_in_one_line_without_control_characters(text: str) -> None:
    """Anything else raises `UsageError` whose words are printable and short."""
    with pytest.raises(UsageError) as caught:
        refs.parse_reference(text)
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 200
    assert caught.value.exit_code == 64


ONE_ISSUE = [
    "acme/app#7", "Acme/App#007", "github.com/acme/app#7", "GitHub.COM/ACME/app#7", "https://github.com/acme/app/issues/7",
    "http://www.github.com:80/Acme/App/pull/7/", "git@github.com:acme/app.git#7", "ssh://git@github.com:22/acme/app#7",
    "github.com:443/acme/app.git#7", "https://token@github.com/acme/%61pp/issues/7?a=b#c", "github.com./acme/app/#7",
    "github.com/git@github.com:Acme/app.git#7",
]  # fmt: skip


@pytest.mark.parametrize("text", ONE_ISSUE)
@pytest.mark.parametrize("default", ["github.com", "https://GitHub.com/", "GITHUB.com:443", "www.github.com."])
def test_every_way_to_write_an_issue_has_the_same_key_and_file_name(text: str, default: str) -> None:
    """Whatever is written for the host of the default server, too."""
    ref = refs.parse_reference(text, default)
    assert (ref.key, ref.slug) == ("github.com/acme/app#7", "github.com-acme-app-7")
    assert ref == refs.parse_reference("acme/app#7")


@pytest.mark.parametrize(
    "text",
    [
        "acme/app#8", "acme/apps#7", "gitlab.com/acme/app#7", "github.com:8443/acme/app#7", "github.com/x/acme/app#7",
        "local/app#7", "api.github.com/acme/app#7", "local/git@github.com:acme/app#7",
        "github.com/git@github.com:2222/acme/app#7",
    ],
)  # fmt: skip
def test_what_is_another_issue_has_another_key(text: str) -> None:
    """A number, a name, a host, a port of its own, a folder more."""
    assert refs.parse_reference(text) != refs.parse_reference("acme/app#7")
    assert refs.parse_reference(text).slug != refs.parse_reference("acme/app#7").slug


def test_what_is_shown_and_cloned_keeps_its_capitals() -> None:
    """Only comparisons fold them; names of local repositories are told apart, as folders are."""
    ref = refs.parse_reference("Textualize/Rich#3")
    assert (str(ref), ref.path, ref.short) == ("github.com/Textualize/Rich#3", "Textualize/Rich", "Rich#3")
    assert refs.parse_reference("local/App#1") != refs.parse_reference("local/app#1")


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("acme/app", "forge.test/acme/app"), ("GitHub.com/Acme/App", "github.com/acme/app"),
        ("https://github.com/acme/app.git", "github.com/acme/app"), ("git@github.com:acme/app", "github.com/acme/app"),
        ("github.com/acme/app/", "github.com/acme/app"), ("local/App", "local/App"),
    ],
)  # fmt: skip
def test_a_repository_is_read_in_every_form_of_a_reference(key: str, expected: str) -> None:
    """As `[repos]` has them."""
    assert refs.parse_repository_key(key, "forge.test") == expected


@pytest.mark.parametrize("key", ["", "app", "github.com", "acme/app#7", "https://github.com/acme", "a b/c", "x" * 600])
def test_what_can_match_no_repository_is_refused(key: str) -> None:
    """With what would be one."""
    with pytest.raises(UsageError, match="is not a repository"):
        refs.parse_repository_key(key)


@given(st.text(max_size=60))
@example("a/b#1")
@example("https://a/b/c/issues/1")
def test_any_text_is_a_reference_or_a_usage_error(text: str) -> None:
    """No input raises anything else, and what is accepted reads back as itself."""
    try:
        ref = refs.parse_reference(text)
    except UsageError:
        return
    assert refs.normalize_reference(str(ref)) == str(ref) == str(refs.parse_reference(str(ref)))
    assert refs.parse_reference(ref.key).key == ref.key
    assert ".." not in str(ref).split("/")


@given(st.lists(st.text(max_size=40), min_size=2, max_size=6, unique=True))
@example(["a/b#1", "a_b#1", "a-b#1", "A/b#1", "a/B#1"])
@example(["github.com/a-b/c#1", "github.com/a/b-c#1", "github.com/a/b/c#1"])
@example(["x" * 300 + "/a#1", "x" * 300 + "/b#1"])
@example(["a/b--0123456789#1", "a/b#1"])
@example(["local/straße#1", "local/strasse#1", "local/STRASSE#1"])
def test_a_slug_is_never_the_same_for_two_references_even_where_case_is_folded(references: list[str]) -> None:
    """Two texts, two file names; also on a file system that takes `A` and `a` for one."""
    slugs = [refs.make_slug(reference) for reference in references]
    assert len({name.casefold() for name in slugs}) == len(references)


@given(st.text(max_size=700))
@example("a" * 900)
@example("../../etc/passwd#1")
@example("-rf#1")
@example("…")
def test_a_slug_is_a_legal_short_file_name_for_any_text(text: str) -> None:
    """At most 80 characters of a plain alphabet, no leading dot or dash, so it can stand in any path and command."""
    assert re.fullmatch(r"[a-z0-9_][a-z0-9_.-]{0,79}", refs.make_slug(text))


@given(hosts, names, st.integers(0, 10**12 - 1))
def test_the_branch_of_any_accepted_reference_is_legal(host: str, name: str, number: int) -> None:
    """`fix/issue-N`, with N as a plain number, whatever the repository is called."""
    try:
        ref = refs.parse_reference(f"{host}/{name}/repo#{number:03}")
    except UsageError:
        return
    assert ref.branch == f"fix/issue-{number}"


def test_a_plain_reference_keeps_a_readable_name() -> None:
    """No hash where nothing had to be changed."""
    assert refs.parse_reference("github.com/user/repo#123").slug == "github.com-user-repo-123"
    assert refs.parse_reference("GitHub.com/User/repo#123").slug == "github.com-user-repo-123"
    assert refs.parse_reference("local/Repo#123").slug.startswith("local-repo-123--")
