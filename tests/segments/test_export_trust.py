"""What is made of an export by its number of rows: a wrong guess must remove nobody."""

from __future__ import annotations

import pytest

from target_launchdarkly.segments.exports import judge


@pytest.mark.parametrize(
    ("rows", "before", "after", "verdict"),
    [
        pytest.param(10, 10, 10, "whole", id="as-counted"),
        pytest.param(0, 0, 0, "whole", id="nobody"),
        pytest.param(10, 10, 12, "whole", id="as-counted-before"),
        pytest.param(12, 10, 12, "whole", id="as-counted-after"),
        pytest.param(11, 10, 10, "with a header", id="one-more"),
        pytest.param(1, 0, 0, "with a header", id="a-header-alone"),
        pytest.param(11, 10, 9, "not to be trusted", id="one-more-while-it-changed"),
        pytest.param(11, 10, 13, "not to be trusted", id="on-the-way"),
        pytest.param(9, 10, 10, "not to be trusted", id="one-less"),
        pytest.param(12, 10, 10, "not to be trusted", id="two-more"),
        pytest.param(10, None, None, "not to be trusted", id="not-counted"),
        pytest.param(10, None, 10, "whole", id="counted-after-only"),
        pytest.param(11, None, 10, "not to be trusted", id="one-more-than-after-only"),
    ],
)
def test_file_is_trusted_by_its_rows(
    rows: int, before: int | None, after: int | None, verdict: str
) -> None:
    assert judge(rows, before, after) == verdict
