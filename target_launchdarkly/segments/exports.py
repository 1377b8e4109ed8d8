"""Who is a member of a big segment: exports, and whether they can be trusted."""

from __future__ import annotations

import logging
from io import SEEK_END
from itertools import chain
from typing import TYPE_CHECKING, Literal

from target_launchdarkly.errors import (
    ExportError,
    ForbiddenError,
    NoExportError,
    NotFoundError,
    RefusedError,
)
from target_launchdarkly.plural import counted
from target_launchdarkly.segments.members import KeySet, read_keys

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import IO

    from target_launchdarkly.api.transfers import Transfers

logger = logging.getLogger(__name__)

#: Of a segment with more members there are no exports.
#: https://launchdarkly.com/docs/api/segments/create-big-segment-export
MAX_EXPORTED = 10_000_000
#: How often an export is begun before it is given up.
MAX_EXPORTS = 2

HEADER_COUNTED = (
    "the first row of the export's file is a header, and a member is missing, so that their number "
    "was right though it was cut: it cannot be trusted. Run again later; if it stays so, look at "
    "the segment's exports in LaunchDarkly."
)

Verdict = Literal["whole", "with a header", "not to be trusted"]


def judge(rows: int, before: int | None, after: int | None) -> Verdict:
    """Return what to make of a file of so many rows.

    Its form is not documented, so that the number of members says what it is: a file that is cut
    short must not look like one with fewer members.

    Args:
        rows: Rows of the file.
        before: Members when the export began, as LaunchDarkly counts them.
        after: Members now.
    """
    if rows in {before, after}:
        return "whole"
    if before is not None and before == after and rows == before + 1:
        return "with a header"
    return "not to be trusted"


class Exports:
    """The exports of one big segment.

    Args:
        segment_key: The segment.
        transfers: Begins and fetches them.
        look: Looks at the segment anew, and returns how many members it has.
    """

    def __init__(
        self, segment_key: str, transfers: Transfers, look: Callable[[], int | None]
    ) -> None:
        self._segment_key = segment_key
        self._transfers = transfers
        self._look = look
        #: What was begun and not fetched yet, and the members at that time.
        self._begun: tuple[str, int | None] | None = None
        self._denied: NoExportError | None = None

    def begin(self, members: int | None) -> None:
        """Begin an export now, so that it shows who is a member now; what fails is told later.

        Args:
            members: As LaunchDarkly counts them now.
        """
        try:
            self._begun = self._begin(members)
        except NoExportError as error:
            self._denied = error

    def fetch(self, members: int | None) -> KeySet:
        """Return who is a member, by the export that was begun or by a new one.

        Args:
            members: As LaunchDarkly counts them now.

        Raises:
            NoExportError: There are no exports of this segment for this token.
            ExportError: There is none that can be trusted.
        """
        if self._denied:
            raise self._denied
        failures: list[ExportError] = []
        for _ in range(MAX_EXPORTS):
            begun, self._begun = self._begun or self._begin(members), None
            try:
                return self._read(*begun)
            except ExportError as error:
                logger.warning("Segment '%s': %s", self._segment_key, error)
                failures.append(error)
            members = self._look()
        raise ExportError(
            f"who is a member could not be found out, because {failures[-1]} It was exported "
            f"{MAX_EXPORTS} times. Run again later; if it stays so, look at the segment's exports "
            "in LaunchDarkly."
        ) from failures[-1]

    def demand_whole(self, members: KeySet, found: int, *, is_first_known: bool) -> None:
        """Demand that as many keys came as rows, and that the first of them is one.

        Args:
            members: Of an export.
            found: How many different keys they are.
            is_first_known: Whether the first row need not be asked for.

        Raises:
            ExportError: Who is missing cannot be told.
        """
        if found != members.count:
            raise ExportError("an export names keys more than once, so it cannot be trusted.")
        row = members.first_row
        if not (is_first_known or members.has_header or row is None or self._is_member(row)):
            raise ExportError(HEADER_COUNTED)

    @staticmethod
    def demand_alike(members: KeySet, first: KeySet | None) -> None:
        """Demand that a header, where there is one, was known as one in the first export too.

        Raises:
            ExportError: Who was missing then would seem to have come meanwhile.
        """
        if first is None or first.has_header or not members.has_header:
            return
        if members.first_row == first.first_row:
            raise ExportError(HEADER_COUNTED)

    def _begin(self, members: int | None) -> tuple[str, int | None]:
        if members is not None and members > MAX_EXPORTED:
            raise NoExportError(
                f"it has {members:,} members, and LaunchDarkly exports no segment of more than "
                f"{MAX_EXPORTED:,}. Divide the audience into several segments."
            )
        try:
            return self._transfers.begin_export(self._segment_key), members
        except ForbiddenError as error:
            raise NoExportError(
                "the token may not export who is a member. Give it the Writer role, or a custom "
                "role with the action createSegmentExport."
            ) from error
        except RefusedError as error:
            raise NoExportError(
                f"LaunchDarkly refuses to export who is a member. {error}"
            ) from error

    def _read(self, export_id: str, before: int | None) -> KeySet:
        try:
            with self._transfers.download_export(self._segment_key, export_id) as file:
                members, first, last = _members(file)
                is_ended = _is_ended(file)
        except NotFoundError as error:
            raise ExportError(f"the export is gone. {error}") from error
        after = before if members.count == before else self._look()
        verdict = judge(members.count, before, after)
        if verdict == "not to be trusted":
            told = (
                "does not say how many members there are"
                if after is None
                else f"counts {counted(after, 'member')}"
            )
            raise ExportError(
                f"the file of the export has {counted(members.count, 'row')}, and LaunchDarkly "
                f"{told}: it cannot be trusted."
            )
        if verdict == "with a header":
            if self._is_member(first):
                raise ExportError(
                    "the file of the export names one more member than LaunchDarkly counts."
                )
            members.remove(first)
            members.has_header = True
        members.first_row = first or None
        if not (is_ended or self._is_member(last)):
            raise ExportError("the last row of the file of the export names no member: it was cut.")
        exported = counted(members.count, "member")
        logger.info("Segment '%s': %s exported.", self._segment_key, exported)
        return members

    def _is_member(self, context_key: str) -> bool:
        found = self._transfers.client.get_membership(self._segment_key, context_key)
        return found is not None and found.is_included


def _members(file: IO[bytes]) -> tuple[KeySet, str, str]:
    """Return who stands in a file, and the first and the last of them; "" if there are none."""
    members = KeySet()
    batches = read_keys(file)
    some = last = next(batches, [])
    for keys in chain([some], batches):
        members.add(keys)
        last = keys or last
    return (members, some[0], last[-1]) if some else (members, "", "")


def _is_ended(file: IO[bytes]) -> bool:
    """Whether the last row ends as the others do, or there is none; else it may be cut."""
    if not file.seek(0, SEEK_END):
        return True
    file.seek(-1, SEEK_END)
    return file.read(1) in b"\r\n"
