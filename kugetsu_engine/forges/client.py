"""HTTP to one forge: short time limits, bounded answers, no redirect to another host, and each failure a sentence."""

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
"""Of one request, however slowly the answer drips in."""
MAX_BYTES = 4 << 20
MAX_REDIRECTS = 3
MAX_PAGES = 5
LOOPBACK = ("localhost", "127.0.0.1", "::1")


class ForgeClient:
    """Asks one forge; to be used in a `with`."""

    def __init__(self, forge: Forge) -> None:
        self.forge = forge
        address = urlsplit(forge.api)
        if address.scheme not in ("http", "https") or not address.hostname or address.username:
            raise ForgeError(f"{forge.host}: {safe_line(forge.api, 200)} is no API's address", "see [forges] in config.toml")
        if forge.token and address.scheme == "http" and address.hostname not in LOOPBACK:
            raise ForgeError(f"{forge.host}: a token is not sent without encryption", "use https:// in [forges]")
        if forge.token and not (forge.token.isascii() and forge.token.isprintable() and " " not in forge.token):
            raise ForgeError(f"{forge.host}: {forge.source} is no token", "mend the env file")
        headers = {"User-Agent": f"kugetsu/{__version__}", "Accept": "application/json", "Accept-Encoding": "identity"}
        if forge.kind == "github":
            headers |= {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
        if forge.token:
            headers["Authorization"] = f"{'Bearer' if forge.kind == 'github' else 'token'} {forge.token}"
        limits = httpx.Timeout(TOTAL_S, connect=CONNECT_S)
        try:
            self._http = httpx.Client(headers=headers, timeout=limits, follow_redirects=False)
        except (ValueError, OSError):  # certificates or a proxy's address
            raise ForgeError(f"{forge.host}: proxy or certificates of the environment cannot be used") from None

    def __enter__(self) -> "ForgeClient":
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def get(self, path: str, **query: str | int) -> Any:
        """The document at a path of the API.

        Raises:
            ForgeError: the forge did not give it; a sentence says why.
        """
        return self._get(self.forge.api + path, query)[0]

    def get_pages(self, path: str, **query: str | int) -> list[Any]:
        """The documents of all pages of a list, at most `MAX_PAGES` of them."""
        address: str | None = self.forge.api + path
        found: list[Any] = []
        while address is not None and len(found) < MAX_PAGES:
            document, address = self._get(address, query)
            found.append(document)
            query = {}
        return found

    def _get(self, address: str, query: dict[str, str | int]) -> tuple[Any, str | None]:
        deadline = time.monotonic() + TOTAL_S
        for _ in range(MAX_REDIRECTS + 1):
            response, data = self._request(address, query, deadline)
            if not response.is_redirect:
                break
            address, query = self._same_host(address, response.headers.get("location", "")), {}
        else:
            raise ForgeError(f"{self.forge.host} redirects again and again")
        if response.status_code != 200:
            raise self._refusal(response)
        try:
            document = json.loads(data)
        except (ValueError, RecursionError):
            raise ForgeError(f"{self.forge.host} answered something that is no JSON", "is it an API? see [forges]") from None
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
            words = safe_line(str(error), 200)
            if self.forge.token:
                words = words.replace(self.forge.token, "***")
            raise ForgeError(f"{self.forge.host} cannot be reached: {words}", unreachable=True) from None
        return response, data

    def _same_host(self, address: str, target: str) -> str:
        """Where a redirect or a next page leads; the token goes to no other host."""
        wanted = urljoin(address, target)
        if _origin(wanted) != _origin(address):
            elsewhere = safe_line(urlsplit(wanted).hostname or wanted, 100)
            raise ForgeError(f"{self.forge.host} points to another host ({elsewhere}), which is not asked")
        return wanted

    def _refusal(self, response: httpx.Response) -> ForgeError:
        forge, code = self.forge, response.status_code
        whose = forge.source if forge.token else "no token"
        limited = _limited_until(response)
        if code == 429 or (code == 403 and limited is not None):
            until = limited if limited is not None else time.time() + 60.0
            return ForgeError(f"{forge.host} has a rate limit that is reached ({code})", "it is asked again later", until=until)
        if code == 401:
            return ForgeError(f"{forge.host} refuses the token (401)", f"renew {whose} in the env files")
        if code == 403:
            return ForgeError(f"{forge.host} does not let this be read (403)", f"look at the rights of {whose}")
        if code in (404, 410):
            return ForgeError(f"{forge.host} knows nothing of it ({code})", f"or {whose} may not see it", missing=True)
        if code >= 500:
            return ForgeError(f"{forge.host} has trouble ({code})", "it is asked again later", unreachable=True)
        return ForgeError(f"{forge.host} answered {code}")


def quote_path(path: str) -> str:
    """`owner/repo` as it stands in an address."""
    return "/".join(quote(part, safe="") for part in path.split("/"))


def _origin(address: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(address)
    try:
        port = parts.port
    except ValueError:
        port = -1
    return parts.scheme, parts.hostname, port or {"https": 443, "http": 80}.get(parts.scheme)


def _limited_until(response: httpx.Response) -> float | None:
    """When a rate limit is over, in seconds since 1970; None where the answer speaks of none."""
    after = response.headers.get("retry-after", "")
    if after:
        return time.time() + min(float(after), 86400.0) if after.isdecimal() else epoch(after) or time.time() + 60.0
    reset = response.headers.get("x-ratelimit-reset", "")
    if response.headers.get("x-ratelimit-remaining") == "0":
        return min(float(reset), time.time() + 86400.0) if reset.isdecimal() else time.time() + 60.0
    return None
