"""An emulator of Supabase Storage on the loopback interface: what the vendor documents, with the bodies it really sends.

Nearly every refusal has HTTP status 400 and the true status, as text, in its body. Bytes lie in files, so that a test may
damage them; `Faults` makes it misbehave.
"""

import base64
import contextlib
import dataclasses
import datetime
import hashlib
import pathlib
import subprocess
import sys
import time
import urllib.parse
import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Any

import emulator_thread
import jwt
from starlette import applications, requests, responses, routing

from workbenchx.providers.storage import supabase_storage
from workbenchx.providers.storage.supabase_storage import adapter

SECRET = "a secret of the emulator that is long enough for HS256"
BUCKET = "workbenchx"
API = "/storage/v1"
_KEY = r"/{bucket}/{key:path}"


class Refused(Exception):
    """An answer of the kind that the vendor gives."""

    def __init__(self, status: int, code: str, error: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.body = {
            "statusCode": str(status),
            "error": error,
            "message": message,
            "code": code,
        }


@dataclasses.dataclass
class Faults:
    """How it misbehaves: `busy` answers of 429 in a row; downloads end after `cut` bytes; a piece is half kept once."""

    busy: int = 0
    cut: int | None = None
    half: bool = False


@dataclasses.dataclass
class Stored:
    """One object."""

    path: pathlib.Path
    media_type: str
    cache: str
    id: str = dataclasses.field(default_factory=lambda: str(uuid.uuid4()))
    at: str = dataclasses.field(
        default_factory=lambda: datetime.datetime.now(datetime.UTC).isoformat()
    )

    @property
    def size(self) -> int:
        """In bytes."""
        return self.path.stat().st_size

    @property
    def etag(self) -> str:
        """The md5, as the vendor has it of what came in one piece."""
        with self.path.open("rb") as file:
            return f'"{hashlib.file_digest(file, "md5").hexdigest()}"'

    def listed(self, name: str) -> dict[str, Any]:
        """As list-v2 tells of it."""
        told = {"size": self.size, "mimetype": self.media_type, "eTag": self.etag}
        times = {"updated_at": self.at, "created_at": self.at, "last_accessed_at": self.at}
        metadata = {**told, "cacheControl": self.cache, "contentLength": self.size}
        return {"id": self.id, "name": name, "key": name, **times, "metadata": metadata}


@dataclasses.dataclass
class Upload:
    """One resumable upload."""

    bucket: str
    key: str
    length: int
    path: pathlib.Path


class Emulator:
    """Buckets, objects and uploads of one project."""

    def __init__(self, folder: pathlib.Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.buckets: dict[str, dict[str, Any]] = {}
        self.objects: dict[tuple[str, str], Stored] = {}
        self.uploads: dict[str, Upload] = {}
        self.faults = Faults()
        app = applications.Starlette(
            routes=[routing.Mount(API, routes=_routes(self))],
            exception_handlers={Refused: _refuse},
        )
        self._server = emulator_thread.Server(app)

    @property
    def url(self) -> str:
        """The URL of the project."""
        return self._server.url

    def storage(self, **settings: object) -> adapter.SupabaseStorage:
        """The adapter on it."""
        return storage(self.url, **settings)

    def start(self) -> None:
        """Serve, on the port of before if there was one."""
        self._server.start()

    def stop(self) -> None:
        """Close every connection at once."""
        self._server.stop()

    def file(self) -> pathlib.Path:
        """Room for bytes."""
        return self.folder / str(uuid.uuid4())

    def find(self, bucket: str, key: str) -> Stored:
        """An object."""
        self.check_bucket(bucket)
        if (bucket, key) not in self.objects:
            raise Refused(404, "NoSuchKey", "not_found", "Object not found")
        return self.objects[bucket, key]

    def check_bucket(self, bucket: str) -> None:
        """That it is there."""
        if bucket not in self.buckets:
            raise Refused(404, "NoSuchBucket", "Bucket not found", "Bucket not found")

    def check_free(self, bucket: str, key: str, *, upsert: bool) -> None:
        """That nothing would be replaced without being asked to."""
        self.check_bucket(bucket)
        if (bucket, key) in self.objects and not upsert:
            raise Refused(409, "KeyAlreadyExists", "Duplicate", "The resource already exists")

    async def keep(self, request: requests.Request, bucket: str, key: str, *, upsert: bool) -> str:
        """Write the body under a key."""
        self.check_free(bucket, key, upsert=upsert)
        path = self.file()
        with path.open("wb") as file:
            async for chunk in request.stream():
                file.write(chunk)
        self.check_free(bucket, key, upsert=upsert)
        media_type = request.headers.get("content-type", "application/octet-stream")
        cache = request.headers.get("cache-control", "no-cache")
        self.objects[bucket, key] = Stored(path, media_type, cache)
        return self.objects[bucket, key].id


@dataclasses.dataclass(frozen=True)
class Option:
    """A StorageProvider object."""

    settings: dict[str, object]
    kind: str = "StorageProvider"
    name: str = "supabase-storage"
    credentials: dict[str, object] = dataclasses.field(default_factory=dict)


def key(role: str = "service_role") -> str:
    """A key of the project."""
    return jwt.encode({"role": role, "iss": "supabase"}, SECRET, "HS256")


def storage(url: str, **settings: object) -> adapter.SupabaseStorage:
    """The adapter on an emulator."""
    option = Option({"bucket": BUCKET} | settings)
    credentials = {"url": url, "serviceKey": key()}
    return supabase_storage.from_option(option, None, None, credentials.__getitem__)


@contextlib.contextmanager
def running(folder: pathlib.Path) -> Iterator[Emulator]:
    """An emulator while the test runs."""
    made = Emulator(folder)
    made.start()
    try:
        yield made
    finally:
        made.stop()


@contextlib.contextmanager
def elsewhere(folder: pathlib.Path) -> Iterator[str]:
    """The URL of an emulator in a process of its own, so that its memory is not ours."""
    command = [sys.executable, __file__, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().decode().strip()
        finally:
            process.kill()


async def _refuse(request: requests.Request, refused: Exception) -> responses.Response:
    assert isinstance(refused, Refused)
    status = refused.status if refused.status in {429, 500} else 400
    return responses.JSONResponse(refused.body, status)


def _routes(on: Emulator) -> list[routing.BaseRoute]:
    """Every route, behind the check of the caller's token where there is one."""
    open_, told = _Serving(on, signed=True), _Serving(on, signed=False)
    one = "/object" + _KEY
    return [
        routing.Route("/bucket", told(make_bucket), methods=["POST"]),
        routing.Route("/bucket", told(list_buckets), methods=["GET"]),
        routing.Route("/bucket/{bucket}", told(get_bucket), methods=["GET"]),
        routing.Route("/object/list-v2/{bucket}", told(list_v2), methods=["POST"]),
        routing.Route("/object/info" + _KEY, told(info), methods=["GET", "HEAD"]),
        routing.Route("/object/sign" + _KEY, open_(by_link), methods=["GET"]),
        routing.Route("/object/sign" + _KEY, told(sign), methods=["POST"]),
        routing.Route("/object/upload/sign" + _KEY, open_(upload_by_link), methods=["PUT"]),
        routing.Route("/object/upload/sign" + _KEY, told(sign_upload), methods=["POST"]),
        routing.Route("/object/authenticated" + _KEY, told(get), methods=["GET", "HEAD"]),
        routing.Route("/object/{bucket}", told(remove), methods=["DELETE"]),
        routing.Route(one, told(get), methods=["GET", "HEAD"]),
        routing.Route(one, told(put), methods=["POST", "PUT"]),
        routing.Route("/upload/resumable", told(begin), methods=["POST"]),
        routing.Route("/upload/resumable/{id}", told(piece), methods=["PATCH"]),
        routing.Route("/upload/resumable/{id}", told(place), methods=["HEAD"]),
        routing.Route("/upload/resumable/{id}", told(give_up), methods=["DELETE"]),
    ]


class _Serving:
    """Makes an endpoint of a function of emulator and request."""

    def __init__(self, on: Emulator, *, signed: bool) -> None:
        self._on = on
        self._signed = signed

    def __call__(self, serve: Any) -> Any:
        async def endpoint(request: requests.Request) -> responses.Response:
            if self._on.faults.busy:
                self._on.faults.busy -= 1
                raise Refused(429, "SlowDown", "SlowDown", "Too many requests")
            if not self._signed:
                _check_token(request)
            answer: responses.Response = await serve(self._on, request)
            return answer

        return endpoint


def _check_token(request: requests.Request) -> None:
    token = request.headers.get("authorization", "").removeprefix("Bearer ")
    try:
        jwt.decode(token, SECRET, ["HS256"])
    except jwt.InvalidTokenError as problem:
        raise Refused(403, "AccessDenied", "Unauthorized", "jws invalid") from problem


def _which(request: requests.Request) -> tuple[str, str]:
    return request.path_params["bucket"], request.path_params["key"]


def _upsert(request: requests.Request) -> bool:
    return request.headers.get("x-upsert") == "true"


def _token(claims: dict[str, Any], seconds: float) -> str:
    now = int(time.time())
    return jwt.encode({**claims, "iat": now, "exp": now + int(seconds)}, SECRET, "HS256")


def _claims(request: requests.Request, scope: str) -> None:
    """That the token of a link is for this key."""
    try:
        claims = jwt.decode(request.query_params.get("token", ""), SECRET, ["HS256"])
    except jwt.InvalidTokenError as problem:
        raise Refused(400, "InvalidJWT", "InvalidJWT", str(problem)) from problem
    if claims["scope"] != scope or claims["url"] != "/".join(_which(request)):
        raise Refused(
            400, "InvalidSignature", "InvalidSignature", "The url do not match the signature"
        )


async def make_bucket(on: Emulator, request: requests.Request) -> responses.Response:
    """POST /bucket."""
    said = await request.json()
    if said["name"] in on.buckets:
        raise Refused(409, "BucketAlreadyExists", "Duplicate", "The resource already exists")
    now = datetime.datetime.now(datetime.UTC).isoformat()
    limits = {"file_size_limit": None, "allowed_mime_types": None}
    told = {
        "id": said["name"],
        "name": said["name"],
        "owner": "",
        "created_at": now,
        "updated_at": now,
    }
    on.buckets[said["name"]] = {**told, "public": bool(said.get("public")), **limits}
    return responses.JSONResponse({"name": said["name"]})


async def list_buckets(on: Emulator, request: requests.Request) -> responses.Response:
    """GET /bucket."""
    return responses.JSONResponse(list(on.buckets.values()))


async def get_bucket(on: Emulator, request: requests.Request) -> responses.Response:
    """GET /bucket/ID."""
    on.check_bucket(request.path_params["bucket"])
    return responses.JSONResponse(on.buckets[request.path_params["bucket"]])


async def put(on: Emulator, request: requests.Request) -> responses.Response:
    """POST or PUT of an object; a PUT replaces."""
    bucket, key = _which(request)
    upsert = _upsert(request) or request.method == "PUT"
    made = await on.keep(request, bucket, key, upsert=upsert)
    return responses.JSONResponse({"Key": f"{bucket}/{key}", "Id": made})


async def get(on: Emulator, request: requests.Request) -> responses.Response:
    """GET or HEAD of an object."""
    return _serve(on, request, on.find(*_which(request)), {})


async def info(on: Emulator, request: requests.Request) -> responses.Response:
    """What is known of an object."""
    bucket, key = _which(request)
    found = on.find(bucket, key)
    said = {"id": found.id, "name": key, "version": found.id, "bucket_id": bucket}
    told = {"size": found.size, "content_type": found.media_type, "etag": found.etag}
    more = {"cache_control": found.cache, "metadata": {}, "last_modified": found.at}
    return responses.JSONResponse({**said, **told, **more, "created_at": found.at})


async def sign(on: Emulator, request: requests.Request) -> responses.Response:
    """A link to an object."""
    bucket, key = _which(request)
    on.find(bucket, key)
    seconds = (await request.json())["expiresIn"]
    token = _token({"url": f"{bucket}/{key}", "scope": "download"}, seconds)
    quoted = urllib.parse.quote(key)
    return responses.JSONResponse({"signedURL": f"/object/sign/{bucket}/{quoted}?token={token}"})


async def by_link(on: Emulator, request: requests.Request) -> responses.Response:
    """GET by a link."""
    _claims(request, "download")
    name = request.query_params.get("download")
    headers = {}
    if name is not None:
        quoted = urllib.parse.quote(name)
        headers["content-disposition"] = (
            f"attachment; filename={quoted}; filename*=UTF-8''{quoted};"
        )
    return _serve(on, request, on.find(*_which(request)), headers)


async def sign_upload(on: Emulator, request: requests.Request) -> responses.Response:
    """A link for one upload."""
    bucket, key = _which(request)
    on.check_free(bucket, key, upsert=_upsert(request))
    token = _token({"url": f"{bucket}/{key}", "scope": "upload", "upsert": _upsert(request)}, 7200)
    url = f"/object/upload/sign/{bucket}/{urllib.parse.quote(key)}?token={token}"
    return responses.JSONResponse({"url": url, "token": token})


async def upload_by_link(on: Emulator, request: requests.Request) -> responses.Response:
    """PUT by a link."""
    _claims(request, "upload")
    bucket, key = _which(request)
    await on.keep(request, bucket, key, upsert=False)
    return responses.JSONResponse({"Key": f"{bucket}/{key}"})


async def remove(on: Emulator, request: requests.Request) -> responses.Response:
    """DELETE of several; the answer names those that were there."""
    bucket = request.path_params["bucket"]
    on.check_bucket(bucket)
    gone = []
    for key in (await request.json())["prefixes"]:
        found = on.objects.pop((bucket, key), None)
        if found is not None:
            gone.append({"bucket_id": bucket, **found.listed(key)})
            found.path.unlink()
    return responses.JSONResponse(gone)


async def list_v2(on: Emulator, request: requests.Request) -> responses.Response:
    """A page of a listing, in key order."""
    bucket, said = request.path_params["bucket"], await request.json()
    on.check_bucket(bucket)
    after = base64.b64decode(said["cursor"]).decode() if said.get("cursor") else ""
    begins, limit = said.get("prefix", ""), min(said.get("limit", 1000), 1000)
    names = sorted(key for held, key in on.objects if held == bucket)
    wanted = [name for name in names if name.startswith(begins) and name > after]
    page = wanted[:limit]
    answer = {
        "hasNext": len(wanted) > limit,
        "folders": [],
        "objects": [on.objects[bucket, name].listed(name) for name in page],
    }
    if answer["hasNext"]:
        answer["nextCursor"] = base64.b64encode(page[-1].encode()).decode()
    return responses.JSONResponse(answer)


def _serve(
    on: Emulator, request: requests.Request, found: Stored, headers: dict[str, str]
) -> responses.Response:
    size = found.size
    said = {
        "content-type": found.media_type,
        "cache-control": found.cache,
        "etag": found.etag,
        "content-length": str(size),
        **headers,
    }
    if request.method == "HEAD":
        return responses.Response(headers=said)
    return responses.StreamingResponse(_bytes(found, on.faults.cut), headers=said)


async def _bytes(found: Stored, cut: int | None) -> AsyncIterator[bytes]:
    seen = 0
    with found.path.open("rb") as file:
        while chunk := file.read(1 << 18):
            if cut is not None and seen + len(chunk) > cut:
                raise ConnectionAbortedError
            seen += len(chunk)
            yield chunk


def _tus(status: int, body: str = "", **headers: str) -> responses.Response:
    said = {name.replace("_", "-"): value for name, value in headers.items()}
    return responses.PlainTextResponse(body, status, headers={"Tus-Resumable": "1.0.0", **said})


async def begin(on: Emulator, request: requests.Request) -> responses.Response:
    """TUS: a new upload."""
    said = dict(each.split(" ") for each in request.headers["upload-metadata"].split(","))
    told = {name: base64.b64decode(value).decode() for name, value in said.items()}
    bucket, key = told["bucketName"], told["objectName"]
    try:
        on.check_free(bucket, key, upsert=_upsert(request))
    except Refused as refused:
        return _tus(refused.status, str(refused))
    path = on.file()
    path.touch()
    name = base64.urlsafe_b64encode(f"{bucket}/{key}/{uuid.uuid4()}".encode()).decode().rstrip("=")
    on.uploads[name] = Upload(bucket, key, int(request.headers["upload-length"]), path)
    # Behind its gateway the vendor names itself without the gateway's prefix.
    return _tus(201, Location=f"http://storage.internal/upload/resumable/{name}")


async def place(on: Emulator, request: requests.Request) -> responses.Response:
    """TUS: how far it is."""
    upload = on.uploads.get(request.path_params["id"])
    if upload is None:
        return _tus(404)
    offset = str(upload.path.stat().st_size)
    return _tus(200, Upload_Offset=offset, Upload_Length=str(upload.length))


async def piece(on: Emulator, request: requests.Request) -> responses.Response:
    """TUS: the next bytes; with the last of them the object is there."""
    upload = on.uploads.get(request.path_params["id"])
    if upload is None:
        return _tus(404, "The file for this url was not found")
    if int(request.headers["upload-offset"]) != upload.path.stat().st_size:
        return _tus(409, "Upload-Offset conflict")
    body = await request.body()
    half, on.faults.half = on.faults.half, False
    with upload.path.open("ab") as file:
        file.write(body[: len(body) // 2] if half else body)
    if half:
        return _tus(500, "Something went wrong with that request")
    offset = upload.path.stat().st_size
    if offset == upload.length:
        try:
            on.check_free(upload.bucket, upload.key, upsert=_upsert(request))
        except Refused as refused:
            return _tus(refused.status, str(refused))
        cache = "max-age=31536000"
        stored = Stored(upload.path, "application/octet-stream", cache)
        on.objects[upload.bucket, upload.key] = stored
        del on.uploads[request.path_params["id"]]
    return _tus(204, Upload_Offset=str(offset))


async def give_up(on: Emulator, request: requests.Request) -> responses.Response:
    """TUS: the upload is not wanted any more."""
    upload = on.uploads.pop(request.path_params["id"], None)
    if upload is None:
        return _tus(404)
    upload.path.unlink()
    return _tus(204)


if __name__ == "__main__":
    with running(pathlib.Path(sys.argv[1])) as _served:
        sys.stdout.write(f"{_served.url}\n")
        sys.stdout.flush()
        sys.stdin.read()
