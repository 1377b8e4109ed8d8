"""`--check --input` from the command line: what it prints, and what it leaves alone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from command_line import MODULE, run
from documents import blocks
from messages import capture, keys, leavers, lines, members, record, schema, state
from running import SEGMENT, demand_discreet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from command_line import Result

    from target_launchdarkly.sandbox import Sandbox

MIRROR = {"audience_sync_mode": "mirror"}
SNAPSHOT = MIRROR | {"mirror_source": "snapshot"}
SEGMENTS: dict[str, Any] = {"context_key": {}, "is_member": {}, "segment": {}}


@pytest.fixture
def check(config: dict[str, Any], tmp_path: Path) -> Callable[..., Result]:
    """Run `--check` as users do, with an input from a file or through a pipe."""

    def check(messages: Iterable[Any], *, is_piped: bool = False, **settings: Any) -> Result:
        path, source = tmp_path / "config.json", tmp_path / "input.singer"
        path.write_text(json.dumps(config | settings))
        source.write_bytes(lines(messages))
        given = "-" if is_piped else str(source)
        feed = lines(messages) if is_piped else b""
        result = run(MODULE, "--config", str(path), "--check", "--input", given, feed=feed)
        demand_discreet(result.stdout + result.stderr)
        return result

    return check


@pytest.mark.parametrize("is_piped", [False, True], ids=["file", "pipe"])
def test_good_input_is_told_and_nothing_of_it_is_sent(
    sandbox: Sandbox, check: Callable[..., Result], *, is_piped: bool
) -> None:
    messages = [schema(), *members(*keys(3), " user-3"), *leavers("user-4"), state(1)]

    result = check(messages, is_piped=is_piped, **MIRROR)

    assert result.returncode == 0, result.stdout
    told = result.stdout.splitlines()
    assert told[:2] == ["ok    settings: all can be used", "ok    input: 7 lines"]
    assert told[2].startswith("ok    stream 'audience': 5 records; key 'context_key', flag 'is_")
    assert told[2].endswith("; mode mirror by changes")
    assert told[3].startswith(
        f"ok    audience of segment '{SEGMENT}': user: 4 in, 1 out; 5 records"
    )
    assert told[3].endswith("; 1 with blanks around the key")
    assert [line.split(":")[0] for line in told[4:]] == [
        "ok    access token",
        "ok    project 'default', environment 'test'",
        f"ok    segment '{SEGMENT}'",
    ]
    assert sandbox.included(SEGMENT) == []
    assert sandbox.get_segment(SEGMENT)["version"] == 1


def test_input_that_a_run_would_refuse_fails(check: Callable[..., Result]) -> None:
    result = check([schema(), *members("a")], **SNAPSHOT)

    assert result.returncode == 1
    assert "is not proven whole" in result.stdout
    assert "ERROR" not in result.stderr


def test_input_is_judged_where_launchdarkly_cannot_be_asked(check: Callable[..., Result]) -> None:
    result = check([schema(), *members("a")], access_token="api-wrong")

    assert result.returncode == 1
    assert f"ok    audience of segment '{SEGMENT}': user: 1 in, 0 out" in result.stdout
    assert "The access token was not accepted" in result.stdout


def test_files_that_tell_of_runs_are_left_alone(
    check: Callable[..., Result], tmp_path: Path
) -> None:
    files = {name: str(tmp_path / name) for name in ("changes_file", "summary_file")}

    check([schema(), *members("a")], **files)

    assert not any((tmp_path / name).exists() for name in files)


def test_segments_that_records_name_are_looked_at(
    sandbox: Sandbox, check: Callable[..., Result]
) -> None:
    for number in range(12):
        sandbox.add_segment(f"s{number}")
    named = [record("a", segment=f"s{number}") for number in range(12)]
    settings = {"segment_key": None, "segment_key_field": "segment"}

    result = check([schema(columns=SEGMENTS), record("a", segment="nope"), *named], **settings)

    assert result.returncode == 1
    assert "no segment 'nope'" in result.stdout
    assert "ok    segment 's8': standard segment" in result.stdout
    assert "warn  segments: more that records name (3) were not looked at" in result.stdout
    assert "none to look at" not in result.stdout


CAPTURES = [
    pytest.param("pipelinewise-tap-postgres-full-table.singer.gz", "10,800 in, 1,200 out", id="pw"),
    pytest.param("tap-snowflake-full-table.singer.gz", "10,800 in, 1,200 out", id="snowflake"),
    pytest.param("meltanolabs-tap-postgres-log-based.singer", "1 in, 2 out", id="log-based"),
]


@pytest.mark.parametrize(("name", "expected"), CAPTURES)
def test_captures_of_taps_are_read_as_runs_read_them(
    check: Callable[..., Result], name: str, expected: str
) -> None:
    result = check(capture(name), **MIRROR)

    assert result.returncode == 0, result.stdout
    assert expected in result.stdout


def test_example_of_the_docs_is_what_is_printed(check: Callable[..., Result]) -> None:
    (text,) = (each.text for each in blocks() if "\nok    stream " in each.text)
    columns: dict[str, Any] = {"CONTEXT_KEY": {}, "IS_MEMBER": {}}
    rows = [{"CONTEXT_KEY": f"k{number}", "IS_MEMBER": number >= 300} for number in range(2_999)]
    stream = "marts-beta_users"
    records = [
        {"type": "RECORD", "stream": stream, "record": row}
        for row in [*rows, {"CONTEXT_KEY": "k", "IS_MEMBER": None}]
    ]

    told = check([schema(stream, columns), *records, state(1)], **MIRROR).stdout

    for line in text.splitlines():
        assert line[:1] in {"$", "…"} or line in told, line
