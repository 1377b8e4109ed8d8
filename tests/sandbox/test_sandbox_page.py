"""The sandbox's page in a real browser."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from page_sandbox import NOW, call, make_sandbox, patch
from sandbox_client import targets
from selenium.common.exceptions import TimeoutException
from selenium.webdriver import Chrome, ChromeOptions, ChromeService, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from target_launchdarkly.sandbox import ForeignChange, ForeignImport, RateLimit, Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from selenium.webdriver.remote.webelement import WebElement

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
    with make_sandbox().serve() as sandbox:
        yield sandbox


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


def test_page_shows_when_members_leave_by_themselves(sandbox: Sandbox, page: Page) -> None:
    def expire(key: str, at_ms: int) -> None:
        instruction = {
            "kind": "addExpiringTarget",
            "targetType": "included",
            "contextKind": "user",
            "contextKey": key,
            "value": at_ms,
        }
        sandbox.patch_expirations("beta-users", {"instructions": [instruction]})

    page.open(sandbox.url + "#segment=beta-users&search=user-11")
    page.wait_for("#members li:last-child", ["user-11"])
    expire("user-119", 4_102_444_800_000)
    page.wait_for("#members .until time", ["Jan 1, 2100, 12:00:00 AM"])
    expire("user-11", 9 * 10**15)
    page.wait_for("#members li:last-child .until", ["until 9,000,000,000,000,000"])
    assert "2 targets with an end" in page.text("#segment-facts")[0]


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


def test_page_shows_somebody_elses_change_and_those_to_come(sandbox: Sandbox, page: Page) -> None:
    ForeignChange("beta-users", remove=("user-1",))(sandbox)
    sandbox.meanwhile(ForeignChange("beta-users", add=("user-1",)))
    page.open(sandbox.url + "#segment=beta-users")
    page.wait_for("#patch-rows .badge", ["somebody else"])
    page.wait_for("#flags .badge", ["1 foreign change to come"])


def test_page_shows_imports_and_exports(sandbox: Sandbox, page: Page) -> None:
    page.open(sandbox.url + "#segment=millions")
    page.wait_for("#members li", ["phone"])
    assert page.text("#transfers") == []
    export = sandbox.start_export("millions")
    page.wait_for("#transfer-rows td:nth-child(n + 2)", ["Export", "–", "preparing"])  # noqa: RUF001
    for _ in range(2):
        sandbox.poll_export("millions", export.rpartition("/")[2])
    page.wait_for("#transfer-rows td:nth-child(n + 2)", ["Export", "1", "complete"])
    sandbox.clock = lambda: NOW + 1
    ForeignImport("millions", ("a", "b"))(sandbox)
    sandbox.stop_import("millions")
    rows = ["Merge import somebody else", "2", "stopped", "Export", "1", "complete"]
    page.wait_for("#transfer-rows td:nth-child(n + 2)", rows)
    page.wait_for("#transfers-note", ["2, newest first"])
    page.wait_for("#transfer-rows [data-type=warn]", ["stopped"])


def test_page_tells_when_the_token_was_shown_to_the_other_host(
    sandbox: Sandbox, page: Page
) -> None:
    call(sandbox, "GET", "/exports/any.csv")
    page.open(sandbox.url)
    page.wait_for("#flags .badge", ["token shown to another host 1 time"])


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
    ForeignImport("millions", mode="replace")(sandbox)
    try:
        page.open(sandbox.url + "#segment=millions")
        page.wait_for("#transfer-rows .what", ["Replace import somebody else"])
        page.open(sandbox.url + "#segment=a-" + "very-" * 40 + "long-key")
        page.wait_for("#members li", ["k" * 300])
        root = "document.documentElement"
        script = f"return [innerWidth, {root}.scrollWidth - {root}.clientWidth]"
        assert chrome.execute_script(script) == [width, 0]
    finally:
        chrome.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
