"""What the sandbox's page shows, as JSON documents."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection

    from target_launchdarkly.sandbox.state.exports import Export
    from target_launchdarkly.sandbox.state.imports import Import
    from target_launchdarkly.sandbox.state.segment import Segment, Side

    from .server import Sandbox

PAGE_SIZE = 50
MAX_TRANSFERS = 20


@dataclass(frozen=True, slots=True)
class MembersQuery:
    """Which keys of a segment to show.

    Attributes:
        context_kind: None for the kind with the most keys.
        search: part of the keys, in any case; empty for all keys.
        page: from 1 on.
    """

    side: Side = "included"
    context_kind: str | None = None
    search: str = ""
    page: int = 1


def overview(sandbox: Sandbox) -> dict[str, object]:
    """Give the segments, the rate limit's window and the counted requests."""
    with sandbox.read() as segments:
        summaries = [_summary(segment) for segment in segments.values()]
    limit = sandbox.rate_limit
    return {
        "project_key": sandbox.project_key,
        "environment_key": sandbox.environment_key,
        "read_only": sandbox.read_only,
        "approval_required": sandbox.approval_required,
        "pending_faults": len(sandbox.faults),
        "pending_late": sandbox.late,
        "pending_foreign": len(sandbox.happenings) - sandbox.late,
        "rate_limit": limit.document(sandbox.clock()) if limit else None,
        "requests": sandbox.log.table(),
        "leaks": len(sandbox.leaks),
        "segments": summaries,
    }


def changes(sandbox: Sandbox, segment_key: str) -> dict[str, object]:
    """Give a segment's last changes, newest first.

    Raises:
        ApiError: 404 for an unknown segment.
    """
    newest_first = reversed(sandbox.changes(segment_key))
    return {"segment_key": segment_key, "patches": [one.document() for one in newest_first]}


def snapshot_of_keys(
    sandbox: Sandbox, segment_key: str, query: MembersQuery
) -> tuple[str, list[str]]:
    """Give the kind that a query is about and a copy of its keys, newest first.

    Raises:
        ApiError: 404 for an unknown segment.
    """
    with sandbox.read(segment_key) as segments:
        segment = segments[segment_key]
        context_kind = query.context_kind or _main_kind(segment)
        return context_kind, list(reversed(segment.keys(query.side, context_kind)))


def leaving(sandbox: Sandbox, segment_key: str, side: Side, context_kind: str) -> dict[str, int]:
    """Give the epoch milliseconds at which keys of a kind leave, by key.

    Raises:
        ApiError: 404 for an unknown segment.
    """
    with sandbox.read(segment_key) as segments:
        return segments[segment_key].expirations.of(side, context_kind)


def members(keys: Collection[str], query: MembersQuery) -> dict[str, Any]:
    """Give one page of the keys that a query is about; a page past the end is the last one."""
    matches = keys
    if query.search:
        part = query.search.casefold()
        matches = [key for key in keys if part in key.casefold()]
    pages = max(1, -(-len(matches) // PAGE_SIZE))
    page = min(query.page, pages)
    start = (page - 1) * PAGE_SIZE
    return {
        "list": query.side,
        "search": query.search,
        "total": len(keys),
        "matches": len(matches),
        "page": page,
        "pages": pages,
        "start": start,
        "keys": list(islice(matches, start, start + PAGE_SIZE)),
    }


def _summary(segment: Segment) -> dict[str, object]:
    return {
        "key": segment.key,
        "name": segment.name,
        "type": _type(segment),
        "external": segment.external,
        "unbounded": segment.unbounded,
        "context_kinds": [
            {
                "kind": kind,
                "included": len(segment.keys("included", kind)),
                "excluded": len(segment.keys("excluded", kind)),
            }
            for kind in segment.targets or (segment.context_kind,)
        ],
        "expiring": len(segment.expirations.by_place),
        "expiring_changes": segment.expirations.changes,
        "size": segment.size,
        "sizes": list(segment.history.sizes),
        "version": segment.version,
        # A patch without a difference counts here, though not in the version.
        "patches": segment.history.total,
        "created_ms": segment.created_ms,
        "modified_ms": segment.modified_ms,
        "import_in_progress": segment.import_in_progress,
        "transfers": _transfers(segment),
    }


def _transfers(segment: Segment) -> list[dict[str, object]]:
    """Give the last imports and exports, newest first."""
    imports = [(one.created, _import(one)) for one in segment.imports.values()]
    exports = [(one.created, _export(one)) for one in segment.exports.values()]
    oldest_first = sorted((*imports, *exports), key=lambda one: one[0])
    return [document for _, document in islice(reversed(oldest_first), MAX_TRANSFERS)]


def _import(one: Import) -> dict[str, object]:
    return {
        "what": f"{one.mode} import",
        "started_ms": int(one.created * 1_000),
        "status": one.status,
        "keys": one.size,
        "is_foreign": one.is_foreign,
    }


def _export(one: Export) -> dict[str, object]:
    """Give what is known of an export: how many keys, as soon as it has its file."""
    return {
        "what": "export",
        "started_ms": int(one.created * 1_000),
        "status": one.status,
        "keys": one.file.members if one.file else None,
        "is_foreign": False,
    }


def _type(segment: Segment) -> str:
    if segment.external is not None:
        return "synced"
    return "big" if segment.unbounded else "standard"


def _main_kind(segment: Segment) -> str:
    def weight(kind: str) -> int:
        return len(segment.keys("included", kind)) + len(segment.keys("excluded", kind))

    return max(segment.targets or (segment.context_kind,), key=weight)
