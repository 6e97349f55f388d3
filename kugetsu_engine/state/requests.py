"""The operator's requests: small files that the engine applies in order, and its answers."""

import os

import msgspec

from ..domain.request import Answer, Request
from ..errors import BadFile
from ..paths import JSON, StatePaths
from ..storage import files, json_files
from ..storage.counter import next_number


def submit_request(paths: StatePaths, request: Request) -> int:
    """Write a request durably and return its number."""
    while True:
        number = next_number(paths.request_number)
        try:
            files.remove(paths.answer(number))  # an old answer, if the counter was lost
        except OSError:
            pass  # `write_answer` copes with it
        try:
            files.create(paths.request(number), msgspec.json.encode(request))
        except FileExistsError:
            continue
        return number


def list_waiting(paths: StatePaths) -> list[int]:
    """List the numbers of the requests that are not applied yet, in order."""
    names = (name.removesuffix(JSON) for name in os.listdir(paths.requests) if name.endswith(JSON))
    return sorted(int(name) for name in names if is_request_name(name))


def is_request_name(name: str) -> bool:
    """Whether this is a request's file name without ending."""
    return name.isascii() and name.isdigit() and len(name) <= 15 and name == f"{int(name):09}"


def list_foreign_files(paths: StatePaths) -> list[str]:
    """List the files in the folder of requests whose names are not those of requests."""
    names = [name for name in os.listdir(paths.requests) if name[0] != "." and name.endswith(JSON)]
    return [f"{paths.requests}/{name}" for name in sorted(names) if not is_request_name(name.removesuffix(JSON))]


def load_request(paths: StatePaths, number: int) -> Request:
    """Read one request; raises `FileNotFoundError` or `BadFile`."""
    try:
        return msgspec.json.decode(files.read(paths.request(number)), type=Request)
    except (ValueError, RecursionError) as error:
        raise BadFile(f"request {number} cannot be read: {error}") from None


def file_of(paths: StatePaths, number: int) -> str:
    """The file of a request."""
    return paths.request(number)


def write_answer(paths: StatePaths, number: int, reply: Answer) -> None:
    """Answer a request and remove it. The answer is written first, so that a crash never loses one."""
    path = paths.answer(number)
    data = msgspec.json.encode(reply)
    try:
        files.replace(path, data, durable=False)
    except IsADirectoryError:
        files.set_aside(path, paths.corrupt, "a folder where an answer belongs", f"{number:09}")
        files.replace(path, data, durable=False)
    files.remove(paths.request(number))


def pop_answer(paths: StatePaths, number: int) -> Answer | None:
    """Read the answer to a request and remove it; None while there is none."""
    path = paths.answer(number)
    try:
        reply = json_files.read(path, Answer)
    except (FileNotFoundError, BadFile):
        return None  # an invalid answer is not the engine's, which will overwrite it
    files.remove(path)
    return reply
