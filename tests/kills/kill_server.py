"""Starts targets quickly: all that they import is there, and each is a process of its own.

It takes requests on the socket that is its stdin: JSON, with the streams of the target. It answers
with the process's ID and, once that has ended, with its exit code.
"""

from __future__ import annotations

import array
import json
import os
import signal
import socket
import sys
from typing import TYPE_CHECKING, Any

from singer_sdk.target_base import Target

from target_launchdarkly.__main__ import main
from target_launchdarkly.report import progress
from target_launchdarkly.target import TargetLaunchDarkly

if TYPE_CHECKING:
    from types import FrameType

#: Standard input, output and error, and where the target says at what the signal found it.
STREAMS = 4
#: What is going on, by the function or the module in which a signal finds the main thread; the
#: first that is there counts.
PLACES = {
    "write_line": "writing STATE",
    "pause": "waiting",
    "_send": "a request is in flight",
    "make_checkpoint": "planning and verifying",
    "process_endofpipe": "planning and verifying",
    "_take": "reading the input",
    "process_lines": "reading the input",
}


def place(frame: FrameType | None) -> str:
    """Return what is going on where a signal comes."""
    names = set()
    while frame is not None:
        names.add(frame.f_code.co_name)
        frame = frame.f_back
    return next((told for name, told in PLACES.items() if name in names), "beginning and ending")


def become_target(request: dict[str, Any], streams: list[int]) -> None:
    """Be a target, to the end."""
    for number, stream in enumerate(streams[:3]):
        os.dup2(stream, number)
    sys.argv = ["target-launchdarkly", *request["arguments"]]
    os.environ.update(request["variables"])
    handle = TargetLaunchDarkly._handle_termination

    def tell_and_handle(self: Any, signum: int, frame: FrameType | None) -> None:
        if frame is not None:
            os.write(streams[3], place(frame).encode())
        handle(self, signum, frame)

    if request["planted"]:
        plant(request["planted"])
        handle = TargetLaunchDarkly._handle_termination
    TargetLaunchDarkly._handle_termination = tell_and_handle  # type: ignore[method-assign]
    if request["is_often"]:
        # A checkpoint, and STATE, after every record instead of every five minutes.
        Target._MAX_RECORD_AGE_IN_MINUTES = -1
    main()


def plant(error: str) -> None:
    """Break what a signal is to leave whole, so that one sees whether that is seen."""
    if error == "sdk":
        TargetLaunchDarkly._handle_termination = Target._handle_termination  # type: ignore[method-assign]
    elif error == "torn":
        handle = TargetLaunchDarkly._handle_termination

        def tear(self: Any, signum: int, frame: FrameType | None) -> None:
            self._is_writing = False
            handle(self, signum, frame)

        TargetLaunchDarkly._handle_termination = tear  # type: ignore[method-assign]
    elif error == "ahead":
        TargetLaunchDarkly._make_checkpoint = lambda self: None  # type: ignore[method-assign]
    elif error == "cursor":
        progress.leave = lambda: None


def serve(link: socket.socket) -> None:
    """Start a target for each request, one after the other."""
    while True:
        data, streams = receive(link)
        if not data:
            return
        child = os.fork()
        if child == 0:
            link.close()
            code = 70
            try:
                become_target(json.loads(data), streams)
                code = 0
            except SystemExit as end:
                code = end.code if isinstance(end.code, int) else 1
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
        for stream in streams:
            os.close(stream)
        link.send(str(child).encode())
        _, status = os.waitpid(child, 0)
        link.send(str(os.waitstatus_to_exitcode(status)).encode())


def receive(link: socket.socket) -> tuple[bytes, list[int]]:
    """Return the next request, empty if there is none, and its streams."""
    numbers = array.array("i")
    data, extra, _, _ = link.recvmsg(65_536, socket.CMSG_SPACE(STREAMS * numbers.itemsize))
    for _, _, content in extra:
        numbers.frombytes(content)
    return data, numbers.tolist()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    serve(socket.socket(fileno=int(sys.argv[1])))
