"""References are found in what a person writes, and nothing else is taken for one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kugetsu_engine.domain import mentions, refs
from kugetsu_engine.domain.refs import make_slug
from kugetsu_engine.domain.reserved_refs import BASE, PM_AGENT, SESSIONS


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("fix shoko/kugetsu#14, please", ["github.com/shoko/kugetsu#14"]),
        ("(git.fbrns.co/shoko/kugetsu#144)", ["git.fbrns.co/shoko/kugetsu#144"]),
        ("see https://git.fbrns.co/shoko/kugetsu/issues/9.", ["git.fbrns.co/shoko/kugetsu#9"]),
        ("git.fbrns.co/shoko/kugetsu/issues/9 is open", ["git.fbrns.co/shoko/kugetsu#9"]),
        ("https://h.test/o/r/-/merge_requests/3?x=1#note", ["h.test/o/r#3"]),
        ("https://h.test/o/r/pull/3/files", []),
        ("local/notes#3 and local/notes#3, then a/b#4", ["local/notes#3", "github.com/a/b#4"]),
        ("group/sub/repo/deep#7", ["group/sub/repo/deep#7"]),
        ("`a/b#1`\n* c/d#2\n\"e/f#3\"", ["github.com/a/b#1", "github.com/c/d#2", "github.com/e/f#3"]),
        ("no issue #5, path/to/file.py, and/or, C# 3/4", []),
        ("../../etc/passwd#1", []),
        ("a/b#12x a/b#", []),
        ("", []),
    ],
)  # fmt: skip
def test_each_form_is_found_once_and_in_order(text: str, found: list[str]) -> None:
    """Addresses with and without a scheme, three short forms, in the middle of sentences."""
    assert [str(ref) for ref in mentions.find_mentions(text)] == found


@given(st.text(max_size=300))
def test_any_text_gives_references_that_can_be_read_again(text: str) -> None:
    """Never an error; what is found is a reference in its long form."""
    for ref in mentions.find_mentions(text):
        assert refs.parse_reference(str(ref)) == ref


@given(
    st.sampled_from(["local", "github.com", "base", "pm-agent"]),
    st.text("abc-.A/", min_size=1, max_size=12),
    st.integers(0, 99),
)
def test_no_issue_has_the_session_file_of_another_one(host: str, path: str, number: int) -> None:
    """The two reserved names are nobody else's; two references never share a name."""
    ref = f"{host}/{path}#{number}"
    if ref not in (BASE, PM_AGENT):
        assert make_slug(ref) not in SESSIONS.values()
    assert SESSIONS[BASE] != SESSIONS[PM_AGENT]
