"""What is wrong in the operator's files, told by the engine: as alerts for as long as it is so, and once in a notification."""

from collections.abc import Callable

from ..config.env_files import EnvFiles
from ..config.prompt_template import PromptFile
from ..domain.task import Notice
from ..scheduler.engine_context import EngineContext


class ConfigAlerts:
    """Reads settings, env files and the prompt's template again when they change, and tells what is wrong in them."""

    def __init__(self, context: EngineContext, *, env_files: EnvFiles, prompt_file: PromptFile) -> None:
        """Begin; a command that is the engine for a moment raises alerts and sends nothing."""
        self._settings = context.settings
        self._alerts = context.alerts
        self._notify = context.notify if context.lasts else None
        self._now = context.now
        self._env_files = env_files
        self._prompt_file = prompt_file
        self._reported: tuple[str, ...] = ()

    def refresh(self) -> bool:
        """Take one look; whether the settings are others now."""
        changed = self._settings.refresh()
        self._env_files.refresh()
        self._prompt_file.refresh()
        self._alerts.warn_each("config", self._settings.problems)
        self._alerts.warn("env", "; ".join(self._env_files.problems))
        self._alerts.warn("prompt", self._prompt_file.problem)
        if self._notify is not None:
            for text in self._env_files.make_private():
                self._notify(Notice(self._now(), "engine_env_open", text, "warning"))
            self._report_problems(self._notify)
        return changed

    def _report_problems(self, notify: Callable[[Notice], None]) -> None:
        """Say what is wrong since the last look, and when all of it is right again."""
        problems = (*self._settings.problems, *self._env_files.problems, *filter(None, [self._prompt_file.problem]))
        before, self._reported = self._reported, problems
        for text in problems:
            if text not in before:
                notify(Notice(self._now(), "engine_settings", text, "warning"))
        if before and not problems:
            notify(Notice(self._now(), "engine_settings", "what was wrong in the settings is right again"))
