"""The engine with real processes and real git."""

from tests.support.fixtures import fleet

__all__ = ["fleet"]
