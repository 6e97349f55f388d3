"""No text reaches a place where Textual would read markup in it, unless it is written in the source."""

import ast
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "kugetsu_tui"
SINKS = {"Static", "Label", "Button", "notify", "update", "Option", "Tab", "TabPane", "Checkbox", "Collapsible", "Digits"}
ATTRIBUTES = {"border_title", "border_subtitle", "tooltip"}


def safe(node: ast.expr) -> bool:
    """Whether an argument is Content, or a text without a variable in it."""
    if isinstance(node, ast.Constant):
        return True
    return isinstance(node, ast.Call) and "Content" in ast.unparse(node.func)


def test_sinks_get_content() -> None:
    """Static, Label, notify and the like take a literal or `Content(...)`."""
    wrong: list[str] = []
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                name = ast.unparse(node.func).rpartition(".")[2]
                # `_glyphs.update` is of a dictionary.
                other = ast.unparse(node.func) == "_glyphs.update"
                if name in SINKS and node.args and not safe(node.args[0]) and not other:
                    wrong.append(f"{path.name}:{node.lineno} {ast.unparse(node)[:80]}")
            targets = node.targets if isinstance(node, ast.Assign) else []
            wrong += [f"{path.name}: {t.attr}" for t in targets if isinstance(t, ast.Attribute) and t.attr in ATTRIBUTES]
    assert wrong == []


def test_nobody_sleeps_or_starts_processes() -> None:
    """The console waits for events; what is slow belongs to the engine or to a thread of the backend.

    But where the terminal is handed to a program of the operator's: an editor, a shell, the agent's own screen.
    """
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert "time.sleep" not in text, path
        assert "import subprocess" not in text or path.name in ("attach.py", "external_programs.py"), path


def test_importing_the_package_loads_no_textual() -> None:
    """The command line must start fast."""
    import subprocess
    import sys

    words = "import sys, kugetsu_tui, kugetsu_tui.keys, kugetsu_tui.launch; sys.exit('textual' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", words], cwd=PACKAGE.parent, check=False).returncode == 0
