"""dbt and tap-snowflake, with a folder of files where they look for Snowflake."""

from __future__ import annotations

import logging
import runpy
import sys
import warnings
from pathlib import Path

import fakesnow

#: Where the databases are kept, seen from where Meltano starts its plugins: the project.
FOLDER = Path("warehouse")


def dbt() -> None:
    """Run `dbt`."""
    run("dbt.cli.main")


def tap() -> None:
    """Run `tap-snowflake`."""
    run("tap_snowflake.tap")


def run(module: str) -> None:
    """Run a module as a program, all its connections to Snowflake leading to the folder."""
    warnings.simplefilter("ignore")
    logging.getLogger("sqlglot").setLevel(logging.ERROR)
    FOLDER.mkdir(exist_ok=True)
    with fakesnow.patch(db_path=FOLDER):
        runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    # `python embedded_warehouse.py dbt build`, where its scripts are not installed.
    program = {"dbt": dbt, "tap": tap}[sys.argv.pop(1)]
    program()
