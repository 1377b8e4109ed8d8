"""A Meltano project in a folder of its own, its plugins put in place without a package index."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml
from neighbours import ROOT, plain_environment, tool
from running import TOKEN

if TYPE_CHECKING:
    from pathlib import Path

    from target_launchdarkly.sandbox import Sandbox

#: dbt, a tap and the target one after the other, where many tests run at once.
PATIENCE_SECONDS = 300
Result = subprocess.CompletedProcess[str]
#: What a run leaves in the folder of an example.
LEFTOVERS = shutil.ignore_patterns(".meltano", "logs", "target", "warehouse")


@dataclass(frozen=True)
class MeltanoProject:
    """A project whose meltano.yml is there, what it runs in, and what its settings come from."""

    folder: Path
    environment: str
    variables: dict[str, str]

    @property
    def definition(self) -> dict[str, Any]:
        """What meltano.yml says."""
        text = (self.folder / "meltano.yml").read_text(encoding="utf-8")
        definition: dict[str, Any] = yaml.safe_load(text)
        return definition

    def install(self, plugin: str, *command: str) -> None:
        """Put a program where `meltano install` would put it."""
        (kind,) = (
            kind
            for kind, plugins in self.definition["plugins"].items()
            if plugin in {each["name"] for each in plugins}
        )
        program = self.folder / ".meltano" / kind / plugin / "venv" / "bin" / plugin
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(f'#!/bin/sh\nexec {" ".join(command)} "$@"\n')
        program.chmod(0o755)

    def run(self, *arguments: str, **variables: str) -> Result:
        """Run `meltano` in the project's environment."""
        return subprocess.run(
            [tool(".venv-meltano", "meltano"), f"--environment={self.environment}", *arguments],
            cwd=self.folder,
            env=plain_environment(**self.variables, **variables),
            capture_output=True,
            check=False,
            text=True,
            timeout=PATIENCE_SECONDS,
        )


def target_variables(sandbox: Sandbox) -> dict[str, str]:
    """Return what leads the target to a sandbox, and Meltano to nothing but its plugins."""
    return {
        "MELTANO_SEND_ANONYMOUS_USAGE_STATS": "false",
        # Nothing listens there: the plugins are defined in meltano.yml, and no Hub is asked.
        "MELTANO_HUB_URL": "http://127.0.0.1:9",
        "NO_COLOR": "1",
        "TARGET_LAUNCHDARKLY_ACCESS_TOKEN": TOKEN,
        "TARGET_LAUNCHDARKLY_API_URL": sandbox.url,
    }


def copy_example(name: str, folder: Path) -> None:
    """Copy an example of the repository without what its runs have left."""
    shutil.copytree(ROOT / "examples" / name, folder, ignore=LEFTOVERS)
