"""HTTP client for one forge, with short time limits, limited answers, and no redirects to other hosts."""

import json
import time
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import httpx

from .. import __version__
from ..domain.text.quantities import format_size
from ..domain.text.safe_text import safe_line
from ..domain.text.times import epoch
from ..errors import ForgeError
from .hosts import Forge

CONNECT_S = 3.0
TOTAL_S = 8.0
"""Limit for one request, including a slow answer."""
MAX_BYTES = 4 << 20
MAX_REDIRECTS = 3
MAX_PAGES = 5
LOOPBACK = ("localhost", "127.0.0.1", "::1")


class ForgeClient:
    """Sends requests to one forge; a context manager."""

    def __init__(self, forge: Forge) -> None:
        self.forge = forge
        address = urlsplit(forge.api)
        if address.scheme not in ("http", "https") or not address.hostname or address.username:
            raise ForgeError(
                f"{forge.host}: {safe_line(forge.api, 200)} is not a valid API address", "see [forges] in config.toml"
            )
        if forge.token and address.scheme == "http" and address.hostname not in LOOPBACK:
            raise ForgeError(f"{forge.host}: refusing to send a token without encryption", "use https:// in [forges]")
        if forge.token and not (forge.token.isascii() and forge.token.isprintable() and " " not in forge.token):
            raise ForgeError(f"{forge.host}: {forge.source} is not a valid token", "correct it in the env file")
        headers = {"User-Agent": f"kugetsu/{__version__}", "Accept": "application/json", "Accept-Encoding": "identity"}
        if forge.kind == "github":
            headers |= {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
        if forge.token:
            headers["Authorization"] = f"{'Bearer' if forge.kind == 'github' else 'token'} {forge.token}"
        limits = httpx.Timeout(TOTAL_S, connect=CONNECT_S)
        try:
            self._http = httpx.Client(headers=headers, timeout=limits, follow_redirects=False)
        except (ValueError, OSError):  # certificates or a proxy's address
            raise ForgeError(f"{forge.host}: the proxy or certificates set in the environment are not valid") from None

    def __enter__(self) -> "ForgeClient":
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def get(self, path: str, **query: str | int) -> Any:
        """Return the document at a path of the API.

        Raises:
            ForgeError: the forge did not return it, with the reason.
        """
        return self._get(self.forge.api + path, query)[0]

    def get_pages(self, path: str, **query: str | int) -> list[Any]:
        """Return the documents of a list's pages, up to `MAX_PAGES`."""
        address: str | None = self.forge.api + path
        documents: list[Any] = []
        while address is not None and len(documents) < MAX_PAGES:
            document, address = self._get(address, query)
            documents.append(document)
            query = {}
        return documents

    def _get(self, address: str, query: dict[str, str | int]) -> tuple[Any, str | None]:
        deadline = time.monotonic() + TOTAL_S
        for _ in range(MAX_REDIRECTS + 1):
            response, data = self._request(address, query, deadline)
            if not response.is_redirect:
                break
            address, query = self._same_host(address, response.headers.get("location", "")), {}
        else:
            raise ForgeError(f"{self.forge.host} redirected more than {MAX_REDIRECTS} times")
        if response.status_code != 200:
            raise self._refusal(response)
        try:
            document = json.loads(data)
        except (ValueError, RecursionError):
            raise ForgeError(f"{self.forge.host} did not answer with JSON", "check the API address in [forges]") from None
        following = response.links.get("next", {}).get("url")
        return document, self._same_host(address, following) if following else None

    def _request(self, address: str, query: dict[str, str | int], deadline: float) -> tuple[httpx.Response, bytes]:
        data = b""
        try:
            with self._http.stream("GET", address, params=query or None) as response:
                for chunk in response.iter_raw():
                    data += chunk
                    if len(data) > MAX_BYTES:
                        raise ForgeError(f"{self.forge.host} answered more than {format_size(MAX_BYTES)}")
                    if time.monotonic() > deadline:
                        raise ForgeError(f"{self.forge.host} did not answer in full within {TOTAL_S:g} s", unreachable=True)
        except httpx.TimeoutException:
            raise ForgeError(f"{self.forge.host} did not answer in time", unreachable=True) from None
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, OSError) as error:
            reason = safe_line(str(error), 200)
            if self.forge.token:
                reason = reason.replace(self.forge.token, "***")
            raise ForgeError(f"{self.forge.host} cannot be reached: {reason}", unreachable=True) from None
        return response, data

    def _same_host(self, address: str, target: str) -> str:
        """Return the address of a redirect or next page. It must be on the same host, as the request has our token."""
        url = urljoin(address, target)
        if _origin(url) != _origin(address):
            host = safe_line(urlsplit(url).hostname or url, 100)
            raise ForgeError(f"{self.forge.host} points to another host ({host}), which is not followed")
        return url

    def _refusal(self, response: httpx.Response) -> ForgeError:
        forge, code = self.forge, response.status_code
        whose = forge.source if forge.token else "no token"
        limited = _limited_until(response)
        if code == 429 or (code == 403 and limited is not None):
            until = limited if limited is not None else time.time() + 60.0
            return ForgeError(
                f"{forge.host} allows no further requests until its rate limit resets ({code})",
                "it will be asked again later",
                until=until,
            )
        if code == 401:
            return ForgeError(f"{forge.host} refuses the token (401)", f"renew {whose} in the env files")
        if code == 403:
            return ForgeError(f"{forge.host} denies access (403)", f"check the permissions of {whose}")
        if code in (404, 410):
            return ForgeError(f"{forge.host} did not find it ({code})", f"or {whose} has no access to it", missing=True)
        if code >= 500:
            return ForgeError(f"{forge.host} has a server error ({code})", "it will be asked again later", unreachable=True)
        return ForgeError(f"{forge.host} answered {code}")


def quote_path(path: str) -> str:
    """Quote `owner/repo` for a URL."""
    return "/".join(quote(part, safe="") for part in path.split("/"))


def _origin(address: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(address)
    try:
        port = parts.port
    except ValueError:
        port = -1
    return parts.scheme, parts.hostname, port or {"https": 443, "http": 80}.get(parts.scheme)


def _limited_until(response: httpx.Response) -> float | None:
    """Return when a rate limit ends, in seconds since 1970; None if the answer names none."""
    after = response.headers.get("retry-after", "")
    if after:
        return time.time() + min(float(after), 86400.0) if after.isdecimal() else epoch(after) or time.time() + 60.0
    reset = response.headers.get("x-ratelimit-reset", "")
    if response.headers.get("x-ratelimit-remaining") == "0":
        return min(float(reset), time.time() + 86400.0) if reset.isdecimal() else time.time() + 60.0
    return None
