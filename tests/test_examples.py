"""The projects of `examples/` say nothing that the target does not know."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml
from documents import ROOT

from target_launchdarkly import settings
from target_launchdarkly.target import TargetLaunchDarkly

if TYPE_CHECKING:
    from pathlib import Path

PROJECTS = sorted(ROOT.glob("examples/*/meltano.yml"))
SCHEMA: dict[str, Any] = dict(settings.CONFIG_JSONSCHEMA)
TargetLaunchDarkly.append_builtin_config(SCHEMA)
each_project = pytest.mark.parametrize("path", PROJECTS, ids=lambda path: path.parent.name)


def read(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return document


def loader(document: dict[str, Any]) -> dict[str, Any]:
    (found,) = document["plugins"]["loaders"]
    assert isinstance(found, dict)
    return found


@each_project
def test_settings_of_the_target_are_accepted_in_every_environment(path: Path) -> None:
    document = read(path)
    shared = loader(document)["config"]
    for environment in document["environments"]:
        (own,) = environment["config"]["plugins"]["loaders"]
        merged = {"access_token": "api-token"} | shared | own["config"]
        merged = {name: value for name, value in merged.items() if not name.startswith("_")}
        assert set(merged) <= set(SCHEMA["properties"])
        assert TargetLaunchDarkly(config=merged, validate_config=True)


@each_project
def test_settings_from_the_environment_are_known_and_secrets_are_marked(path: Path) -> None:
    """What is not declared, Meltano does not read from `TARGET_LAUNCHDARKLY_…`."""
    declared = {each["name"]: each for each in loader(read(path))["settings"]}

    assert set(declared) <= set(SCHEMA["properties"])
    assert declared["access_token"]["sensitive"] is True
    assert "access_token" not in loader(read(path))["config"]


@each_project
def test_jobs_name_plugins_and_commands_that_are_there(path: Path) -> None:
    document = read(path)
    plugins = {each["name"]: each for kind in document["plugins"].values() for each in kind}
    jobs = {job["name"]: job["tasks"] for job in document.get("jobs", ())}
    for name in (name for tasks in jobs.values() for task in tasks for name in task.split()):
        plugin, _, command = name.partition(":")
        assert not command or command in plugins[plugin]["commands"]
        assert plugin in plugins
    for schedule in document.get("schedules", ()):
        assert schedule["job"] in jobs


@each_project
def test_secrets_and_what_meltano_keeps_are_not_committed(path: Path) -> None:
    ignored = path.with_name(".gitignore").read_text().splitlines()

    assert {".env", ".meltano/", "logs/"} <= set(ignored)
