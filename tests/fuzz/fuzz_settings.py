"""Configs that nobody expects, from each source: files, variables, and Meltano."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from fuzz_values import TOKEN, TOKEN_MARK, mutated, text, value, without_keys

from target_launchdarkly.target import TargetLaunchDarkly

if TYPE_CHECKING:
    import random

PREFIX = "TARGET_LAUNCHDARKLY_"
GOOD: dict[str, Any] = {
    "access_token": TOKEN,
    "api_url": "http://127.0.0.1:8765",
    "project_key": "default",
    "environment_key": "test",
    "segment_key": "standard",
    "max_retry_seconds": 120,
}
SNAPSHOT = {"mirror_source": "snapshot", "audience_sync_mode": "mirror", "max_removal_percent": 100}
WHOLE = SNAPSHOT | {"trust_end_of_input": True}
BIG = {"segment_key": "big"}
#: Settings that change the way of a run; each is right by itself.
WAYS: tuple[dict[str, Any], ...] = (
    {},
    BIG,
    BIG | {"audience_sync_mode": "mirror"},
    BIG | {"batch_size_rows": 2},
    BIG | WHOLE,
    # So many patches that imports take their place.
    *[{"segment_key": "large", "batch_size_rows": 1} | WHOLE] * 3,
    {"segment_key": "large", "big_segment_removals": "replace"} | WHOLE,
    BIG | {"removal_action": "exclude", "audience_sync_mode": "mirror"},
    BIG | {"excluded_key_action": "fail"},
    {"segment_key": "new", "create_segment": "standard"},
    {"segment_key": "new", "create_segment": "big", "context_kind": "device"},
    {"segment_key_field": "segment"},
    {"segment_key_field": "segment", "create_segment": "standard"} | WHOLE,
    {"audience_sync_mode": "mirror"},
    {"audience_sync_mode": "remove"},
    WHOLE,
    SNAPSHOT | {"audience_size_field": "size"},
    {"removal_action": "exclude", "audience_sync_mode": "mirror"},
    {"excluded_key_action": "include"},
    {"excluded_key_action": "fail"},
    {"invalid_record_action": "skip"},
    {"expires_at_field": "ends"},
    {"expires_at_field": "ends"} | WHOLE,
    {"batch_size_rows": 2},
    {"dry_run": True},
    {"flattening_enabled": True, "flattening_max_depth": 3},
    {"request_timeout": 2.5, "max_retry_seconds": 30.5},
    {"streams": {"audience": {"segment_key": "big"}}},
)
#: Right, nearly right and wrong.
STREAM_MAPS: tuple[dict[str, Any], ...] = (
    {"audience": {"context_key": "int(context_key)"}},
    {"audience": {"context_key": "context_key.lower()", "is_member": "is_member == 'x'"}},
    {"audience": {"context_key": "md5(context_key)"}},
    {"audience": {"context_key": "nobody"}},
    {"audience": {"context_key": "context_key +"}},
    {"audience": {"context_key": "[x for x in context_key]"}},
    {"audience": {"context_key": "1 / 0", "size": "float(context_key)"}},
    {"audience": {"context_key": "record['x']['y']"}},
    {"audience": {"context_key": "config['a'] + context_key"}},
    {"audience": {"__filter__": "int(context_key) > 1"}},
    {"audience": {"__filter__": "is_member"}},
    {"audience": {"__alias__": "standard", "__else__": None, "context_key": "context_key"}},
    {"audience": {"__else__": "x"}},
    {"audience": {"__key_properties__": ["nobody"]}},
    {"audience": None},
    {"*": {"context_key": "datetime.datetime.fromisoformat(context_key).isoformat()"}},
    {"audience": {"context_key": "fake.name()"}},
    {"__else__": None},
)


@dataclass(frozen=True)
class Source:
    """Where the settings come from."""

    arguments: list[str] = field(default_factory=list)
    #: What `config.json` holds, if there is one.
    file: bytes | None = None
    variables: dict[str, str] = field(default_factory=dict)


@cache
def names() -> list[str]:
    """Return the names of all settings, the SDK's included."""
    schema = TargetLaunchDarkly.config_jsonschema
    TargetLaunchDarkly.append_builtin_config(schema)
    return sorted(schema["properties"])


def way(chance: random.Random) -> dict[str, Any]:
    """Return a config with which a run reaches LaunchDarkly."""
    config = GOOD | chance.choice(WAYS)
    if chance.random() < 0.2:
        config["max_import_seconds"] = chance.choice([0, 60, 600])
    if chance.random() < 0.1:
        config["invalid_record_action"] = "skip"
    return config


def right(chance: random.Random) -> dict[str, Any]:
    """Return a config that can be used."""
    config = way(chance)
    if chance.random() < 0.3:
        config |= chance.choice(WAYS)
    if chance.random() < 0.15:
        config["stream_maps"] = chance.choice(STREAM_MAPS)
    return config


def wrong(chance: random.Random, config: dict[str, Any]) -> dict[str, Any]:
    """Return a config of which a few settings are odd; it names no context key."""
    config = dict(config)
    known = names()
    for _ in range(chance.choice([1, 1, 1, 2, 3])):
        name = chance.choice(known)
        how = chance.random()
        if how < 0.1:
            config.pop(name, None)
        elif how < 0.15:
            config[text(chance)] = value(chance)
        elif how < 0.3:
            config["streams"] = {"audience": {chance.choice(known): value(chance)}}
        elif how < 0.4 and name in config:
            config[name] = mutated(chance, config[name])
        else:
            config[name] = value(chance)
    # No file of a fuzzed name.
    return without_keys(
        {
            name: f"a-{len(str(each))}.jsonl" if name.endswith("_file") and each else each
            for name, each in config.items()
        }
    )


def guards_token(config: dict[str, Any]) -> bool:
    """Whether who sees a config can know what of it is the token."""
    is_nowhere = TOKEN_MARK not in unquote(json.dumps(config)).casefold()
    return config.get("access_token") == TOKEN or is_nowhere


def source(chance: random.Random, config: dict[str, Any]) -> Source:
    """Return a config as a file, as variables, or as Meltano gives it."""
    kind = chance.random()
    if kind < 0.6:
        return Source(["--config", "config.json"], _file(chance, config))
    variables = {f"{PREFIX}{name.upper()}": _variable(each) for name, each in config.items()}
    variables = {name: each for name, each in variables.items() if _can_be_set(name, each)}
    if kind < 0.8:
        return Source(["--config", "ENV"], None, variables)
    # Meltano gives a file and variables, and writes what stands within a setting on its own.
    for name, each in config.items():
        if isinstance(each, dict):
            for inner, one in each.items():
                variable = f"{PREFIX}{name}_{inner}".upper(), _variable(one)
                if _can_be_set(*variable):
                    variables[variable[0]] = variable[1]
    return Source(["--config", "config.json", "--config", "ENV"], _file(chance, config), variables)


def _file(chance: random.Random, config: dict[str, Any]) -> bytes:
    encoded = json.dumps(config).encode(errors="surrogatepass")
    how = chance.random()
    if how < 0.02:
        return encoded[: len(encoded) // 2]
    if how < 0.03:
        return b"\xff" + encoded
    if how < 0.04:
        # Settings of which none is the token: nobody could know it.
        odd = json.dumps(without_keys(value(chance)))
        return re.sub(TOKEN_MARK, "", odd, flags=re.IGNORECASE).encode()
    return encoded


def _variable(each: Any) -> str:
    return each if isinstance(each, str) else json.dumps(each)


def _can_be_set(name: str, each: str) -> bool:
    try:
        f"{name}{each}".encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in name + each and "=" not in name
