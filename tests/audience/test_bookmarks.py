"""What STATE tells of how a stream is read; nothing that a tap may keep in it ends a run."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_launchdarkly.audience.bookmarks import Bookmarks

FULL = {"last_replication_method": "FULL_TABLE"}
NOT_FULL = "a STATE says that it is not read as FULL_TABLE"
HAS_KEY = "a STATE holds a replication_key_value for it"


def bookmarks(*values: Any) -> Bookmarks:
    noted = Bookmarks()
    for value in values:
        noted.note(value)
    return noted


def of_audience(bookmark: Any) -> Bookmarks:
    return bookmarks({"bookmarks": {"audience": bookmark}})


@pytest.mark.parametrize(
    "bookmark",
    [
        pytest.param(FULL | {"xmin": 4711}, id="xmin"),
        pytest.param({"xmin": "4711"}, id="xmin-as-text"),
        pytest.param({"xmin": 0}, id="xmin-zero"),
        pytest.param({"last_pk_fetched": {"id": 5}}, id="last-pk-of-mysql"),
        pytest.param({"xmin": None, "last_pk_fetched": 5}, id="one-of-both"),
        pytest.param({"partitions": [{}, {"xmin": 1}]}, id="in-a-partition"),
    ],
)
def test_bookmark_of_a_table_begun_earlier_shows_it_resumed(bookmark: Any) -> None:
    assert of_audience(bookmark).show_resumed("audience")


@pytest.mark.parametrize(
    "bookmark",
    [
        pytest.param({}, id="empty"),
        pytest.param(FULL, id="method-alone"),
        pytest.param({"xmin": None}, id="null-after-the-table"),
        pytest.param({"last_pk_fetched": None, "max_pk_values": {"id": 9}}, id="null-pk"),
        pytest.param({"version": 1_800_000_000_000}, id="version"),
        pytest.param({"replication_key_value": "2026"}, id="replication-key"),
    ],
)
def test_bookmark_of_a_table_begun_now_does_not(bookmark: Any) -> None:
    assert not of_audience(bookmark).show_resumed("audience")


def test_table_once_shown_resumed_stays_so() -> None:
    """The bookmark is cleared when the table ends, and its rows still began earlier."""
    noted = bookmarks(
        {"bookmarks": {"audience": {"xmin": 1}}}, {"bookmarks": {"audience": {"xmin": None}}}
    )

    assert noted.show_resumed("audience")


@pytest.mark.parametrize(
    ("bookmark", "why"),
    [
        pytest.param({"replication_key_value": "2026-01-01"}, HAS_KEY, id="replication-key"),
        pytest.param({"replication_key_value": 0}, HAS_KEY, id="replication-key-zero"),
        pytest.param({"last_replication_method": "INCREMENTAL"}, NOT_FULL, id="incremental"),
        pytest.param({"last_replication_method": "LOG_BASED"}, NOT_FULL, id="log-based"),
        pytest.param({"partitions": [{"replication_key_value": 1}]}, HAS_KEY, id="partition"),
        pytest.param(FULL | {"replication_key_value": 5}, HAS_KEY, id="key-of-a-full-table"),
    ],
)
def test_bookmark_of_a_stream_that_sends_only_what_is_new_says_so(bookmark: Any, why: str) -> None:
    assert of_audience(bookmark).why_incremental("audience") == why


@pytest.mark.parametrize(
    "bookmark",
    [
        pytest.param({}, id="empty"),
        pytest.param(FULL, id="full-table"),
        pytest.param({"replication_key_value": None}, id="null"),
        pytest.param({"last_replication_method": None}, id="null-method"),
        pytest.param({"xmin": 5}, id="resumed"),
        pytest.param({"replication_key": "updated_at"}, id="key-without-a-value"),
    ],
)
def test_bookmark_of_a_full_table_does_not(bookmark: Any) -> None:
    assert of_audience(bookmark).why_incremental("audience") is None


def test_stream_once_shown_incremental_stays_so() -> None:
    noted = bookmarks(
        {"bookmarks": {"audience": {"replication_key_value": 1}}}, {"bookmarks": {"audience": {}}}
    )

    assert noted.why_incremental("audience")


@pytest.mark.parametrize(
    ("called", "is_of_it"),
    [
        ("users", True),
        ("public-users", True),
        ("shop-public-users", True),
        ("superusers", False),
        ("users-archive", False),
        ("public_users", False),
        ("Users", False),
    ],
)
def test_bookmark_may_bear_the_database_before_the_streams_name(
    called: str, is_of_it: bool
) -> None:
    """Pipelinewise taps call the stream `public-users` and its bookmark `shop-public-users`."""
    noted = bookmarks({"bookmarks": {called: {"xmin": 1, "replication_key_value": 1}}})

    assert noted.show_resumed("users") == is_of_it
    assert bool(noted.why_incremental("users")) == is_of_it


def test_state_of_another_stream_says_nothing_of_this_one() -> None:
    noted = bookmarks({"bookmarks": {"other": {"xmin": 1, "replication_key_value": 1}}})

    assert not noted.show_resumed("audience")
    assert noted.why_incremental("audience") is None


@pytest.mark.parametrize(
    ("syncing", "is_unfinished"),
    [("audience", True), ("shop-audience", True), ("other", False), (None, False), (5, False)],
)
def test_last_state_may_say_that_a_stream_is_being_synced(
    syncing: object, is_unfinished: bool
) -> None:
    assert bookmarks({"currently_syncing": syncing}).show_unfinished("audience") == is_unfinished


@pytest.mark.parametrize("last", [{"currently_syncing": None}, {"currently_syncing": "b"}, {}, 5])
def test_stream_is_finished_when_the_next_state_names_it_no_more(last: object) -> None:
    assert not bookmarks({"currently_syncing": "audience"}, last).show_unfinished("audience")


@pytest.mark.parametrize(
    ("bookmark", "is_log_based"),
    [
        ({"last_replication_method": "LOG_BASED"}, True),
        ({"lsn": 5}, True),
        ({"log_pos": 5}, True),
        ({"lsn": None}, False),
        (FULL, False),
    ],
)
def test_bookmark_may_show_that_a_stream_follows_the_log(bookmark: Any, is_log_based: bool) -> None:
    assert of_audience(bookmark).show_log_based("audience") == is_log_based


ODD = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(
                [
                    "bookmarks",
                    "currently_syncing",
                    "audience",
                    "xmin",
                    "partitions",
                    "lsn",
                    "last_replication_method",
                ]
            ),
            inner,
            max_size=3,
        ),
    ),
    max_leaves=8,
)


@given(ODD)
@pytest.mark.parametrize("wrap", [False, True], ids=["value", "bookmark"])
def test_no_shape_of_state_ends_a_run(wrap: bool, value: Any) -> None:
    """A tap may keep what it likes there: it is no message to a target."""
    noted = of_audience(value) if wrap else bookmarks(value)

    assert noted.show_resumed("audience") in {True, False}
    assert noted.show_unfinished("audience") in {True, False}
    assert noted.why_incremental("audience") in {None, NOT_FULL, HAS_KEY}
