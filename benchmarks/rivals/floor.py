"""The floor: the columns that are read, decoded in a loop, and nothing else done.

What plain Python with msgspec needs to have the values, before anybody looks at them. Its settings
are the types of these columns and the form of the input.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

#: What a pipe holds, and little enough for the processor's caches.
BLOCK_BYTES = 65_536
TYPES: dict[str, type] = {"string": str, "boolean": bool, "integer": int, "number": float}


def main(config: dict[str, Any]) -> None:
    """Decode what there is, then write the last STATE."""
    columns = [(name, TYPES[type_]) for name, type_ in config["reads"].items()]
    record = msgspec.defstruct("Record", columns, gc=False)
    if config["form"] == "lines":
        # Lines of other types lack the record.
        optional: Any = record | None
        message = msgspec.defstruct("Message", [("record", optional, None)], gc=False)
        last = decode_all(sys.stdin.buffer, msgspec.json.Decoder(message).decode)
    else:
        last = b""
        for line in sys.stdin.buffer:
            last = line
            for url in json.loads(line).get("manifest", ()):
                decode_file(Path(unquote(urlsplit(url).path)), record, config)
    if last:
        print(json.dumps(json.loads(last).get("value", {})))


def decode_all(source: IO[bytes], decode: Callable[[bytes], Any]) -> bytes:
    """Decode every line and return the last one."""
    rest = last = b""
    while block := source.read1(BLOCK_BYTES):  # type: ignore[attr-defined]
        lines = (rest + block).split(b"\n")
        rest = lines.pop()
        for line in lines:
            decode(line)
        last = lines[-1] if lines else last
    return last


def decode_file(path: Path, record: type, config: dict[str, Any]) -> None:
    """Decode a file of records; of Parquet, make the columns that are read Python's."""
    if config["form"] == "jsonl":
        with path.open("rb") as file:
            decode_all(file, msgspec.json.Decoder(record).decode)
        return
    from pyarrow.parquet import ParquetFile  # type: ignore[import-untyped]  # noqa: PLC0415

    for batch in ParquetFile(path).iter_batches(columns=list(config["reads"])):
        for column in batch.columns:
            column.to_pylist()


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[2]).read_text()))
