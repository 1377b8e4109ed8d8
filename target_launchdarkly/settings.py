"""The settings, typed and checked, per stream."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from math import inf, isfinite
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from target_launchdarkly.api.links import is_loopback
from target_launchdarkly.errors import SettingsError
from target_launchdarkly.names import closest, is_near
from target_launchdarkly.properties import (
    CONFIG_JSONSCHEMA,
    DEFAULT_MEMBERSHIP_FIELD,
    INSTANCES,
    KEY_PATTERN,
    PROPERTIES,
    REQUIRED,
    STREAM_NAMES,
    WITHOUT_EFFECT,
    explain,
    missing,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = [
    "CONFIG_JSONSCHEMA",
    "DEFAULT_MEMBERSHIP_FIELD",
    "INSTANCES",
    "KEY_PATTERN",
    "PROPERTIES",
    "REQUIRED",
    "STREAM_NAMES",
    "WITHOUT_EFFECT",
    "Settings",
    "StreamSettings",
    "contradictions",
    "explain",
    "missing",
    "read",
    "unknown_names",
    "without_wrong",
]

#: Settings that may be a fraction, which the SDK reads from a config file as a Decimal.
FRACTIONS = ("max_removal_percent", "request_timeout", "max_retry_seconds", "max_import_seconds")
#: Names of letters, digits and hyphens between dots, or an IPv6 address.
HOST = re.compile(r"(?:[\w-]+\.)*[\w-]+\.?|[0-9a-f:.]*:[0-9a-f:.]*", re.ASCII)


class StreamSettings(NamedTuple):
    """How one stream is synced."""

    segment_key: str | None
    segment_key_field: str | None
    context_kind: str
    audience_sync_mode: Any
    mirror_source: Any
    audience_size_field: str | None
    expires_at_field: str | None
    max_removal_percent: float
    context_key_field: str
    membership_field: str

    @property
    def is_snapshot(self) -> bool:
        """Whether the stream lists the whole audience."""
        return bool(self.audience_sync_mode == "mirror" and self.mirror_source == "snapshot")

    def with_own(self, own: Mapping[str, Any]) -> StreamSettings:
        """Return these settings with a stream's own in their place."""
        changes = {name: own[name] for name in STREAM_NAMES if own.get(name) is not None}
        # A stream that names its segment one way does not want the other way of all streams.
        if "segment_key" in changes:
            changes.setdefault("segment_key_field", None)
        elif "segment_key_field" in changes:
            changes["segment_key"] = None
        return self._replace(**changes)


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings, checked."""

    access_token: str = field(repr=False)
    api_url: str
    project_key: str
    environment_key: str
    #: For every stream that has no settings of its own.
    stream: StreamSettings
    #: Those of streams that have settings of their own, by stream name.
    streams: Mapping[str, StreamSettings]
    trust_end_of_input: bool
    removal_action: Any
    #: Resolved: what holds if it is not set depends on `removal_action`.
    excluded_key_action: Any
    invalid_record_action: Any
    create_segment: Any
    big_segment_removals: Any
    comment: str | None
    changes_file: str | None
    summary_file: str | None
    dry_run: bool
    batch_size_rows: int
    request_timeout: float
    max_retry_seconds: float
    max_import_seconds: float
    #: The streams that stream maps name, by the tap's name and the alias.
    mapped_streams: tuple[tuple[str, str], ...] = ()

    def for_stream(self, stream_name: str) -> StreamSettings:
        """Return the settings of one stream."""
        return self.streams.get(stream_name, self.stream)

    def near(self, stream_name: str) -> str | None:
        """Return the name in `streams` that a stream without settings of its own may be meant by.

        Nobody names `marts.vips` if the stream `marts-vips` shall have the settings of all others.
        """
        if stream_name in self.streams:
            return None
        return next((name for name in self.streams if is_near(name, stream_name)), None)

    @property
    def changes_excluded(self) -> bool:
        """Whether a run may exclude targets, or lift exclusions."""
        return bool(self.removal_action == "exclude" or self.excluded_key_action == "include")

    @property
    def expects_snapshot(self) -> bool:
        """Whether any stream, named or not, would be a snapshot."""
        return any(each.is_snapshot for each in (self.stream, *self.streams.values()))


def read(config: Mapping[str, Any]) -> Settings:
    """Return the typed settings of a config that the JSON Schema accepts, defaults filled in.

    Raises:
        SettingsError: Settings contradict each other; all problems at once.
    """
    problems = list(contradictions(config))
    if problems:
        raise SettingsError(problems)
    found = _with_floats(config)
    plain: dict[str, Any] = {
        name: found.get(name)
        for name in Settings.__dataclass_fields__
        if name not in {"api_url", "stream", "streams", "excluded_key_action", "mapped_streams"}
    }
    stream = _for_all(config)
    return Settings(
        api_url=(config.get("api_url") or INSTANCES[config["api_instance"]]).rstrip("/"),
        stream=stream,
        streams={name: stream.with_own(own) for name, own in _own(config).items()},
        excluded_key_action=_excluded_key_action(config),
        mapped_streams=tuple(_mapped(config.get("stream_maps") or {})),
        **plain,
    )


def _mapped(stream_maps: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the streams that stream maps name and do not leave out: the tap's name and the alias.

    https://sdk.meltano.com/en/latest/stream_maps.html
    """
    for name, changes in stream_maps.items():
        if isinstance(changes, dict) and not name.startswith("__") and not set(name) & set("*?["):
            yield str(changes.get("__source__") or name), str(changes.get("__alias__") or name)


def _for_all(config: Mapping[str, Any]) -> StreamSettings:
    found = _with_floats(config)
    values: dict[str, Any] = {name: found.get(name) for name in STREAM_NAMES}
    return StreamSettings(**values)


def _own(config: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return what streams have of their own; what cannot be theirs is told elsewhere."""
    return {
        stream: _with_floats({name: own[name] for name in STREAM_NAMES if name in own})
        for stream, own in (config.get("streams") or {}).items()
    }


def _with_floats(config: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: _as_float(value) if name in FRACTIONS and value is not None else value
        for name, value in config.items()
    }


def _as_float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        return inf


def _excluded_key_action(config: Mapping[str, Any]) -> str:
    """Return what is set; else who comes back is included again if leaving excludes."""
    default = "include" if config["removal_action"] == "exclude" else "skip"
    return config.get("excluded_key_action") or default


def contradictions(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield the problems of a config that the JSON Schema accepts, defaults filled in."""
    yield from _number_problems("", config)
    for name, own in _own(config).items():
        yield from _number_problems(f"streams.{name}.", own)
    yield from _token_problems(config["access_token"])
    yield from _url_problems(config.get("api_url"))
    two_operations = (
        config["removal_action"] == "exclude" or _excluded_key_action(config) == "include"
    )
    if two_operations and config["batch_size_rows"] == 1:
        yield (
            "batch_size_rows: must be at least 2 with removal_action 'exclude' or "
            "excluded_key_action 'include', which take two operations a key."
        )
    yield from _stream_problems(config)


def _number_problems(prefix: str, config: Mapping[str, Any]) -> Iterator[str]:
    for name in FRACTIONS:
        value = config.get(name)
        if value is not None and not isfinite(_as_float(value)):
            yield f"{prefix}{name}: must be a finite number."


def _token_problems(access_token: str) -> Iterator[str]:
    if access_token.startswith(("sdk-", "mob-")):
        yield (
            "access_token: this is an SDK or mobile key, which cannot use the REST API. Make an "
            "API access token in LaunchDarkly under Account settings > Authorization."
        )
    elif not re.fullmatch(r"[!-~]+", access_token):
        yield "access_token: holds a blank or another character that no token has. Copy it again."


def _stream_problems(config: Mapping[str, Any]) -> Iterator[str]:
    default = _for_all(config)
    yield from _field_problems("", default)
    named = {name: default.with_own(own) for name, own in _own(config).items()}
    for name, stream in named.items():
        yield from _field_problems(f"streams.{name}.", stream)
    yield from _mixed_segments(named)
    ways = (default, *named.values())
    if not any(stream.segment_key or stream.segment_key_field for stream in ways):
        yield (
            "segment_key: is missing. Name the segment of the streams, or set segment_key_field "
            "to the record property that names it."
        )


def _mixed_segments(named: Mapping[str, StreamSettings]) -> Iterator[str]:
    first: dict[str, str] = {}
    for name, stream in named.items():
        if stream.segment_key is None or stream.segment_key_field:
            continue
        other = first.setdefault(stream.segment_key, name)
        if named[other].is_snapshot != stream.is_snapshot:
            yield (
                f"streams: '{other}' and '{name}' both feed segment '{stream.segment_key}', but "
                "only one of them is a snapshot, which would remove what the other adds. Give "
                "them the same audience_sync_mode and mirror_source, or a segment each."
            )


def _field_problems(prefix: str, stream: StreamSettings) -> Iterator[str]:
    names = (
        *("context_key_field", "membership_field", "segment_key_field", "audience_size_field"),
        "expires_at_field",
    )
    seen: dict[str, str] = {}
    for name in names:
        column = getattr(stream, name)
        if column is not None and column.isspace():
            yield f"{prefix}{name}: is blank. Name the record property."
        if column in seen:
            yield f"{prefix}{name}: names the same record property as {seen[column]}."
        elif column is not None:
            seen[column] = name


def _url_problems(api_url: str | None) -> Iterator[str]:
    if api_url is None:
        return
    if not re.fullmatch(r"[!-~]+", api_url):
        yield "api_url: holds a blank or another character that no URL has. Copy it again."
        return
    try:
        url = urlsplit(api_url)
        host, _ = url.hostname or "", url.port
    except ValueError:
        yield "api_url: is no URL. Give one like 'https://app.launchdarkly.com'."
        return
    if url.scheme not in {"http", "https"} or not HOST.fullmatch(host):
        yield "api_url: is no http(s) URL. Give one like 'https://app.launchdarkly.com'."
    elif url.username or url.password or url.query or url.fragment:
        yield "api_url: must hold no user, password, query or fragment."
    elif url.scheme == "http" and not is_loopback(host):
        yield (
            "api_url: plain http would send the token unencrypted. Use https; http is for a "
            "loopback host such as 127.0.0.1 only."
        )


def unknown_names(config: Mapping[str, Any], known: Iterable[str]) -> Iterator[str]:
    """Yield a problem for every setting that nobody reads: a typo must not switch a guard off."""
    yield from _unknown("", config, {*known, *WITHOUT_EFFECT})
    streams = config.get("streams")
    for stream_name, own in streams.items() if isinstance(streams, dict) else ():
        if isinstance(own, dict):
            yield from _unknown(f"streams.{stream_name}.", own, STREAM_NAMES)


def _unknown(prefix: str, names: Iterable[str], known: Iterable[str]) -> Iterator[str]:
    for name in names:
        if name in known:
            continue
        # A program that makes the settings may name some by what is no text.
        similar = closest(str(name), known)
        hint = f"Did you mean '{similar}'?" if similar else "`--about` lists all settings."
        yield f"{prefix}{name}: there is no such setting here. {hint}"


def without_wrong(config: Mapping[str, Any], wrong: Iterable[str]) -> dict[str, Any]:
    """Return a config in which no setting that is wrong by itself hides what else is wrong."""
    usable = {name: value for name, value in config.items() if name not in wrong}
    for name in {*wrong, *REQUIRED} - usable.keys() & PROPERTIES.keys():
        if "default" in PROPERTIES[name]:
            usable[name] = PROPERTIES[name]["default"]
        elif name in {*REQUIRED, "segment_key"}:
            usable[name] = "unknown"
    return usable
