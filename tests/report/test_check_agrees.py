"""What `--check --input` fails, a dry run of the same input fails, and the other way round."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest
from messages import leavers, lines, members, record, schema, state

from target_launchdarkly.target import TargetLaunchDarkly

if TYPE_CHECKING:
    from collections.abc import Callable

    from running import Run

TRUSTED = {
    "audience_sync_mode": "mirror",
    "mirror_source": "snapshot",
    "trust_end_of_input": True,
}
SIZED = TRUSTED | {"trust_end_of_input": False, "audience_size_field": "size"}
BY_SEGMENT = {"segment_key": None, "segment_key_field": "segment"}
COLUMNS: dict[str, Any] = {"context_key": {}, "is_member": {}, "size": {}, "segment": {}}
WIDE = schema(columns=COLUMNS)
INPUTS: dict[str, list[Any]] = {
    "plain": [schema(), *members("a", "b"), *leavers("c")],
    "blanks": [schema(), *members(" a"), state(1)],
    "null-key": [schema(), record(None)],
    "no-flag": [schema(), record("a", None)],
    "number-with-fraction": [schema(), record(1.5)],
    "no-columns": [
        schema(columns={"id": {}}),
        {"type": "RECORD", "stream": "audience", "record": {}},
    ],
    "no-flag-column": [schema(columns={"context_key": {}}), *members("a")],
    "sized": [WIDE, record("a", size=1, segment="beta-users")],
    "too-few": [WIDE, record("a", size=2, segment="beta-users")],
    "repeated": [WIDE, *[record("a", size=2, segment="beta-users")] * 2],
    "bad-segment": [WIDE, record("a", size=1, segment="no key")],
    "incremental": [schema(bookmark_properties=["at"]), *members("a")],
    "two-streams": [schema(), *members("a"), schema("b"), *members("b", stream="b")],
    "lost-column": [schema(), *members("a"), schema(columns={"is_member": {}}), *members("b")],
    "missing-key-property": [schema(key_properties=["id"]), *members("a")],
    "no-schema": members("a"),
    "cut": [schema(), *members("a"), "{"],
    "empty": [],
}


@pytest.mark.parametrize("name", INPUTS)
@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({}, id="add"),
        pytest.param({"audience_sync_mode": "mirror"}, id="changes"),
        pytest.param({"invalid_record_action": "skip"}, id="skipping"),
        pytest.param(TRUSTED, id="trusted"),
        pytest.param(SIZED, id="sized"),
        pytest.param(SIZED | {"invalid_record_action": "skip"}, id="sized-skipping"),
        pytest.param(BY_SEGMENT, id="by-segment"),
    ],
)
def test_check_fails_what_a_run_fails(
    sync: Callable[..., Run], config: dict[str, Any], name: str, settings: Any
) -> None:
    run = sync(INPUTS[name], dry_run=True, **settings)

    source: Any = io.BytesIO(lines(INPUTS[name]))
    found = [*TargetLaunchDarkly(config=config | settings).look_at(source).findings()]

    failures = [str(each) for each in found if each.level == "FAIL"]
    assert bool(failures) == (run.error is not None), (failures, run.error)
