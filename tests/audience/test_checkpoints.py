"""The result never depends on where the input is cut, into requests or into checkpoints."""

from __future__ import annotations

import io
import random
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from audience_tables import (
    CHANGES,
    END,
    SNAPSHOT,
    TRUSTING,
    bodies,
    cut_at,
    demand_done,
    excluded,
    included,
    methods,
    operations,
    put,
    whole,
)
from messages import keys, leavers, lines, members, record, schema, state
from running import SEGMENT

from target_launchdarkly.audience.words import Words
from target_launchdarkly.errors import LaunchDarklyError
from target_launchdarkly.sandbox import Fault
from target_launchdarkly.target import TargetLaunchDarkly

if TYPE_CHECKING:
    from audience_tables import Message, Sync

    from target_launchdarkly.sandbox import Sandbox

FREE_CHANGES = CHANGES | {"max_removal_percent": 100}
EXCLUDING = FREE_CHANGES | {"removal_action": "exclude"}


# Words that a later one takes back


@pytest.mark.parametrize("batch_size_rows", [2, 700, 1_500])
def test_members_flagged_false_and_later_true_never_leave(
    sandbox: Sandbox, sync: Sync, batch_size_rows: int
) -> None:
    """1,500 of them: no request takes anybody out, not even in between."""
    put(sandbox, *keys(1_500))
    rows = [*leavers(*keys(1_500)), *members(*keys(1_500))]

    demand_done(sync(whole(*rows), batch_size_rows=batch_size_rows, **CHANGES), {"at": "end"})
    assert methods(sandbox) == ["GET"]


@pytest.mark.parametrize("batch_size_rows", [2, 3, 1_500])
def test_member_flagged_false_and_later_true_is_not_excluded(
    sandbox: Sandbox, sync: Sync, batch_size_rows: int
) -> None:
    """Not with any number of operations a request, nor with who is excluded in between."""
    put(sandbox, "user-0")
    rows = [*leavers("user-0", "stranger"), *members("user-0")]

    run = sync(whole(*rows), batch_size_rows=batch_size_rows, **EXCLUDING)

    demand_done(run, {"at": "end"})
    assert included(sandbox) == {"user-0"}
    assert excluded(sandbox) == {"stranger"}


@pytest.mark.parametrize("cuts", [[], [2], [3], [2, 3]])
def test_member_excluded_at_one_checkpoint_comes_back_at_the_next(
    sandbox: Sandbox, sync: Sync, monkeypatch: pytest.MonkeyPatch, cuts: list[int]
) -> None:
    put(sandbox, "user-0")
    rows = [*leavers("user-0", "stranger"), *members("user-0")]
    cut_at(monkeypatch, cuts)

    demand_done(sync([schema(), *rows], batch_size_rows=2, **EXCLUDING))
    assert included(sandbox) == {"user-0"}
    assert excluded(sandbox) == {"stranger"}


# Any cut


class Case:
    """A random input, and a segment that it meets.

    Args:
        seed: The same gives the same.
    """

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)  # noqa: S311
        self.there = self.sample(60)
        self.barred = sorted({*keys(80)} - {*self.there})[:8]
        rows = [
            record(f"user-{self.chance.randrange(80)}", is_member=self.chance.random() < 0.5)
            for _ in range(200)
        ]
        self.messages = [schema(), *rows, END]

    def sample(self, count: int) -> list[str]:
        return self.chance.sample(keys(80), count)

    def cuts(self) -> list[int]:
        """Return the lines of some records, after which there is a checkpoint."""
        return sorted(self.chance.sample(range(2, 202), self.chance.randrange(1, 6)))


def net_changes(sandbox: Sandbox) -> Counter[tuple[str, str]]:
    """Return what all requests together did to each key of each list."""
    net: Counter[tuple[str, str]] = Counter()
    for (kind, key), count in operations(sandbox).items():
        side = "Included" if "Included" in kind else "Excluded"
        net[side, key] += count if kind.startswith("add") else -count
    return Counter({what: count for what, count in net.items() if count})


def outcome(sandbox: Sandbox, sync: Sync, case: Case, settings: Message) -> tuple[Any, ...]:
    """Run a case against a segment made anew, and return all that must not differ."""
    sandbox.delete_segment(SEGMENT)
    sandbox.add_segment(SEGMENT, included=case.there, excluded=case.barred)
    sandbox.clear_requests()
    run = sync(case.messages, **settings)
    assert run.error is None
    assert run.states[-1:] == [{"at": "end"}]
    return included(sandbox), excluded(sandbox), net_changes(sandbox)


WAYS = [
    pytest.param({"audience_sync_mode": "add"}, id="add"),
    pytest.param({"audience_sync_mode": "remove"}, id="remove"),
    pytest.param({"audience_sync_mode": "remove", "removal_action": "exclude"}, id="exclude"),
    pytest.param(FREE_CHANGES, id="mirror"),
    pytest.param(FREE_CHANGES | {"excluded_key_action": "include"}, id="mirror-including"),
    pytest.param(EXCLUDING, id="mirror-excluding"),
    pytest.param(EXCLUDING | {"excluded_key_action": "skip"}, id="mirror-excluding-skipping"),
]


@pytest.mark.parametrize("settings", WAYS)
@pytest.mark.parametrize("seed", range(2))
def test_same_input_has_the_same_result_however_it_is_cut(
    sandbox: Sandbox, sync: Sync, monkeypatch: pytest.MonkeyPatch, settings: Message, seed: int
) -> None:
    """Every number of operations a request, and every cut into checkpoints."""
    case = Case(seed)
    wanted = outcome(sandbox, sync, case, settings)

    for batch_size_rows in (2, 3, 7, 31, 80, 500, 1_499):
        cut_at(monkeypatch, ())
        more = settings | {"batch_size_rows": batch_size_rows}
        assert outcome(sandbox, sync, case, more) == wanted
        cut_at(monkeypatch, case.cuts())
        assert outcome(sandbox, sync, case, more) == wanted


@pytest.mark.parametrize("settings", WAYS)
def test_checkpoint_after_every_record_has_the_same_result(
    sandbox: Sandbox, sync: Sync, monkeypatch: pytest.MonkeyPatch, settings: Message
) -> None:
    case = Case(7)
    wanted = outcome(sandbox, sync, case, settings)

    cut_at(monkeypatch, range(1_000))

    assert outcome(sandbox, sync, case, settings) == wanted


@pytest.mark.parametrize("action", ["remove", "exclude"])
def test_same_snapshot_has_the_same_result_however_many_operations_a_request_has(
    sandbox: Sandbox, sync: Sync, action: str
) -> None:
    case = Case(11)
    settings = TRUSTING | {"removal_action": action}
    wanted = outcome(sandbox, sync, case, settings)

    for batch_size_rows in (2, 3, 7, 31, 80, 500, 1_499):
        more = settings | {"batch_size_rows": batch_size_rows}
        assert outcome(sandbox, sync, case, more) == wanted
        assert max(map(operations_of, bodies(sandbox))) <= batch_size_rows


def operations_of(body: list[Any]) -> int:
    return sum(len(one["values"]) for one in body)


@pytest.mark.parametrize("settings", [FREE_CHANGES, TRUSTING], ids=["changes", "snapshot"])
def test_words_that_go_to_disk_have_the_same_result(
    sandbox: Sandbox, sync: Sync, monkeypatch: pytest.MonkeyPatch, settings: Message
) -> None:
    """Two streams, of which the later word counts, with room for 100 words in memory."""
    put(sandbox, *keys(3_000))
    monkeypatch.setattr("target_launchdarkly.target.Words", lambda: Words(max_in_memory=100))
    rows = [
        *members(*keys(3_000, 1_000), stream="web"),
        *leavers(*keys(1_000, 500), *keys(500, 2_000), stream="app"),
        *members(*keys(500, 2_000), stream="web"),
    ]

    streams: Message = {"web": {}, "app": {}}

    run = sync([schema("web"), schema("app"), *rows, END], streams=streams, **settings)

    demand_done(run, {"at": "end"})
    assert run.target.words.is_on_disk
    left = {*keys(500, 500), *keys(500, 1_000)} | ({*keys(500)} if settings is TRUSTING else set())
    assert included(sandbox) == {*keys(4_000)} - left


def test_disk_does_not_fill_with_words_that_later_ones_took_the_place_of(
    sandbox: Sandbox, sync: Sync, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tap that never ends speaks of the same keys again and again."""
    monkeypatch.setattr("target_launchdarkly.target.Words", lambda: Words(max_in_memory=0))
    cut_at(monkeypatch, range(0, 4_000, 10))

    run = sync(whole(*members(*keys(10)) * 400), **CHANGES)

    demand_done(run, {"at": "end"})
    assert included(sandbox) == {*keys(10)}
    assert 10 <= run.target.words._on_disk <= 30


@pytest.mark.parametrize("batch_size_rows", [2, 3, 10, 1_499, 1_500])
def test_requests_are_as_few_as_their_size_allows(
    sandbox: Sandbox, sync: Sync, batch_size_rows: int
) -> None:
    """N operations take ceil(N / batch_size_rows) requests, removals and additions together."""
    put(sandbox, *keys(31))
    rows = [*leavers(*keys(31)), *members(*keys(40, 100))]

    run = sync(whole(*rows), batch_size_rows=batch_size_rows, **FREE_CHANGES)

    demand_done(run, {"at": "end"})
    assert methods(sandbox).count("PATCH") == -(-71 // batch_size_rows)


# STATE, and what a checkpoint costs


def test_state_covers_only_what_a_checkpoint_sent(
    sandbox: Sandbox, sync: Sync, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows: list[Message] = []
    for number in range(4):
        rows += [state({"at": number}), *members(f"user-{number}")]
    cut_at(monkeypatch, [3, 7])
    sandbox.faults.append(Fault("status", method="PATCH", status=503, after=2, times=1_000))

    run = sync([schema(), *rows], max_retry_seconds=30, **CHANGES)

    assert isinstance(run.error, LaunchDarklyError)
    assert run.states == [{"at": 0}, {"at": 2}]
    assert included(sandbox) == {*keys(3)}


def test_checkpoint_that_changes_nothing_costs_no_request(
    sandbox: Sandbox, sync: Sync, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Words that LaunchDarkly has already are settled; the segment is read once a run."""
    put(sandbox, *keys(3))
    rows = [message for each in keys(3) for message in (state({"at": each}), *members(each))]
    cut_at(monkeypatch, range(1_000))

    run = sync([schema(), *rows], **CHANGES)

    assert run.error is None
    assert [each["at"] for each in run.states][-1] == keys(3)[-1]
    assert methods(sandbox) == ["GET"]


class Watched(io.RawIOBase):
    """An input of one line a read, which notes the requests that were sent before each."""

    def __init__(self, messages: list[Message], sandbox: Sandbox) -> None:
        super().__init__()
        self.parts = [lines([message]) for message in messages]
        self.sandbox = sandbox
        self.seen: list[list[str]] = []

    def read1(self, _size: int) -> bytes:
        self.seen.append(methods(self.sandbox))
        return self.parts.pop(0) if self.parts else b""


def test_record_costs_no_request_but_the_first(sandbox: Sandbox, config: Message) -> None:
    """Nothing is sent before the end of the input, however small the requests are."""
    source = Watched([schema(), *members(*keys(50))], sandbox)
    target = TargetLaunchDarkly(config=config | CHANGES | {"batch_size_rows": 2})

    target.listen(source)  # type: ignore[arg-type]

    assert source.seen == [[], [], *[["GET"]] * 50]
    assert methods(sandbox) == ["GET", *["PATCH"] * 25]


def test_no_checkpoint_is_timed_where_a_stream_may_be_a_snapshot(
    sandbox: Sandbox, sync: Sync, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A snapshot is judged once it is whole, and STATE is of all streams."""
    sandbox.add_segment("vips", included=["user-0"])
    cut_at(monkeypatch, range(1_000))
    rows = [*members("user-0", stream="lists"), *members(*keys(5), stream="web")]
    streams = {"lists": SNAPSHOT | {"segment_key": "vips"}}

    run = sync(
        [schema("web"), schema("lists"), END, *rows],
        trust_end_of_input=True,
        streams=streams,
        **CHANGES,
    )

    demand_done(run, {"at": "end"})
    assert methods(sandbox).count("PATCH") == 1


def test_dry_run_is_judged_once_by_its_last_words(
    sandbox: Sandbox, sync: Sync, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It sends nothing that could come too late; in between, all of them seem to leave."""
    put(sandbox, *keys(20))
    cut_at(monkeypatch, range(1_000))
    rows = [*leavers(*keys(20)), *members(*keys(20), "new")]

    run = sync(whole(*rows), dry_run=True, **CHANGES)

    demand_done(run)
    assert methods(sandbox) == ["GET"]
    assert "41 records: 1 would be added, 0 would be removed" in run.summary


def test_short_way_makes_checkpoints_as_well(
    sandbox: Sandbox, sync: Sync, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("singer_sdk.target_base.Target._MAX_RECORD_AGE_IN_MINUTES", -1)
    rows: list[Message] = []
    for number in range(3):
        rows += [state({"at": number}), *leavers("user-0"), *members("user-0", f"user-{number}")]

    run = sync([schema(), *rows], **CHANGES)

    assert run.error is None
    assert run.states[-1] == {"at": 2}
    assert included(sandbox) == {*keys(3)}
