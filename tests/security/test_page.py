"""S25 and the table: docs/security.md names what remains, and each test it points at exists."""

import ast
import re
from functools import cache

from tests.support.fleet import ROOT

PAGE = (ROOT / "docs/security.md").read_text(encoding="utf-8")


def test_s25_the_page_names_the_residual_risk() -> None:
    """Under a heading of its own: whose rights an agent has, who can steer it, and that the sandbox is off by default."""
    risk = " ".join(PAGE.partition("## The residual risk\n")[2].partition("\n## ")[0].split())
    for words in ("An agent runs with your rights", "The text of an issue can steer an agent", "off by default"):
        assert words in risk


def test_every_point_of_the_list_names_tests_that_exist() -> None:
    """S01 to S28, each with at least one."""
    rows = re.findall(r"^\| (S\d\d) \| .+? \| (.+) \|$", PAGE, re.MULTILINE)
    assert [number for number, _ in rows] == [f"S{number:02}" for number in range(1, 29)]
    for number, cell in rows:
        named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", cell)
        assert named, number
        for path, test in named:
            assert test in _tests(path), (number, path, test)


@cache
def _tests(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
