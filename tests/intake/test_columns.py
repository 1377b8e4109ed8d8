"""Which properties of a stream are read: by the settings and the names in its SCHEMA."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from configs import target
from messages import COLUMNS, leavers, members, record, schema
from running import SEGMENT

from target_launchdarkly.errors import StreamError
from target_launchdarkly.intake.columns import Columns, booleans_of, columns_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from running import Run

    from target_launchdarkly.sandbox import Sandbox

FLAG = {"type": ["boolean", "null"]}
TEXT = {"type": ["string", "null"]}


def read_of(*names: str, **settings: Any) -> Columns:
    """Return what is read of a stream that declares these names."""
    stream = target().settings.stream._replace(**settings)
    return columns_of(stream, dict.fromkeys(names, TEXT))


@pytest.mark.parametrize(
    ("declared", "key", "flag"),
    [
        pytest.param(["context_key", "is_member"], "context_key", "is_member", id="exact"),
        pytest.param(["CONTEXT_KEY", "IS_MEMBER"], "CONTEXT_KEY", "IS_MEMBER", id="upper"),
        pytest.param(["Context_Key", "is_Member"], "Context_Key", "is_Member", id="mixed"),
        pytest.param(
            ["CONTEXT_KEY", "context_key", "Is_Member", "is_member"],
            *("context_key", "is_member"),
            id="exact-before-alike",
        ),
        pytest.param(["user_id"], "context_key", "is_member", id="neither-is-declared"),
    ],
)
def test_name_is_exact_or_the_one_that_differs_by_case_alone(
    declared: list[str], key: str, flag: str
) -> None:
    columns = read_of(*declared)

    assert (columns.key, columns.flag) == (key, flag)
    assert ("key" in columns.declared) == (key in declared)


def test_every_property_that_is_read_is_found_in_upper_case() -> None:
    columns = read_of(
        *("CONTEXT_KEY", "IS_MEMBER", "_SDC_DELETED_AT", "SEGMENT", "N"),
        segment_key_field="segment",
        audience_size_field="n",
    )

    assert columns.names == {
        "key": "CONTEXT_KEY",
        "flag": "IS_MEMBER",
        "deleted": "_SDC_DELETED_AT",
        "segment": "SEGMENT",
        "size": "N",
    }
    assert columns.declared == {"key", "flag", "deleted", "segment", "size"}


def test_setting_in_upper_case_finds_a_property_in_lower_case() -> None:
    assert read_of("user_id", context_key_field="USER_ID").key == "user_id"


def test_two_properties_spelled_like_the_setting_are_ambiguous() -> None:
    with pytest.raises(StreamError, match=r"Context_Key, context_KEY.*Set context_key_field"):
        read_of("Context_Key", "context_KEY")


def test_two_times_of_deletion_spelled_alike_are_not_guessed_at() -> None:
    """No setting could name the right one."""
    columns = read_of("_SDC_deleted_at", "_SDC_DELETED_AT")

    assert columns.deleted == "_sdc_deleted_at"
    assert "deleted" not in columns.declared


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        pytest.param(
            {"membership_field": "user"}, "context_key_field and membership_field", id="key"
        ),
        pytest.param(
            {"audience_size_field": "USER"}, "context_key_field and audience_size_field", id="size"
        ),
        pytest.param(
            {"segment_key_field": "uSER"}, "context_key_field and segment_key_field", id="segment"
        ),
    ],
)
def test_two_settings_that_mean_one_property_are_refused(
    settings: dict[str, str], told: str
) -> None:
    """As the settings spell them they differ, so that they pass at the start."""
    with pytest.raises(StreamError, match=f"{told} mean the same property 'User'"):
        read_of("User", context_key_field="User", **settings)


def test_setting_that_means_the_time_of_deletion_is_refused() -> None:
    with pytest.raises(StreamError, match="membership_field and _sdc_deleted_at mean the same"):
        read_of("context_key", "_SDC_DELETED_AT", membership_field="_sdc_Deleted_At")


def test_lack_of_a_property_tells_what_is_there_the_nearest_first() -> None:
    columns = read_of("plan", "email", "is_beta", "user_id", membership_field="isbeta")

    told = columns.lack("flag", ["plan", "email", "is_beta", "user_id"])

    assert told
    assert "has no property 'isbeta'" in told
    assert "Set membership_field to one of its properties: is_beta, " in told
    assert columns.lack("size", []) is None


@pytest.mark.parametrize(
    ("column", "is_boolean"),
    [
        ({"type": "boolean"}, True),
        ({"type": ["boolean"]}, True),
        ({"type": ["null", "boolean"]}, True),
        ({"type": ["boolean", "null"]}, True),
        ({"type": ["null"]}, False),
        ({"type": ["boolean", "string"]}, False),
        ({"type": ["string", "null"]}, False),
        ({"type": 5}, False),
        ({}, False),
        (True, False),
        (None, False),
    ],
)
def test_boolean_column_may_be_a_flag(column: Any, is_boolean: bool) -> None:
    assert (booleans_of({"x": column}) == ["x"]) == is_boolean


# In a run


@pytest.mark.parametrize("name", ["context_key_field", "segment_key_field", "audience_size_field"])
def test_property_that_is_missing_is_told_with_those_that_are_there(
    sandbox: Sandbox, sync: Callable[..., Run], name: str
) -> None:
    snapshot = {"audience_sync_mode": "mirror", "mirror_source": "snapshot"}

    run = sync([schema(columns=COLUMNS | {"user_id": TEXT})], **snapshot, **{name: "userid"})

    assert isinstance(run.error, StreamError)
    assert f"Set {name} to one of its properties: user_id, " in str(run.error)
    assert sandbox.requests == []


@pytest.mark.parametrize("mode", ["add", "remove", "mirror"])
@pytest.mark.parametrize("source", ["changes", "snapshot"])
def test_flag_that_is_named_and_not_there_is_refused_in_every_mode(
    sandbox: Sandbox, sync: Callable[..., Run], mode: str, source: str
) -> None:
    """`isbeta` where the column is `is_beta`: everybody would count as a member."""
    columns = {"context_key": TEXT, "is_beta": FLAG}

    run = sync(
        [schema(columns=columns), *members("a")],
        audience_sync_mode=mode,
        mirror_source=source,
        membership_field="isbeta",
    )

    assert isinstance(run.error, StreamError)
    assert "Set membership_field to one of its properties: is_beta, context_key." in str(run.error)
    assert sandbox.requests == []


@pytest.mark.parametrize(
    ("mode", "source", "means"),
    [
        ("add", "changes", "a member"),
        ("remove", "changes", "leaving"),
        ("mirror", "snapshot", "a member"),
    ],
)
def test_flag_that_is_missing_by_default_is_warned_of_with_the_boolean_columns(
    sync: Callable[..., Run], caplog: pytest.LogCaptureFixture, mode: str, source: str, means: str
) -> None:
    columns = {"context_key": TEXT, "is_beta": FLAG, "vip": {"type": "boolean"}, "plan": TEXT}

    sync([schema(columns=columns)], audience_sync_mode=mode, mirror_source=source)

    [told] = [each.getMessage() for each in caplog.records if "counts as" in each.getMessage()]
    assert f"no property 'is_member', so every row counts as {means}" in told
    assert "membership_field" in told
    assert "is_beta, vip" in told
    assert "plan" not in told


def test_flag_that_is_missing_is_warned_of_where_every_row_leaves(
    sync: Callable[..., Run], caplog: pytest.LogCaptureFixture
) -> None:
    sync([schema(columns={"context_key": TEXT})], audience_sync_mode="remove")

    assert "every row counts as leaving" in caplog.text
    assert "its boolean properties are: none" in caplog.text


def test_flag_that_is_missing_is_no_matter_where_no_column_may_be_it(
    sync: Callable[..., Run], caplog: pytest.LogCaptureFixture
) -> None:
    run = sync([schema(columns={"context_key": TEXT})])

    assert run.error is None
    assert "counts as" not in caplog.text


@pytest.mark.parametrize(
    ("first", "later", "lost"),
    [
        pytest.param(["context_key", "is_member"], ["context_key"], "is_member", id="flag"),
        pytest.param(
            ["context_key", "is_member", "_sdc_deleted_at"],
            *(["context_key", "is_member"], "_sdc_deleted_at"),
            id="time-of-deletion",
        ),
        pytest.param(["CONTEXT_KEY", "IS_MEMBER"], ["CONTEXT_KEY"], "IS_MEMBER", id="upper"),
    ],
)
def test_schema_that_loses_a_read_property_in_mid_run_is_refused(
    sandbox: Sandbox, sync: Callable[..., Run], first: list[str], later: list[str], lost: str
) -> None:
    sandbox.add_segment("table", included=["in"])
    told = [schema(columns=dict.fromkeys(names, TEXT)) for names in (first, later)]
    key, flag = first[:2]
    rows = [record("in", stream="audience") for _ in told]
    for row in rows:
        row["record"] = {key: "in", flag: "no"}

    run = sync(
        [told[0], rows[0], told[1], rows[1]], segment_key="table", audience_sync_mode="remove"
    )

    assert isinstance(run.error, StreamError)
    assert f"has lost '{lost}' in mid-run" in str(run.error)
    assert sandbox.included("table") == ["in"]


def test_schema_that_loses_a_property_that_is_not_read_goes_on(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    wide = schema(columns=COLUMNS | {"plan": TEXT})

    run = sync([wide, *members("a"), schema(), *members("b")])

    assert run.error is None
    assert set(sandbox.included(SEGMENT)) == {"a", "b"}


def test_schema_that_respells_a_read_property_in_mid_run_goes_on(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    sandbox.add_segment("table", included=["b"])
    upper = {"type": "RECORD", "stream": "audience"}

    run = sync(
        [
            *(schema(), *leavers("b"), schema(columns={n.upper(): c for n, c in COLUMNS.items()})),
            upper | {"record": {"CONTEXT_KEY": "a", "IS_MEMBER": True}},
        ],
        segment_key="table",
        audience_sync_mode="mirror",
    )

    assert run.error is None
    assert sandbox.included("table") == ["a"]
