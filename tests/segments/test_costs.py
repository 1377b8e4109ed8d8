"""Which way takes fewer requests, at its borders."""

from __future__ import annotations

import pytest

from target_launchdarkly.segments.costs import (
    PATCHES_WITHOUT_AN_EXPORT,
    REQUESTS_OF_AN_IMPORT,
    are_merged,
    files_for,
    is_export_worth_it,
    patches_for,
)

#: Operations that one import may take the place of.
FULL = REQUESTS_OF_AN_IMPORT * 1_500


@pytest.mark.parametrize(
    ("operations", "patches"), [(0, 0), (1, 1), (1_500, 1), (1_501, 2), (20_000, 14)]
)
def test_patches_are_full(operations: int, patches: int) -> None:
    assert patches_for(operations, 1_500) == patches


@pytest.mark.parametrize(
    ("keys", "size_bytes", "files"),
    [
        pytest.param(0, 0, 0, id="nobody"),
        pytest.param(1_000_000, 40_000_000, 1, id="just-full"),
        pytest.param(1_000_001, 30_000_000, 2, id="one-key-more"),
        pytest.param(900_000, 40_000_001, 2, id="one-byte-more"),
        pytest.param(2_500_000, 37_500_000, 3, id="three-by-keys"),
        pytest.param(100_000, 100_000_000, 3, id="three-by-bytes"),
    ],
)
def test_files_are_cut_by_keys_and_by_bytes(keys: int, size_bytes: int, files: int) -> None:
    assert files_for(keys, size_bytes) == files


@pytest.mark.parametrize(
    ("keys", "size_bytes", "is_merged"),
    [
        pytest.param(FULL, FULL * 20, False, id="as-many-requests"),
        pytest.param(FULL + 1, FULL * 20, True, id="one-patch-more"),
        pytest.param(2 * FULL, 40_000_001, False, id="two-files-for-forty-patches"),
        pytest.param(2 * FULL + 1, 40_000_001, True, id="two-files-for-more"),
        pytest.param(0, 0, False, id="nobody"),
    ],
)
def test_additions_are_merged_where_that_takes_fewer_requests(
    keys: int, size_bytes: int, is_merged: bool
) -> None:
    assert are_merged(keys, size_bytes, 1_500, has_excluded=False) == is_merged


def test_additions_that_take_two_operations_are_merged_from_half_as_many_on() -> None:
    assert not are_merged(FULL // 2, 1, 1_500, steps=2, has_excluded=False)
    assert are_merged(FULL // 2 + 1, 1, 1_500, steps=2, has_excluded=False)


def test_additions_are_never_merged_past_excluded_targets() -> None:
    """An import does not look at them."""
    assert not are_merged(1_000_000, 1, 1_500, has_excluded=True)


@pytest.mark.parametrize(("is_guard_safe", "least"), [(True, 30_001), (False, 0)])
def test_export_is_worth_it_from_so_many_operations_on_or_for_the_guard(
    is_guard_safe: bool, least: int
) -> None:
    assert PATCHES_WITHOUT_AN_EXPORT * 1_500 == 30_000
    assert is_export_worth_it(least, 1_500, is_guard_safe=is_guard_safe)
    assert least == 0 or not is_export_worth_it(least - 1, 1_500, is_guard_safe=is_guard_safe)
