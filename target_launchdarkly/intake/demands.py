"""What a stream's SCHEMA must have so that its records can be used. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from target_launchdarkly.errors import StreamError
from target_launchdarkly.intake.columns import booleans_of
from target_launchdarkly.properties import DEFAULT_MEMBERSHIP_FIELD

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from target_launchdarkly.intake.columns import Columns
    from target_launchdarkly.settings import Settings, StreamSettings


def lacks_flag(stream: StreamSettings, columns: Columns) -> bool:
    """Whether nothing says who leaves: no flag, and no moment of deletion or of the end."""
    by_changes = stream.audience_sync_mode == "mirror" and not stream.is_snapshot
    return by_changes and not columns.declared & {"flag", "deleted", "expires"}


def warnings_of(
    name: str,
    settings: Settings,
    columns: Columns,
    earlier: Columns | None,
    properties: Mapping[str, Any],
) -> Iterator[str]:
    """Yield what to warn of in a stream's SCHEMA.

    Args:
        name: The stream's.
        settings: The run's settings.
        columns: What is read of the records.
        earlier: What was read of them by the stream's last SCHEMA, if there was one.
        properties: Those of the SCHEMA.

    Raises:
        StreamError: The SCHEMA does not fit the stream's settings.
    """
    stream = settings.for_stream(name)
    _demand_place(name, settings, stream)
    if earlier and (lost := columns.lost_since(earlier)):
        raise StreamError(
            f"the SCHEMA of stream '{name}' has lost '{', '.join(lost)}' in mid-run, which is "
            "read. Look at the tap; run again when its SCHEMA is the same throughout."
        )
    skips_invalid = settings.invalid_record_action == "skip"
    for role in ("key", "segment", "expires", *(["size"] if stream.is_snapshot else [])):
        if problem := columns.lack(role, properties):
            if role in {"expires", "size"} or not skips_invalid:
                raise StreamError(f"stream '{name}' {problem}")
            yield f"Stream '{name}' {problem} Records without it are skipped."
    yield from _flag_warnings(name, stream, columns, properties)


def _demand_place(name: str, settings: Settings, stream: StreamSettings) -> None:
    if near := settings.near(name):
        raise StreamError(
            f"stream '{name}' is not in streams, but '{near}' is: did you mean '{name}'? Name "
            "it just so in streams; if it is another stream, name it there too, with {}."
        )
    if not (stream.segment_key or stream.segment_key_field):
        raise StreamError(
            f"no segment is set for stream '{name}'. Set segment_key, for all streams or for "
            "this one in streams, or set segment_key_field to the property that names the segment."
        )


def _flag_warnings(
    name: str, stream: StreamSettings, columns: Columns, properties: Mapping[str, Any]
) -> Iterator[str]:
    problem = columns.lack("flag", properties)
    if problem is None:
        return
    if stream.membership_field != DEFAULT_MEMBERSHIP_FIELD:
        raise StreamError(f"stream '{name}' {problem}")
    booleans = [each for each in booleans_of(properties) if each not in columns.names.values()]
    removes = stream.audience_sync_mode == "remove"
    if (booleans or removes) and not lacks_flag(stream, columns):
        yield (
            f"Stream '{name}' has no property '{stream.membership_field}', so every row counts as "
            f"{'leaving' if removes else 'a member'}. If there is a flag, set membership_field to "
            f"it; its boolean properties are: {', '.join(booleans) or 'none'}."
        )
