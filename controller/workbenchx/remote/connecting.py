"""One way to make an HTTP client: HTTP/1.1 kept alive, time-outs for everything, no redirect followed, no cookie kept."""

import http.cookiejar
import urllib.parse

import httpx

import workbenchx
from workbenchx.remote import addresses

_SECONDS = 30.0
_LIMITS = httpx.Limits(max_connections=8, max_keepalive_connections=8, keepalive_expiry=4.0)


def client(url: str) -> httpx.AsyncClient:
    """A client for the host of `url`. Proxies of the environment are used, but never on the way to this machine."""
    return httpx.AsyncClient(
        http2=False,
        timeout=within(_SECONDS),
        limits=_LIMITS,
        follow_redirects=False,
        trust_env=not addresses.loopback(urllib.parse.urlsplit(url).hostname or ""),
        cookies=http.cookiejar.CookieJar(http.cookiejar.DefaultCookiePolicy(allowed_domains=())),
        headers={"User-Agent": f"wbx/{workbenchx.__version__}"},
    )


def within(read: float) -> httpx.Timeout:
    """Time-outs of one request that may be silent for so many seconds."""
    return httpx.Timeout(connect=10.0, read=read, write=_SECONDS, pool=_SECONDS)
