"""Reads JSON documents of a known type. Any bytes give a document or `BadFile`."""

from typing import TypeVar

import msgspec

from ..errors import BadFile
from . import files

Document = TypeVar("Document")


def decode(data: bytes, kind: type[Document], name: str) -> Document:
    """Decode a document. It must be possible to write it again, so numbers beyond 64 bits are refused.

    Args:
        name: of the file, for the error.

    Raises:
        BadFile: the bytes are not a valid document.
    """
    try:
        document = msgspec.json.decode(data, type=kind)
        msgspec.json.encode(document)
    except (ValueError, RecursionError, OverflowError) as error:
        raise BadFile(f"{name} cannot be read: {error}") from None
    return document


def read(path: str, kind: type[Document]) -> Document:
    """Read a document from a file.

    Raises:
        FileNotFoundError: the file does not exist.
        BadFile: it cannot be read.
    """
    return decode(files.read(path), kind, path)
