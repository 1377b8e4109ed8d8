"""What became of a run, for machines: one JSON document, described by `summary.schema.json`.

It holds no context key: segment and stream names, numbers, and what the ERROR line says.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from contextlib import suppress
from stat import S_IMODE
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from target_launchdarkly.report.files import cannot_be_written, moment, place_of, size_of_own

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from target_launchdarkly.audience.planner import Judgement
    from target_launchdarkly.audience.streams import Feed, Stream
    from target_launchdarkly.report.tally import Tally

#: How every document begins.
DOCUMENT_BEGINS = b'{\n  "target": "target-launchdarkly"'

Status = Literal["running", "succeeded", "refused", "failed", "stopped"]


class Run(NamedTuple):
    """What is to tell of the run as a whole; what is not known yet is None."""

    version: str
    #: Epoch seconds.
    started_at: float
    now: float
    status: Status
    exit_code: int | None = None
    #: What ended it, e.g. `("LaunchDarklyError", "…")`, as the ERROR line says it.
    error: tuple[str, str] | None = None
    api_url: str | None = None
    project_key: str | None = None
    environment_key: str | None = None
    is_dry_run: bool | None = None
    #: Lines of the input that were read.
    lines: int = 0
    #: STATE lines that were written.
    states: int = 0


class Found(NamedTuple):
    """What a run has found and done."""

    tallies: Mapping[str, Tally]
    #: By segment key and method.
    requests: Mapping[str, Mapping[str, int]]
    #: By segment key.
    judgements: Mapping[str, Sequence[Judgement]]
    streams: Sequence[Stream]
    #: Why segments were refused, by their keys; "" stands for the run.
    refusals: Mapping[str, Sequence[str]]
    #: Invalid records that name no segment.
    without_segment: int
    #: Streams that the settings name and that did not come.
    missing_streams: int


def document(run: Run, found: Found | None = None) -> dict[str, Any]:
    """Return the document of a run.

    Args:
        run: The run as a whole.
        found: What it has found and done; None if it has not begun.
    """
    is_over = run.status != "running"
    return {
        "target": "target-launchdarkly",
        "version": run.version,
        "status": run.status,
        "exit_code": run.exit_code,
        "started_at": moment(run.started_at, "seconds"),
        "ended_at": moment(run.now, "seconds") if is_over else None,
        "seconds": round(run.now - run.started_at, 3) if is_over else None,
        "error": run.error and {"type": run.error[0], "message": run.error[1]},
        "api_url": run.api_url,
        "project_key": run.project_key,
        "environment_key": run.environment_key,
        "dry_run": run.is_dry_run,
        "lines": run.lines,
        "states_written": run.states,
        **_of_segments(found, {"empty_input": int(run.status == "succeeded" and not run.lines)}),
    }


def _of_segments(found: Found | None, of_run: Mapping[str, int]) -> dict[str, Any]:
    tallies: Mapping[str, Tally] = found.tallies if found else {}
    requests = Counter[str]()
    for methods in found.requests.values() if found else ():
        requests.update(methods)
    return {
        "records": sum(tally.records for tally in tallies.values()),
        "requests": dict(sorted(requests.items())),
        "warnings": {**of_run, **_warnings(found, tallies.values())},
        "refusals": [
            {"segment": segment_key or None, "reasons": [*dict.fromkeys(reasons)]}
            for segment_key, reasons in (found.refusals.items() if found else ())
        ],
        "segments": [*_segments(found)] if found else [],
        "streams": [_stream(stream) for stream in found.streams] if found else [],
    }


def _warnings(found: Found | None, tallies: Iterable[Tally]) -> dict[str, int]:
    tallies = [*tallies]
    return {
        "blanks_around_key": sum(tally.trimmed for tally in tallies),
        "invalid_records": sum(tally.invalid for tally in tallies)
        + (found.without_segment if found else 0),
        "excluded_by_hand": sum(tally.excluded_by_hand for tally in tallies),
        "refused_by_launchdarkly": sum(tally.refused for tally in tallies),
        "segments_over_limit": sum(tally.is_over_limit for tally in tallies),
        "streams_that_never_came": found.missing_streams if found else 0,
    }


def _segments(found: Found) -> Iterator[dict[str, Any]]:
    for segment_key, tally in found.tallies.items():
        yield {
            "segment": segment_key,
            "type": "big" if tally.is_big else "standard",
            "status": tally.status,
            "created": tally.was_created,
            "records": tally.records,
            "added": tally.added,
            "removed": tally.removed,
            "excluded": tally.excluded,
            "imported": tally.imported,
            "all_members_replaced": tally.was_replaced,
            "expirations": {
                "set": tally.expirations_set,
                "moved": tally.expirations_moved,
                "removed": tally.expirations_removed,
            },
            "already_in_place": _in_place(tally),
            "skipped": {
                "not_for_this_mode": tally.not_acted_on,
                "invalid": tally.invalid,
                "excluded_by_hand": tally.excluded_by_hand,
                "refused_by_launchdarkly": tally.refused,
            },
            "blanks_around_key": tally.trimmed,
            "over_limit": tally.is_over_limit,
            "requests": dict(sorted(found.requests.get(segment_key, {}).items())),
            "guard": [_judgement(each) for each in found.judgements.get(segment_key, ())],
        }


def _in_place(tally: Tally) -> int | None:
    """Return how many records needed no change; None where nobody knows."""
    is_known = tally.status in {"synced", "planned"} and not tally.is_unseen
    return tally.already_in_place if is_known else None


def _judgement(judgement: Judgement) -> dict[str, Any]:
    members = judgement.members
    return {
        "context_kind": judgement.context_kind,
        "members": members,
        "members_leaving": judgement.members_leaving,
        "percent": round(judgement.members_leaving * 100 / members, 2) if members else 0.0,
        "max_removal_percent": judgement.max_removal_percent,
    }


def _stream(stream: Stream) -> dict[str, Any]:
    settings, completeness = stream.settings, stream.completeness
    return {
        "stream": stream.name,
        "alias": stream.alias,
        "mode": "snapshot" if settings.is_snapshot else settings.audience_sync_mode,
        "records": completeness.arrived,
        "proofs": [_proof(feed) for feed in stream.feeds.values()] if settings.is_snapshot else [],
    }


def _proof(feed: Feed) -> dict[str, Any]:
    stated = [size for size in feed.rows.stated if size is not None]
    return {
        "segment": feed.audience.segment_key,
        "proven_by": feed.proven_by,
        "rows": feed.rows.count,
        "different_keys": feed.keys,
        "stated_size": stated[0] if len(stated) == 1 else None,
        "missing_because": feed.gap and feed.gap.reason,
    }


class SummaryFile:
    """The file of the last run's document.

    Args:
        path: Where; `~` is the user's home.

    Raises:
        ReportError: Something else is there.
    """

    def __init__(self, path: str) -> None:
        try:
            self.path = place_of(path)
            size_of_own(self.path, DOCUMENT_BEGINS)
        except OSError as error:
            raise cannot_be_written("summary_file", error) from error

    def write(self, content: Mapping[str, Any]) -> None:
        """Put a document in the place of the earlier one, in one step.

        Raises:
            ReportError: It cannot be written.
        """
        text = f"{json.dumps(content, indent=2)}\n"
        # A name may be as long as the system allows, in bytes: a character has four at most.
        beside = self.path.with_name(f".{self.path.name[:50]}.{os.getpid()}")
        try:
            beside.write_text(text, encoding="utf-8")
            with suppress(FileNotFoundError):
                beside.chmod(S_IMODE(self.path.stat().st_mode))
            beside.replace(self.path)
        except OSError as error:
            with suppress(OSError):
                beside.unlink(missing_ok=True)
            raise cannot_be_written("summary_file", error) from error
