"""Who may import whom: the table of the design, held by reading the imports."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from rooms import IMPURE_MODULES, LIBRARIES, PURE, ROOMS, ROOMS_FOR_TYPES

import target_launchdarkly

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = "target_launchdarkly"
HOME = Path(target_launchdarkly.__file__).parent

#: What a reader can hold in mind.
MAX_FILE_LINES, MAX_FUNCTION_LINES = 350, 35

FOLDERS = {path.name for path in HOME.iterdir() if path.is_dir()}
FILES = {
    str(path.relative_to(HOME).with_suffix("")): path
    for path in HOME.rglob("*.py")
    if "sandbox" not in path.relative_to(HOME).parts and path.name != "__init__.py"
}
SOURCES = {
    str(path.relative_to(HOME.parent)): path
    for folder in (HOME, HOME.parent / "tests", HOME.parent / "demo", HOME.parent / "benchmarks")
    for path in folder.rglob("*.py")
}
SANDBOX_FILES = {str(path.relative_to(HOME)): path for path in (HOME / "sandbox").rglob("*.py")}


def imports(path: Path, *, types: bool) -> Iterator[str]:
    """Yield what a file imports, e.g. `target_launchdarkly.errors` or `requests.auth`.

    Args:
        path: The file.
        types: Whether to include what is imported under `if TYPE_CHECKING`.
    """
    nodes: list[ast.AST] = [ast.parse(path.read_text())]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from _names(node, path)
        elif types or not _is_for_types(node):
            nodes.extend(ast.iter_child_nodes(node))


def _names(node: ast.ImportFrom, path: Path) -> Iterator[str]:
    here = [PACKAGE, *path.parent.relative_to(HOME).parts]
    package = here[: len(here) + 1 - node.level] if node.level else []
    module = ".".join([*package, *([node.module] if node.module else [])])
    # `from target_launchdarkly import settings` imports a room by its name, and so does a folder's.
    if module == PACKAGE or module.removeprefix(f"{PACKAGE}.") in FOLDERS:
        yield from (f"{module}.{alias.name}" for alias in node.names)
    else:
        yield module


def _is_for_types(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.If)
        and isinstance(node.test, ast.Name)
        and node.test.id == "TYPE_CHECKING"
    )


def rooms(path: Path, *, types: bool) -> set[str]:
    """Return the rooms of this package that a file imports."""
    return {
        name.removeprefix(f"{PACKAGE}.").replace(".", "/")
        for name in imports(path, types=types)
        if name.startswith(f"{PACKAGE}.")
    }


def libraries(path: Path) -> set[str]:
    """Return the modules of others that a file imports, also for types."""
    return {name.split(".")[0] for name in imports(path, types=True)} - {PACKAGE}


def test_every_room_stands_in_the_table() -> None:
    assert set(FILES) == set(ROOMS)


@pytest.mark.parametrize("room", sorted(FILES))
def test_room_imports_only_rooms_that_the_table_allows(room: str) -> None:
    allowed = ROOMS.get(room, set())

    assert rooms(FILES[room], types=False) <= allowed
    assert rooms(FILES[room], types=True) <= allowed | ROOMS_FOR_TYPES.get(room, set())


def test_table_has_no_circle() -> None:
    """Data goes one way; for types alone a room may look at another."""
    left = dict(ROOMS)
    while free := [room for room, allowed in left.items() if not allowed & set(left)]:
        for room in free:
            del left[room]

    assert not left


@pytest.mark.parametrize("room", sorted(FILES))
def test_library_is_imported_by_its_rooms_only(room: str) -> None:
    for library in libraries(FILES[room]) & set(LIBRARIES):
        assert room in LIBRARIES[library], f"{room}.py imports {library}"


@pytest.mark.parametrize("room", sorted(PURE))
def test_pure_room_imports_the_standard_library_only_and_nothing_that_reaches_outside(
    room: str,
) -> None:
    imported = libraries(FILES[room])

    assert imported <= set(sys.stdlib_module_names)
    assert not imported & IMPURE_MODULES


@pytest.mark.parametrize("name", sorted(SANDBOX_FILES))
def test_sandbox_imports_nothing_of_the_target(name: str) -> None:
    """A bug that both shared would hide itself."""
    assert all(room.startswith("sandbox") for room in rooms(SANDBOX_FILES[name], types=True))
    assert not libraries(SANDBOX_FILES[name]) & {"singer_sdk", "requests", "backoff"}


@pytest.mark.parametrize("room", sorted(FILES))
def test_target_never_imports_the_sandbox(room: str) -> None:
    assert not any(name.startswith("sandbox") for name in rooms(FILES[room], types=True))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        pytest.param("import target_launchdarkly.api.client", {"api/client"}, id="import"),
        pytest.param(
            "from target_launchdarkly.api.client import Client", {"api/client"}, id="from-room"
        ),
        pytest.param("from target_launchdarkly import client", {"client"}, id="from-package"),
        pytest.param(
            "from target_launchdarkly.api import client", {"api/client"}, id="from-folder"
        ),
        pytest.param("from .client import Client", {"client"}, id="relative"),
        pytest.param("from . import client", {"client"}, id="relative-package"),
        pytest.param("def f():\n    from . import client", {"client"}, id="in-a-function"),
        pytest.param("if TYPE_CHECKING:\n    from . import client", set(), id="for-types"),
        pytest.param("import requests", set(), id="library"),
    ],
)
def test_imports_are_found_however_they_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, expected: set[str]
) -> None:
    """The tests above must not pass because they look past an import."""
    monkeypatch.setattr(sys.modules[__name__], "HOME", tmp_path)
    path = tmp_path / "room.py"
    path.write_text(source)

    assert rooms(path, types=False) == expected


def test_table_of_parts_names_every_room() -> None:
    """What contributors read first is what is there."""
    text = (HOME.parent / "docs" / "contributing.md").read_text()
    told = re.findall(r"^\| (top|`\w+/`) \| (.*?) \|", text, re.MULTILINE)
    named = {
        f"{part.strip('`')}{name}".removeprefix("top")
        for part, names in told
        for name in re.findall(r"`(\w+)`", names)
    }

    assert named == FILES.keys() - {"__main__"}


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_file_and_its_functions_can_be_held_in_mind(name: str) -> None:
    text = SOURCES[name].read_text()
    functions = [
        each
        for each in ast.walk(ast.parse(text))
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    long = [
        each.name
        for each in functions
        if (each.end_lineno or 0) - each.lineno >= MAX_FUNCTION_LINES
    ]

    assert len(text.splitlines()) <= MAX_FILE_LINES
    assert not long
