"""Plants errors in a copy of the target, and looks whether the chaos test catches each of them.

`python tests/chaos/planted.py` plants all of `planted_plans.py`, `planted_proofs.py`,
`planted_rest.py`, `planted_endings.py` and `planted_bigs.py`, with `--name TEXT` those whose name
holds the text.
An error whose text no longer stands in the target just once fails loudly: it has to move with the
code.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from planted_bigs import BIGS
from planted_endings import ENDINGS
from planted_plans import BROUGHT_BACK, PLANS
from planted_proofs import PROOFS
from planted_rest import GUARD, REQUESTS

if TYPE_CHECKING:
    from planted_error import Planted

ERRORS = [*BROUGHT_BACK, *PLANS, *PROOFS, *GUARD, *REQUESTS, *ENDINGS, *BIGS]
HERE = Path(__file__).parent
PACKAGE = HERE.parent.parent / "target_launchdarkly"


@dataclass(frozen=True)
class Outcome:
    """What became of an error."""

    planted: Planted
    is_caught: bool
    told: str

    def __str__(self) -> str:
        mark = "caught" if self.is_caught else "MISSED"
        return f"{mark}  {self.planted.name} ({self.planted.file})\n        {self.told}"


def planted_text(planted: Planted, package: Path) -> str:
    """Return what the file of an error holds with it.

    Raises:
        ValueError: The text does not stand there, or more than once.
    """
    text = (package / planted.file).read_text()
    if text.count(planted.old) != 1:
        count = text.count(planted.old)
        raise ValueError(f"{planted.name}: its text stands {count} times in {planted.file}")
    return text.replace(planted.old, planted.new)


def plant(planted: Planted, package: Path, root: Path) -> None:
    """Put a copy of the package with the error under a folder."""
    shutil.copytree(package, root / PACKAGE.name, ignore=shutil.ignore_patterns("__pycache__"))
    (root / PACKAGE.name / planted.file).write_text(planted_text(planted, package))


def outcome(planted: Planted, package: Path, seed: int) -> Outcome:
    """Run chaos cases against the target with an error, until one diverges."""
    with tempfile.TemporaryDirectory(prefix="planted-") as folder:
        try:
            plant(planted, package, Path(folder))
        except ValueError as problem:
            return Outcome(planted, is_caught=False, told=str(problem))
        chaos = [sys.executable, str(HERE / "chaos.py"), "--first", "--seed", str(seed)]
        result = subprocess.run(
            [*chaos, "--cases", str(planted.cases), "--only", planted.only],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"PYTHONPATH": folder, "PYTHONDONTWRITEBYTECODE": "1"},
        )
    first = (result.stdout.splitlines() or result.stderr.splitlines()[-1:] or [""])[0]
    # What breaks down otherwise was not judged, and proves nothing of the judges.
    return Outcome(planted, "DivergenceError" in first, first[:200])


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", default="", help="only errors whose name holds this")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--package", type=Path, default=PACKAGE, help="what to plant them in")
    parser.add_argument("--jobs", type=int, default=1, help="so many at a time")
    options = parser.parse_args()
    errors = [each for each in ERRORS if options.name in each.name]
    with ThreadPoolExecutor(options.jobs) as pool:
        outcomes = []
        for each in pool.map(partial(outcome, package=options.package, seed=options.seed), errors):
            sys.stdout.write(f"{each}\n")
            sys.stdout.flush()
            outcomes.append(each)
    missed = [each for each in outcomes if not each.is_caught]
    sys.stdout.write(f"planted {len(outcomes)}, caught {len(outcomes) - len(missed)}\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
