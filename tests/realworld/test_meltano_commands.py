"""Each `meltano` command of README, docs and examples is one of Meltano, with its options."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from functools import cache
from itertools import pairwise

import pytest
import yaml
from documents import DOCUMENTS, ROOT, commands, prose
from neighbours import plain_environment, tool
from test_docs import THEIRS

pytestmark = pytest.mark.realworld

GROUPS = {"config", "state"}
WITH_A_VALUE = {"--port", "--state-id-suffix"}
PROJECTS = [ROOT / "meltano.yml", *sorted(ROOT.glob("examples/*/meltano.yml"))]


@cache
def help_of(*words: str) -> str:
    """Return the help of `meltano WORDS`."""
    done = subprocess.run(
        [tool(".venv-meltano", "meltano"), *words, "--help"],
        env=plain_environment(NO_COLOR="1", COLUMNS="200"),
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == 0, (words, done.stderr)
    return done.stdout


@cache
def help_of_sandbox() -> str:
    """Return the help of what `meltano invoke target-launchdarkly:sandbox` starts."""
    command = [sys.executable, "-m", "target_launchdarkly.sandbox", "--help"]
    return subprocess.run(command, capture_output=True, check=True, text=True).stdout


@pytest.fixture(scope="module")
def typed() -> list[list[str]]:
    """The words behind `meltano` of every command: typed ones, and those in code font."""
    quoted = [
        found for path in DOCUMENTS for found in re.findall(r"`meltano ([^`\n]+)`", prose(path))
    ]
    shown = [words[1:] for words in commands() if words[0] == "meltano"]
    comments = [
        line
        for path in PROJECTS
        for line in re.findall(r"^#   meltano (.*)$", path.read_text(), re.MULTILINE)
    ]
    found = shown + [shlex.split(line.partition(" > ")[0]) for line in quoted + comments]
    # `meltano run` alone names the command.
    return [[word for word in words if not word.startswith("--environment")] for words in found]


def test_commands_and_their_options_exist(typed: list[list[str]]) -> None:
    assert len(typed) > 15
    for words in typed:
        command = words[:2] if words[0] in GROUPS else words[:1]
        own = words[: words.index("--check")] if "--check" in words else words
        for option in (word.partition("=")[0] for word in own if word.startswith("--")):
            assert option in help_of(*command) + help_of_sandbox(), words
        assert help_of(*command), words


def test_plugins_jobs_and_commands_exist(typed: list[list[str]]) -> None:
    known: set[str] = set()
    for path in PROJECTS:
        project = yaml.safe_load(path.read_text())
        plugins = [each for kind in project["plugins"].values() for each in kind]
        known |= {each["name"] for each in plugins}
        known |= {f"{each['name']}:{name}" for each in plugins for name in each.get("commands", ())}
        known |= {job["name"] for job in project.get("jobs", ())}
    for words in typed:
        if words[0] in {"run", "invoke", "install"}:
            named = {
                word
                for before, word in pairwise(words)
                if not word.startswith("-") and before not in WITH_A_VALUE
            }
            assert named <= known, words


def test_options_that_the_other_test_allows_are_meltanos() -> None:
    helps = help_of() + "".join(map(help_of, ("add", "invoke", "run", "select")))
    for option in THEIRS["meltano"]:
        assert option in helps, option
