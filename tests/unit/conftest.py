"""The parts of the engine, one at a time."""

from hypothesis import settings

from tests.support.fixtures import engine_factory, paths, state_dir

__all__ = ["engine_factory", "paths", "state_dir"]

settings.register_profile("kugetsu", deadline=None, max_examples=100)
settings.load_profile("kugetsu")
