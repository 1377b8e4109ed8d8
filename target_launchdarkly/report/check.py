"""What `--check` tells of LaunchDarkly: whether a run could work. It changes nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from target_launchdarkly.api.expiring import get_expiring_targets
from target_launchdarkly.api.shapes import MAX_TARGETS
from target_launchdarkly.errors import NotFoundError, RefusedError, TargetError
from target_launchdarkly.report.findings import Finding
from target_launchdarkly.segments.trial import Trial, try_writing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from target_launchdarkly.api.client import Client
    from target_launchdarkly.api.shapes import CallerIdentity, Environment, UserSegment
    from target_launchdarkly.report.findings import Level
    from target_launchdarkly.settings import Settings, StreamSettings

    #: A segment key, and the settings of a stream that feeds it.
    Feed = tuple[str, StreamSettings]

#: The role action without which no target of a segment can be changed.
#: https://launchdarkly.com/docs/home/account/role-actions#segment-actions
INCLUDE_ACTION = "updateIncluded"
#: The one without which nobody can be excluded, nor an exclusion be lifted.
EXCLUDE_ACTION = "updateExcluded"
#: The one without which nobody can say when a target expires.
EXPIRING_ACTION = "updateExpiringTargets"
#: The one without which nobody can see who is a member of a big segment.
EXPORT_ACTION = "createSegmentExport"
#: Of segments that records name, only so many are looked at.
MAX_SEGMENTS = 10
BYPASS = (
    "Give the token a role with the action bypassRequiredSegmentApproval, if it has none yet: no "
    "segment is there to try that."
)
REFUSED = (
    "Its patch would change nothing, and is refused all the same: those of a run would be too. "
    "LaunchDarkly's words stand in the log with TARGET_LAUNCHDARKLY_LOGLEVEL=DEBUG; look at the "
    "settings context_kind and comment first."
)


@dataclass(slots=True)
class Named:
    """What the settings say of a segment."""

    context_kinds: set[str] = field(default_factory=set)
    #: Whether a stream says when its memberships end.
    has_moments: bool = False
    #: Whether its members have to be exported if it is big.
    is_exported: bool = False


def findings(settings: Settings, client: Client, feeds: Sequence[Feed] = ()) -> Iterator[Finding]:
    """Yield what LaunchDarkly says about a config, up to the first thing that ends the search.

    Args:
        settings: The config.
        client: Asked.
        feeds: What records have named, if any were read. Of these segments, some are looked at.
    """
    try:
        identity = client.get_caller_identity()
        yield Finding("ok", "access token", f"accepted by {settings.api_url}{_named(identity)}")
        environment = client.get_environment()
    except TargetError as error:
        yield Finding("FAIL", "LaunchDarkly", str(error))
        return
    yield _environment_finding(settings, environment)
    segments = [*_segments_of(_feeds(settings), settings).items()]
    known = {key for key, _ in segments}
    by_records = _segments_of(feeds, settings).items()
    more = [(key, named) for key, named in by_records if key not in known]
    for segment_key, named in (*segments, *more[:MAX_SEGMENTS]):
        yield _SegmentCheck(settings, client, environment, segment_key, named).finding()
    if left := len(more[MAX_SEGMENTS:]):
        yield Finding("warn", "segments", f"more that records name ({left:,}) were not looked at")
    segments += more
    if not segments:
        needs_approvals = environment.needs_approvals and not settings.dry_run
        told = "named by the records; none to look at before they come"
        level: Level = "FAIL" if needs_approvals else "ok"
        yield Finding(level, "segments", f"{told}. {BYPASS}" if needs_approvals else told)


def _named(identity: CallerIdentity) -> str:
    return f" (token '{identity.token_name}')" if identity.token_name else ""


def _environment_finding(settings: Settings, environment: Environment) -> Finding:
    subject = f"project '{settings.project_key}', environment '{settings.environment_key}'"
    if not environment.needs_approvals:
        return Finding("ok", subject, "known")
    told = "known; changes of its segments require approvals"
    if settings.dry_run:
        return Finding("warn", subject, f"{told}, which dry_run does not show")
    return Finding("ok", subject, told)


def _feeds(settings: Settings) -> Iterator[Feed]:
    """Yield what the settings say of segments: which stream feeds which."""
    for stream in (settings.stream, *settings.streams.values()):
        if stream.segment_key and not stream.segment_key_field:
            yield stream.segment_key, stream


def _segments_of(feeds: Iterable[Feed], settings: Settings) -> dict[str, Named]:
    """Return what is known of segments, by their keys."""
    segments: dict[str, Named] = {}
    for segment_key, stream in feeds:
        named = segments.setdefault(segment_key, Named())
        named.context_kinds.add(stream.context_kind)
        named.has_moments |= stream.expires_at_field is not None
        named.is_exported |= stream.is_snapshot and settings.big_segment_removals == "export"
    return segments


class _SegmentCheck(NamedTuple):
    """Whether one segment could be synced."""

    settings: Settings
    client: Client
    environment: Environment
    key: str
    named: Named

    def finding(self) -> Finding:
        """Return what LaunchDarkly shows of the segment, and how it takes a change."""
        try:
            segment = self.client.get_segment(self.key)
            if self.named.has_moments and not segment.is_big:
                get_expiring_targets(self.client, self.key)
            problem = self._problem(segment)
            if not problem:
                self._try_writing(segment)
        except NotFoundError as error:
            return self._missing(error)
        except RefusedError as error:
            problem = f"{error} {REFUSED}"
        except TargetError as error:
            problem = str(error)
        if problem:
            return self._told("FAIL", problem)
        level: Level = "ok"
        if self._denied(segment) or (segment.room < 0 and not segment.is_big):
            level = "warn"
        return self._told(level, self._described(segment))

    def _told(self, level: Level, detail: str) -> Finding:
        return Finding(level, f"segment '{self.key}'", detail)

    def _missing(self, error: NotFoundError) -> Finding:
        create = self.settings.create_segment
        if create == "never" or "segment" not in error.unknown:
            return self._told("FAIL", str(error))
        told = f"missing; a run creates it ({create})"
        if self.environment.needs_approvals and not self.settings.dry_run:
            return self._told("FAIL", f"{told}, and its changes require approvals. {BYPASS}")
        return self._told("ok", f"{told}, for which the token needs createSegment")

    def _problem(self, segment: UserSegment) -> str | None:
        named = self.named
        if segment.external:
            return f"is synced by {segment.external}. Choose a segment that no other tool keeps."
        if segment.is_big and named.context_kinds != {segment.context_kind}:
            return (
                f"is a big segment of context kind '{segment.context_kind}'. Set context_kind to "
                "it."
            )
        missing = [] if self.settings.dry_run else self._denied(segment)
        if named.is_exported and segment.is_big and EXPORT_ACTION in segment.denied:
            missing.append(EXPORT_ACTION)
        if missing:
            return (
                f"the token lacks the role action{'s' if missing[1:] else ''} "
                f"{' and '.join(missing)}. Give it the Writer role, or a custom role with that."
            )
        return None

    def _denied(self, segment: UserSegment) -> list[str]:
        """Return the role actions that a change needs, and that LaunchDarkly says are denied."""
        needed = [INCLUDE_ACTION]
        if self.settings.changes_excluded:
            needed.append(EXCLUDE_ACTION)
        if self.named.has_moments:
            needed.append(EXPIRING_ACTION)
        return [action for action in needed if action in segment.denied]

    def _try_writing(self, segment: UserSegment) -> None:
        """Let LaunchDarkly say whether it takes changes, by one that changes nothing.

        Raises:
            LaunchDarklyError: It does not.
        """
        settings = self.settings
        if settings.dry_run:
            return
        trial = Trial(
            context_kinds=self.named.context_kinds,
            excludes=settings.changes_excluded,
            expires=self.named.has_moments,
            comment=settings.comment,
            needs_approvals=self.environment.needs_approvals,
        )
        try_writing(self.client, segment, trial)

    def _described(self, segment: UserSegment) -> str:
        named, kinds = self.named, ", ".join(sorted(self.named.context_kinds))
        tried = f"; {self._told_of_writing(segment)}"
        if segment.is_big:
            count = segment.included_count or 0
            refused = "; a record with an end of membership is refused" if named.has_moments else ""
            exported = (
                f"; a snapshot exports who is a member, for which the token needs {EXPORT_ACTION}"
                if named.is_exported
                else ""
            )
            return f"big segment of kind {kinds}, {count:,} included{exported}{refused}{tried}"
        count = sum(map(len, segment.included.values()))
        ends = "; memberships end by themselves" if named.has_moments else ""
        return (
            f"standard segment, {count:,} included of all kinds{_told_of_room(segment)}; synced "
            f"kind: {kinds}{ends}{tried}"
        )

    def _told_of_writing(self, segment: UserSegment) -> str:
        if not self.settings.dry_run:
            return "a patch that changes nothing was taken"
        if denied := self._denied(segment):
            return f"the token may not {' or '.join(denied)}, which dry_run does not need"
        return "whether it takes changes was not tried, because dry_run is set"


def _told_of_room(segment: UserSegment) -> str:
    room = segment.room
    if room >= 0:
        return f", room for {room:,} more"
    return (
        f" and {segment.size:,} targets, more than the {MAX_TARGETS:,} that LaunchDarkly supports "
        "in a standard segment: create a big segment for this audience"
    )
