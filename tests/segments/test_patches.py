"""Changes become semantic patch bodies of at most 1,500 operations."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from target_launchdarkly.audience.plan import Change
from target_launchdarkly.segments.patches import (
    INSTRUCTION_ORDER,
    INSTRUCTIONS,
    MAX_OPERATIONS,
    chunks,
    semantic_patch,
)


def add(key: str, kind: str = "user") -> Change:
    return Change(kind, key, ("include",))


def remove(key: str, kind: str = "user") -> Change:
    return Change(kind, key, ("uninclude",))


def lift(key: str, kind: str = "user") -> Change:
    """Two operations: the exclusion goes, the inclusion comes."""
    return Change(kind, key, ("lift", "include"))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param([], [], id="empty"),
        pytest.param([add("a")], ["a"], id="less-than-the-limit"),
        pytest.param([add("a"), add("b")], ["ab"], id="just-the-limit"),
        pytest.param([add("a"), add("b"), add("c")], ["ab", "c"], id="add-only"),
        pytest.param([remove(key) for key in "abcd"], ["ab", "cd"], id="remove-only"),
        pytest.param([add("a"), remove("b"), add("c")], ["ab", "c"], id="mixed-share-the-budget"),
        pytest.param([add("a"), add("b", "device"), add("c")], ["ab", "c"], id="mixed-kinds"),
        pytest.param([lift("a"), lift("b")], ["a", "b"], id="two-operations-fill-a-request"),
        pytest.param([add("a"), lift("b"), add("c")], ["a", "b", "c"], id="a-key-is-not-torn"),
    ],
)
def test_chunks_of_two_operations(changes: list[Change], expected: list[str]) -> None:
    chunked = list(chunks(changes, 2))

    assert ["".join(change.context_key for change in chunk) for chunk in chunked] == expected
    assert [change for chunk in chunked for change in chunk] == changes


def test_chunks_send_a_key_alone_that_needs_more_than_the_limit() -> None:
    assert list(chunks([add("a"), lift("b"), add("c")], 1)) == [[add("a")], [lift("b")], [add("c")]]


def test_chunks_do_not_share_their_lists() -> None:
    """Each chunk stays as it is when the next one is asked for."""
    lazily = chunks([add("a"), add("b")], 1)
    first = next(lazily)
    next(lazily)

    assert first == [add("a")]


@pytest.mark.parametrize(
    ("count", "sizes"), [(1_499, [1_499]), (1_500, [1_500]), (1_501, [1_500, 1])]
)
def test_chunks_at_the_limit_of_launchdarkly(count: int, sizes: list[int]) -> None:
    changes = [add(f"user-{number}") for number in range(count)]

    assert [len(chunk) for chunk in chunks(changes, MAX_OPERATIONS)] == sizes


def test_chunks_count_operations_not_keys_at_the_limit() -> None:
    changes = [add("first"), *(lift(f"user-{number}") for number in range(750))]

    assert [len(chunk) for chunk in chunks(changes, MAX_OPERATIONS)] == [750, 1]


@settings(deadline=None)
@given(
    st.lists(st.sampled_from([add("a"), remove("b"), lift("c")])),
    st.integers(min_value=2, max_value=7),
)
def test_chunks_keep_every_change_and_the_limit(changes: list[Change], limit: int) -> None:
    chunked = list(chunks(changes, limit))

    assert [change for chunk in chunked for change in chunk] == changes
    assert all(0 < sum(len(each.steps) for each in chunk) <= limit for chunk in chunked)


def test_patch_removes_before_it_adds_and_keeps_the_order_of_keys() -> None:
    body = semantic_patch(
        [add("z"), remove("m"), add("a"), lift("x"), remove("b")], environment_key="test"
    )

    assert body == {
        "environmentKey": "test",
        "instructions": [
            {"kind": "removeIncludedTargets", "contextKind": "user", "values": ["m", "b"]},
            {"kind": "removeExcludedTargets", "contextKind": "user", "values": ["x"]},
            {"kind": "addIncludedTargets", "contextKind": "user", "values": ["z", "a", "x"]},
        ],
    }


def test_patch_has_one_instruction_a_context_kind() -> None:
    body = semantic_patch(
        [add("u1"), add("o1", "organization"), remove("o2", "organization"), add("u2")],
        environment_key="production",
    )

    assert body == {
        "environmentKey": "production",
        "instructions": [
            {"kind": "removeIncludedTargets", "contextKind": "organization", "values": ["o2"]},
            {"kind": "addIncludedTargets", "contextKind": "organization", "values": ["o1"]},
            {"kind": "addIncludedTargets", "contextKind": "user", "values": ["u1", "u2"]},
        ],
    }


def test_patch_excludes_whom_it_removes_last() -> None:
    leaver = Change("user", "a", ("uninclude", "exclude"))

    assert semantic_patch([leaver], environment_key="test") == {
        "environmentKey": "test",
        "instructions": [
            {"kind": "removeIncludedTargets", "contextKind": "user", "values": ["a"]},
            {"kind": "addExcludedTargets", "contextKind": "user", "values": ["a"]},
        ],
    }


@pytest.mark.parametrize("is_big", [False, True], ids=["standard", "big"])
def test_patch_orders_all_removals_before_all_additions(is_big: bool) -> None:
    """No key may stand in both lists on the way, whatever is done to it."""
    kinds = [kind for kind in INSTRUCTION_ORDER if ("BigSegment" in kind) == is_big]
    verbs = [kind.startswith("add") for kind in kinds]
    assert verbs == [False, False, True, True]

    everything = Change("user", "a", ("exclude", "include", "lift", "uninclude"))
    body = semantic_patch([everything], environment_key="test", is_big=is_big)

    assert [each["kind"] for each in body["instructions"]] == kinds


def test_every_instruction_has_its_place_in_the_order() -> None:
    """One that has none would end the run when it is first needed."""
    called = [name for names in INSTRUCTIONS.values() for name in names]

    assert sorted(called) == sorted(INSTRUCTION_ORDER)


def test_patch_of_a_big_segment_names_no_context_kind() -> None:
    """A big segment has one, and LaunchDarkly refuses instructions that name it."""
    body = semantic_patch(
        [Change("user", "a", ("uninclude", "exclude")), lift("b"), add("c")],
        environment_key="test",
        is_big=True,
    )

    assert body == {
        "environmentKey": "test",
        "instructions": [
            {"kind": "removeBigSegmentIncludedTargets", "values": ["a"]},
            {"kind": "removeBigSegmentExcludedTargets", "values": ["b"]},
            {"kind": "addBigSegmentIncludedTargets", "values": ["b", "c"]},
            {"kind": "addBigSegmentExcludedTargets", "values": ["a"]},
        ],
    }


def test_patch_carries_the_comment() -> None:
    body = semantic_patch([add("a")], environment_key="test", comment="Nightly sync, Zoë")

    assert body == {
        "environmentKey": "test",
        "instructions": [{"kind": "addIncludedTargets", "contextKind": "user", "values": ["a"]}],
        "comment": "Nightly sync, Zoë",
    }


def test_patch_without_changes_has_no_instructions() -> None:
    assert semantic_patch([], environment_key="test")["instructions"] == []
