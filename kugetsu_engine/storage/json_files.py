"""Reading JSON documents of a known shape: any bytes at all give a document or `BadFile`, never anything else."""

from typing import TypeVar

import msgspec

from ..errors import BadFile
from . import files

Document = TypeVar("Document")


def decode(data: bytes, kind: type[Document], name: str) -> Document:
    """Read bytes as a document; what can be read can be written again, so numbers beyond 64 bits are refused.

    Args:
        name: of the file, for the words of the error.

    Raises:
        BadFile: they are none.
    """
    try:
        document = msgspec.json.decode(data, type=kind)
        msgspec.json.encode(document)
    except (ValueError, RecursionError, OverflowError) as error:
        raise BadFile(f"{name} cannot be read: {error}") from None
    return document


def read(path: str, kind: type[Document]) -> Document:
    """Read a file as a document.

    Raises:
        FileNotFoundError: there is none.
        BadFile: it cannot be read.
    """
    return decode(files.read(path), kind, path)
