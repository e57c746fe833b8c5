"""Container images made of a few files, without a builder: the same files give the same digest."""

import dataclasses
import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from typing import Any

import httpx

_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"


@dataclasses.dataclass(frozen=True)
class Image:
    """The manifest, and the blobs that it names by digest."""

    manifest: bytes
    blobs: Mapping[str, bytes]

    @property
    def digest(self) -> str:
        """The digest by which it is pulled."""
        return _digest(self.manifest)


def make(files: Mapping[str, bytes | str], **config: Any) -> Image:
    """An image of one layer. A file of bytes is a program; a text is the target of a link. `config` as in OCI (Entrypoint, …)."""
    tar = _tar(files)
    layer = gzip.compress(tar, compresslevel=1, mtime=0)
    described = {
        "architecture": "amd64",
        "os": "linux",
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": [_digest(tar)]},
    }
    settings = json.dumps(described, sort_keys=True).encode()
    manifest = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST,
        "config": _named(_CONFIG, settings),
        "layers": [_named(_LAYER, layer)],
    }
    blobs = {_digest(blob): blob for blob in (settings, layer)}
    return Image(json.dumps(manifest, sort_keys=True).encode(), blobs)


def push(
    registry: str,
    name: str,
    image: Image,
    *,
    tag: str = "",
    headers: Mapping[str, str] | None = None,
) -> str:
    """Store an image in the registry at a URL, under a tag too if one is given; `name@digest`."""
    with httpx.Client(
        base_url=f"{registry}/v2/{name}", timeout=30, trust_env=False, headers=headers
    ) as client:
        for digest, blob in image.blobs.items():
            place = client.post("/blobs/uploads/").raise_for_status().headers["Location"]
            done = client.put(
                httpx.URL(place).copy_merge_params({"digest": digest}),
                content=blob,
                headers={"Content-Type": "application/octet-stream"},
            )
            done.raise_for_status()
        for reference in {image.digest, tag or image.digest}:
            done = client.put(
                f"/manifests/{reference}",
                content=image.manifest,
                headers={"Content-Type": _MANIFEST},
            )
            done.raise_for_status()
    return f"{name}@{image.digest}"


def _tar(files: Mapping[str, bytes | str]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for path, content in sorted(files.items()):
            entry = tarfile.TarInfo(path)
            entry.mode = 0o755
            if isinstance(content, str):
                entry.type, entry.linkname = tarfile.SYMTYPE, content
                tar.addfile(entry)
            else:
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _named(media_type: str, data: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": _digest(data), "size": len(data)}
