"""What the target was shown: every answer as it reached the client, whoever made it."""

from __future__ import annotations

import csv
import io
import itertools
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self
from unittest import mock
from urllib.parse import urlsplit
from uuid import uuid4

from chaos_cases import MEMBER
from chaos_endings import listing_of
from chaos_model import Seen
from chaos_plan import marked, uncovers
from requests.adapters import HTTPAdapter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import requests
    from chaos_cases import Place, Standing
    from chaos_endings import Listing

    from target_launchdarkly.sandbox import Exchange, Fault

OK, NOT_FOUND = 200, 404
#: Where the files of exports lie.
FILES = "/exports/"


@dataclass(frozen=True)
class View:
    """A segment as an answer showed it."""

    standing: Standing
    #: Grows with every change, also when the segment is deleted and made anew.
    stamp: tuple[int, int]
    included_count: int = 0
    excluded_count: int = 0


def view_of(document: Any, places: Iterable[Place]) -> View:
    """Read an answer as the API's description says."""
    standing: Standing = {}
    for place in places:
        if place.segment != document["key"]:
            continue
        there = dict.fromkeys(_listed(document, "included", place.kind), "in")
        for key in _listed(document, "excluded", place.kind):
            there[key] = "both" if key in there else "ex"
        standing[place] = there
    counts = document.get("_unboundedMetadata", {})
    return View(
        standing,
        (document["creationDate"], document["version"]),
        counts.get("includedCount", 0),
        counts.get("excludedCount", 0),
    )


def _listed(document: Any, side: str, kind: str) -> list[str]:
    plain = document[side] if kind == "user" else []
    contexts = document.get(f"{side}Contexts", [])
    values = [each["values"] for each in contexts if each["contextKind"] == kind]
    return [*plain, *itertools.chain.from_iterable(values)]


@dataclass
class Asked:
    """One exchange: what the sandbox did, and what the target was shown of it."""

    exchange: Exchange
    at: float
    fault: Fault | None
    #: Epoch seconds before which the answer asks not to be asked again.
    not_before: float
    #: Where keys stood before and after each of its steps.
    steps: list[tuple[Standing, Standing]]
    operations: list[tuple[str, Place, str]]
    begun: list[Begun]
    #: The IDs of the imports in whose way an import was.
    in_way: frozenset[str] = frozenset()
    #: What the client got: None if nothing, or nothing whole.
    status: int | None = None
    view: View | None = None
    #: What was shown of expiring targets, and the places of the instructions that failed.
    listing: Listing | None = None
    failed: frozenset[int] = frozenset()

    @property
    def method(self) -> str:
        return self.exchange.method

    @property
    def segment(self) -> str:
        body: Any = self.exchange.body
        if self.exchange.segment_key is None and body:
            return str(body["key"])
        return str(self.exchange.segment_key)

    @property
    def is_import(self) -> bool:
        return self.method == "POST" and self.exchange.path.endswith("/imports")

    @property
    def is_export(self) -> bool:
        """Whether it is about an export, which changes nothing."""
        return "/exports" in self.exchange.path

    @property
    def is_expiring(self) -> bool:
        """Whether it is about when targets leave by themselves."""
        return "/expiring-targets/" in self.exchange.path

    @property
    def is_patch(self) -> bool:
        """Whether it changes targets."""
        return self.method == "PATCH" and not self.is_expiring

    @property
    def is_of_segment(self) -> bool:
        """Whether it asks for the segment itself, not for a membership or an import."""
        return self.exchange.path.rstrip("/").endswith(f"/{self.exchange.segment_key}")

    @property
    def is_membership(self) -> bool:
        """Whether it asks for one member of a big segment, as of the first row of an export."""
        return (
            self.method == "GET" and f"/{self.exchange.segment_key}/contexts/" in self.exchange.path
        )

    @property
    def is_of_unknown_fate(self) -> bool:
        """Whether the target cannot know if its patch was or will be applied."""
        if self.method != "PATCH" or self.view is not None or self.listing is not None:
            return False
        return self.status is None or self.status >= 500 or self.status < 400

    @property
    def keys(self) -> dict[tuple[Place, str], frozenset[str]]:
        """The operations by key."""
        found: dict[tuple[Place, str], set[str]] = {}
        for kind, place, key in self.operations:
            found.setdefault((place, key), set()).add(kind)
        return {each: frozenset(kinds) for each, kinds in found.items()}


@dataclass
class Begun:
    """An import that the target has begun."""

    id: str
    segment: str
    mode: str
    #: None if it had ended before it could be looked at.
    keys: frozenset[str] | None


def believed(asked: Iterable[Asked]) -> list[View]:
    """Return what was shown of a segment, but for what shows itself to be older than before."""
    views: list[View] = []
    for each in asked:
        if each.view and (not views or each.view.stamp >= views[-1].stamp):
            views.append(each.view)
    return views


def seen_of(asked: list[Asked]) -> Seen:
    """Return what a run knows of a segment by these exchanges."""
    views = believed(asked)
    if not views:
        return Seen()
    seen = Seen(first=views[0], last=views[-1])
    for place in views[0].standing:
        members = (_members(view, place) for view in views)
        seen.joined[place] = set().union(*members) - _members(views[0], place)
    last = views[0]
    for each in asked:
        for key, operations in each.keys.items():
            marks = seen.marks.get(key, {None})
            after = {marked(mark, operations) for mark in marks}
            # What was sent and not answered was done, or was not.
            seen.marks[key] = after if each.view else marks | after
            place, name = key
            if uncovers(last.standing.get(place, {}).get(name, "out"), operations):
                seen.uncovered.add(key)
        if each.view in views:
            last = each.view or last
    return seen


def _members(view: View, place: Place) -> set[str]:
    return {key for key, where in view.standing[place].items() if where in MEMBER}


def _note_listing(asked: Asked, response: requests.Response) -> None:
    try:
        document = response.json()
    except ValueError:
        return
    if response.status_code == OK and isinstance(document, dict) and "items" in document:
        asked.listing = listing_of(document)
        errors = document.get("errors", [])
        asked.failed = frozenset(each["instructionIndex"] for each in errors)


@dataclass
class Wire:
    """Watches what the client gets, at the edge of `requests`."""

    places: set[Place] = field(default_factory=set)
    #: Whether a segment that is missing is as good as an empty one.
    creates: bool = False
    #: Numbers the requests; two stages may look at the same ones.
    header: str = field(default_factory=lambda: f"X-Chaos-{uuid4().hex}")
    #: Told of every file of an export that the client got whole: its ID, and its first column.
    on_file: Callable[[str, list[str]], object] = lambda *_: None
    _numbers: itertools.count[int] = field(default_factory=itertools.count)
    _asked: dict[str, Asked] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> Self:
        original = HTTPAdapter.send
        wire = self

        def send(
            adapter: HTTPAdapter, request: requests.PreparedRequest, *args: Any, **kwargs: Any
        ) -> requests.Response:
            with wire._lock:
                number = str(next(wire._numbers))
            request.headers[wire.header] = number
            response = original(adapter, request, *args, **kwargs)
            # Read here, whenever the client does: what is cut off fails the same way.
            _ = response.content
            wire._note(number, response)
            wire._note_file(response)
            return response

        self._patch = mock.patch.object(HTTPAdapter, "send", send)
        self._patch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._patch.stop()

    def add(self, asked: Asked) -> None:
        """Take note of what the sandbox answers, before it does."""
        with self._lock:
            number = asked.exchange.headers.get(self.header.lower(), "")
            self._asked[number] = asked

    def _note_file(self, response: requests.Response) -> None:
        path = urlsplit(response.url).path
        if path.startswith(FILES) and response.status_code == OK:
            rows = csv.reader(io.StringIO(response.content.decode(errors="replace"), newline=""))
            export_id = path.removeprefix(FILES).removesuffix(".csv")
            self.on_file(export_id, [row[0] for row in rows if row])

    def _note(self, number: str, response: requests.Response) -> None:
        with self._lock:
            asked = self._asked.pop(number, None)
            if asked is None:
                return
            asked.status = response.status_code
            if asked.is_expiring:
                _note_listing(asked, response)
                return
            # What an answer to a creation shows is no look at the segment.
            if not asked.is_of_segment or asked.method == "POST":
                return
            if response.status_code == NOT_FOUND and self.creates and asked.method == "GET":
                # It will be empty.
                there: Standing = {
                    place: {} for place in self.places if place.segment == asked.segment
                }
                asked.view = View(there, (0, 0))
            if response.status_code != OK:
                return
            try:
                document = response.json()
            except ValueError:
                return
            if isinstance(document, dict) and document.get("key") == asked.segment:
                asked.view = view_of(document, self.places)
