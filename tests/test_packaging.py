"""The wheel, installed alone in an empty environment."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from messages import lines, members, schema, state
from running import SEGMENT

if TYPE_CHECKING:
    from target_launchdarkly.sandbox import Sandbox

pytestmark = pytest.mark.packaging

ROOT = Path(__file__).parents[1]
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]


def run(
    command: list[str], folder: Path, feed: bytes | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program away from the checkout, which could be imported in place of the wheel."""
    done = subprocess.run(command, cwd=folder, input=feed, capture_output=True, check=False)
    return subprocess.CompletedProcess(
        command, done.returncode, done.stdout.decode(), done.stderr.decode()
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that is made from the sdist."""
    folder = tmp_path_factory.mktemp("dist")
    built = run([sys.executable, "-m", "build", "--outdir", str(folder), str(ROOT)], folder)
    assert built.returncode == 0, built.stdout + built.stderr
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def programs(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of an environment that holds the wheel and what it asks for."""
    folder = tmp_path_factory.mktemp("empty")
    environment = folder / "venv"
    made = run([sys.executable, "-m", "venv", "--without-pip", str(environment)], folder)
    assert made.returncode == 0, made.stderr
    python = environment / "bin" / "python"
    done = run([*PIP, "--python", str(python), "install", "--quiet", str(wheel)], folder)
    assert done.returncode == 0, done.stderr
    return python.parent


def test_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()

    roots = {name.split("/")[0] for name in names}
    assert len(roots) == 2
    assert all(root.startswith("target_launchdarkly") for root in roots)
    package = ROOT / "target_launchdarkly"
    files = {
        str(path.relative_to(ROOT))
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert files <= set(names)


def test_package_runs_by_its_own_name(wheel: Path) -> None:
    """`pipx run target-launchdarkly` starts the program that is called as the package is."""
    archive = zipfile.ZipFile(wheel)
    (entries,) = (name for name in archive.namelist() if name.endswith("entry_points.txt"))
    (metadata,) = (name for name in archive.namelist() if name.endswith("METADATA"))

    package = re.search(r"^Name: (.*)$", archive.read(metadata).decode(), re.MULTILINE)
    assert package
    assert f"\n{package[1]} = " in archive.read(entries).decode()


def test_installed_target_tells_about_itself(programs: Path) -> None:
    told = run([str(programs / "target-launchdarkly"), "--about", "--format=json"], programs)

    assert told.returncode == 0, told.stderr
    about = json.loads(told.stdout)
    assert about["name"] == "target-launchdarkly"
    assert "access_token" in about["settings"]["properties"]


def test_installed_target_syncs(
    programs: Path, sandbox: Sandbox, config: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config))
    feed = lines([schema(), *members("ann", "ben"), state({"bookmarks": {}})])

    synced = run([str(programs / "target-launchdarkly"), "--config", str(path)], tmp_path, feed)

    assert synced.returncode == 0, synced.stderr
    assert sandbox.included(SEGMENT) == ["ann", "ben"]
    assert json.loads(synced.stdout) == {"bookmarks": {}}


def test_installed_sandbox_says_which_extra_it_needs(programs: Path) -> None:
    """Its web framework is not among the target's dependencies."""
    asked = run([str(programs / "target-launchdarkly-sandbox"), "--help"], programs)

    assert asked.returncode != 0
    assert "pip install 'target-launchdarkly[sandbox]'" in asked.stderr
