"""The arguments of a verb as data, so that the console can give hints at each key without making a parser."""

TYPE_CHECKING = False  # the one of `typing` would load it
if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any


class Argument:
    """A positional argument or an option of a verb, as `add_argument` takes it."""

    def __init__(
        self, *names: str, shell_only: bool = False, one_of: bool = False, console: "Mapping[str, Any] | None" = None,
        choices: "Sequence[str] | Callable[[], Sequence[str]]" = (), **settings: "Any",
    ) -> None:  # fmt: skip
        """Describe it.

        Args:
            names: of an option with its dashes, the long one last; or the name of a positional argument.
            shell_only: it makes sense in a shell only, not in the console.
            one_of: exactly one of the arguments with this flag must be given.
            console: settings that differ in the console.
            choices: the values it may have, or a function that returns them if they take time to load.
            settings: those of argparse.
        """
        self.names = names
        self.name = names[-1].removeprefix("--")
        self.is_option = names[-1].startswith("-")
        self.shell_only = shell_only
        self.console = console or {}
        self.one_of = one_of
        self.settings = settings
        self._choices = choices

    @property
    def choices(self) -> "Sequence[str]":
        """The values it may have; empty for any."""
        return self._choices() if callable(self._choices) else self._choices

    @property
    def value(self) -> str:
        """The name of its value in help; empty for an option without one."""
        if "action" in self.settings and self.settings["action"] != "append":
            return ""
        named = "WHAT" if self.choices and self.is_option else "|".join(self.choices) or self.name.upper()
        return str(self.settings.get("metavar", named))


def flag(*names: str, **settings: "Any") -> Argument:
    """Make an option without a value."""
    return Argument(*names, action="store_true", **settings)


def read_whole_number(text: str) -> int:
    """Read a number for argparse."""
    from argparse import ArgumentTypeError

    try:
        return int(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not a whole number") from None


def read_duration(text: str) -> float:
    """Read a duration such as 90s for argparse; returns seconds."""
    from ..domain.text.times import parse_duration

    return parse_duration(text)


def list_expectations() -> "Sequence[str]":
    """List the values of `--expect`."""
    from ..domain.new_task import EXPECTATIONS

    return EXPECTATIONS


def list_session_choices() -> "Sequence[str]":
    """List the values of `--session`."""
    from ..domain.new_task import SESSION_CHOICES

    return SESSION_CHOICES


def list_shells() -> "Sequence[str]":
    """List the shells for which there are completions."""
    from shtab import SUPPORTED_SHELLS

    shells: Sequence[str] = SUPPORTED_SHELLS
    return shells


def add_arguments(parser: "ArgumentParser", arguments: "Sequence[Argument]", *, console: bool = False) -> None:
    """Add arguments to a parser, for the console with the settings that differ there."""
    group = None
    for argument in arguments:
        if argument.one_of and group is None:
            group = parser.add_mutually_exclusive_group(required=True)
        settings = {**argument.settings, **argument.console} if console else dict(argument.settings)
        if argument.choices:
            settings["choices"] = argument.choices
        (group if group is not None and argument.one_of else parser).add_argument(*argument.names, **settings)
