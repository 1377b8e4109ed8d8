"""The table of the design: who may import whom, and who needs which library."""

from __future__ import annotations

#: Room to the rooms that it may import, from the bottom up. A new room gets a line here.
ROOMS: dict[str, set[str]] = {
    "errors": set(),
    "names": set(),
    "plural": set(),
    "discretion": set(),
    "boundary": {"errors"},
    "properties": set(),
    "api/links": {"errors"},
    "settings": {"errors", "names", "properties", "api/links"},
    # LaunchDarkly over HTTP.
    "api/clock": set(),
    "api/calls": {"errors", "api/quoting"},
    "api/limits": set(),
    "api/quoting": set(),
    "api/shapes": {"api/quoting"},
    "api/answers": {
        *("errors", "plural", "api/calls", "api/punctual", "api/quoting", "api/shapes"),
    },
    "api/punctual": set(),
    "api/sessions": {"api/links", "api/punctual"},
    "api/client": {
        *("errors", "api/answers", "api/calls", "api/clock", "api/limits", "api/sessions"),
        "api/shapes",
    },
    "api/expiring": {"api/answers", "api/calls", "api/client", "api/quoting", "api/shapes"},
    "api/dryruns": {"api/answers", "api/calls", "api/client"},
    "api/transfers": {
        *("errors", "api/answers", "api/calls", "api/links", "api/quoting", "api/shapes"),
    },
    # What the streams said becomes a plan, and the plan is judged.
    "audience/chunks": set(),
    "audience/words": {"audience/chunks"},
    "audience/difference": {"audience/words"},
    "audience/bookmarks": set(),
    "audience/completeness": {"plural"},
    "audience/streams": {
        *("errors", "audience/bookmarks", "audience/completeness", "audience/words"),
    },
    "audience/plan": {"audience/words"},
    "audience/expirations": {"audience/words"},
    "audience/guard": {"plural"},
    "audience/planner": {
        *("audience/expirations", "audience/guard", "audience/plan", "audience/words"),
    },
    # A plan becomes requests.
    "report/tally": {"plural"},
    "segments/patches": set(),
    "segments/halving": {"errors", "audience/plan"},
    "segments/drafts": {"errors", "plural", "segments/halving", "segments/patches"},
    "segments/lists": {"audience/plan"},
    "segments/expiring": {"errors", "api/expiring", "audience/expirations", "segments/patches"},
    "segments/standard": {
        *("errors", "api/shapes", "audience/words"),
        *("segments/drafts", "segments/expiring", "segments/lists", "segments/patches"),
    },
    "segments/trial": {
        *("errors", "api/dryruns", "api/expiring"),
        *("audience/expirations", "audience/plan", "segments/patches"),
    },
    # Of big segments.
    "segments/members": {"errors", "audience/chunks"},
    "segments/keyfiles": set(),
    "segments/costs": {"segments/keyfiles"},
    "segments/exports": {"errors", "plural", "segments/members"},
    "segments/bigplans": {
        *("errors", "audience/difference", "audience/guard", "audience/plan", "audience/words"),
        *("segments/costs", "segments/members"),
    },
    "segments/sending": {
        *("errors", "audience/guard", "audience/plan", "segments/costs"),
        *("segments/drafts", "segments/keyfiles", "segments/members", "segments/patches"),
    },
    "segments/big": {
        *("errors", "audience/words"),
        *("segments/bigplans", "segments/drafts", "segments/exports", "segments/sending"),
    },
    "segments/segments": {
        *("errors", "api/shapes", "report/tally"),
        *("segments/big", "segments/drafts", "segments/standard"),
    },
    # Lines become records, records words.
    "intake/columns": {"errors", "names"},
    "intake/demands": {"errors", "properties", "intake/columns"},
    "intake/moments": {"errors"},
    "intake/membership": {"errors", "properties", "intake/moments"},
    "intake/blocks": {"errors"},
    "intake/rows": {"intake/membership"},
    "intake/batches": {"discretion", "errors", "intake/blocks", "intake/membership", "intake/rows"},
    "intake/reader": {"errors", "intake/membership"},
    "intake/ways": {
        *("errors", "audience/words"),
        *("intake/membership", "intake/rows"),
    },
    "intake/records": {"intake/blocks", "intake/ways"},
    "report/files": {"errors"},
    "report/changes": {"report/files"},
    "report/summary": {"report/files"},
    "report/findings": set(),
    "report/check": {"errors", "api/expiring", "api/shapes", "report/findings", "segments/trial"},
    "report/inputs": {"api/shapes", "audience/words", "report/findings", "plural"},
    "report/lines": {"plural", "report/tally"},
    "report/progress": {"report/lines", "plural"},
    # Where an SDK developer looks first.
    "configuration": {"names", "settings"},
    "sinks": {
        *("errors", "settings", "configuration", "audience/completeness", "audience/words"),
        *("intake/columns", "intake/demands", "intake/membership", "intake/moments"),
        "intake/rows",
    },
    "checkpoint": {"errors", "plural"},
    "checking": {"boundary", "errors", "sinks", "report/changes", "report/inputs"},
    "reporting": {
        *("discretion", "errors", "sinks", "api/clock", "report/changes", "report/files"),
        *("report/findings", "report/summary"),
    },
    "command": {
        *("boundary", "discretion", "errors", "reporting", "api/calls", "api/client"),
        *("intake/reader", "report/check", "report/findings", "report/progress"),
    },
    "target": {
        *("errors", "sinks", "checking", "checkpoint", "command", "api/transfers"),
        *("audience/plan", "audience/planner", "audience/streams", "audience/words"),
        *("intake/batches", "intake/records"),
        *("report/inputs", "report/lines", "plural", "report/progress", "report/summary"),
        *("segments/drafts", "segments/segments"),
    },
    "__main__": {"boundary", "target"},
}
#: Rooms that are imported for their types only, on top of that.
ROOMS_FOR_TYPES: dict[str, set[str]] = {
    "api/sessions": {"api/calls"},
    "audience/streams": {"settings"},
    "audience/guard": {"audience/plan"},
    "audience/planner": {"audience/streams", "audience/words"},
    "segments/patches": {"audience/expirations", "audience/plan"},
    "segments/expiring": {
        *("api/shapes", "api/client", "audience/plan", "report/tally", "segments/drafts"),
    },
    "segments/standard": {
        *("api/shapes", "api/client", "audience/expirations", "audience/plan"),
        *("audience/planner", "report/tally"),
    },
    "report/tally": {"audience/expirations", "audience/plan", "report/changes"},
    "report/changes": {"audience/expirations", "audience/plan"},
    "report/summary": {"audience/planner", "audience/streams", "report/tally"},
    "api/transfers": {"api/client"},
    "segments/trial": {"api/shapes", "api/client"},
    "segments/exports": {"api/transfers"},
    "segments/bigplans": {
        *("audience/planner", "segments/drafts", "segments/exports", "segments/sending"),
    },
    "segments/sending": {
        *("api/shapes", "api/client", "api/transfers", "audience/words"),
        *("report/tally", "segments/bigplans"),
    },
    "segments/big": {
        *("api/shapes", "api/client", "api/transfers"),
        *("audience/plan", "audience/planner", "report/tally"),
    },
    "segments/segments": {
        *("api/client", "api/transfers", "audience/planner", "report/changes"),
    },
    "report/check": {"api/shapes", "api/client", "settings"},
    "report/inputs": {"audience/streams", "intake/columns", "report/tally", "settings"},
    "checking": {"intake/membership"},
    "command": {"report/inputs"},
    "report/progress": {"api/client", "report/tally", "segments/segments"},
    "intake/columns": {"settings"},
    "intake/demands": {"settings"},
    "intake/membership": {"intake/columns"},
    "intake/rows": {"intake/columns"},
    "intake/batches": {"intake/ways"},
    "intake/reader": {"intake/records"},
    "intake/ways": {"sinks"},
    "intake/records": {"intake/membership", "sinks"},
    "sinks": {
        *("audience/planner", "audience/streams", "report/changes", "report/tally"),
        "segments/segments",
    },
    "checkpoint": {
        *("audience/planner", "audience/streams", "segments/drafts", "segments/segments"),
    },
}
#: Library to the only rooms that may import it.
LIBRARIES: dict[str, set[str]] = {
    # boundary knows the SDK's errors, reader takes its reader, records its mark of records that no
    # stream map changes.
    "singer_sdk": {
        *("boundary", "command", "configuration", "reporting", "sinks", "target"),
        *("intake/reader", "intake/records"),
    },
    # answers reads the responses that client gets.
    "requests": {
        *("api/answers", "api/client", "api/punctual", "api/sessions", "api/transfers"),
    },
    "urllib3": set(),
    "backoff": {"api/client"},
    "click": {"command", "configuration"},
    "rich": {"report/progress"},
    "msgspec": {"intake/records", "intake/rows", "intake/ways"},
    "aiohttp": set(),
}
#: Rooms without any library, so that they can be tested, and understood, alone.
PURE = {
    *("errors", "names", "properties", "settings", "report/lines", "report/tally"),
    *("api/limits", "api/links", "api/quoting"),
    *("intake/columns", "intake/demands", "intake/membership", "intake/moments"),
    *("audience/bookmarks", "audience/completeness", "audience/streams", "audience/plan"),
    *("audience/difference", "audience/expirations", "audience/guard", "audience/planner"),
    *("segments/costs", "segments/patches"),
}
#: Modules of the standard library through which a pure room could reach outside.
IMPURE_MODULES = {
    *("os", "io", "pathlib", "socket", "subprocess", "time", "threading", "logging", "sqlite3"),
}
