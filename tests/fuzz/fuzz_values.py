"""Values that nobody expects, and keys that can be found wherever they show."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

if TYPE_CHECKING:
    import random

T = TypeVar("T")

#: Stands in every context key, and in nothing else.
MARK = "zq9x"
TOKEN = "api-7c0ffee5-5ec2-4e7f-a123-456789abcdef"
#: As much of the token as nobody may see.
TOKEN_MARK = "c0ffee5-5ec2"

NUMBERS = (
    *(0, -1, 1, 2, 1_500, 1_501, 2**31, 2**53 + 1, -(2**63), 10**30, 10**400),
    *(2.5, -0.0, 1e-7, 1e-320, 1e308, -1.5, 1e22, float("nan"), float("inf"), float("-inf")),
)
TEXTS = (
    *(
        "",
        " ",
        "\t\n",
        "0",
        "1",
        "true",
        "null",
        "NaN",
        "a",
        "two words",
        "..",
        "-",
        "%s %d {} {0}",
    ),
    *(
        "\n",
        "line\nERROR two",
        "\r\n",
        "\x00",
        "\x1b[31m",
        "\u2028",
        "\ud800",
        "\ufeffbom",
        "\U0001f600",
    ),
    *(
        "2026-13-45T99:99:99Z",
        "2019-01-02",
        "http://[::1",
        "file:///",
        "../../etc",
        "[access token]",
    ),
    *(
        "x" * 5_000,
        "é" * 300,
        "'; DROP TABLE",
        "<b>",
        "${HOME}",
        "user",
        "kind",
        "multi",
        "snapshot",
    ),
)
FRAMES = (
    *("{}", "{}", "{}", "{}@example.com", " {} ", '"{}"', "{}\n", "a b {}", "{}/../x?y#z", "%{}%"),
    *("\u00fc{}", "{}\U0001f600", "{},{}", "\\{}", "{}" * 40, "{}\x00", "{}\u2028", "\ud800{}"),
)

PLAIN_FRAMES = ("{}", "{}", "{}@example.com", '"{}"', "a b {}", "{},{}", "\u00fc{}", "{}/../x?y#z")


def key(chance: random.Random) -> str:
    """Return a context key; a few are the same."""
    return chance.choice(FRAMES).replace("{}", f"{MARK}{chance.randrange(12)}")


def plain_key(chance: random.Random) -> str:
    """Return a context key that everybody takes."""
    return chance.choice(PLAIN_FRAMES).replace("{}", f"{MARK}{chance.randrange(60)}")


def secret(chance: random.Random) -> str:
    """Return a key or the token in some spelling."""
    text = TOKEN if chance.random() < 0.3 else key(chance)
    return str(
        chance.choice(
            [
                text,
                text.upper(),
                quote(text.encode(errors="surrogatepass"), safe=""),
                json.dumps(text),
                f"Invalid key {text}\nERROR another",
                f"The key '{text}' is not valid in {text}",
                "x" * 490 + text,
            ]
        )
    )


def text(chance: random.Random) -> str:
    """Return a text that nobody expects."""
    return secret(chance) if chance.random() < 0.3 else chance.choice(TEXTS)


def value(chance: random.Random, depth: int = 0) -> Any:
    """Return any JSON value, and what Python's JSON has on top of it."""
    kind = chance.random()
    if kind < 0.2:
        return chance.choice([None, True, False])
    if kind < 0.45:
        return chance.choice(NUMBERS)
    if kind < 0.75 or depth > 2:
        return text(chance)
    size = chance.choice([0, 1, 1, 2, 3])
    if kind < 0.85:
        return [value(chance, depth + 1) for _ in range(size)]
    if kind < 0.97:
        return {text(chance): value(chance, depth + 1) for _ in range(size)}
    return nested(chance.choice([50, 150, 600]), chance.random() < 0.5)


def without_keys(document: T) -> T:
    """Return a JSON value that names no context key, in no spelling."""
    encoded = re.sub(MARK, "named", json.dumps(document), flags=re.IGNORECASE)
    named: T = json.loads(encoded)
    return named


def nested(levels: int, is_list: bool) -> Any:
    """Return a value that stands deep within others."""
    inner: Any = 1
    for _ in range(levels):
        inner = [inner] if is_list else {"a": inner}
    return inner


def mutated(chance: random.Random, document: Any) -> Any:
    """Return a JSON value in which something, somewhere, is another, is missing or is new."""
    if isinstance(document, dict) and document and chance.random() < 0.85:
        name = chance.choice(sorted(document))
        changed = dict(document)
        how = chance.random()
        if how < 0.15:
            del changed[name]
        elif how < 0.25:
            changed[text(chance)] = value(chance)
        else:
            changed[name] = mutated(chance, document[name])
        return changed
    if isinstance(document, list) and document and chance.random() < 0.6:
        place = chance.randrange(len(document))
        changed_list = list(document)
        changed_list[place] = mutated(chance, document[place])
        return changed_list
    return value(chance)
