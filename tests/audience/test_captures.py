"""What real taps wrote: whole, cut off anywhere, and resumed."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING

import pytest
from audience_tables import FREELY, SNAPSHOT, TRUSTING, WITH_SIZE, demand_untouched, included, put
from messages import DATA, capture

if TYPE_CHECKING:
    from audience_tables import Message, Sync
    from running import FakeClock

    from target_launchdarkly.sandbox import Sandbox

CAPTURES = sorted(path.name for path in DATA.iterdir())
PIPELINEWISE = "pipelinewise-tap-postgres-full-table.singer.gz"
RESUMED = "pipelinewise-tap-postgres-full-table-resumed.singer.gz"
SNOWFLAKE = (
    "tap-snowflake-full-table.singer.gz",
    "tap-snowflake-full-table-activate-version.singer.gz",
)
OLD_VERSION = 1_795_340_464_504
OLD_SECONDS = 1_795_335_569
THERE = ["user-0", "user-1", "user-11999", "stranger"]


def thinned(name: str) -> list[str]:
    """Return a capture with every 40th record only, and all its other messages."""
    lines = capture(name)
    return [
        line
        for number, line in enumerate(lines)
        if json.loads(line)["type"] != "RECORD" or len(lines) < 100 or number % 40 == 5
    ]


@pytest.mark.parametrize("name", CAPTURES)
def test_capture_cut_anywhere_changes_nothing(sandbox: Sandbox, sync: Sync, name: str) -> None:
    put(sandbox, *THERE)
    lines = thinned(name)
    cuts = {number for number, line in enumerate(lines) if json.loads(line)["type"] != "RECORD"}
    cuts |= {number + 1 for number in cuts} | {len(lines)}
    cuts |= set(random.Random(name).sample(range(len(lines)), min(40, len(lines))))  # noqa: S311

    for cut in sorted(cuts):
        demand_untouched(sandbox, sync(lines[:cut], **FREELY), *THERE)


@pytest.mark.parametrize("name", CAPTURES)
def test_capture_as_it_is_changes_nothing(sandbox: Sandbox, sync: Sync, name: str) -> None:
    """Its version is of another day, it states no size, and nobody said to trust its end."""
    put(sandbox, *THERE)

    demand_untouched(sandbox, sync(capture(name), **FREELY), *THERE)


def members_of(name: str) -> set[str]:
    messages = map(json.loads, capture(name))
    rows = [message["record"] for message in messages if message["type"] == "RECORD"]
    return {row["context_key"] for row in rows if row["is_member"]}


def of_now(name: str, clock: FakeClock) -> list[str]:
    """Return a capture as if the tap had begun its table just after the target's start."""
    seconds, milliseconds = int(clock.now()) + 1, int(clock.now() * 1_000) + 1
    return [
        line.replace(str(OLD_VERSION), str(milliseconds)).replace(str(OLD_SECONDS), str(seconds))
        for line in capture(name)
    ]


def test_pipelinewise_capture_of_now_gives_the_exact_audience(
    sandbox: Sandbox, sync: Sync, clock: FakeClock
) -> None:
    put(sandbox, *THERE)

    run = sync(of_now(PIPELINEWISE, clock), **SNAPSHOT)

    assert run.error is None
    assert included(sandbox) == members_of(PIPELINEWISE)
    assert len(included(sandbox)) == 10_800
    assert len(run.states) == 1
    assert run.states[0]["currently_syncing"] is None


def test_pipelinewise_capture_of_now_without_its_last_activation_changes_nothing(
    sandbox: Sandbox, sync: Sync, clock: FakeClock
) -> None:
    put(sandbox, *THERE)

    run = sync(of_now(PIPELINEWISE, clock)[:-2], **FREELY)

    assert "no ACTIVATE_VERSION came after the last record" in demand_untouched(
        sandbox, run, *THERE
    )


def test_pipelinewise_capture_resumed_within_its_first_minute_changes_nothing(
    sandbox: Sandbox, sync: Sync, clock: FakeClock
) -> None:
    """An ACTIVATE_VERSION 30 s old is the interrupted run's: half of its rows went to that run."""
    put(sandbox, *THERE)
    version = str(int((clock.now() - 30) * 1_000))
    resumed = [line.replace(str(OLD_VERSION), version) for line in capture(RESUMED)]

    told = demand_untouched(sandbox, sync(resumed, **FREELY), *THERE)

    assert "the activated version is not later than the start of this run" in told


def test_pipelinewise_capture_resumed_under_a_version_of_now_changes_nothing(
    sandbox: Sandbox, sync: Sync, clock: FakeClock
) -> None:
    """The STATE before its first record says that the table was begun earlier."""
    put(sandbox, *THERE)

    told = demand_untouched(sandbox, sync(of_now(RESUMED, clock), **FREELY), *THERE)

    assert "a STATE shows a table that was resumed" in told


@pytest.mark.parametrize("name", SNOWFLAKE)
def test_snowflake_capture_gives_the_exact_audience_when_its_end_is_trusted(
    sandbox: Sandbox, sync: Sync, clock: FakeClock, name: str
) -> None:
    put(sandbox, *THERE)

    run = sync(of_now(name, clock), **TRUSTING)

    assert run.error is None
    assert included(sandbox) == members_of(name)
    assert run.states == [{"bookmarks": {"marts-beta_users": {}}}]


def with_size(name: str) -> list[Message]:
    """Return a capture whose model has `count(*) over () as audience_size`."""
    messages: list[Message] = [json.loads(line) for line in capture(name)]
    for message in messages:
        if message["type"] == "SCHEMA":
            message["schema"]["properties"]["audience_size"] = {"type": ["integer", "null"]}
        if message["type"] == "RECORD":
            message["record"]["audience_size"] = 12_000
    return messages


def test_capture_whose_records_carry_an_old_version_is_not_trusted(
    sandbox: Sandbox, sync: Sync
) -> None:
    """It looks like a table that a tap has resumed, whatever the settings say of its end."""
    put(sandbox, *THERE)

    told = demand_untouched(sandbox, sync(capture(SNOWFLAKE[1]), **TRUSTING), *THERE)

    assert "because records carry an earlier version" in told


@pytest.mark.parametrize("name", SNOWFLAKE)
def test_snowflake_capture_gives_the_exact_audience_when_it_states_its_size(
    sandbox: Sandbox, sync: Sync, name: str
) -> None:
    put(sandbox, *THERE)

    run = sync(with_size(name), **WITH_SIZE)

    assert run.error is None
    assert included(sandbox) == members_of(name)


@pytest.mark.parametrize("name", SNOWFLAKE)
def test_snowflake_capture_that_states_its_size_and_lacks_its_last_record_changes_nothing(
    sandbox: Sandbox, sync: Sync, name: str
) -> None:
    put(sandbox, *THERE)

    told = demand_untouched(sandbox, sync(with_size(name)[:-1], **WITH_SIZE), *THERE)

    assert "'audience_size' says 12,000 keys, 11,999 came" in told


def test_resumed_capture_changes_nothing_whatever_it_offers_as_proof(
    sandbox: Sandbox, sync: Sync
) -> None:
    put(sandbox, *THERE)

    told = demand_untouched(sandbox, sync(with_size(RESUMED), **WITH_SIZE), *THERE)

    assert "says 12,000 keys, 6,000 came" in told
