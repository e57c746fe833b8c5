"""Rows into JSON: times in UTC, money as decimal text, bytes as hex; the form that clients read back value for value."""

import datetime
import decimal
import hashlib
import json
import uuid
from collections.abc import Mapping
from typing import Any

from fastapi import requests, responses

JSON = "application/json"


def encode(value: Any) -> bytes:
    """A document on the wire. NaN and infinities, which JSON lacks, become text (store/encode keeps them out)."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_plain)
    return text.encode("utf-8", "replace")


def _plain(value: Any) -> Any:
    match value:
        case datetime.datetime():
            return value.astimezone(datetime.UTC).isoformat()
        case decimal.Decimal():
            return format(value, "f")
        case uuid.UUID():
            return str(value)
        case Mapping():
            return dict(value)
        case bytes() | memoryview():
            return bytes(value).hex()
    raise TypeError(f'a value of type "{type(value).__name__}" has no form on the wire')


def etag(body: bytes) -> str:
    """A weak validator: equal documents have equal ones."""
    return f'W/"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'


def answer(request: requests.Request, document: Any, *, status: int = 200) -> responses.Response:
    """The document; 304 and no body for who has it already."""
    body = encode(document)
    tag = etag(body)
    if has(request, tag):
        return responses.Response(status_code=304, headers={"ETag": tag})
    return responses.Response(body, status, {"ETag": tag}, media_type=JSON)


def has(request: requests.Request, tag: str) -> bool:
    """Whether the caller says that it has this version; compared weakly, as GET is."""
    said = request.headers.get("if-none-match", "")
    wanted = tag.removeprefix("W/")
    known = {each.strip().removeprefix("W/") for each in said.split(",")}
    return wanted in known or said.strip() == "*"
