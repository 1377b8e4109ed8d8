"""The docs' table of settings, made from the code. `make readme` puts it in."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from target_launchdarkly.settings import CONFIG_JSONSCHEMA
from target_launchdarkly.target import TargetLaunchDarkly

SETTINGS_PAGE = Path(__file__).parent.parent / "docs" / "settings.md"
BEGIN = "<!-- settings: made by `make readme` -->\n"
END = "<!-- end of settings -->\n"


def table() -> str:
    """Return the Markdown table of all settings that `--about` lists, the SDK's included."""
    schema = dict(CONFIG_JSONSCHEMA)
    TargetLaunchDarkly.append_builtin_config(schema)
    rows = [
        f"| `{name}` | {_default(name, each)} | {_cell(each.get('description', ''))} |"
        for name, each in schema["properties"].items()
    ]
    return "\n".join(["| setting | default | meaning |", "|---|---|---|", *rows]) + "\n"


def _default(name: str, schema: dict[str, Any]) -> str:
    if name in CONFIG_JSONSCHEMA["required"]:
        return "required"
    if "default" not in schema:
        # A default that depends on another setting stands in the description alone.
        stated = re.search(r"Default: (`[^`]+`)", schema.get("description", ""))
        return stated[1] if stated else ""
    default = schema["default"]
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def updated(page: str) -> str:
    """Return the page with the table as it is now."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


if __name__ == "__main__":
    SETTINGS_PAGE.write_text(updated(SETTINGS_PAGE.read_text(encoding="utf-8")), encoding="utf-8")
