"""The JSON Schema of the settings: names, descriptions, defaults, and what each may hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: https://launchdarkly.com/docs/home/account/instances
INSTANCES: Mapping[str, str] = {
    "us": "https://app.launchdarkly.com",
    "eu": "https://app.eu.launchdarkly.com",
    "federal": "https://app.launchdarkly.us",
}

#: LaunchDarkly's rule for project, environment and segment keys.
KEY_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]*$(?!\n)"
KEY_RULE = "letters, digits, '.', '_' and '-', beginning with a letter or digit"
#: https://launchdarkly.com/docs/home/flags/context-kinds
CONTEXT_KIND_PATTERN = r"^(?!(kind|multi)$)[A-Za-z0-9._-]+$(?!\n)"
CONTEXT_KIND_RULE = "letters, digits, '.', '_' and '-', and not 'kind' or 'multi'"

#: A stream without a property of this name has no flag; any other name must be there.
DEFAULT_MEMBERSHIP_FIELD = "is_member"


def _text(title: str, description: str, **more: Any) -> dict[str, Any]:
    return {"type": "string", "title": title, "description": description, "minLength": 1} | more


def _choice(title: str, default: str, values: Iterable[str], description: str) -> dict[str, Any]:
    return _text(title, description, default=default, enum=list(values))


#: The settings of this target in the order in which people need them. The SDK adds its own.
PROPERTIES: dict[str, dict[str, Any]] = {
    "access_token": _text(
        "Access token",
        "API access token with the Writer role, or with a custom role that allows `updateIncluded` "
        "on the segments, and `updateExcluded` where it excludes or lifts exclusions. Made in "
        "LaunchDarkly under Account settings > Authorization. SDK keys (`sdk-…`), mobile keys "
        "(`mob-…`) and client-side IDs cannot use the REST API.",
        secret=True,
        writeOnly=True,
    ),
    "api_instance": _choice(
        "API instance",
        "us",
        INSTANCES,
        "The LaunchDarkly instance of your account: `us` (app.launchdarkly.com), `eu` "
        "(app.eu.launchdarkly.com) or `federal` (app.launchdarkly.us).",
    ),
    "api_url": _text(
        "API URL",
        "Base URL in place of an instance, for the sandbox or a proxy. Plain http is accepted for "
        "a loopback host only.",
    ),
    "project_key": _text("Project key", "Key of the LaunchDarkly project.", pattern=KEY_PATTERN),
    "environment_key": _text(
        "Environment key",
        "Key of the environment whose segments are synced, such as `production`.",
        pattern=KEY_PATTERN,
    ),
    "segment_key": _text(
        "Segment key",
        "Key of the segment of every stream that names none of its own.",
        pattern=KEY_PATTERN,
    ),
    "context_kind": _text(
        "Context kind",
        "Context kind of the context keys, as your LaunchDarkly SDKs send it.",
        default="user",
        pattern=CONTEXT_KIND_PATTERN,
    ),
    "audience_sync_mode": _choice(
        "Audience sync mode",
        "add",
        ("add", "remove", "mirror"),
        "`add` includes members, `remove` un-includes contexts whose flag is false or which have "
        "no flag, `mirror` does both, as each record's flag says.",
    ),
    "context_key_field": _text(
        "Context key field", "Record property with the context key.", default="context_key"
    ),
    "membership_field": _text(
        "Membership field",
        "Record property with the membership flag.",
        default=DEFAULT_MEMBERSHIP_FIELD,
    ),
    "segment_key_field": _text(
        "Segment key field",
        "Record property that names the segment, so that one stream feeds many segments.",
    ),
    "expires_at_field": _text(
        "Expires at field",
        "Record property with the moment when membership ends: ISO 8601 with an offset, a date, or "
        "epoch seconds or milliseconds; null for never. LaunchDarkly ends the membership then, "
        "whether the pipeline runs or not. Once the moment has passed, the record counts as false. "
        "Standard segments only; needs the role action `updateExpiringTargets`.",
    ),
    "streams": {
        "type": "object",
        "title": "Streams",
        "description": "Settings of single streams: an object of stream name to any of "
        "`segment_key`, `context_kind`, `audience_sync_mode`, `context_key_field`, "
        "`membership_field`, `segment_key_field`, `expires_at_field`, `mirror_source`, "
        "`audience_size_field` and `max_removal_percent`.",
    },
    "mirror_source": _choice(
        "Mirror source",
        "changes",
        ("changes", "snapshot"),
        "For `mirror`. `changes`: each record's flag says who joins and who leaves. `snapshot`: "
        "the stream lists the whole audience, and members it does not list leave once it is "
        "proven complete.",
    ),
    "audience_size_field": _text(
        "Audience size field",
        "Record property with the number of different context keys in the audience, on every row, "
        "which proves a snapshot complete. In a model with unique keys: `count(*) over () as "
        "audience_size`.",
    ),
    "trust_end_of_input": {
        "type": "boolean",
        "default": False,
        "title": "Trust end of input",
        "description": "Take the end of input as proof that a snapshot is complete. A tap that "
        "dies half-way ends its output just so, and then members are removed who should stay.",
    },
    "max_removal_percent": {
        "type": "number",
        "default": 50,
        "minimum": 0,
        "maximum": 100,
        "title": "Max removal percent",
        "description": "A mirror that would take away more than this of the members that a segment "
        "had when the run began is refused: nothing of it is sent, and the run fails. By changes, "
        "10 removals always pass.",
    },
    "removal_action": _choice(
        "Removal action",
        "remove",
        ("remove", "exclude"),
        "What happens to a context that leaves: `remove` takes it off the included targets, "
        "`exclude` also adds it to the excluded targets, so that no rule of the segment includes "
        "it.",
    ),
    # No "default", which the SDK would fill in: what holds depends on removal_action.
    "excluded_key_action": _text(
        "Excluded key action",
        "What happens to a member that stands in the segment's excluded targets: `skip` leaves it "
        "out with a warning, `include` lifts the exclusion, `fail` ends the run. Default: `skip`; "
        "with `removal_action: exclude`, `include`, or who comes back would stay out.",
        enum=["skip", "include", "fail"],
    ),
    "invalid_record_action": _choice(
        "Invalid record action",
        "fail",
        ("fail", "skip"),
        "What happens to a record whose key, flag or end of membership cannot be used, and to a "
        "key that LaunchDarkly refuses: `fail` ends the run, `skip` leaves it out and counts it.",
    ),
    "create_segment": _choice(
        "Create segment",
        "never",
        ("never", "standard", "big"),
        "Whether a segment that is missing is created, and of which type. A big segment takes more "
        "than 15,000 individual targets.",
    ),
    "big_segment_removals": _choice(
        "Big segment removals",
        "export",
        ("export", "replace"),
        "How it is found out who leaves a big segment that a snapshot mirrors. `export`: by an "
        "export of its members, for which the token needs the role action `createSegmentExport`. "
        "`replace`: where there are no exports, one import replaces all members; while it runs, "
        "whoever stays may be out for a time.",
    ),
    "comment": _text("Comment", "Comment of every patch, shown in LaunchDarkly's change history."),
    "changes_file": _text(
        "Changes file",
        "File that tells who changes and why, a JSON line each, and which records were skipped. It "
        "holds context keys, which may be personal data: only its owner can read it. The file of "
        "an earlier run is kept beside it.",
    ),
    "summary_file": _text(
        "Summary file",
        "File that tells machines what became of the run, as one JSON document: written when the "
        "run begins and when it ends, however it ends. It holds no context keys.",
    ),
    "dry_run": {
        "type": "boolean",
        "default": False,
        "title": "Dry run",
        "description": "Read and plan, send no change, write no STATE.",
    },
    "batch_size_rows": {
        "type": "integer",
        "default": 1500,
        "minimum": 1,
        "maximum": 1500,
        "title": "Batch size rows",
        "description": "Target operations per request. LaunchDarkly takes 1,500 at most.",
    },
    "request_timeout": {
        "type": "number",
        "default": 60,
        "exclusiveMinimum": 0,
        "title": "Request timeout",
        "description": "Seconds to wait for an answer before the request is sent again.",
    },
    "max_retry_seconds": {
        "type": "number",
        "default": 600,
        "minimum": 0,
        "title": "Max retry seconds",
        "description": "How many seconds one request is retried before the run fails.",
    },
    "max_import_seconds": {
        "type": "number",
        "default": 7200,
        "minimum": 0,
        "title": "Max import seconds",
        "description": "How many seconds an import or an export of a big segment may take, and how "
        "long an import of somebody else is waited for, before the run fails.",
    },
}

#: What `streams` may hold for a stream.
STREAM_NAMES = (
    "segment_key",
    "segment_key_field",
    "context_kind",
    "audience_sync_mode",
    "mirror_source",
    "audience_size_field",
    "max_removal_percent",
    "context_key_field",
    "membership_field",
    "expires_at_field",
)
PROPERTIES["streams"]["additionalProperties"] = {
    "type": "object",
    "properties": {
        name: {key: value for key, value in PROPERTIES[name].items() if key != "default"}
        for name in STREAM_NAMES
    },
}

REQUIRED = ("access_token", "project_key", "environment_key")

#: What `--about` shows and the SDK's validator checks.
CONFIG_JSONSCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": PROPERTIES,
    "required": list(REQUIRED),
}

#: Settings of the SDK that many projects carry along and that change nothing here.
WITHOUT_EFFECT = frozenset({"add_record_metadata", "load_method", "validate_records"})


def explain(path: Iterable[Any], rule: str, expected: Any) -> str:
    """Return the problem that a JSON Schema rule found, never quoting the value.

    Args:
        path: Where, e.g. `["batch_size_rows"]`.
        rule: The keyword that failed, e.g. `maximum`.
        expected: The keyword's value, e.g. `1500`.
    """
    name = ".".join(map(str, path))
    if rule == "pattern":
        told = CONTEXT_KIND_RULE if expected == CONTEXT_KIND_PATTERN else KEY_RULE
        return f"{name}: may hold {told} only."
    wordings = {
        "type": "must be {}",
        "enum": "must be one of {}",
        "minLength": "must not be empty",
        "minimum": "must be at least {}",
        "exclusiveMinimum": "must be more than {}",
        "maximum": "must be at most {}",
    }
    shown = ", ".join(map(str, expected)) if isinstance(expected, list) else expected
    return f"{name}: {wordings.get(rule, f'breaks the rule {rule}').format(shown)}."


def missing(name: str, env_prefix: str) -> str:
    """Return the problem of a required setting that is not there."""
    purpose = PROPERTIES[name]["description"].split(". ")[0].rstrip(".")
    return (
        f"{name}: is required ({purpose}). Set it in the config, or set {env_prefix}{name.upper()} "
        "and give --config ENV."
    )
