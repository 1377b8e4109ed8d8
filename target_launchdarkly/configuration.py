"""The settings of a run, from files, the environment or Meltano, checked before anything else."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk.configuration._dict_config import parse_environment_config
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.helpers._classproperty import classproperty
from singer_sdk.plugin_base import JSONSchemaValidator, _ConfigInput
from singer_sdk.target_base import Target

from target_launchdarkly import settings
from target_launchdarkly.names import closest

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import click

    from target_launchdarkly.settings import Settings

TRUTH = dict.fromkeys(("true", "1", "yes", "on"), True) | dict.fromkeys(
    ("false", "0", "no", "off"), False
)


#: Settings that hold settings.
NESTING = ("streams", "stream_maps", "stream_map_config", "batch_config", "faker_config")


@dataclass
class GivenConfig(_ConfigInput):
    """What the command was given."""

    #: Why it could not be read whole; a run ends with that.
    problem: str = ""


class ConfiguredTarget(Target):
    """A target whose settings are checked and typed."""

    config_jsonschema: ClassVar[dict[str, Any]] = settings.CONFIG_JSONSCHEMA

    @classmethod
    @override
    def append_builtin_config(cls, config_jsonschema: dict[str, Any]) -> None:
        super().append_builtin_config(config_jsonschema)
        properties = config_jsonschema["properties"]
        # A copy: what is the SDK's stays as it is.
        properties["stream_maps"] = _usable_schema(properties["stream_maps"])
        for name in settings.WITHOUT_EFFECT:
            properties.pop(name, None)

    @classproperty
    def _env_var_config(cls) -> dict[str, Any]:  # noqa: N805
        """Read the environment; what does not parse stays text, for the validator to name."""
        cls.append_builtin_config(cls.config_jsonschema)
        properties = cls.config_jsonschema["properties"]
        # As text, because the SDK's own conversion ends in a traceback or turns "ja" into False.
        as_text = {"properties": {name: {"type": ["string"]} for name in properties}}
        found = parse_environment_config(as_text, cls._env_var_prefix)
        return {name: _from_text(text, properties[name]) for name, text in found.items()}

    @override
    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        """Collect every problem, each beginning with its setting's name."""
        for name in [name for name, value in self._config.items() if value is None]:
            del self._config[name]
        problems = self._setting_problems()
        if problems and raise_errors:
            raise ConfigValidationError("The settings cannot be used.", errors=problems)
        return problems

    def _setting_problems(self) -> list[str]:
        self.append_builtin_config(self.config_jsonschema)
        known = self.config_jsonschema["properties"]
        errors = [
            error
            for error in JSONSchemaValidator(self.config_jsonschema).iter_errors(self._config)
            if error.validator != "required"
        ]
        missing = [name for name in settings.REQUIRED if name not in self._config]
        usable = settings.without_wrong(self._config, {str(error.path[0]) for error in errors})
        return [
            *settings.unknown_names(self._config, known),
            *(settings.explain(each.path, each.validator, each.validator_value) for each in errors),
            *(settings.missing(name, self._env_var_prefix) for name in missing),
            *settings.contradictions(usable),
        ]

    @cached_property
    def settings(self) -> Settings:
        """The checked settings."""
        return settings.read(self._config)

    @classmethod
    def given_token(cls, config: _ConfigInput | None) -> str:
        """Return the access token of settings that are not checked yet; empty if there is none."""
        found = cls._given(config, "access_token")
        return found.strip() if isinstance(found, str) else ""

    @classmethod
    def _given(cls, config: _ConfigInput | None, name: str) -> Any:
        """Return a setting as it was given, unchecked; None if it was not."""
        found = config.config.get(name) if config else None
        if config and config.parse_env:
            found = os.environ.get(f"{cls._env_var_prefix}{name.upper()}", found)
        return found

    @classmethod
    def warn_of_variables(cls) -> None:
        """Warn of variables of this target that no setting has: a typo must not pass in silence."""
        prefix = cls._env_var_prefix
        cls.append_builtin_config(cls.config_jsonschema)
        known = {*cls.config_jsonschema["properties"], *settings.WITHOUT_EFFECT}
        for name in unknown_variables(os.environ, prefix, known):
            similar = closest(name.removeprefix(prefix).lower(), known)
            cls.logger.warning(
                "The environment variable %s is none of this target's settings, and nobody reads "
                "it. %s",
                name,
                f"Did you mean {prefix}{similar.upper()}?" if similar else "--about lists them.",
            )

    @classmethod
    @override
    def cb_config(
        cls, ctx: click.Context, param: click.Option, value: tuple[str, ...]
    ) -> _ConfigInput:
        settings_of_files: dict[str, Any] = {}
        problem = ""
        for path in value:
            try:
                settings_of_files |= super().cb_config(ctx, param, (path,)).config
            except (OSError, RecursionError, RuntimeError, TypeError, ValueError) as error:
                # Its own text may quote the config, which holds the token.
                problem = problem or _why(error, path)
        return GivenConfig(settings_of_files, "ENV" in value, problem)


def unknown_variables(environ: Mapping[str, str], prefix: str, known: Iterable[str]) -> list[str]:
    """Return the names of variables with the target's prefix that are nothing it knows.

    Meltano writes settings within settings with the outer one's name in front, and its own with one
    more underscore. A loader that inherits from this one (`target-launchdarkly-orgs`) has variables
    of its own, which Meltano reads.
    """
    names = {f"{prefix}{name.upper()}" for name in known}
    loader = environ.get("MELTANO_LOADER_NAME", "").upper().replace("-", "_") + "_"
    inheriting = (loader,) if loader.startswith(prefix) and loader != prefix else ()
    theirs = (f"{prefix}_", *(f"{prefix}{each.upper()}_" for each in NESTING), *inheriting)
    return [
        name
        for name in sorted(environ)
        if name.startswith(prefix)
        and name not in names
        and name != f"{prefix}LOGLEVEL"
        and not name.startswith(theirs)
    ]


def _usable_schema(schema: Any) -> Any:
    """Return a schema without what is none.

    The SDK's choices for `__else__` hold the bare word "null" (seen in 0.54.9), at which every
    validator breaks that gets there.
    """
    if isinstance(schema, dict):
        usable = {name: _usable_schema(each) for name, each in schema.items()}
        if isinstance(choices := usable.get("anyOf"), list):
            usable["anyOf"] = [each for each in choices if isinstance(each, dict)]
        return usable
    return [_usable_schema(each) for each in schema] if isinstance(schema, list) else schema


def _from_text(text: str, schema: Mapping[str, Any]) -> Any:
    """Return an environment variable's value as its setting's type, or as it is."""
    types = schema.get("type", [])
    try:
        if "boolean" in types:
            return TRUTH[text.strip().lower()]
        if "integer" in types:
            return int(text)
        if "number" in types:
            return float(text)
        if "object" in types or "array" in types:
            return json.loads(text)
    except (KeyError, ValueError, RecursionError):
        pass
    return text


def _why(error: Exception, path: str) -> str:
    """Return what is wrong with a config file, without quoting from it: it holds the token."""
    # What was given as a path may be a config, or the token.
    named = path if _is_path(path) else "what was given"
    if hasattr(error, "lineno"):
        place = f"line {error.lineno}, column {getattr(error, 'colno', 1)}"
        return f"{named} is not valid JSON ({place})."
    if isinstance(error, OSError):
        return f"{named}: {error.strerror or 'there is no such file'}."
    return f"{named} must be a JSON object of settings."


def _is_path(text: str) -> bool:
    """Whether a text looks like a file's path and like nothing else."""
    return text.isprintable() and "{" not in text and ("/" in text or text.endswith(".json"))
