"""The standard tests of the Singer SDK, all of them, against a sandbox over real HTTP."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, Any

import pytest
from running import SEGMENT, TOKEN
from singer_sdk.testing import get_target_test_class, target_test_streams
from singer_sdk.testing.suites import SingerTestSuite, target_tests
from singer_sdk.testing.target_tests import (
    TargetMultipleStateMessages,
    TargetRecordMissingRequiredProperty,
)

from target_launchdarkly.target import TargetLaunchDarkly

if TYPE_CHECKING:
    from collections.abc import Callable

    from running import Run

    from target_launchdarkly.sandbox import Sandbox

#: The SDK's streams have no context key.
STREAM_MAPS = {"*": {"context_key": "md5(str(record))"}}
#: The suite takes this when its class is made; the sandbox's URL comes when its tests run.
CONFIG: dict[str, Any] = {}

TestStandard = get_target_test_class(TargetLaunchDarkly, config=CONFIG)
#: Not in the SDK's suite. It asks that a record without a required property be survived.
TestSurvival = get_target_test_class(
    TargetLaunchDarkly,
    config=CONFIG,
    include_target_tests=False,
    custom_suites=[SingerTestSuite(kind="target", tests=[TargetRecordMissingRequiredProperty])],
)


@pytest.fixture(autouse=True)
def _fill_configs(sandbox: Sandbox) -> None:
    """Not by the fixture `config`, whose name the SDK's class takes for another one."""
    CONFIG.update(
        access_token=TOKEN,
        api_url=sandbox.url,
        project_key="default",
        environment_key="test",
        segment_key=SEGMENT,
        stream_maps=STREAM_MAPS,
    )


def stream(name: str) -> list[str]:
    """Return the lines of one of the SDK's streams."""
    return (files(target_test_streams) / f"{name}.singer").read_text("utf-8").splitlines()


def test_suite_runs_every_standard_test() -> None:
    """A test that the SDK adds or that goes missing here is seen."""
    expected = {f"test_target_{test.name}" for test in target_tests.tests}

    assert {name for name in dir(TestStandard) if name.startswith("test_")} == expected


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("array_data", 4),
        ("duplicate_records", 5),
        ("encoded_string_data", 28),
        ("no_primary_keys", 3),
    ],
)
def test_records_of_the_suite_do_arrive(
    sandbox: Sandbox, sync: Callable[..., Run], name: str, count: int
) -> None:
    """The stream map above must not make the suite pass by leaving everything out."""
    run = sync(stream(name), stream_maps=STREAM_MAPS)

    assert run.error is None
    assert len(sandbox.included(SEGMENT)) == count


def test_required_property_that_nobody_reads_is_not_judged(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    run = sync(stream(TargetRecordMissingRequiredProperty.name), stream_maps=STREAM_MAPS)

    assert run.error is None
    assert len(sandbox.included(SEGMENT)) == 1


def test_multiple_state_messages_end_in_the_last_one(
    sandbox: Sandbox, sync: Callable[..., Run]
) -> None:
    """In place of TargetMultipleStateMessages, which can hold for no target.

    It compares the STATE values with their text, though its runner has parsed them, and leaves
    out one value that the stream holds. The SDK has taken it out of its own suite as well.
    """
    run = sync(stream(TargetMultipleStateMessages.name), stream_maps=STREAM_MAPS)

    assert run.error is None
    assert run.states[-1] == {
        "test_multiple_state_messages_a": 5,
        "test_multiple_state_messages_b": 6,
    }
    assert len(sandbox.included(SEGMENT)) == 12
