"""What a person reads of what became of the records: a line a segment. Pure."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from target_launchdarkly.plural import counted
from target_launchdarkly.report.tally import Tally, expirations

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

#: More segments than these are told by their totals and the largest changes.
MAX_LINES = 10
#: The fields that add up over segments.
COUNTS = tuple(name for name, each in Tally.__dataclass_fields__.items() if each.type == "int")


def summarise(tallies: Mapping[str, Tally], requests: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Return the run's summary: a line a segment; of many, the totals and the largest changes.

    Args:
        tallies: What became of the records, by segment key.
        requests: How many were sent, by segment key and method, e.g. `{"beta": {"GET": 1}}`.
    """
    if not tallies:
        return []
    lines = []
    if len(tallies) > MAX_LINES:
        sent = Counter[str]()
        for methods in requests.values():
            sent.update(methods)
        lines.append(f"{len(tallies):,} segments: {_totals(tallies.values())}; {_requests(sent)}.")
    shown, told = largest(tallies)
    lines += [_line(key, tallies[key], requests.get(key, {})) for key in shown]
    return [*lines, told] if told else lines


def largest(tallies: Mapping[str, Tally]) -> tuple[list[str], str]:
    """Return the segments that are told one by one, and what is told of the others, if any.

    Of many, those come first that were refused or changed most, or of which something is to be
    noted, and those without any of that are not told.
    """
    if len(tallies) <= MAX_LINES:
        return [*tallies], ""
    telling = [key for key, each in tallies.items() if each.changed or notes(each)]
    telling.sort(key=lambda key: (not tallies[key].was_refused, -tallies[key].changed))
    shown = telling[:MAX_LINES]
    left, unchanged = len(tallies) - len(shown), len(tallies) - len(telling)
    told = counted(left, "more segment")
    if left == unchanged:
        return shown, f"{told} without any change." if left else ""
    return shown, f"{told}, {unchanged:,} of them without any change." if unchanged else f"{told}."


def notes(tally: Tally) -> str:
    """Return what of a segment deserves a look, e.g. `2 invalid, over 15,000 targets`."""
    told = ["refused"] if tally.was_refused else []
    told += _reasons(tally)
    if tally.trimmed:
        told.append(f"{tally.trimmed:,} with blanks around the key")
    if tally.is_over_limit:
        told.append("over 15,000 targets")
    return ", ".join(told)


def _line(segment_key: str, tally: Tally, sent: Mapping[str, int]) -> str:
    would = "would be " if tally.is_dry_run else ""
    created = f" ({would}created)" if tally.was_created and not tally.was_refused else ""
    proven = "; the snapshot was proven whole" if tally.is_proven else ""
    return f"Segment '{segment_key}'{created}: {_counts(tally)}; {_requests(sent)}{proven}."


def _totals(tallies: Collection[Tally]) -> str:
    """Return the counts of many segments; of those that were refused only how many they are."""
    refused = [tally for tally in tallies if tally.was_refused]
    total = Tally()
    for tally in tallies:
        total.is_dry_run = tally.is_dry_run
        for name in COUNTS:
            setattr(total, name, getattr(total, name) + getattr(tally, name))
    in_place = sum(tally.already_in_place for tally in tallies if not tally.was_refused)
    counts = [counted(total.records, "record"), _done(total, in_place)]
    if over := sum(tally.is_over_limit for tally in tallies):
        counts.append(f"{over:,} over 15,000 targets")
    if refused:
        records = counted(sum(tally.records for tally in refused), "record")
        counts.append(f"{len(refused):,} refused, of {records}")
    return f"{counts[0]}: {', '.join(counts[1:])}"


def _counts(tally: Tally) -> str:
    records = counted(tally.records, "record")
    if tally.was_refused:
        # An earlier checkpoint of the run may have been carried out.
        before = tally.applied
        told = f"got nothing more after {before}" if before else "left as it is"
        noted = f" ({each})" if (each := notes(tally).removeprefix("refused").lstrip(", ")) else ""
        return f"{records}{noted}: {told}, because its plan was refused"
    limit = ", over 15,000 targets" if tally.is_over_limit else ""
    return f"{records}: {_done(tally, tally.already_in_place)}{limit}"


def _done(tally: Tally, in_place: int) -> str:
    would = "would be " if tally.is_dry_run else ""
    # Nobody knows who was in place already where the members were not seen.
    done = ("included", "un-included") if tally.is_unseen else ("added", "removed")
    by_import = f" ({tally.imported:,} by import)" if tally.imported else ""
    replaced = " (all members replaced)" if tally.was_replaced else ""
    counts = [
        f"{tally.added:,} {would}{done[0]}{by_import}",
        f"{tally.removed:,} {would}{done[1]}{replaced}",
    ]
    if tally.excluded:
        counts.append(f"{tally.excluded:,} {would}excluded")
    counts += expirations(tally, would)
    counts.append(f"{in_place:,} already in place")
    reasons = ", ".join(_reasons(tally))
    counts.append(f"{tally.skipped:,} skipped{f' ({reasons})' if reasons else ''}")
    if tally.trimmed:
        counts.append(f"{tally.trimmed:,} with blanks around the key")
    return ", ".join(counts)


def _requests(sent: Mapping[str, int]) -> str:
    count = sum(sent.values())
    methods = ", ".join(f"{each:,} {method}" for method, each in sorted(sent.items()))
    return f"{counted(count, 'request')} ({methods or 'none'})"


def _reasons(tally: Tally) -> list[str]:
    """Return why records were skipped, e.g. `["2 invalid", "1 excluded by hand"]`."""
    reasons = {
        "not for this mode": tally.not_acted_on,
        "invalid": tally.invalid,
        "excluded by hand": tally.excluded_by_hand,
        "refused by LaunchDarkly": tally.refused,
    }
    return [f"{count:,} {reason}" for reason, count in reasons.items() if count]
