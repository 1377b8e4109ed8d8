"""What a run tells in files: who changes, and what became of it."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from target_launchdarkly.api.clock import Clock
from target_launchdarkly.discretion import Discretion
from target_launchdarkly.errors import PlanRefusedError, ReportError
from target_launchdarkly.report.changes import LINE_BEGINS, Changes, ChangesFile
from target_launchdarkly.report.files import are_one, demand_writable
from target_launchdarkly.report.findings import Finding
from target_launchdarkly.report.summary import DOCUMENT_BEGINS, Run, SummaryFile, document
from target_launchdarkly.sinks import AudienceTarget

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from singer_sdk.plugin_base import _ConfigInput

    from target_launchdarkly.report.summary import Found, Status


ONE_FILE = "summary_file: is that of changes_file. Name a file for each."


class ReportingTarget(AudienceTarget):
    """A target that tells in files of its runs."""

    #: Time as the run sees it; tests put their own in its place.
    clock: ClassVar[Clock] = Clock()
    #: Lines that were written on stdout, of a run STATE lines.
    lines_written = 0

    @cached_property
    def changes(self) -> Changes:  # type: ignore[override]
        """Where it is told who changes; made anew when it is first asked for."""
        if self.settings.changes_file is None:
            return Changes()
        changes = ChangesFile(
            self.settings.changes_file, self.clock.now, is_dry_run=self.settings.dry_run
        )
        self.logger.info(
            "Who changes is written to %s. It holds context keys, which may be personal data: only "
            "its owner can read it.%s",
            changes.path,
            f" The earlier one is kept as {changes.kept.name}." if changes.kept else "",
        )
        return changes

    @cached_property
    def _summary_file(self) -> SummaryFile | None:
        path = self.settings.summary_file
        if path is None or are_one(path, self.settings.changes_file):
            return None
        return SummaryFile(path)

    def findings_of_files(self) -> Iterator[Finding]:
        """Yield why a run could not write its files; nothing is written."""
        if are_one(self.settings.changes_file, self.settings.summary_file):
            yield Finding("FAIL", "settings", ONE_FILE)
        kinds = {"changes_file": LINE_BEGINS, "summary_file": DOCUMENT_BEGINS}
        for setting, begins in kinds.items():
            path = getattr(self.settings, setting)
            if path is None:
                continue
            try:
                demand_writable(setting, path, begins)
            except ReportError as error:
                yield Finding("FAIL", "settings", str(error))

    def begin(self) -> None:
        """Make the files that tell of the run, before anything is sent.

        Raises:
            ReportError: One of them cannot be written.
        """
        if are_one(self.settings.changes_file, self.settings.summary_file):
            raise ReportError(ONE_FILE)
        self.sum_up("running")
        assert self.changes  # noqa: S101 made when it is first asked for

    def sum_up(self, status: Status, exit_code: int | None = None, **error: str) -> None:
        """Write what became of the run so far, if there is a file for it.

        Args:
            status: How it is.
            exit_code: That it ends with; None if it goes on.
            error: What ended it, e.g. `LaunchDarklyError="…"`.

        Raises:
            ReportError: It cannot be written.
        """
        file = self._summary_file
        if file is None:
            return
        told = Discretion(self.settings.access_token).told
        run = Run(
            version=self.plugin_version,
            started_at=self.clock.started(),
            now=self.clock.now(),
            status=status,
            exit_code=exit_code,
            error=next(iter(error.items()), None),
            api_url=self.settings.api_url,
            project_key=self.settings.project_key,
            environment_key=self.settings.environment_key,
            is_dry_run=self.settings.dry_run,
            lines=self.line_number,
            states=self.lines_written,
        )
        content = document(run, None if status == "running" else self.found())
        # Whoever gives the token for another setting, or a stream its name, finds it nowhere.
        file.write(_masked(content, told))

    def sum_up_failure(self, error: BaseException, told: str) -> None:
        """Write that the run has failed; if that cannot be written, warn of it."""
        status: Status = "refused" if isinstance(error, PlanRefusedError) else "failed"
        try:
            self.sum_up(status, 1, **{type(error).__name__: told})
        except ReportError as another:
            if str(another) not in told:
                self.logger.warning("%s", another)

    @classmethod
    def sum_up_unmade(cls, config: _ConfigInput | None, error: BaseException, told: str) -> None:
        """Write that a run could not begin, if its settings name a file for that."""
        path, other = (cls._given(config, name) for name in ("summary_file", "changes_file"))
        if not isinstance(path, str) or not path or are_one(path, other):
            return
        run = Run(
            version=cls.get_plugin_version(),
            started_at=cls.clock.started(),
            now=cls.clock.now(),
            status="failed",
            exit_code=1,
            error=(type(error).__name__, Discretion(cls.given_token(config)).told(told)),
        )
        try:
            SummaryFile(path).write(document(run))
        except ReportError as another:
            cls.logger.warning("%s", another)

    def found(self) -> Found | None:
        """Return what the run has found and done; None if it has not begun."""
        return None


def _masked(value: Any, told: Callable[[str], str]) -> Any:
    """Return a document with every text as it may be told."""
    if isinstance(value, str):
        return told(value)
    if isinstance(value, list):
        return [_masked(each, told) for each in value]
    if isinstance(value, dict):
        return {name: _masked(each, told) for name, each in value.items()}
    return value
