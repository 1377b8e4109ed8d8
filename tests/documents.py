"""README and docs, as tests read them: their blocks, commands, links and quoted names."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
DOCS = ROOT / "docs"
#: Every document that tells a user something, the first page first.
DOCUMENTS = [
    README,
    *sorted(DOCS.glob("*.md")),
    # Not those of the programs that a run has installed there.
    *(path for path in sorted(ROOT.glob("examples/**/*.md")) if ".meltano" not in path.parts),
]
#: What parts the commands of one line.
SEPARATORS = {"|", "||", "&&", ";", "&"}


@dataclass(frozen=True)
class Block:
    """A fenced block, `language` being what stands behind the fence."""

    document: Path
    language: str
    text: str


def texts() -> str:
    """Return all documents as one text."""
    return "\n".join(path.read_text(encoding="utf-8") for path in DOCUMENTS)


def blocks(*documents: Path) -> list[Block]:
    """Return the fenced blocks of some documents, or of all."""
    fence = re.compile(r"^```([a-z]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    return [
        Block(path, *found)
        for path in documents or DOCUMENTS
        for found in fence.findall(path.read_text(encoding="utf-8"))
    ]


def prose(path: Path) -> str:
    """Return a document without its fenced blocks."""
    return re.sub(
        r"^```.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
    )


def typed(*documents: Path) -> list[str]:
    """Return the lines that a reader types: behind `$ ` in blocks of a console."""
    return [
        line.removeprefix("$ ")
        for block in blocks(*documents)
        if block.language == "console"
        for line in block.text.replace("\\\n", "").splitlines()
        if line.startswith("$ ")
    ]


def commands(*documents: Path) -> list[list[str]]:
    """Return the words of each command that a reader types, parted at pipes, without redirections.

    `$ tap-x --config a | target > state` is `["tap-x", "--config", "a"]` and `["target"]`.
    """
    found: list[list[str]] = []
    for line in typed(*documents):
        lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>")
        lexer.whitespace_split = True
        found.append([])
        for word in lexer:
            if word in SEPARATORS:
                found.append([])
            else:
                found[-1].append(word)
    return [_without_variables(_without_redirections(words)) for words in found if words]


def _without_redirections(words: list[str]) -> list[str]:
    kept: list[str] = []
    is_file = False
    for word in words:
        is_redirection = set(word) <= set("<>&")
        if not is_redirection and not is_file:
            kept.append(word)
        is_file = is_redirection
    return kept


def _without_variables(words: list[str]) -> list[str]:
    """Return a command without `export` and without the variables before it."""
    if words[:1] == ["export"]:
        return ["export"]
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words = words[1:]
    return words


def anchors(path: Path) -> set[str]:
    """Return what links into a document may name, as GitHub makes it of the headings."""
    headings = re.findall(r"^#+ (.*)$", prose(path), re.MULTILINE)
    plain = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings]
    return {heading.replace(" ", "-") for heading in plain}


def links(path: Path) -> list[tuple[Path, str]]:
    """Return the files that a document links to, each with its anchor, which may be empty."""
    found = re.findall(r"\]\((?!https?:)([^)#\s]*)#?([^)\s]*)\)", prose(path))
    return [(path.parent / file if file else path, anchor) for file, anchor in found]
