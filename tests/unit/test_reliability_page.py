"""docs/reliability.md: each row of "Found in real use" points at tests that exist."""

import ast
import re
from functools import cache

from tests.support.fleet import ROOT

PAGE = (ROOT / "docs/reliability.md").read_text(encoding="utf-8")


def test_every_fault_met_in_real_use_has_tests_that_exist() -> None:
    """Fifteen kinds, each with at least five members."""
    section = PAGE.partition("## Found in real use\n")[2].partition("\n## ")[0]
    kinds = section.split("\n### ")[1:]
    assert len(kinds) == 15
    for kind in kinds:
        rows = re.findall(r"^\| .+ \| (`\w+/.+`) \|$", kind, re.MULTILINE)
        assert len(rows) >= 5, kind.partition("\n")[0]
        for cell in rows:
            file = ""
            for name in re.findall(r"`([^`]+)`", cell):
                if name.endswith(".py"):
                    file = f"tests/{name}"
                else:
                    assert set(name.partition("[")[0].split("::")) <= _names(file), (file, name)


@cache
def _names(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, kinds))
