"""What takes fewer requests. Pure: no I/O, no state."""

from __future__ import annotations

from math import ceil

from target_launchdarkly.segments.keyfiles import MAX_FILE_BYTES, MAX_FILE_KEYS

#: An import takes one request to start and one a look: 1, 2, 4 … seconds apart, so that 20 requests
#: watch an import for 10 minutes.
REQUESTS_OF_AN_IMPORT = 20
#: Up to so many patches are sent without knowing who is a member: an export takes a request to
#: start, one a look, and as long as LaunchDarkly needs for a file of all members.
PATCHES_WITHOUT_AN_EXPORT = 20


def patches_for(operations: int, max_operations: int) -> int:
    """Return how many patches take so many operations."""
    return ceil(operations / max_operations)


def files_for(keys: int, size_bytes: int) -> int:
    """Return how many files take so many keys of so many bytes in all."""
    return max(ceil(keys / MAX_FILE_KEYS), ceil(size_bytes / MAX_FILE_BYTES))


def are_merged(
    keys: int, size_bytes: int, max_operations: int, *, steps: int = 1, has_excluded: bool
) -> bool:
    """Whether additions go as imports that merge, and not as patches.

    Args:
        keys: Who is added.
        size_bytes: Their size in files.
        max_operations: Operations of a patch.
        steps: Operations of a key in a patch.
        has_excluded: Whether there are excluded targets, at which an import does not look.
    """
    if has_excluded:
        return False
    patches = patches_for(keys * steps, max_operations)
    return patches > REQUESTS_OF_AN_IMPORT * files_for(keys, size_bytes)


def is_export_worth_it(operations: int, max_operations: int, *, is_guard_safe: bool) -> bool:
    """Whether to look at the members before changes are sent.

    Args:
        operations: At most so many are sent without a look.
        max_operations: Operations of a patch.
        is_guard_safe: Whether so few leave that the guard need not count members.
    """
    return not is_guard_safe or patches_for(operations, max_operations) > PATCHES_WITHOUT_AN_EXPORT
