"""What docs/meltano.md says of Meltano is so."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from documents import DOCS, blocks, typed
from meltano_project import MeltanoProject, target_variables
from neighbours import ROOT, TARGET
from running import SEGMENT

if TYPE_CHECKING:
    from pathlib import Path

    from target_launchdarkly.sandbox import Sandbox

pytestmark = pytest.mark.realworld

PAGE = DOCS / "meltano.md"
LOADER = "target-launchdarkly"
VARIABLE = "TARGET_LAUNCHDARKLY_PROJECT_KEY"
#: A tap that was written for this: what it is told to say.
TAP: dict[str, Any] = {"name": "tap-said", "namespace": "tap_said", "executable": "tap-said"}
SAID = """
import json, sys
if "--discover" in sys.argv:
    print('{"streams": []}')
    sys.exit()
state = any(word == "--state" for word in sys.argv)
schema = {"properties": {"context_key": {"type": "string"}, "is_member": {"type": "boolean"}}}
print(json.dumps({"type": "SCHEMA", "stream": "s", "schema": schema, "key_properties": []}))
for key in [] if state else ["ann", "ben"]:
    record = {"context_key": key, "is_member": True}
    print(json.dumps({"type": "RECORD", "stream": "s", "record": record}))
print('{"type": "STATE", "value": {"bookmarks": {"s": {"replication_key_value": 1}}}}')
"""


@pytest.fixture
def project(tmp_path: Path, sandbox: Sandbox) -> MeltanoProject:
    """A project of somebody who does not know the target yet."""
    folder = tmp_path / "project"
    folder.mkdir()
    definition = {
        "project_id": "existing",
        "default_environment": "dev",
        "environments": [{"name": "dev"}],
        "plugins": {"extractors": [TAP | {"capabilities": ["discover", "catalog", "state"]}]},
    }
    (folder / "meltano.yml").write_text(yaml.safe_dump(definition))
    return MeltanoProject(folder, "dev", target_variables(sandbox))


def write(project: MeltanoProject, definition: dict[str, Any]) -> None:
    (project.folder / "meltano.yml").write_text(yaml.safe_dump(definition))


def add_by_hand(project: MeltanoProject, **config: Any) -> dict[str, Any]:
    """Add the loader that the page shows, with settings for the sandbox; return meltano.yml."""
    (shown,) = (
        loader
        for block in blocks(PAGE)
        if block.language == "yaml"
        for loader in yaml.safe_load(block.text)["plugins"].get("loaders", ())
        if loader["name"] == LOADER
    )
    shown["settings"].append({"name": "api_url"})
    shown["config"] |= {"environment_key": "test", "segment_key": SEGMENT, "streams": {}} | config
    definition = project.definition
    definition["plugins"]["loaders"] = [shown]
    write(project, definition)
    project.install(LOADER, *TARGET)
    return definition


def shown_config(project: MeltanoProject, plugin: str = LOADER, **variables: str) -> Any:
    return json.loads(project.run("config", "print", plugin, **variables).stdout)


def test_loader_is_added_from_a_clone_without_the_hub(project: MeltanoProject) -> None:
    (command,) = (line for line in typed(PAGE) if "--from-ref" in line)
    program, *words = shlex.split(command.replace("~/target-launchdarkly", str(ROOT)))

    added = project.run(*words)

    assert program == "meltano"
    assert added.returncode == 0, added.stderr
    (loader,) = project.definition["plugins"]["loaders"]
    assert loader["name"] == LOADER
    assert {"name": "access_token", "sensitive": True}.items() <= loader["settings"][0].items()


def test_loader_that_is_written_by_hand_syncs(project: MeltanoProject, sandbox: Sandbox) -> None:
    add_by_hand(project)

    checked = project.run("invoke", LOADER, "--check")

    assert checked.returncode == 0, checked.stderr
    assert f"ok    segment '{SEGMENT}'" in checked.stdout
    assert {e.path.partition("?")[2] for e in sandbox.requests if e.method != "GET"} == {
        "dryRun=true"
    }


def test_first_place_with_a_value_wins(project: MeltanoProject) -> None:
    """The order of the page, taken away one after the other."""
    definition = add_by_hand(project, project_key="plugin")
    loader = {"name": LOADER, "config": {"project_key": "environment"}}
    definition["environments"][0]["config"] = {"plugins": {"loaders": [loader]}}
    (own,) = definition["plugins"]["loaders"]
    own["settings"].append({"name": "project_key", "value": "default value"})
    write(project, definition)
    (project.folder / ".env").write_text(f"{VARIABLE}=dotenv\n")

    found = [shown_config(project, **{VARIABLE: "variable"})["project_key"]]
    found.append(shown_config(project)["project_key"])
    (project.folder / ".env").unlink()
    found.append(shown_config(project)["project_key"])
    del definition["environments"][0]["config"]
    write(project, definition)
    found.append(shown_config(project)["project_key"])
    del own["config"]["project_key"]
    write(project, definition)
    found.append(shown_config(project)["project_key"])

    assert found == ["variable", "dotenv", "environment", "plugin", "default value"]


def test_streams_are_put_together(project: MeltanoProject) -> None:
    definition = add_by_hand(project, streams={"a": {"segment_key": "one"}})
    loader = {"name": LOADER, "config": {"streams": {"b": {"segment_key": "two"}}}}
    definition["environments"][0]["config"] = {"plugins": {"loaders": [loader]}}
    write(project, definition)

    streams = shown_config(project)["streams"]

    assert streams == {"a": {"segment_key": "one"}, "b": {"segment_key": "two"}}


def test_secrets_go_into_dotenv_and_all_else_into_meltano_yml(project: MeltanoProject) -> None:
    add_by_hand(project)

    project.run("config", "set", LOADER, "access_token", "api-of-mine")
    project.run("config", "set", LOADER, "comment", "nightly")

    assert "api-of-mine" in (project.folder / ".env").read_text()
    text = (project.folder / "meltano.yml").read_text()
    assert "api-of-mine" not in text
    assert "comment: nightly" in text


def test_inheriting_loader_takes_what_its_parent_has_or_lists(project: MeltanoProject) -> None:
    definition = add_by_hand(project, project_key="plugin")
    own = {"project_key": "environment", "comment": "listed", "dry_run": True}
    loader = {"name": LOADER, "config": own}
    definition["environments"][0]["config"] = {"plugins": {"loaders": [loader]}}
    (parent,) = definition["plugins"]["loaders"]
    parent["settings"].append({"name": "comment"})
    child = {"name": f"{LOADER}-staging", "inherit_from": LOADER}
    definition["plugins"]["loaders"].append(child | {"config": {"environment_key": "staging"}})
    write(project, definition)

    config = shown_config(project, f"{LOADER}-staging")

    assert (config["project_key"], config["environment_key"]) == ("environment", "staging")
    assert config["comment"] == "listed"
    assert "dry_run" not in config


def test_meltanos_own_test_changes_nothing(project: MeltanoProject, sandbox: Sandbox) -> None:
    """Without the refusal, its record's `id` would become a member."""
    add_by_hand(project, context_key_field="id", audience_sync_mode="add")

    tested = project.run("config", "test", LOADER, MELTANO_AUTO_INSTALL="false")

    assert tested.returncode != 0
    assert sandbox.requests == []


def test_full_refresh_fills_a_segment_that_was_made_anew(
    project: MeltanoProject, sandbox: Sandbox
) -> None:
    add_by_hand(project)
    (project.folder / "said.py").write_text(SAID)
    definition = project.definition
    definition["plugins"]["extractors"][0]["pip_url"] = "tap-said"
    write(project, definition)
    project.install("tap-said", *TARGET[:1], str(project.folder / "said.py"))
    run = ("run", "--no-install", "tap-said", LOADER)
    assert project.run(*run).returncode == 0
    assert sorted(sandbox.included(SEGMENT)) == ["ann", "ben"]
    sandbox.delete_segment(SEGMENT)
    sandbox.add_segment(SEGMENT)

    project.run(*run)
    assert sandbox.included(SEGMENT) == []

    refreshed = project.run("run", "--full-refresh", *run[1:])

    assert refreshed.returncode == 0, refreshed.stderr
    assert sorted(sandbox.included(SEGMENT)) == ["ann", "ben"]
