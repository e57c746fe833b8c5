"""One way to make an HTTP client: HTTP/1.1 kept alive, time-outs for everything, no redirect followed, no cookie kept."""

import http.cookiejar

import httpx

import workbenchx

_SECONDS = 30.0
_LIMITS = httpx.Limits(max_connections=8, max_keepalive_connections=8, keepalive_expiry=30.0)


def client() -> httpx.AsyncClient:
    """A client of nobody yet: what it sends to whom is each request's own."""
    return httpx.AsyncClient(
        http2=False,
        timeout=within(_SECONDS),
        limits=_LIMITS,
        follow_redirects=False,
        cookies=http.cookiejar.CookieJar(http.cookiejar.DefaultCookiePolicy(allowed_domains=())),
        headers={"User-Agent": f"wbx/{workbenchx.__version__}"},
    )


def within(read: float) -> httpx.Timeout:
    """Time-outs of one request that may be silent for so many seconds."""
    return httpx.Timeout(connect=10.0, read=read, write=_SECONDS, pool=_SECONDS)
