"""meltano.yml and the definition for Meltano Hub say what `--about` says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from target_launchdarkly.target import TargetLaunchDarkly

ROOT = Path(__file__).parents[1]
MELTANO_YML = ROOT / "meltano.yml"
#: Meltano Hub keeps a definition under its type and plugin, in a file named by its variant.
HUB_YML = ROOT / "meltano-hub" / "loaders" / "target-launchdarkly" / "target-launchdarkly.yml"
#: Meltano 4.4 cannot write a `decimal` that comes from the environment into the target's config.
KINDS = {"number": "integer"}
#: Neither Meltano's schema nor the Hub's knows it.
UNKNOWN_TO_MELTANO = {"validate-records"}
#: What the two have in common.
SHARED = (
    *("name", "namespace", "label", "description", "executable"),
    *("capabilities", "settings_group_validation", "settings"),
)


@pytest.fixture(scope="module")
def about() -> dict[str, Any]:
    result = CliRunner().invoke(TargetLaunchDarkly.cli, ["--about", "--format=json"])
    found: dict[str, Any] = json.loads(result.stdout)
    return found


@pytest.fixture(scope="module")
def meltano() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(MELTANO_YML.read_text(encoding="utf-8"))
    return document


@pytest.fixture(scope="module")
def loader(meltano: dict[str, Any]) -> dict[str, Any]:
    (loader,) = meltano["plugins"]["loaders"]
    assert isinstance(loader, dict)
    return loader


def expected(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Return a setting of `--about` as Meltano writes it."""
    types = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    (kind,) = (each for each in types if each != "null")
    setting = {
        "name": name,
        "label": schema["title"],
        "kind": "options" if "enum" in schema else KINDS.get(kind, kind),
        "description": schema["description"],
    }
    if schema.get("secret"):
        setting["sensitive"] = True
    if "default" in schema:
        setting["value"] = schema["default"]
    if "enum" in schema:
        setting["options"] = schema["enum"]
    return setting


def plain(setting: dict[str, Any]) -> dict[str, Any]:
    """Return a setting of meltano.yml with its options' values in place of the options."""
    if "options" not in setting:
        return setting
    assert all(option["label"] for option in setting["options"])
    return setting | {"options": [option["value"] for option in setting["options"]]}


def test_settings_are_those_of_about(about: dict[str, Any], loader: dict[str, Any]) -> None:
    properties = about["settings"]["properties"]

    assert [plain(setting) for setting in loader["settings"]] == [
        expected(name, schema) for name, schema in properties.items()
    ]


def test_capabilities_are_those_of_about(about: dict[str, Any], loader: dict[str, Any]) -> None:
    capabilities = set(about["capabilities"]) - UNKNOWN_TO_MELTANO

    assert set(loader["capabilities"]) == capabilities
    assert len(loader["capabilities"]) == len(capabilities)


def test_every_group_holds_what_is_required_and_names_a_segment(
    about: dict[str, Any], loader: dict[str, Any]
) -> None:
    required = about["settings"]["required"]

    assert loader["settings_group_validation"] == [
        [*required, way] for way in ("segment_key", "segment_key_field", "streams")
    ]


def test_name_and_description_are_those_of_about(
    about: dict[str, Any], loader: dict[str, Any]
) -> None:
    assert (loader["name"], loader["description"]) == (about["name"], about["description"])
    assert loader["executable"] == about["name"]
    assert loader["namespace"] == about["name"].replace("-", "_")


def test_config_of_the_project_holds_no_secret_and_is_accepted(
    meltano: dict[str, Any], loader: dict[str, Any]
) -> None:
    config = {name: value for name, value in loader["config"].items() if not name.startswith("_")}
    secrets = {each["name"] for each in loader["settings"] if each.get("sensitive")}
    assert not secrets & set(config)

    for environment in meltano["environments"]:
        (own,) = environment["config"]["plugins"]["loaders"]
        merged = config | own["config"] | {"access_token": "api-token"}
        assert TargetLaunchDarkly(config=merged, validate_config=True)


def test_hub_definition_equals_the_loader_of_meltano_yml(loader: dict[str, Any]) -> None:
    definition = yaml.safe_load(HUB_YML.read_text(encoding="utf-8"))

    assert {name: definition[name] for name in SHARED} == {name: loader[name] for name in SHARED}
    assert definition["pip_url"] == "target-launchdarkly"
    assert definition["variant"] == HUB_YML.stem
