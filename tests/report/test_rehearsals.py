"""A dry run's changes file is what the real run then changes, line for line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from messages import COLUMNS, keys, leavers, members, record, schema, state
from running import SEGMENT
from told_changes import of_segment, told, without_moment

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from running import Run

    from target_launchdarkly.sandbox import Sandbox

CHANGES = {"audience_sync_mode": "mirror", "max_removal_percent": 100}
SNAPSHOT = CHANGES | {"mirror_source": "snapshot", "trust_end_of_input": True}
BY_SEGMENT = COLUMNS | {"segment": {"type": "string"}}
NAMES = [f"segment-{number}" for number in range(12)]
MEMBERS = [*keys(40), "gone-1", "gone-2"]

Message = dict[str, Any]

SIMPLE = [schema(), *members(*keys(60, 20)), *leavers("gone-1", "gone-2", "nobody")]
TWICE = [schema(), *members("a", "b"), *leavers("a", "gone-1"), *members("a"), *leavers("b")]
FAULTY = [*SIMPLE, record("user-3", "perhaps"), record(None), record("user-4")]
MANY = [
    schema(columns=BY_SEGMENT),
    *(record(key, segment=name) for key in keys(30, 20) for name in NAMES),
    *(record("gone-1", is_member=False, segment=name) for name in NAMES),
]
KINDS = [
    schema("people"),
    schema("companies"),
    *members("new", stream="people"),
    *members("acme", stream="companies"),
    *leavers("gone-1", stream="people"),
]
TWO_KINDS = {"streams": {"companies": {"context_kind": "organization"}}}
SOON = 1_800_000_000_000 + 3_600_000
ENDING = [
    schema(columns=COLUMNS | {"ends": {"type": ["integer", "null"]}}),
    *(record(key, ends=SOON + 1_000) for key in keys(30)),
    *(record(key, ends=SOON) for key in keys(30, 30)),
    *(record(key, ends=None) for key in ["user-1", "user-2"]),
    *leavers("gone-1"),
]
BIG = {"segment_key": "huge"}
MERGED = [schema(), *members(*keys(120, 20), 'a "quoted" key', "two\nlines", "é")]
EXCLUDED = [schema(), *members("barred", "user-77", "user-0"), *leavers("gone-2", "stranger")]


def settle(sandbox: Sandbox) -> None:
    """Give every segment the same targets, as nothing that a run did."""
    sandbox.delete_segment(SEGMENT)
    for name in (SEGMENT, *NAMES):
        sandbox.add_segment(name, included=MEMBERS, excluded=["barred", "user-77"])
    expire(sandbox, "gone-1", *keys(20))
    sandbox.add_segment("huge", unbounded=True, included=MEMBERS)
    sandbox.forget_past()


def expire(sandbox: Sandbox, *context_keys: str) -> None:
    kind = {"kind": "addExpiringTarget", "targetType": "included", "contextKind": "user"}
    instructions = [kind | {"contextKey": key, "value": SOON} for key in context_keys]
    answer = sandbox.patch_expirations(SEGMENT, {"instructions": instructions})
    assert not answer["failedInstructions"]


@pytest.mark.parametrize(
    ("messages", "settings"),
    [
        pytest.param(SIMPLE, {}, id="add"),
        pytest.param(SIMPLE, {"audience_sync_mode": "remove"}, id="remove"),
        pytest.param(SIMPLE, CHANGES, id="mirror-by-changes"),
        pytest.param(SIMPLE, SNAPSHOT, id="mirror-by-snapshot"),
        pytest.param(SIMPLE, SNAPSHOT | {"batch_size_rows": 3}, id="many-requests"),
        pytest.param(TWICE, CHANGES, id="words-that-are-taken-back"),
        pytest.param(FAULTY, CHANGES | {"invalid_record_action": "skip"}, id="skipped-records"),
        pytest.param(FAULTY, SNAPSHOT | {"invalid_record_action": "skip"}, id="refused-snapshot"),
        pytest.param(FAULTY, CHANGES, id="refused-record"),
        pytest.param(MANY, CHANGES | {"segment_key_field": "segment"}, id="many-segments"),
        pytest.param(KINDS, CHANGES | TWO_KINDS, id="two-context-kinds"),
        pytest.param(EXCLUDED, CHANGES, id="excluded-by-hand"),
        pytest.param(EXCLUDED, CHANGES | {"excluded_key_action": "include"}, id="lifted"),
        pytest.param(EXCLUDED, CHANGES | {"excluded_key_action": "fail"}, id="refused-exclusion"),
        pytest.param(EXCLUDED, CHANGES | {"removal_action": "exclude"}, id="excluding"),
        pytest.param(ENDING, CHANGES | {"expires_at_field": "ends"}, id="expirations"),
        pytest.param(SIMPLE, {"segment_key": "new", "create_segment": "standard"}, id="created"),
        pytest.param(SIMPLE, BIG, id="big-segment-unseen"),
        pytest.param(SIMPLE, BIG | CHANGES | {"max_removal_percent": 50}, id="big-segment-guarded"),
        pytest.param(SIMPLE, BIG | SNAPSHOT, id="big-segment-snapshot"),
        pytest.param(MERGED, BIG | SNAPSHOT | {"batch_size_rows": 2}, id="big-segment-import"),
        pytest.param(SIMPLE, BIG | CHANGES | {"removal_action": "exclude"}, id="big-exclusions"),
        pytest.param(SIMPLE, SNAPSHOT | {"max_removal_percent": 1}, id="refused-by-the-guard"),
    ],
)
def test_dry_run_tells_line_for_line_what_the_real_run_then_changes(
    sandbox: Sandbox,
    sync: Callable[..., Run],
    tmp_path: Path,
    messages: list[Message],
    settings: Message,
) -> None:
    """Of a segment in the same order; lines of different segments may come between each other."""
    settle(sandbox)
    planned, made = tmp_path / "planned.jsonl", tmp_path / "changes.jsonl"
    feed = [*messages, state({"at": "end"})]

    before = targets(sandbox)
    rehearsal = sync(feed, dry_run=True, changes_file=str(planned), **settings)
    assert targets(sandbox) == before
    run = sync(feed, changes_file=str(made), **settings)

    assert (type(rehearsal.error), str(rehearsal.error)) == (type(run.error), str(run.error))
    assert told(planned)
    assert without_moment(planned) == without_moment(made)
    for name in {line["segment"] for line in told(planned)}:
        assert of_segment(planned, name) == of_segment(made, name)
    assert all(line["acknowledged_at"] is None for line in told(planned))
    assert applied(planned, before) == targets(sandbox)


def targets(sandbox: Sandbox) -> set[tuple[str, str, str, str]]:
    """Return who stands where: segment, context kind, side and key."""
    found = set()
    for segment in sandbox.list_segments(100, 0)["items"]:  # type: ignore[attr-defined]
        for side in ("included", "excluded"):
            kinds = {"user", "organization"} if not segment["unbounded"] else {"user"}
            for kind in kinds:
                for key in getattr(sandbox, side)(segment["key"], kind):
                    found.add((segment["key"], kind, side, key))
    return found


#: What an action does: on which side of the segment the key stands afterwards, or stands no more.
ACTIONS = {
    "add": ("included", True),
    "remove": ("included", False),
    "exclude": ("excluded", True),
    "lift": ("excluded", False),
}


def applied(path: Path, before: set[tuple[str, str, str, str]]) -> set[tuple[str, str, str, str]]:
    """Return who stands where after all that a changes file tells."""
    after = set(before)
    for line in told(path):
        for action in line["action"].split("+"):
            if action in ACTIONS:
                side, stands = ACTIONS[action]
                place = (line["segment"], line["context_kind"], side, line["context_key"])
                (after.add if stands else after.discard)(place)
    return after
