"""README, changelog, Makefile and code say the same."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from readme_settings import README, updated

from target_launchdarkly import settings
from target_launchdarkly.sandbox.web.faults import FAULT_KINDS
from target_launchdarkly.target import TargetLaunchDarkly

ROOT = Path(__file__).parent.parent
TEXT = README.read_text(encoding="utf-8")


def test_settings_table_is_that_of_about() -> None:
    assert updated(TEXT) == TEXT, "run `make readme`"


def test_every_make_command_of_the_readme_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for command in set(re.findall(r"`make ([a-z-]+)`", TEXT)):
        assert f"\n{command}:" in makefile, command


def test_every_test_that_the_readme_names_exists() -> None:
    code = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    named = set(re.findall(r"`(test_[a-z0-9_]+)`", TEXT))
    assert named
    for test in named:
        assert f"def {test}(" in code, test


def test_every_setting_that_the_readme_names_exists() -> None:
    known = {*settings.PROPERTIES, *TargetLaunchDarkly.config_jsonschema["properties"]}
    for setting in re.findall(r"`([a-z]+_[a-z_]+): ", TEXT):
        assert setting in known, setting


def test_every_fault_of_the_sandbox_is_documented() -> None:
    assert all(f"`{kind}`" in TEXT for kind in FAULT_KINDS)


def test_changelog_tells_of_this_version() -> None:
    version = TargetLaunchDarkly.get_plugin_version()
    assert f"## [{version}]" in (ROOT / "CHANGELOG.md").read_text()


def test_every_option_of_the_readme_exists() -> None:
    """Each is known to one of the project's commands, but for those of the taps in the examples."""
    programs = (
        ["-m", "target_launchdarkly"],
        ["-m", "target_launchdarkly.sandbox"],
        [str(ROOT / "benchmarks" / "bench.py")],
        [str(ROOT / "tests" / "chaos" / "chaos.py")],
    )
    helps = "".join(
        subprocess.run(
            [sys.executable, *program, "--help"], capture_output=True, text=True, check=True
        ).stdout
        for program in programs
    )
    for option in set(re.findall(r"(?<![\w-])(--[a-z][a-z-]+)", TEXT)):
        assert option in helps or option in {"--discover", "--catalog", "--state"}, option


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
