"""Reports problems in the operator's files: an alert while a problem lasts, and one notification."""

from collections.abc import Callable

from ..config.env_files import EnvFiles
from ..config.prompt_template import PromptFile
from ..domain.task import Notice
from ..scheduler.engine_context import EngineContext


class ConfigAlerts:
    """Reads settings, env files and prompt template again when they change, and reports problems in them."""

    def __init__(self, context: EngineContext, *, env_files: EnvFiles, prompt_file: PromptFile) -> None:
        self._settings = context.settings
        self._alerts = context.alerts
        self._notify = context.notify if context.lasts else None  # the engine of a command only raises alerts
        self._now = context.now
        self._env_files = env_files
        self._prompt_file = prompt_file
        self._reported: tuple[str, ...] = ()

    def refresh(self) -> bool:
        """Read what has changed; returns whether the settings did."""
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
        """Send new problems, and a notification once all are solved."""
        problems = (*self._settings.problems, *self._env_files.problems, *filter(None, [self._prompt_file.problem]))
        before, self._reported = self._reported, problems
        for text in problems:
            if text not in before:
                notify(Notice(self._now(), "engine_settings", text, "warning"))
        if before and not problems:
            notify(Notice(self._now(), "engine_settings", "all problems in the settings are solved"))
