"""What of LaunchDarkly's words an error may quote. Pure: no I/O, no state.

They may name context keys, of this request or another, in any spelling, and echo the token. So
nothing is looked for and struck out: words that are known to be no key are let in, and no others.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

#: Stands for everything that is not quoted.
LEFT_OUT = "…"
#: How many words a quotation has at most.
MAX_WORDS = 40
MAX_CODE_CHARACTERS = 100
#: The words of which LaunchDarkly's codes and messages are made, as far as they are known, and what
#: may stand between them; no first names, no single letters. https://launchdarkly.com/docs/api#errors
WORDS = frozenset(
    re.findall(
        r"\S+",
        """
    able about above access account action actions active add added after again all allowed
    already also an and another any api approval approvals approve approved are array as at
    available bad be because been before being below between big body both but by can cannot
    change changed changes code comment conflict contain contains content context contexts
    count create created date dates delete deleted denied did does done due duplicate each
    either empty entity environment environments error errors exceed exceeded exceeds
    excluded exist existing exists expected expiration expired expires expiring export
    exports external failed failure field fields file flag flags for forbidden format found
    from gateway given has have identifier if import imports in included individual input
    instruction instructions integer internal invalid is it its json key keys kind kinds
    large later length less limit limited limits list lists lock locking long malformed many
    match maximum member members message method minimum missing more most must name need
    needed needs neither no non nor not nothing now null object of on one only operation
    operations optimistic or order other out over parameter parse passed patch path payload
    pending per permission permissions permitted plan policy progress project projects
    property quota rate reached reason received refused reject rejected remaining removed
    replace request requested requests required requires resource resources restricted role
    roles rule rules same schema segment segments semantic server service set should size
    some string strings supported synced syntax target targets temporarily than that the
    their them there these this those time timeout to token tokens too try twice type types
    unable unauthorized unavailable unbounded unexpected unknown unprocessable unsupported
    until update updated upgrade url use used user users valid validation value values
    version was we were when which while with within without workflow would wrong you you've
    your
        """,
    )
)
#: What a body may be called that is no JSON.
MEDIA_TYPES = frozenset(
    {
        *("application/json", "application/xml", "application/octet-stream"),
        *("application/problem+json", "text/html", "text/plain", "text/xml", "text/csv"),
    }
)
#: The tools that LaunchDarkly syncs segments from.
#: https://launchdarkly.com/docs/home/flags/synced-segments
TOOLS = frozenset(
    {
        *("amplitude", "braze", "census", "heap", "hightouch", "iterable", "mparticle"),
        *("rudderstack", "segment", "snowflake", "tealium", "twilio-segment"),
    }
)


def told_by(body: Any, content_type: str | None) -> str:
    """Return what an error quotes of an answer, e.g. `invalid_request: The key … is not …`.

    Args:
        body: The JSON of the answer; None if it is none.
        content_type: What the answer calls itself.
    """
    if not isinstance(body, Mapping):
        return f"no JSON error but {media_type(content_type)}"
    parts = [code(body.get("code")), words(body.get("message"))]
    return ": ".join(filter(None, parts)) or "no code that is known here"


def code(value: object) -> str:
    """Return a code if it is made of words that are let in, e.g. `optimistic_locking_error`."""
    if not isinstance(value, str) or len(value) > MAX_CODE_CHARACTERS:
        return ""
    return value if WORDS.issuperset(value.split("_")) else ""


def identifier(text: str) -> str:
    """Return an ID if it looks as LaunchDarkly makes them, e.g. `a902ef4a-2faf-4eaf-88e1`."""
    return text if re.fullmatch(r"[0-9a-f-]{1,64}", text) else LEFT_OUT


def words(text: object) -> str:
    """Return a text with everything left out that is not let in.

    Example: `The key "zoe" of context kind "user"` becomes `The key … of context kind user`.
    """
    if not isinstance(text, str):
        return ""
    told: list[str] = []
    for word in text.split():
        plain = re.fullmatch(r"""["'(]?([A-Za-z']+?)["')]?([.,:;]?)""", word)
        is_let_in = plain is not None and plain[1].lower() in WORDS
        if plain and is_let_in:
            told.append(plain[1] + plain[2])
        elif told[-1:] != [LEFT_OUT]:
            told.append(LEFT_OUT)
    if len(told) > MAX_WORDS:
        told[MAX_WORDS:] = [LEFT_OUT]
    return "" if told == [LEFT_OUT] else " ".join(told).rstrip(".")


def media_type(content_type: str | None) -> str:
    """Return what an answer says that it is, if that is one of the usual types."""
    named = (content_type or "").partition(";")[0].strip().lower()
    if not named:
        return "no content type"
    return named if named in MEDIA_TYPES else "another content type"


def tool(name: str) -> str:
    """Return the name of a tool that syncs a segment, if it is one of the usual ones."""
    return name if name.lower() in TOOLS else "another tool"
