"""What `--check` tells: whether a run could work, without reading input or changing anything."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from target_launchdarkly.api.expiring import get_expiring_targets
from target_launchdarkly.errors import NotFoundError, TargetError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from target_launchdarkly.api.client import Client
    from target_launchdarkly.api.shapes import CallerIdentity, Environment, UserSegment
    from target_launchdarkly.settings import Settings

#: The role actions without which no target of a segment can be changed.
#: https://launchdarkly.com/docs/home/account/role-actions#segment-actions
NEEDED_ACTIONS = ("updateIncluded", "updateExcluded")
#: The one without which nobody can say when a target expires.
EXPIRING_ACTION = "updateExpiringTargets"
#: The one without which nobody can see who is a member of a big segment.
EXPORT_ACTION = "createSegmentExport"


class Finding(NamedTuple):
    """One line of `--check`."""

    is_good: bool
    subject: str
    detail: str

    def __str__(self) -> str:
        return f"{'ok  ' if self.is_good else 'FAIL'}  {self.subject}: {self.detail}"


@dataclass(slots=True)
class Named:
    """What the settings say of a segment."""

    context_kinds: set[str] = field(default_factory=set)
    #: Whether a stream says when its memberships end.
    has_moments: bool = False
    #: Whether its members have to be exported if it is big.
    is_exported: bool = False


def findings(settings: Settings, client: Client) -> Iterator[Finding]:
    """Yield what LaunchDarkly says about a config, up to the first thing that ends the search."""
    yield Finding(True, "settings", "all can be used")
    try:
        identity = client.get_caller_identity()
        yield Finding(True, "access token", f"accepted by {settings.api_url}{_named(identity)}")
        environment = client.get_environment()
    except TargetError as error:
        yield Finding(False, "LaunchDarkly", str(error))
        return
    yield _environment_finding(settings, environment)
    segments = _segments_of(settings)
    for segment_key, named in segments.items():
        yield _segment_finding(segment_key, named, settings, client)
    if not segments:
        yield Finding(True, "segments", "named by the records; none to look at before they come")


def _named(identity: CallerIdentity) -> str:
    return f" (token '{identity.token_name}')" if identity.token_name else ""


def _environment_finding(settings: Settings, environment: Environment) -> Finding:
    subject = f"project '{settings.project_key}', environment '{settings.environment_key}'"
    if environment.needs_approvals:
        return Finding(
            False,
            subject,
            "requires approvals for segments. Give the token a role with the action "
            "bypassRequiredSegmentApproval, if it has none yet.",
        )
    return Finding(True, subject, "known")


def _segments_of(settings: Settings) -> dict[str, Named]:
    """Return the segments that the settings name, by their keys."""
    segments: dict[str, Named] = {}
    for stream in (settings.stream, *settings.streams.values()):
        if stream.segment_key and not stream.segment_key_field:
            named = segments.setdefault(stream.segment_key, Named())
            named.context_kinds.add(stream.context_kind)
            named.has_moments |= stream.expires_at_field is not None
            named.is_exported |= stream.is_snapshot and settings.big_segment_removals == "export"
    return segments


def _segment_finding(segment_key: str, named: Named, settings: Settings, client: Client) -> Finding:
    subject = f"segment '{segment_key}'"
    try:
        segment = client.get_segment(segment_key)
        if named.has_moments and not segment.is_big:
            get_expiring_targets(client, segment_key)
    except NotFoundError as error:
        if settings.create_segment != "never" and "segment" in error.unknown:
            return Finding(True, subject, f"missing; a run creates it ({settings.create_segment})")
        return Finding(False, subject, str(error))
    except TargetError as error:
        return Finding(False, subject, str(error))
    problem = _segment_problem(segment, named)
    return Finding(problem is None, subject, problem or _described(segment, named))


def _segment_problem(segment: UserSegment, named: Named) -> str | None:
    if segment.external:
        return f"is synced by {segment.external}. Choose a segment that no other tool keeps."
    if segment.is_big and named.context_kinds != {segment.context_kind}:
        return f"is a big segment of context kind '{segment.context_kind}'. Set context_kind to it."
    needed = [*NEEDED_ACTIONS]
    if named.has_moments:
        needed.append(EXPIRING_ACTION)
    if named.is_exported and segment.is_big:
        needed.append(EXPORT_ACTION)
    missing = [action for action in needed if action in segment.denied]
    if missing:
        return (
            f"the token may not {' or '.join(missing)}. Give it the Writer role, or a custom role "
            "with these actions."
        )
    return None


def _described(segment: UserSegment, named: Named) -> str:
    kinds = ", ".join(sorted(named.context_kinds))
    if segment.is_big:
        count = segment.included_count or 0
        refused = "; a record with an end of membership is refused" if named.has_moments else ""
        exported = (
            f"; a snapshot exports who is a member, for which the token needs {EXPORT_ACTION}"
            if named.is_exported
            else ""
        )
        return f"big segment of kind {kinds}, {count:,} included{exported}{refused}"
    count = sum(map(len, segment.included.values()))
    ends = "; memberships end by themselves" if named.has_moments else ""
    return f"standard segment, {count:,} included of all kinds; synced kind: {kinds}{ends}"
