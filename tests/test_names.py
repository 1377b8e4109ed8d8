"""Names that are nearly right."""

from __future__ import annotations

import pytest

from target_launchdarkly.names import MAX_TOLD, closest, is_near, nearest_first

NEAR = [
    pytest.param("marts.vips", "marts-vips", id="dot-for-dash"),
    pytest.param("marts_vips", "marts-vips", id="underscore-for-dash"),
    pytest.param("MARTS-VIPS", "marts-vips", id="case"),
    pytest.param("martsvips", "marts-vips", id="no-separator"),
    pytest.param("vips", "marts-vips", id="schema-in-front"),
    pytest.param("vips", "warehouse-marts-vips", id="database-and-schema-in-front"),
    pytest.param("marts-vip", "marts-vips", id="letter-lost"),
    pytest.param("marts-vipss", "marts-vips", id="letter-twice"),
    pytest.param("marts-visp", "marts-vips", id="letters-swapped"),
    pytest.param("marts-beta_users", "marts-beta_user", id="plural"),
    pytest.param("vips", "vip", id="short-plural"),
]
FAR = [
    pytest.param("marts-vips", "marts-beta", id="another-table"),
    pytest.param("vips", "beta_users", id="nothing-alike"),
    pytest.param("vips_2024", "vips_2025", id="a-year-apart"),
    pytest.param("marts-vips_q1", "marts-vips_q2", id="a-quarter-apart"),
    pytest.param("marts-vips", "marts-vips_2025", id="with-and-without-a-year"),
    pytest.param("users", "power_user_events", id="part-of-a-name"),
    pytest.param("a", "b", id="one-letter"),
    pytest.param("eu", "us", id="two-letters"),
    pytest.param("vips-users", "vips-orders", id="same-schema"),
]


@pytest.mark.parametrize(("one", "other"), NEAR)
def test_name_that_is_nearly_another_is_near(one: str, other: str) -> None:
    assert is_near(one, other)
    assert is_near(other, one)


@pytest.mark.parametrize(("one", "other"), FAR)
def test_name_of_something_else_is_not_near(one: str, other: str) -> None:
    assert not is_near(one, other)
    assert not is_near(other, one)


@pytest.mark.parametrize("name", ["", "-", "._", "日本"])
def test_name_without_letters_is_compared_without_error(name: str) -> None:
    assert not is_near(name, "marts-vips")


def test_closest_is_the_one_that_is_meant_or_none() -> None:
    known = ["dry_run", "comment", "context_kind"]

    assert closest("dryrun", known) == "dry_run"
    assert closest("zzzzzz", known) is None
    assert closest("dryrun", []) is None


def test_names_are_told_the_nearest_first() -> None:
    assert nearest_first("isbeta", ["plan", "IS_BETA", "user_id"]).startswith("IS_BETA, ")
    assert nearest_first("isbeta", []) == "it has none"


def test_of_many_names_the_nearest_are_told_alone() -> None:
    names = [f"column_{number}" for number in range(MAX_TOLD + 12)]

    told = nearest_first("is_beta", [*names, "isbeta"])

    assert told.startswith("isbeta, ")
    assert told.endswith(" and 13 more")
    assert told.count(", ") == MAX_TOLD - 1
