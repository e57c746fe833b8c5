"""A real registry with token authentication, and a repository "team/python" of images for several machines."""

import json
import pathlib

import oci_images
import registry_server
import registry_tokens


class Guarded:
    """One that serves."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.tokens = registry_tokens.TokenServer(folder)
        self.server = registry_server.Registry(self.tokens.auth)
        self.image = f"{self.server.address}/team/python"

    def push(self, tag: str, *contents: str) -> tuple[str, str]:
        """Store an index of images under a tag: the digests of the index and of its first image."""
        token = self.tokens.token("team/python", "pull", "push")
        headers = {"Authorization": f"Bearer {token}"}
        made = [oci_images.make({"bin/sh": text.encode()}) for text in contents]
        base = f"http://{self.server.address}"
        for image in made:
            oci_images.push(base, "team/python", image, headers=headers)
        entries = [
            {
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "digest": image.digest,
                "size": len(image.manifest),
                "platform": {"os": "linux", "architecture": name},
            }
            for image, name in zip(made, ("amd64", "arm64"), strict=False)
        ]
        index = {"schemaVersion": 2, "mediaType": registry_server.INDEX, "manifests": entries}
        body = json.dumps(index).encode()
        named = self.server.push_index("team/python", body, tag=tag, headers=headers)
        return named.partition("@")[2], made[0].digest

    def close(self) -> None:
        """End both."""
        self.server.close()
        self.tokens.close()
