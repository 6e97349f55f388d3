"""KEY=VALUE files, parsed as data and never run by a shell."""

import re

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

REFUSED = frozenset({"LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT", "DYLD_INSERT_LIBRARIES", "BASH_ENV", "ENV", "IFS"})
"""Names that change what a program *is*; an env file may not set them."""


def parse(text: str) -> tuple[dict[str, str], list[str]]:
    """Read assignments; returns them, and for each line that is none a sentence saying so.

    `export`, comments, single quotes (literal) and double quotes (with `\\"`, `\\\\`, `\\n`, `\\$`) are known;
    `$(…)`, backticks and `$NAME` are plain text.
    """
    values: dict[str, str] = {}
    faults: list[str] = []
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        name, equals, value = line.removeprefix("export ").partition("=")
        name = name.strip()
        if not equals or not _NAME.fullmatch(name):
            faults.append(f"line {number} is no KEY=VALUE")
        elif name in REFUSED:
            faults.append(f"line {number}: {name} may not be set")
        elif "\0" in value:
            faults.append(f"line {number} holds a NUL character")
        else:
            values[name] = _unquote(value.strip())
    return values, faults


def _unquote(value: str) -> str:
    if len(value) >= 2 and value[0] == value[-1] == "'":
        return value[1:-1]
    if len(value) >= 2 and value[0] == value[-1] == '"':
        escapes = {"n": "\n"}
        return re.sub(r"\\(.)", lambda match: escapes.get(match[1], match[1]), value[1:-1])
    return value.partition(" #")[0].rstrip()
