"""docs/architecture.md and its neighbours: the paths they name exist, and every package is in the first."""

import re

import pytest

from tests.support.fleet import ROOT

PAGE = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
OTHERS = [(ROOT / f"docs/{name}.md").read_text(encoding="utf-8") for name in ("internals", "contributing")]
PLACES = (ROOT, ROOT / "kugetsu_engine", ROOT / "kugetsu_tui")
STATE = {
    "decisions/",
    "queue/done/",
    "queue/corrupt/",
    "queue/items/",
    "queue/requests/",
    "queue/edits/",
    "runs/",
    "logs/",
    "servers/",
}
"""Folders of the state directory and of the documents."""
PATHS = sorted(set(re.findall(r"`((?:\w+/)+\w+\.py|(?:\w+/)+|(?!test_)\w+\.py)`", "\n".join([PAGE, *OTHERS]))) - STATE)


def test_there_is_something_to_check() -> None:
    """A test of nothing would prove nothing."""
    assert len(PATHS) > 60


@pytest.mark.parametrize("path", PATHS)
def test_a_path_on_the_page_exists(path: str) -> None:
    """In the repository, the engine or the console."""
    assert any((place / path).exists() for place in PLACES)


@pytest.mark.parametrize("package", ["kugetsu_engine", "kugetsu_tui"])
def test_every_package_has_its_line(package: str) -> None:
    """Also those within another one."""
    packages = {str(path.parent.relative_to(ROOT / package)) for path in (ROOT / package).rglob("*/__init__.py")} - {"."}
    assert {name for name in packages if f"`{name}/`" not in PAGE} == set()


def test_names_of_contracts_and_packages_are_those_of_the_settings() -> None:
    """Each package that a contract is about stands in the picture."""
    contracts = (ROOT / "pyproject.toml").read_text("utf-8").partition("[tool.importlinter]")[2]
    wings = {name for name in re.findall(r"kugetsu_engine\.(\w+)", contracts) if (ROOT / "kugetsu_engine" / name).is_dir()}
    picture = PAGE.partition("```")[2].partition("```")[0]
    assert {wing for wing in wings if not re.search(rf"\b{wing}\b", picture)} == set()
