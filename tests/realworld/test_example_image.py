"""The steps of `examples/schedule/Dockerfile`, taken in a folder: no engine for it is needed.

What this cannot show: the base image, and the files' owner.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from meltano_project import LEFTOVERS, target_variables
from neighbours import ROOT, plain_environment

if TYPE_CHECKING:
    from target_launchdarkly.sandbox import Sandbox

pytestmark = pytest.mark.realworld

DOCKERFILE = ROOT / "examples" / "schedule" / "Dockerfile"
#: The project that needs the least.
PROJECT = "examples/postgres"
PATIENCE_SECONDS = 600


class Image:
    """A folder in place of the root of an image; paths in commands are led there."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root
        self.variables: dict[str, str] = {}
        self.begin()

    def begin(self) -> None:
        """Begin a stage: of the one before, it knows no variable."""
        self.variables = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}

    def inside(self, text: str) -> str:
        """Lead the paths of a command or variable into the folder."""
        return re.sub(r"(?<![\w./])/(?=opt|project|checkout)", f"{self.root}/", text)

    def expand(self, text: str) -> str:
        return re.sub(r"\$\{?(\w+)\}?", lambda found: self.variables[found[1]], text)

    def step(self, instruction: str, text: str) -> None:
        """Take one step of the first stage."""
        if instruction == "ENV":
            for word in text.split():
                name, _, value = word.partition("=")
                self.variables[name] = self.expand(self.inside(value))
        elif instruction == "WORKDIR":
            self.folder = Path(self.inside(text))
        elif instruction == "COPY":
            *sources, target = self.inside(self.expand(text)).split()
            for source in sources:
                self.copy(ROOT / source, Path(target), is_folder=text.endswith("/"))
        elif instruction == "RUN":
            self.run(*("sh", "-c", self.inside(text)))

    @staticmethod
    def copy(source: Path, target: Path, *, is_folder: bool) -> None:
        if source.is_dir():
            shutil.copytree(source, target, ignore=LEFTOVERS)
        else:
            target.mkdir(parents=True, exist_ok=True)
            assert is_folder
            shutil.copy(source, target)

    def run(self, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=plain_environment(**self.variables | variables),
            capture_output=True,
            check=False,
            text=True,
            timeout=PATIENCE_SECONDS,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done


def steps(stage: str) -> list[tuple[str, str]]:
    """Return the instructions of a stage."""
    return re.findall(r"^([A-Z]+) (.*)$", stage, re.MULTILINE)


def test_image_starts_meltano_with_the_projects_plugins(tmp_path: Path, sandbox: Sandbox) -> None:
    sandbox.add_segment("premium-users")
    _, build, final = re.split(r"^FROM .*$", DOCKERFILE.read_text(), flags=re.MULTILINE)
    image = Image(tmp_path)
    image.variables["PROJECT"] = PROJECT
    for instruction, text in steps(build):
        image.step(instruction, text)
    image.begin()
    # Of the last stage, what is not about files, which are where they were.
    for instruction, text in steps(final):
        if instruction in {"ENV", "WORKDIR"}:
            image.step(instruction, text)
    (entrypoint,) = (json.loads(text) for name, text in steps(final) if name == "ENTRYPOINT")

    checked = image.run(
        *(*entrypoint, "invoke", "target-launchdarkly", "--check"), **target_variables(sandbox)
    )

    assert "ok    segment 'premium-users'" in checked.stdout
    assert "not set" not in checked.stderr
    assert (tmp_path / "project" / ".meltano" / "extractors" / "tap-postgres" / "venv").is_dir()
