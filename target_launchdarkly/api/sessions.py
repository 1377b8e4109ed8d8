"""HTTP sessions, one a thread, that carry the access token to LaunchDarkly alone."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import requests
from requests.auth import AuthBase

from target_launchdarkly.api.links import origin
from target_launchdarkly.api.punctual import PunctualAdapter

if TYPE_CHECKING:
    from target_launchdarkly.api.calls import Connection

#: https://launchdarkly.com/docs/api#versioning
API_VERSION = "20240415"


class _AccessToken(AuthBase):
    """LaunchDarkly wants the token bare. As an auth object, no .netrc entry can replace it."""

    def __init__(self, access_token: str) -> None:
        self._access_token = access_token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = self._access_token
        return request


class _Nobody(AuthBase):
    """Shows nothing. As an auth object, no .netrc entry can replace it either."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


class Sessions:
    """The sessions of a client: threads may not share one."""

    def __init__(self, connection: Connection, access_token: str) -> None:
        self._connection = connection
        self._access_token = access_token
        self._local = threading.local()

    @property
    def of_this_thread(self) -> requests.Session:
        """The session of the thread that asks."""
        if not hasattr(self._local, "session"):
            session = self._local.session = self._session(self._connection.api_url)
            session.mount(self._connection.api_url, PunctualAdapter())
        session_of_thread: requests.Session = self._local.session
        return session_of_thread

    def of_link(self, url: str, max_seconds: float) -> requests.Session:
        """Return a session for a URL that an answer links to.

        The token goes to the API's own origin only: whoever else the link leads to does not need
        it. Close the session after the one request; redirects are not for it to follow.

        Args:
            url: The link.
            max_seconds: What the whole answer may take, however it drips.
        """
        session = self._session(url)
        for scheme in ("http://", "https://"):
            session.mount(scheme, PunctualAdapter(max_seconds))
        return session

    def _session(self, url: str) -> requests.Session:
        session = requests.Session()
        is_own = origin(url) == origin(self._connection.api_url)
        session.auth = _AccessToken(self._access_token) if is_own else _Nobody()
        session.headers["User-Agent"] = self._connection.user_agent
        if is_own:
            session.headers["LD-API-Version"] = API_VERSION
        # Plain http goes to this machine only; a proxy would see the token.
        session.trust_env = urlsplit(url).scheme == "https"
        return session
