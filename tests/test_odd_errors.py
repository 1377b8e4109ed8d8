"""Errors of the system whose number or text is anybody's: told by the system's own words."""

from __future__ import annotations

import errno
import os
import sys
from typing import TYPE_CHECKING

import pytest
from messages import members, schema, state

from target_launchdarkly.boundary import system_reason, told

if TYPE_CHECKING:
    from collections.abc import Callable

    from running import Run

ODD = [
    pytest.param(OSError("zoe.secret"), id="text-alone"),
    pytest.param(OSError("zoe.secret", "zoe.secret"), id="text-for-a-number"),
    pytest.param(OSError(["zoe.secret"], "zoe.secret"), id="list-for-a-number"),
    pytest.param(OSError(10**30, "zoe.secret\nERROR two"), id="no-number-of-the-system"),
    pytest.param(OSError(-2, "zoe.secret"), id="negative"),
    pytest.param(OSError(None, "zoe.secret"), id="none"),
    pytest.param(OSError(errno.EIO, "zoe.secret\nERROR two"), id="odd-text"),
    pytest.param(OSError(errno.EIO, "zoe.secret", "zoe.secret"), id="odd-path"),
    pytest.param(BrokenPipeError("zoe.secret"), id="broken-pipe"),
]


@pytest.mark.parametrize("error", ODD)
def test_error_of_the_system_is_told_without_its_text(error: OSError) -> None:
    for text in (told(error), system_reason(error)):
        assert "zoe" not in text
        assert len(text.splitlines()) == 1


def test_error_of_the_system_is_told_by_the_system() -> None:
    assert system_reason(OSError(errno.EIO, "odd")) == os.strerror(errno.EIO)
    assert os.strerror(errno.EACCES) in told(OSError(errno.EACCES, "odd"))
    assert "TMPDIR" in told(OSError(errno.ENOSPC, "odd"))


@pytest.mark.parametrize("error", ODD)
def test_stdout_that_fails_oddly_is_told(
    sync: Callable[..., Run], monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    """As it does where something else stands in its place."""

    def fail(_text: str) -> int:
        raise error

    def break_stdout(*_: object) -> None:
        monkeypatch.setattr(sys.stdout, "write", fail)

    monkeypatch.setattr("target_launchdarkly.target.make_checkpoint", break_stdout)

    run = sync([schema(), *members("ann"), state({"at": 1})])

    assert "stdout cannot be written to" in str(run.error)
    assert "zoe" not in str(run.error)
