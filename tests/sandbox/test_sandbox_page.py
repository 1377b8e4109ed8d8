"""The sandbox's page: the JSON that it shows, and itself in a real browser."""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
from typing import TYPE_CHECKING, Any

import pytest
import requests
from selenium.common.exceptions import TimeoutException
from selenium.webdriver import Chrome, ChromeOptions, ChromeService, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from target_launchdarkly.sandbox import RateLimit, Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from selenium.webdriver.remote.webelement import WebElement

SEMANTIC_PATCH = "application/json; domain-model=launchdarkly.semanticpatch"
SEGMENTS = "/api/v2/segments/default/test"
BETA_USERS = "/sandbox/segments/beta-users"
NOW = 1_700_000_000.0
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
BROWSER_OPTIONS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--disable-sync",
    "--window-size=1280,900",
)
SCRIPT = "<script>document.title = 'taken over'</script>"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    sandbox = Sandbox(clock=lambda: NOW)
    keys = [f"user-{number}" for number in range(120)]
    sandbox.add_segment("beta-users", included=keys, excluded=["x"])
    sandbox.add_segment("millions", context_kind="device", included=["phone"], unbounded=True)
    sandbox.add_segment("cohort", external="amplitude", unbounded=True)
    with sandbox.serve():
        yield sandbox


def call(sandbox: Sandbox, method: str, path: str, **options: Any) -> requests.Response:
    headers = {"Authorization": sandbox.token} | options.pop("headers", {})
    return requests.request(method, sandbox.url + path, headers=headers, timeout=10, **options)


def patch(
    sandbox: Sandbox, *instructions: object, segment_key: str = "beta-users", **fields: object
) -> None:
    body = {"environmentKey": "test", "instructions": instructions} | fields
    headers = {"Content-Type": SEMANTIC_PATCH}
    path = f"{SEGMENTS}/{segment_key}"
    assert call(sandbox, "PATCH", path, json=body, headers=headers).status_code == 200


def targets(kind: str, *keys: str, context_kind: str = "user") -> dict[str, object]:
    return {"kind": kind, "contextKind": context_kind, "values": list(keys)}


def read(sandbox: Sandbox, path: str, **query: str | int) -> dict[str, Any]:
    answer = requests.get(sandbox.url + path, params=query, timeout=10)
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    document: dict[str, Any] = answer.json()
    return document


def summary(sandbox: Sandbox, segment_key: str) -> dict[str, Any]:
    segments: list[dict[str, Any]] = read(sandbox, "/sandbox/overview")["segments"]
    return next(one for one in segments if one["key"] == segment_key)


# The overview


def test_overview_says_what_kind_of_segment_each_is(sandbox: Sandbox) -> None:
    overview = read(sandbox, "/sandbox/overview")
    assert (overview["project_key"], overview["environment_key"]) == ("default", "test")
    assert [(one["key"], one["type"], one["size"]) for one in overview["segments"]] == [
        ("beta-users", "standard", 120),
        ("millions", "big", 1),
        ("cohort", "synced", 0),
    ]
    assert summary(sandbox, "cohort")["external"] == "amplitude"


def test_overview_counts_the_targets_of_every_kind(sandbox: Sandbox) -> None:
    patch(sandbox, targets("addIncludedTargets", "acme", "bolt", context_kind="organization"))
    segment = summary(sandbox, "beta-users")
    assert segment["context_kinds"] == [
        {"kind": "user", "included": 120, "excluded": 1},
        {"kind": "organization", "included": 2, "excluded": 0},
    ]
    assert (segment["size"], segment["version"], segment["patches"]) == (122, 2, 1)


def test_overview_names_the_kind_of_a_segment_without_targets(sandbox: Sandbox) -> None:
    body = {"key": "new", "name": "New", "unbounded": True, "unboundedContextKind": "device"}
    call(sandbox, "POST", SEGMENTS, json=body)
    segment = summary(sandbox, "new")
    assert segment["context_kinds"] == [{"kind": "device", "included": 0, "excluded": 0}]
    assert (segment["name"], segment["sizes"]) == ("New", [0])


def test_overview_shows_how_the_size_changed(sandbox: Sandbox) -> None:
    patch(sandbox, targets("addIncludedTargets", "a", "b"))
    patch(sandbox, targets("addIncludedTargets", "a", "b"))
    patch(sandbox, targets("removeIncludedTargets", "a", "user-1", "user-2"))
    assert summary(sandbox, "beta-users")["sizes"] == [120, 122, 119]


def test_history_keeps_the_last_200_sizes_and_100_patches(sandbox: Sandbox) -> None:
    document: dict[str, object] = {"environmentKey": "test"}
    for number in range(201):
        document["instructions"] = [targets("addIncludedTargets", f"more-{number}")]
        sandbox.patch_segment("beta-users", document)
    sizes = summary(sandbox, "beta-users")["sizes"]
    assert (len(sizes), sizes[0], sizes[-1]) == (200, 122, 321)
    patches = read(sandbox, BETA_USERS + "/patches")["patches"]
    assert (len(patches), patches[0]["version"], patches[-1]["version"]) == (100, 202, 103)
    assert summary(sandbox, "beta-users")["patches"] == 201


def test_overview_counts_requests_by_method_and_status(sandbox: Sandbox) -> None:
    assert read(sandbox, "/sandbox/overview")["requests"] == []
    call(sandbox, "GET", SEGMENTS)
    call(sandbox, "GET", SEGMENTS)
    call(sandbox, "GET", SEGMENTS + "/nope")
    call(sandbox, "DELETE", SEGMENTS + "/cohort")
    assert read(sandbox, "/sandbox/overview")["requests"] == [
        {"method": "DELETE", "status": "204", "count": 1},
        {"method": "GET", "status": "200", "count": 2},
        {"method": "GET", "status": "404", "count": 1},
    ]


def test_overview_shows_the_rate_limit_without_using_it(sandbox: Sandbox) -> None:
    assert read(sandbox, "/sandbox/overview")["rate_limit"] is None
    sandbox.rate_limit = RateLimit(2, 10)
    between = {"limit": 2, "window_seconds": 10, "remaining": 2, "reset_in_seconds": None}
    assert read(sandbox, "/sandbox/overview")["rate_limit"] == between
    for remaining in (1, 0, 0):
        call(sandbox, "GET", SEGMENTS)
        limit = read(sandbox, "/sandbox/overview")["rate_limit"]
        assert (limit["remaining"], limit["reset_in_seconds"]) == (remaining, 10)


# Members


def test_members_come_in_pages_of_50_newest_first(sandbox: Sandbox) -> None:
    first = read(sandbox, BETA_USERS + "/members")
    assert (first["context_kind"], first["list"]) == ("user", "included")
    assert (first["total"], first["matches"], first["page"], first["pages"]) == (120, 120, 1, 3)
    assert first["keys"] == [f"user-{number}" for number in range(119, 69, -1)]
    last = read(sandbox, BETA_USERS + "/members", page=3)
    assert (last["start"], last["keys"][0], last["keys"][-1]) == (100, "user-19", "user-0")


def test_members_past_the_end_are_those_of_the_last_page(sandbox: Sandbox) -> None:
    assert read(sandbox, BETA_USERS + "/members", page=9)["page"] == 3
    nobody = read(sandbox, BETA_USERS + "/members", page=9, search="nobody")
    assert (nobody["page"], nobody["pages"], nobody["keys"]) == (1, 1, [])


def test_members_are_found_by_a_part_of_their_key_in_any_case(sandbox: Sandbox) -> None:
    found = read(sandbox, BETA_USERS + "/members", search="SER-11")
    assert found["keys"] == [f"user-{number}" for number in (*range(119, 109, -1), 11)]
    assert (found["total"], found["matches"]) == (120, 11)


def test_members_may_be_the_excluded_ones(sandbox: Sandbox) -> None:
    assert read(sandbox, BETA_USERS + "/members", list="excluded")["keys"] == ["x"]


def test_members_are_of_the_kind_with_the_most_keys_unless_asked_for(sandbox: Sandbox) -> None:
    body = {"key": "new", "name": "New"}
    call(sandbox, "POST", SEGMENTS, json=body)
    patch(
        sandbox,
        targets("addIncludedTargets", "ann"),
        targets("addIncludedTargets", "acme", "bolt", context_kind="organization"),
        segment_key="new",
    )
    members = "/sandbox/segments/new/members"
    main = read(sandbox, members)
    assert (main["context_kind"], main["keys"]) == ("organization", ["bolt", "acme"])
    assert read(sandbox, members, kind="user")["keys"] == ["ann"]
    assert read(sandbox, members, kind="device")["keys"] == []


def test_members_of_a_big_segment_are_shown_here(sandbox: Sandbox) -> None:
    found = read(sandbox, "/sandbox/segments/millions/members", search="pho")
    assert (found["context_kind"], found["keys"]) == ("device", ["phone"])


@pytest.mark.parametrize(
    ("query", "message"),
    [
        pytest.param("page=0", "page starts at 1", id="page-zero"),
        pytest.param("page=x", "whole number", id="page-no-number"),
        pytest.param("list=other", "included or excluded", id="unknown-list"),
        pytest.param("search=" + "x" * 1_001, "at most 1000", id="long-search"),
    ],
)
def test_members_refuse_a_malformed_query(sandbox: Sandbox, query: str, message: str) -> None:
    answer = call(sandbox, "GET", f"{BETA_USERS}/members?{query}")
    assert answer.status_code == 400
    assert message in answer.json()["message"]


@pytest.mark.parametrize("what", ["members", "patches"])
def test_unknown_segment_is_not_found(sandbox: Sandbox, what: str) -> None:
    answer = call(sandbox, "GET", f"/sandbox/segments/nope/{what}")
    assert (answer.status_code, answer.json()["message"]) == (404, "Unknown segment key nope")


# Patches


def test_patches_say_what_they_changed_newest_first(sandbox: Sandbox) -> None:
    patch(
        sandbox,
        targets("removeIncludedTargets", "user-1", "nobody"),
        targets("addIncludedTargets", "a", "b", "user-2"),
        targets("removeExcludedTargets", "x"),
        targets("addExcludedTargets", "y", "z"),
        comment="nightly",
    )
    patch(sandbox, targets("addIncludedTargets", "a"))
    patch(sandbox, {"kind": "updateName", "value": "Beta"})
    named, same, first = read(sandbox, BETA_USERS + "/patches")["patches"]
    assert first == {
        "at_ms": NOW * 1_000,
        "version": 2,
        "source": "patch",
        "comment": "nightly",
        "changed": True,
        "added": 2,
        "removed": 1,
        "excluded": 2,
        "unexcluded": 1,
    }
    assert (same["version"], same["changed"], same["comment"]) == (2, False, None)
    assert (named["version"], named["changed"], named["added"]) == (3, True, 0)


def test_refused_patch_is_no_change(sandbox: Sandbox) -> None:
    body = {"environmentKey": "test", "instructions": [targets("addIncludedTargets", "x")]}
    headers = {"Content-Type": SEMANTIC_PATCH}
    path = SEGMENTS + "/beta-users"
    assert call(sandbox, "PATCH", path, json=body, headers=headers).status_code == 400
    assert sandbox.changes("beta-users") == []


@pytest.mark.parametrize(
    ("mode", "added", "removed"),
    [pytest.param("merge", 2, 0, id="merge"), pytest.param("replace", 2, 1, id="replace")],
)
def test_import_counts_what_it_changed(
    sandbox: Sandbox, mode: str, added: int, removed: int
) -> None:
    sandbox.import_polls = 0
    sandbox.change_targets("millions", {"included": {"add": ["tablet"]}})
    file = {"file": ("keys.csv", b"phone\nwatch\nlaptop\n")}
    path = SEGMENTS + "/millions/imports"
    assert call(sandbox, "POST", path, files=file, data={"mode": mode}).status_code == 204
    targets_change, import_change = sandbox.changes("millions")
    assert (targets_change.source, targets_change.tally.added) == ("targets", 1)
    assert (import_change.source, import_change.version) == ("import", 3)
    assert (import_change.tally.added, import_change.tally.removed) == (added, removed)


# The page itself


def test_looking_at_the_page_is_no_api_request(sandbox: Sandbox) -> None:
    for path in ("/", "/sandbox/overview", BETA_USERS + "/members", BETA_USERS + "/patches"):
        assert requests.get(sandbox.url + path, timeout=10).status_code == 200
    assert sandbox.requests == []


def test_page_runs_its_own_script_and_loads_nothing_from_elsewhere(sandbox: Sandbox) -> None:
    answer = requests.get(sandbox.url, timeout=10)
    policy = answer.headers["Content-Security-Policy"]
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    for tag in ("script", "style"):
        (text,) = re.findall(f"<{tag}>(.*?)</{tag}>", answer.text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert re.findall(r"https?://[^'\" ]*", answer.text) == [
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/2000/svg",
    ]
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write", answer.text)
    assert not re.search(r"\son\w+=|\sstyle=", answer.text)


@pytest.fixture(scope="module")
def chrome() -> Iterator[Chrome]:
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    driver = shutil.which("chromedriver")
    if browser is None or driver is None:
        pytest.skip(f"needs chromedriver and one of {', '.join(BROWSERS)}")
    options = ChromeOptions()
    options.binary_location = browser
    for option in BROWSER_OPTIONS:
        options.add_argument(option)
    chrome = Chrome(options=options, service=ChromeService(driver))
    try:
        yield chrome
    finally:
        chrome.quit()


class Page:
    """The page, read as a person reads it: what is not there yet is waited for."""

    def __init__(self, chrome: Chrome) -> None:
        self._chrome = chrome

    def open(self, url: str) -> None:
        # Going from one hash to another would not load the page anew.
        self._chrome.get("about:blank")
        self._chrome.get(url)

    def all(self, selector: str) -> list[WebElement]:
        return self._chrome.find_elements(By.CSS_SELECTOR, selector)

    def text(self, selector: str) -> list[str]:
        return self._chrome.execute_script(  # type: ignore[no-any-return]
            "return [...document.querySelectorAll(arguments[0])]"
            ".filter((one) => one.checkVisibility()).map((one) => one.innerText.trim())",
            selector,
        )

    def wait_for(self, selector: str, expected: list[str]) -> None:
        wait_until(self._chrome, lambda _: self.text(selector) == expected)
        assert self.text(selector) == expected

    def complaints(self) -> list[str]:
        """List what the browser logged, such as breaches of the content security policy."""
        return [one["message"] for one in self._chrome.get_log("browser")]  # type: ignore[no-untyped-call]


def wait_until(chrome: Chrome, condition: Callable[[Chrome], bool]) -> None:
    """Wait at most ten seconds; what is expected then is asserted by the caller."""
    wait: WebDriverWait[Chrome] = WebDriverWait(chrome, 10, poll_frequency=0.05)
    try:
        wait.until(condition)
    except TimeoutException:
        return


@pytest.fixture
def page(chrome: Chrome) -> Iterator[Page]:
    page = Page(chrome)
    yield page
    assert page.complaints() == []


def test_page_lists_the_segments_and_shows_the_first(sandbox: Sandbox, page: Page) -> None:
    page.open(sandbox.url)
    page.wait_for("#segment-rows a", ["beta-users", "millions", "cohort"])
    page.wait_for("#segment-rows .badge", ["standard", "big", "synced"])
    page.wait_for("#segment-rows .size", ["120", "1", "0"])
    page.wait_for("#segment-title", ["beta-users"])
    page.wait_for("#pager-text", ["1–50 of 120 keys, newest first"])  # noqa: RUF001
    assert "None yet. Run target-launchdarkly" in page.text("#no-patches")[0]
    assert "Point the target at this sandbox" in page.text("#no-requests")[0]


def test_page_finds_a_member_named_in_its_hash(sandbox: Sandbox, page: Page) -> None:
    page.open(sandbox.url + "#segment=beta-users&search=user-17")
    page.wait_for("#members li", ["user-17"])
    page.wait_for("#pager-text", ["1–1 of 1 match in 120 keys"])  # noqa: RUF001


def test_page_shows_the_last_patch_and_the_requests(sandbox: Sandbox, page: Page) -> None:
    sandbox.rate_limit = RateLimit(1_000, 60)
    keys = [f"more-{number}" for number in range(1_234)]
    patch(
        sandbox,
        targets("removeIncludedTargets", "user-1", "user-2"),
        targets("addIncludedTargets", *keys),
        comment="nightly",
    )
    page.open(sandbox.url + "#segment=beta-users")
    page.wait_for("#patch-rows td:nth-child(n + 2)", ["2", "+1,234", "−2", "nightly"])  # noqa: RUF001
    page.wait_for("#patch-rows time[title]", page.text("#patch-rows time"))
    page.wait_for("#request-head th", ["Method", "200"])
    page.wait_for("#request-rows tr > *", ["PATCH", "1"])
    page.wait_for("#limit-remaining", ["999"])
    page.wait_for("#limit-text", ["of 1,000 left, reset in 60 s"])


def test_page_shows_a_change_without_a_reload(sandbox: Sandbox, page: Page) -> None:
    page.open(sandbox.url)
    page.wait_for("#segment-rows .size", ["120", "1", "0"])
    patch(sandbox, targets("addIncludedTargets", "newest"))
    page.wait_for("#segment-rows .size", ["121", "1", "0"])
    page.wait_for("#members li:first-child", ["newest"])
    page.wait_for("#patch-rows td:nth-child(3)", ["+1"])


def test_page_shows_html_in_keys_and_comments_as_text(
    sandbox: Sandbox, page: Page, chrome: Chrome
) -> None:
    markup = "<img src=x>&amp;"
    sandbox.add_segment("odd", context_kind="user", included=[SCRIPT, markup])
    patch(sandbox, {"kind": "updateName", "value": "<b>Odd</b>"}, segment_key="odd", comment=SCRIPT)
    page.open(sandbox.url + "#segment=odd")
    page.wait_for("#members li", [markup, SCRIPT])
    page.wait_for("#patch-rows .comment", [SCRIPT])
    page.wait_for("[data-selected=true] .name", ["<b>Odd</b>"])
    assert page.all("#members li *, #patch-rows .comment *, #segment-rows .name *") == []
    assert chrome.title == "Segments sandbox"


def test_page_is_worked_with_and_remembered_by_its_hash(
    sandbox: Sandbox, page: Page, chrome: Chrome
) -> None:
    page.open(sandbox.url)
    page.wait_for("#segment-title", ["beta-users"])
    page.wait_for("#next", ["Next"])
    page.all("#next")[0].click()
    page.wait_for("#pager-text", ["51–100 of 120 keys, newest first"])  # noqa: RUF001
    page.all("#search")[0].send_keys("user-11")
    page.wait_for("#pager-text", ["1–11 of 11 matches in 120 keys"])  # noqa: RUF001
    assert chrome.current_url == sandbox.url + "/#segment=beta-users&search=user-11"
    chrome.refresh()
    page.wait_for("#pager-text", ["1–11 of 11 matches in 120 keys"])  # noqa: RUF001
    page.all("#segment-rows a")[1].send_keys(Keys.ENTER)
    page.wait_for("#members li", ["phone"])
    assert chrome.current_url == sandbox.url + "/#segment=millions"
    assert page.text("#segment-rows a[aria-current]") == ["millions"]


def test_page_says_how_to_go_on_where_there_is_nothing(page: Page) -> None:
    with Sandbox().serve() as empty:
        page.open(empty.url)
        page.wait_for("#place", ["project default, environment test"])
        (advice,) = page.text("#no-segments")
    assert "target-launchdarkly-sandbox --segment beta-users" in advice
    assert f"curl {empty.url}/api/v2/segments/default/test" in advice


def test_page_says_that_a_segment_is_missing(sandbox: Sandbox, page: Page) -> None:
    page.open(sandbox.url + "#segment=nope")
    page.wait_for("#missing-title", ["No such segment"])
    assert page.text("#detail") == []


def test_page_says_that_the_sandbox_is_gone(sandbox: Sandbox, chrome: Chrome) -> None:
    page = Page(chrome)
    with Sandbox().serve() as short_lived:
        page.open(short_lived.url)
        page.wait_for("#status", ["Live"])
    page.wait_for("#status", ["Sandbox not reachable, this is its last state"])
    # The browser logs the failed request.
    assert all("ERR_CONNECTION" in one for one in page.complaints())


@pytest.mark.parametrize("width", [360, 768, 1_280, 1_600])
def test_page_fits_its_window(sandbox: Sandbox, page: Page, chrome: Chrome, width: int) -> None:
    sandbox.add_segment("a-" + "very-" * 40 + "long-key", included=["k" * 300])
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        page.open(sandbox.url + "#segment=a-" + "very-" * 40 + "long-key")
        page.wait_for("#members li", ["k" * 300])
        root = "document.documentElement"
        script = f"return [innerWidth, {root}.scrollWidth - {root}.clientWidth]"
        assert chrome.execute_script(script) == [width, 0]
    finally:
        chrome.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
