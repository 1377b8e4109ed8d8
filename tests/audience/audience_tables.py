"""What a tap makes of a model's table, and what may then be seen of the segments."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from messages import COLUMNS, schema, state
from running import SEGMENT

from target_launchdarkly.errors import PlanRefusedError
from target_launchdarkly.segments.patches import MAX_OPERATIONS
from target_launchdarkly.target import TargetLaunchDarkly

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    import pytest
    from running import Run

    from target_launchdarkly.sandbox import Sandbox

    Sync = Callable[..., Run]

Message = dict[str, Any]

CHANGES: Message = {"audience_sync_mode": "mirror"}
SNAPSHOT: Message = {"audience_sync_mode": "mirror", "mirror_source": "snapshot"}
#: Removes as many as it likes, so that only the proof stands between.
FREELY = SNAPSHOT | {"max_removal_percent": 100}
TRUSTING = FREELY | {"trust_end_of_input": True}
WITH_SIZE = FREELY | {"audience_size_field": "audience_size"}
PER_SEGMENT = WITH_SIZE | {"segment_key_field": "segment"}
SIZED = COLUMNS | {"audience_size": {"type": ["integer", "string", "number", "boolean", "null"]}}
BY_SEGMENT = SIZED | {"segment": {"type": ["string", "null"]}}
END = state({"at": "end"})


def activate(version: object, stream: str = "audience") -> Message:
    return {"type": "ACTIVATE_VERSION", "stream": stream, "version": version}


def versioned(messages: Iterable[Message], version: object) -> list[Message]:
    return [message | {"version": version} for message in messages]


def sized(messages: Iterable[Message], size: object) -> list[Message]:
    return [
        message | {"record": message["record"] | {"audience_size": size}} for message in messages
    ]


def for_segment(segment: object, messages: Iterable[Message]) -> list[Message]:
    return [message | {"record": message["record"] | {"segment": segment}} for message in messages]


def whole(*messages: Message, columns: Message = COLUMNS) -> list[Message]:
    """Return a table with its SCHEMA, and the STATE after it."""
    return [schema(columns=columns), *messages, END]


def cut_at(monkeypatch: pytest.MonkeyPatch, line_numbers: Collection[int]) -> None:
    """Make a checkpoint due after the records on these lines, and at no other time.

    On the SDK's way, which looks after every record; the short way looks less often.
    """

    def age(self: TargetLaunchDarkly) -> float:
        return 6.0 if self.message_reader.line_number in line_numbers else 0.0

    monkeypatch.setattr(TargetLaunchDarkly, "has_short_way", False)
    monkeypatch.setattr(TargetLaunchDarkly, "_max_record_age_in_minutes", property(age))


def put(sandbox: Sandbox, *context_keys: str, segment: str = SEGMENT) -> None:
    """Give a segment its members, as nothing that the run did."""
    for start in range(0, len(context_keys), MAX_OPERATIONS):
        values = list(context_keys[start : start + MAX_OPERATIONS])
        instruction = {"kind": "addIncludedTargets", "contextKind": "user", "values": values}
        body = {"environmentKey": "test", "instructions": [instruction]}
        sandbox.patch_segment(segment, body)
    sandbox.forget_past()


def included(sandbox: Sandbox, segment: str = SEGMENT) -> set[str]:
    return set(sandbox.included(segment))


def excluded(sandbox: Sandbox, segment: str = SEGMENT) -> set[str]:
    return set(sandbox.excluded(segment))


def methods(sandbox: Sandbox) -> list[str]:
    return [each.method for each in sandbox.requests]


def bodies(sandbox: Sandbox) -> list[Any]:
    """Return the instructions of each PATCH, in order."""
    found: list[Any] = [each.body for each in sandbox.requests if each.method == "PATCH"]
    return [body["instructions"] for body in found]


def instructions(sandbox: Sandbox) -> list[list[str]]:
    """Return the instruction kinds of each PATCH, in order."""
    return [[one["kind"] for one in body] for body in bodies(sandbox)]


def operations(sandbox: Sandbox) -> Counter[tuple[str, str]]:
    """Return how often each key was asked to be changed, by instruction kind."""
    return Counter(
        (one["kind"], key) for body in bodies(sandbox) for one in body for key in one["values"]
    )


def demand_done(run: Run, *states: object) -> None:
    """Assert that a run ended well, and wrote these STATEs."""
    assert run.error is None
    assert run.states == list(states)


def demand_untouched(sandbox: Sandbox, run: Run, *there: str, segment: str = SEGMENT) -> str:
    """Assert that a run was refused and did nothing to a segment; return what it says."""
    assert isinstance(run.error, PlanRefusedError)
    assert run.error.segments == [segment]
    assert included(sandbox, segment) == {*there}
    assert excluded(sandbox, segment) == set()
    # An export of a big segment is a look, too.
    changes = [
        each
        for each in sandbox.requests
        if each.segment_key == segment
        and each.method != "GET"
        and not each.path.endswith("/exports")
    ]
    assert changes == []
    assert run.states == []
    told = str(run.error)
    assert f"Segment '{segment}' was left as it is: " in told
    return told
