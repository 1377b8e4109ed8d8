"""meltano.yml and the definition for Meltano Hub say what `--about` says."""

from __future__ import annotations

import json
import re
import tomllib
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
#: The Hub's own schema of a loader's definition (meltano/hub, schemas/plugin_definitions, 2025-12):
#: what a definition must say, …
HUB_REQUIRES = {"name", "namespace", "variant", "quality"}
#: … what else it may say, …
HUB_KNOWS = {
    *("capabilities", "commands", "definition", "description", "dialect", "docs", "domain_url"),
    *("executable", "hidden", "keywords", "label", "log_parser", "logo_url", "maintenance_status"),
    *("next_steps", "pip_url", "prereq", "python", "repo", "requires", "settings"),
    *("settings_group_validation", "settings_preamble", "supported_python_versions"),
    *("target_schema", "usage"),
}
#: … and the values that it knows.
HUB_VALUES = {
    "maintenance_status": {"active", "beta", "development", "inactive", "unknown"},
    "quality": {"gold", "silver", "bronze", "unknown"},
}
HUB_CAPABILITIES = {
    *("about", "activate-version", "batch", "datatype-failsafe", "hard-delete"),
    *("schema-flattening", "soft-delete", "stream-maps", "structured-logging", "target-schema"),
    "validate-records",
}
HUB_KINDS = {
    *("array", "boolean", "date_iso8601", "decimal", "email", "file", "hidden", "integer"),
    *("oauth", "object", "options", "password", "string"),
}
HUB_SETTING_KNOWS = {
    *("aliases", "description", "docs", "documentation", "env", "hidden", "kind", "label"),
    *("name", "oauth", "options", "placeholder", "sensitive", "tooltip", "value"),
    *("value_post_processor", "value_processor"),
}
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


def test_hub_definition_follows_the_schema_of_the_hub() -> None:
    definition = yaml.safe_load(HUB_YML.read_text(encoding="utf-8"))

    assert set(definition) >= HUB_REQUIRES
    assert set(definition) <= HUB_REQUIRES | HUB_KNOWS
    for name, values in HUB_VALUES.items():
        assert definition[name] in values
    assert set(definition["capabilities"]) <= HUB_CAPABILITIES
    for setting in definition["settings"]:
        assert {"name"} <= set(setting) <= HUB_SETTING_KNOWS
        assert setting["kind"] in HUB_KINDS
        assert all(isinstance(each["value"], str) for each in setting.get("options", ()))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    supported = re.findall(r"Python :: (3\.\d+)", " ".join(project["classifiers"]))
    assert definition["supported_python_versions"] == supported
