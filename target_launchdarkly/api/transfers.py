"""What moves the keys of big segments in files: imports and exports."""

from __future__ import annotations

import logging
import threading
from contextlib import closing
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING
from urllib.parse import urljoin

import requests

from target_launchdarkly.api.answers import (
    TransientError,
    describe,
    export_id_of,
    import_id_of,
    shaped,
)
from target_launchdarkly.api.calls import Upload, quoted
from target_launchdarkly.api.links import file_link, is_safe
from target_launchdarkly.api.quoting import code, identifier
from target_launchdarkly.api.shapes import Transfer
from target_launchdarkly.errors import ExportError, LaunchDarklyError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_launchdarkly.api.client import Client
    from target_launchdarkly.api.shapes import UserSegment

logger = logging.getLogger(__name__)

#: LaunchDarkly speaks of hours. https://launchdarkly.com/docs/home/flags/segment-import
MAX_IMPORT_SECONDS = 7_200
#: How often a file is asked for, each time by a link of its own.
MAX_DOWNLOADS = 3
MAX_REDIRECTS = 3
DOWNLOAD_BLOCK_BYTES = 262_144
IMPORT_ENDS: Mapping[str, str] = {
    "stopped": "was stopped by LaunchDarkly or by somebody there; the members are as they were. "
    "Look at the segment's imports in LaunchDarkly, then run again.",
    "pending_approval": "waits for an approval in LaunchDarkly; nothing has changed yet. Have it "
    "approved, or give the token a role with the action bypassRequiredSegmentApproval.",
}
#: Statuses of an export that will have no file. Only `complete` is documented.
EXPORT_ENDS = frozenset(
    {"failed", "stopped", "cancelled", "canceled", "expired", "error", "rejected"}
)


class Transfers:
    """Imports and exports of an environment's big segments. Safe for threads.

    Args:
        client: Sends the requests.
        max_import_seconds: How long an import or an export may take, and how long imports of
            somebody else are waited for.
    """

    def __init__(self, client: Client, max_import_seconds: float = MAX_IMPORT_SECONDS) -> None:
        #: Sends everything else.
        self.client = client
        self._max_seconds = max_import_seconds
        #: LaunchDarkly takes one import at a time in an environment.
        self._import = threading.Lock()

    def await_foreign(self, segment_key: str, segment: UserSegment) -> UserSegment:
        """Wait until no import of a segment is going on: it would undo what is changed meanwhile.

        Args:
            segment_key: The segment.
            segment: As LaunchDarkly showed it last; returned as it is if there is no import.

        Raises:
            LaunchDarklyError: The import goes on longer than `max_import_seconds`.
        """
        if not segment.has_import:
            return segment
        logger.info("Segment '%s' has an import in progress: waiting for its end.", segment_key)
        for _ in self.client.looks(self._max_seconds):
            segment = self.client.get_segment(segment_key)
            if not segment.has_import:
                return segment
        raise LaunchDarklyError(
            f"Segment '{segment_key}' has an import in progress, which would undo changes made "
            "meanwhile. Look at the segment in LaunchDarkly: let the import end, or have it "
            "approved or stopped; then run again, or raise max_import_seconds."
        )

    def import_keys(self, segment_key: str, file: IO[bytes], mode: str) -> bool:
        """Import a CSV of context keys into a big segment, once no other import goes on.

        https://launchdarkly.com/docs/api/segments/create-big-segment-import

        Args:
            segment_key: The big segment.
            file: One key a line, in the first column. Read from its beginning, never held whole.
            mode: `merge` or `replace`.

        Returns:
            Whether another import was waited for, which may have changed who is a member.

        Raises:
            LaunchDarklyError: The import was refused or stopped, waits for an approval, or takes
                longer than `max_import_seconds`.
        """
        with self._import:
            import_id, has_waited = self._begin_import(segment_key, file, mode)
            logger.info(
                "Segment '%s': import %s (%s) begun.", segment_key, identifier(import_id), mode
            )
            self._await_import(segment_key, import_id)
        return has_waited

    def _begin_import(self, segment_key: str, file: IO[bytes], mode: str) -> tuple[str, bool]:
        upload = Upload(file, {"mode": mode})
        for waited in self.client.looks(self._max_seconds):
            import_id = self.client.call(
                segment_key,
                "POST",
                of=f"{quoted(segment_key)}/imports",
                read=import_id_of,
                body=upload,
                content_type=upload.content_type,
                accept={201, 202, 204, 409},
            )
            if import_id is not None:
                return import_id, waited > 0
            if not waited:
                logger.info(
                    "Segment '%s': another import is going on in the environment (HTTP 409): "
                    "waiting for its end.",
                    segment_key,
                )
        raise LaunchDarklyError(
            f"The import into segment '{segment_key}' could not begin in {waited:.0f} s: "
            "LaunchDarkly takes one import at a time in an environment, and another one is going "
            "on (HTTP 409). Look at the imports in LaunchDarkly: let them end, or have them "
            "approved or stopped; then run again, or raise max_import_seconds."
        )

    def _await_import(self, segment_key: str, import_id: str) -> None:
        """Look at an import, ever more rarely, until it is complete.

        https://launchdarkly.com/docs/api/segments/get-big-segment-import
        """
        path = f"{quoted(segment_key)}/imports/{quoted(import_id)}"
        named = identifier(import_id)
        for waited in self.client.looks(self._max_seconds):  # noqa: B007 told when it ends
            status = self._look(segment_key, path).status
            if status == "complete":
                return
            if status in IMPORT_ENDS:
                raise LaunchDarklyError(
                    f"Import {named} of segment '{segment_key}' {IMPORT_ENDS[status]}"
                )
        raise LaunchDarklyError(
            f"Import {named} of segment '{segment_key}' is not complete after {waited:.0f} s "
            f"(status '{code(status)}'), and waiting on would pass max_import_seconds. "
            "LaunchDarkly goes on with it: raise max_import_seconds, or run again after its end."
        )

    def begin_export(self, segment_key: str) -> str:
        """Begin an export of the members of a big segment; return its ID.

        https://launchdarkly.com/docs/api/segments/create-big-segment-export

        Raises:
            ForbiddenError: The token may not export.
            RefusedError: LaunchDarkly exports no such segment.
        """
        path = f"{quoted(segment_key)}/exports"
        return self.client.call(
            segment_key, "POST", of=path, read=export_id_of, accept={200, 201, 202, 204}
        )

    def download_export(self, segment_key: str, export_id: str) -> IO[bytes]:
        """Wait until an export is complete, and return its file, at its beginning.

        The file has no name, so that nothing is left behind however the process ends; closing it
        deletes it.

        Raises:
            ExportError: There is no file, or it cannot be had.
        """
        failure = TransientError("")
        named = identifier(export_id)
        for number in range(MAX_DOWNLOADS):
            if number:
                self.client.pause(number)
            url = self._await_link(segment_key, export_id)
            try:
                return self._download(url)
            except TransientError as error:
                logger.warning(
                    "The file of export %s of segment '%s' could not be had: %s.",
                    named,
                    segment_key,
                    error,
                )
                failure = error
        raise ExportError(
            f"the file of export {named} could not be had, asked {MAX_DOWNLOADS} times ({failure})."
        )

    def _await_link(self, segment_key: str, export_id: str) -> str:
        """Look at an export, ever more rarely, until there is a file.

        https://launchdarkly.com/docs/api/segments/get-big-segment-export
        """
        path = f"{quoted(segment_key)}/exports/{quoted(export_id)}"
        named = identifier(export_id)
        for waited in self.client.looks(self._max_seconds):  # noqa: B007 told when it ends
            export = self._look(segment_key, path)
            if export.status == "complete":
                return file_link(export.links, self.client.api_url)
            if export.status in EXPORT_ENDS:
                raise ExportError(f"export {named} has ended as '{export.status}'.")
        raise ExportError(
            f"export {named} is not complete after {waited:.0f} s (status "
            f"'{code(export.status)}'), and waiting on would pass max_import_seconds."
        )

    def _look(self, segment_key: str, path: str) -> Transfer:
        return self.client.call(segment_key, "GET", of=path, read=shaped(Transfer.parse))

    def _download(self, url: str) -> IO[bytes]:
        file = TemporaryFile()  # noqa: SIM115 the caller's
        try:
            for _ in range(MAX_REDIRECTS + 1):
                next_url = self._save(url, file)
                if next_url is None:
                    file.seek(0)
                    return file
                url = next_url
        except requests.RequestException as error:
            file.close()
            raise TransientError(describe(error)) from error
        except BaseException:
            file.close()
            raise
        file.close()
        raise TransientError("more redirects than are followed")

    def _save(self, url: str, file: IO[bytes]) -> str | None:
        """Write a file down; return where else it is to be asked for, or None once it is there."""
        if not is_safe(url):
            raise TransientError("a redirect leads to a place without https")
        with self.client.session_for(url, self._max_seconds) as session:
            # A redirect is followed by another session, which knows whether the token may go there.
            timeout = self.client.request_timeout_seconds
            try:
                answer = session.get(url, stream=True, allow_redirects=False, timeout=timeout)
            except ValueError as error:
                # The library looks where a redirect leads, also if it is not to follow it.
                raise TransientError("a redirect leads to no URL") from error
            with closing(answer) as response:
                if response.is_redirect:
                    return urljoin(url, response.headers["Location"])
                if response.status_code != requests.codes.ok:
                    raise TransientError(f"HTTP {response.status_code}")
                for block in response.iter_content(DOWNLOAD_BLOCK_BYTES):
                    file.write(block)
        return None
