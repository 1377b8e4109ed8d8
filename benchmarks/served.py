"""The sandbox in a process of its own: told on stdin what to hold, asked what came of it.

It is `target-launchdarkly-sandbox` but for its command line: segments of 1,000,000 keys are put in
place and compared here, and the bytes of each request are counted as they arrive. It writes the
inputs as well, so that the harness stays smaller than what it measures.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from catalogue import find
from inputs import store
from scenarios import TOKEN

from target_launchdarkly.sandbox import Exchange, RequestLog, Sandbox

if TYPE_CHECKING:
    from scenarios import Scenario


class Host:
    """A sandbox that is set up anew for every run."""

    def __init__(self) -> None:
        self._received_bytes = 0
        log = RequestLog(keep_bodies=0, on_exchange=self._count)
        self._sandbox = Sandbox(token=TOKEN, log=log)
        # Complete at the first look, so that no run waits out a pause between two.
        self._sandbox.import_rules.polls = self._sandbox.export_rules.polls = 1
        self._segment_keys: list[str] = []

    def serve(self) -> None:
        """Answer a line on stdout for every line on stdin, the first one being the URL."""
        with self._sandbox.serve():
            print(json.dumps(self._sandbox.url), flush=True)
            for line in sys.stdin:
                print(json.dumps(self._answer(json.loads(line))), flush=True)

    def _answer(self, order: dict[str, Any]) -> dict[str, Any]:
        scenario = find(order["scenario"], order["rows"])
        if order["do"] == "prepare":
            self._prepare(scenario)
            return {}
        if order["do"] == "store":
            store(scenario, order["sent_rows"], Path(order["path"]))
            return {}
        return {
            "requests": self._sandbox.log.counts()["by_method"],
            "sent_bytes": self._received_bytes,
            "problems": self._problems(scenario, order["program"], order["sent_rows"]),
        }

    def _prepare(self, scenario: Scenario) -> None:
        for segment_key in self._segment_keys:
            self._sandbox.delete_segment(segment_key)
        self._segment_keys = scenario.segment_keys
        for segment_key, members in scenario.members_before().items():
            self._sandbox.add_segment(
                segment_key, included=sorted(members), unbounded=scenario.is_big
            )
        self._sandbox.clear_requests()
        self._received_bytes = 0

    def _problems(self, scenario: Scenario, program: str, rows: int) -> list[str]:
        problems = []
        for segment_key, expected in scenario.members_after(program, rows).items():
            members = set(self._sandbox.included(segment_key))
            if members != expected or self._sandbox.excluded(segment_key):
                problems.append(
                    f"segment {segment_key} lacks {len(expected - members):,} keys and has "
                    f"{len(members - expected):,} that it must not have"
                )
        return problems

    def _count(self, exchange: Exchange) -> None:
        """Count a request as HTTP/1.1 writes it: request line, header lines, blank line, body."""
        head = f"{exchange.method} {exchange.path} HTTP/1.1\r\n".encode()
        headers = (f"{name}: {value}\r\n".encode() for name, value in exchange.headers.items())
        body = int(exchange.headers.get("content-length", 0))
        self._received_bytes += len(head) + sum(map(len, headers)) + len(b"\r\n") + body


if __name__ == "__main__":
    Host().serve()
