"""README, docs, changelog, Makefile and code say the same."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from documents import (
    DOCS,
    DOCUMENTS,
    README,
    ROOT,
    anchors,
    blocks,
    commands,
    links,
    prose,
    texts,
    typed,
)
from jsonschema import Draft202012Validator
from readme_settings import SETTINGS_PAGE, updated

from target_launchdarkly import settings
from target_launchdarkly.sandbox.web.faults import FAULT_KINDS
from target_launchdarkly.target import MELTANO_TEST_STREAM, TargetLaunchDarkly

if TYPE_CHECKING:
    from pathlib import Path

TEXT = texts()
#: All settings that `--about` lists, the SDK's included.
SCHEMA: dict[str, Any] = dict(settings.CONFIG_JSONSCHEMA)
TargetLaunchDarkly.append_builtin_config(SCHEMA)
KNOWN = set(SCHEMA["properties"])
SUMMARY_SCHEMA = "target_launchdarkly/report/summary.schema.json"
#: Names that look like settings and are none: columns, a parameter of PostgreSQL, modules, and what
#: Meltano and the taps call their own in the projects that are shown.
OTHER_NAMES = {
    MELTANO_TEST_STREAM,
    "output_plugin_libraries",
    *(
        name
        for path in ROOT.glob("examples/*/meltano.yml")
        for name in re.findall(r"^[ -]*(\w+):", path.read_text(encoding="utf-8"), re.MULTILINE)
    ),
    *("audience_size", "context_key", "is_member", "org_id", "updated_at", "user_id"),
    *("_sdc_deleted_at", "_sdc_lsn", "acknowledged_at", "expires_at"),
    *("set_expiration", "move_expiration", "drop_expiration"),
    *json.loads((ROOT / "target_launchdarkly/report/summary.schema.json").read_text())[
        "properties"
    ],
    "do_xcom_push",
    *(path.stem for path in ROOT.glob("target_launchdarkly/**/*.py")),
}
#: This project's programs, by the words that start them.
OURS = {
    ("target-launchdarkly",): ["-m", "target_launchdarkly"],
    ("target-launchdarkly-sandbox",): ["-m", "target_launchdarkly.sandbox"],
    ("python", "benchmarks/bench.py"): [str(ROOT / "benchmarks" / "bench.py")],
    ("python", "tests/chaos/chaos.py"): [str(ROOT / "tests" / "chaos" / "chaos.py")],
    ("python", "tests/fuzz/fuzz.py"): [str(ROOT / "tests" / "fuzz" / "fuzz.py")],
    ("python", "tests/kills/kills.py"): [str(ROOT / "tests" / "kills" / "kills.py")],
}
#: Programs of others that a reader has or installs; the options of each that the documents use.
THEIRS: dict[str, set[str]] = {
    "cat": set(),
    "cp": {"-R"},
    "diff": set(),
    "export": set(),
    "jq": {"-c", "-e", "-r"},
    "mail": {"-s"},
    "make": set(),
    # Looked up where Meltano is: tests/realworld/test_meltano_commands.py.
    "meltano": {
        *("--all", "--dry-run", "--dump", "--environment", "--from-ref", "--full-refresh"),
        *("--list", "--no-install", "--plugin-type", "--refresh-catalog", "--state-id-suffix"),
    },
    "pip": set(),
    "pipx": set(),
    "psql": {"--file"},
    "sort": set(),
    "tail": {"-n"},
    "tap-snowflake": {"--catalog", "--config", "--discover", "--state"},
    "uniq": {"-c"},
    "uv": set(),
}
each_document = pytest.mark.parametrize(
    "document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT))
)


def test_settings_table_is_that_of_about() -> None:
    page = SETTINGS_PAGE.read_text(encoding="utf-8")
    assert updated(page) == page, "run `make readme`"


def test_every_make_command_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    named = set(re.findall(r"`make ([a-z-]+)`", TEXT))
    named |= {words[1] for words in commands() if words[0] == "make"}
    assert named
    for command in named:
        assert f"\n{command}:" in makefile, command


def test_every_test_that_is_named_exists() -> None:
    code = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    named = set(re.findall(r"`(test_[a-z0-9_]+)`", TEXT))
    assert named
    for test in named:
        assert f"def {test}(" in code, test


@each_document
def test_every_setting_that_is_named_exists(document: Path) -> None:
    """Whatever looks like one in code font is a setting, or another name that is listed above."""
    quoted = re.findall(r"`([^`\n]+)`", prose(document))
    named = {found for each in quoted for found in re.findall(r"^[a-z]+_[a-z_]+(?=$|: )", each)}
    assert named - KNOWN - OTHER_NAMES - set(re.findall(r"test_\w+", TEXT)) == set()
    ours = r"^TARGET_LAUNCHDARKLY_([A-Z_]+)"
    variables = {found.lower() for each in quoted for found in re.findall(ours, each)}
    # The SDK reads it, and it is no setting.
    assert variables - KNOWN - {"loglevel"} == set()


def test_every_json_example_of_settings_is_accepted() -> None:
    examples = [block.text for block in blocks() if block.language == "json"]
    shown = [block.text for block in blocks() if "cat config.json" in block.text]
    examples += [re.search(r"^\{.*?^\}", text, re.MULTILINE | re.DOTALL)[0] for text in shown]  # type: ignore[index]
    assert examples
    # An example may show a part.
    schema = {"properties": SCHEMA["properties"], "additionalProperties": False}
    for example in examples:
        errors = Draft202012Validator(schema).iter_errors(json.loads(example))
        assert [error.message for error in errors] == [], example


def test_every_setting_in_a_yaml_example_exists() -> None:
    examples = [block for block in blocks() if block.language == "yaml"]
    assert examples
    schema = {"properties": SCHEMA["properties"], "additionalProperties": False}
    for example in examples:
        document = yaml.safe_load(example.text)
        for loader in document.get("plugins", {}).get("loaders", ()):
            config = loader.get("config", {})
            errors = Draft202012Validator(schema).iter_errors(config)
            assert [error.message for error in errors] == [], example
            assert {each["name"] for each in loader.get("settings", ())} <= KNOWN


def test_every_variable_that_a_reader_sets_is_a_setting() -> None:
    lines = "\n".join(typed())
    named = set(re.findall(r"\bTARGET_LAUNCHDARKLY_([A-Z_]+)=", lines))
    assert named
    assert {name.lower() for name in named} <= KNOWN


def test_every_fault_of_the_sandbox_is_documented() -> None:
    assert all(f"`{kind}`" in TEXT for kind in FAULT_KINDS)


def test_every_message_in_troubleshooting_can_be_said() -> None:
    """Each part of a quoted message stands in the code, or else a test expects it.

    'x', 50 and … stand for what differs; what is not quoted is no message.
    """
    files = [*ROOT.glob("target_launchdarkly/**/*.py"), *ROOT.glob("tests/**/test_*.py")]
    said = "\n".join(
        node.value
        for path in files
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
    page = (DOCS / "troubleshooting.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([^`]+)`", page, re.MULTILINE)
    assert rows
    for message in rows:
        for part in re.split(r"'\w*'|\d+|…", message):
            assert part.strip(" ()") in said, message


def test_changelog_tells_of_this_version() -> None:
    version = TargetLaunchDarkly.get_plugin_version()
    assert f"## [{version}]" in (ROOT / "CHANGELOG.md").read_text()


@cache
def help_of(*program: str) -> str:
    command = [sys.executable, *program, "--help"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def help_of_ours(start: tuple[str, ...]) -> str:
    return help_of(*OURS[start])


def test_every_command_that_a_reader_types_exists_and_has_its_options() -> None:
    for words in commands():
        options = {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)}
        ours = [program for start, program in OURS.items() if words[: len(start)] == list(start)]
        if ours:
            missing = {each for each in options if each not in help_of(*ours[0])}
        else:
            assert words[0] in THEIRS, words
            missing = options - THEIRS[words[0]]
            if words[:2] == ["meltano", "invoke"]:
                # Behind the plugin's name stand its own.
                missing = {each for each in missing if each not in "".join(map(help_of_ours, OURS))}
        assert not missing, words


def test_every_option_that_is_quoted_exists() -> None:
    """Each is known to one of this project's programs, or is one of a neighbour's."""
    helps = "".join(map(help_of_ours, OURS))
    theirs = {option for options in THEIRS.values() for option in options}
    for document in DOCUMENTS:
        for option in set(re.findall(r"(?<![\w-])(--[a-z][a-z-]+)", prose(document))):
            assert option in helps or option in theirs, option


@each_document
def test_every_link_leads_somewhere(document: Path) -> None:
    for path, anchor in links(document):
        assert path.exists(), path
        assert not anchor or anchor in anchors(path), f"{path}#{anchor}"


def test_the_first_page_leads_to_every_document() -> None:
    linked = {path.resolve() for path, _ in links(README)}
    assert set(DOCS.glob("*.md")) <= linked


def test_nothing_names_a_package_index_or_a_path_of_one_machine() -> None:
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.split("\n")
    # Written so that this file does not name them itself.
    hosts, paths = r"pypi[.]org|files[.]pythonhosted", r"(?:^|[\s\"'=])/(?:root|home)/\w"
    named = re.compile(f"{hosts}|{paths}", re.MULTILINE)
    for name in filter(None, tracked):
        path = ROOT / name
        if path.suffix in {".gz", ".png"} or not path.is_file():
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        assert not named.search(text), name
