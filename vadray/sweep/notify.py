"""Tells another program what became of a sweep: a webhook, JSON by POST."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from vadray.errors import RequestError

TIMEOUT_S = 10.0
TRIES = 4

Say = Callable[[str], None]


class Webhook:
    """Posts to one address. What fails is said and is no failure of the sweep; the address, which may be secret, is not.

    Args:
        url: http or https.
        about: What every message says: sweep and report, as far as they are known.
        say: Tells a person.

    Raises:
        RequestError: It is no such address.

    Attributes:
        about: The same; may be added to.
    """

    def __init__(self, url: str, about: dict[str, Any], say: Say):
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            received = (
                f"{parts.scheme}://…" if parts.scheme else "something else (not shown: it may be secret)"
            )
            raise RequestError(f"notify: expected an http:// or https:// address, received {received}")
        self._url, self._host, self.about, self._say = url, parts.hostname, about, say

    def post(self, happened: str, text: str, **more: Any) -> bool:
        """Posts a message; tries again where the receiver is not there or has too much to do.

        Args:
            happened: `committed`, `failed` or `event`.
            text: The same for a person, one line; chat services show it.
            more: Further keys.

        Returns:
            Whether it was taken.
        """
        content = {"happened": happened, "text": text, **self.about, **more}
        again = Retry(
            total=TRIES - 1, backoff_factor=0.5, status_forcelist=(429, 502, 503, 504), allowed_methods=None
        )
        try:
            with requests.Session() as session:
                for scheme in ("http://", "https://"):
                    session.mount(scheme, HTTPAdapter(max_retries=again))
                answer = session.post(self._url, json=content, timeout=TIMEOUT_S)
        except requests.RequestException as error:
            self._say(f"notify: {self._host} was not reached to tell it '{happened}': {type(error).__name__}")
            return False
        if not answer.ok:
            self._say(f"notify: {self._host} answered {answer.status_code} to '{happened}'")
        return answer.ok
