"""Does a URL answer? The health probe of apps."""


async def answers(url: str, timeout: float) -> bool:  # noqa: ASYNC109 - httpx owns the time-out
    """Whether a GET of `url` is answered below 400 within `timeout` seconds. Redirects are not followed."""
    import httpx  # noqa: PLC0415 - slow to import, and few commands probe

    try:
        async with httpx.AsyncClient(timeout=timeout, trust_env=False) as client:
            response = await client.get(url)
    except httpx.HTTPError:
        return False
    return response.status_code < httpx.codes.BAD_REQUEST
