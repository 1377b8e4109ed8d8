"""Names in `streams` that are nearly a stream's, or that no stream has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from configs import target
from messages import members, schema
from running import SEGMENT

from target_launchdarkly.errors import StreamError

if TYPE_CHECKING:
    from collections.abc import Callable

    from running import Run

    from target_launchdarkly.sandbox import Sandbox

VIPS: dict[str, Any] = {"segment_key": "vips"}


@pytest.fixture(autouse=True)
def segment(sandbox: Sandbox) -> None:
    sandbox.add_segment("vips")


def of(stream: str, *context_keys: str) -> list[dict[str, Any]]:
    return [schema(stream), *members(*context_keys, stream=stream)]


@pytest.mark.parametrize(
    ("named", "stream"),
    [
        pytest.param("marts.vips", "marts-vips", id="dot-for-dash"),
        pytest.param("MARTS-VIPS", "marts-vips", id="upper-case"),
        pytest.param("vips", "marts-vips", id="without-schema"),
        pytest.param("marts-vip", "marts-vips", id="typo"),
    ],
)
def test_stream_whose_name_is_nearly_in_streams_is_refused(
    sandbox: Sandbox, sync: Callable[..., Run], named: str, stream: str
) -> None:
    """Else the vips would land in the segment of all others."""
    run = sync(of(stream, "a"), streams={named: VIPS})

    assert isinstance(run.error, StreamError)
    told = str(run.error)
    assert f"'{named}' is" in told
    assert f"did you mean '{stream}'?" in told
    assert sandbox.included(SEGMENT) == sandbox.included("vips") == []


def test_stream_that_is_named_just_so_is_fine(sandbox: Sandbox, sync: Callable[..., Run]) -> None:
    run = sync(
        [*of("marts-vips", "a"), *of("marts-beta", "b")],
        streams={"marts-vips": VIPS},
    )

    assert run.error is None
    assert sandbox.included("vips") == ["a"]
    assert sandbox.included(SEGMENT) == ["b"]


@pytest.mark.parametrize(
    ("named", "stream"),
    [("vips_2025", "vips_2024"), ("marts-vips", "marts-beta_users"), ("eu", "us")],
)
def test_stream_of_another_name_has_the_settings_of_all_others(
    sandbox: Sandbox, sync: Callable[..., Run], named: str, stream: str
) -> None:
    """`vips_2024` is no typo of `vips_2025`."""
    run = sync(of(stream, "a"), streams={named: VIPS})

    assert run.error is None
    assert sandbox.included(SEGMENT) == ["a"]
    assert sandbox.included("vips") == []


def test_stream_that_is_near_and_another_is_named_with_no_settings(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    """The remedy of the refusal: `{}` stands for the settings of all others."""
    streams = {"vips": VIPS, "marts-vips": {}}

    run = sync([*of("vips", "a"), *of("marts-vips", "b")], streams=streams)

    assert run.error is None
    assert sandbox.included("vips") == ["a"]
    assert sandbox.included(SEGMENT) == ["b"]


def test_alias_of_a_stream_map_is_what_streams_name(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    run = sync(
        of("marts-raw", "a"),
        stream_maps={"marts-raw": {"__alias__": "marts-vips"}},
        streams={"marts.vips": VIPS},
    )

    assert "did you mean 'marts-vips'?" in str(run.error)
    assert sandbox.included(SEGMENT) == []


def test_stream_that_never_came_is_warned_of(
    sandbox: Sandbox, sync: Callable[..., Run], caplog: pytest.LogCaptureFixture
) -> None:
    run = sync(of("marts-beta", "a"), streams={"warehouse-orders": VIPS})

    assert run.error is None
    assert sandbox.included(SEGMENT) == ["a"]
    [told] = [each for each in caplog.records if "never came" in each.getMessage()]
    assert told.levelname == "WARNING"
    assert "'warehouse-orders'" in told.getMessage()
    assert "selected" in told.getMessage()


def test_stream_without_records_did_come(
    sync: Callable[..., Run], caplog: pytest.LogCaptureFixture
) -> None:
    run = sync([schema("marts-vips")], streams={"marts-vips": VIPS})

    assert run.error is None
    assert "never came" not in caplog.text


@pytest.mark.parametrize(
    ("stream", "near"),
    [
        ("marts-vips", None),
        ("marts.vips", "marts-vips"),
        ("beta", "beta_"),
        ("beta_", None),
        ("orders", None),
    ],
)
def test_near_is_the_name_that_may_be_meant(stream: str, near: str | None) -> None:
    settings = target(streams={"marts-vips": VIPS, "beta_": {}}).settings

    assert settings.near(stream) == near
