"""The `config` file of the bash kugetsu (v0.2): shell assignments, read as data and never run."""

import re

_DEFAULTED = re.compile(r"\$\{\w+:-(.*)\}")
_ENTRY = r"""\[\s*["']?([\w.-]+(?::\d+)?)["']?\s*\]\s*=\s*["']?([^"'\s)]+)"""


def plain(value: str) -> str:
    """What an assignment means: of `${NAME:-5}` the `5`."""
    match = _DEFAULTED.fullmatch(value)
    return match[1].strip("\"'") if match else value


def servers(text: str) -> dict[str, str]:
    """The table `GIT_SERVERS`, in either way of writing it: address by host."""
    text = re.sub(r"(?m)^\s*#.*$", "", text)
    found = dict(re.findall(rf"GIT_SERVERS{_ENTRY}", text))
    for table in re.findall(r"GIT_SERVERS=\((.*?)\)", text, re.DOTALL):
        found |= dict(re.findall(_ENTRY, table))
    return {host.lower(): url for host, url in found.items()}
