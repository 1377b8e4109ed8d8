"""HTTP sessions, one a thread, that carry the access token to LaunchDarkly alone."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import requests
from requests.auth import AuthBase

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
            session = requests.Session()
            session.auth = _AccessToken(self._access_token)
            session.mount(self._connection.api_url, PunctualAdapter())
            session.headers.update(
                {"LD-API-Version": API_VERSION, "User-Agent": self._connection.user_agent}
            )
            # Plain http goes to this machine only; a proxy would see the token.
            session.trust_env = urlsplit(self._connection.api_url).scheme == "https"
            self._local.session = session
        session_of_thread: requests.Session = self._local.session
        return session_of_thread
