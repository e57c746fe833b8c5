"""What the operator's process keeps, and what it does not."""

import asyncio
import hashlib
import json
import subprocess
import sys
from typing import Any

from kopf._core.reactor import inventory

from workbenchx.operator import memory, plumbing, source

_SET_UP = """
import gc, json
from asyncio import sslproto
from workbenchx.operator import memory
memory.prepare()
print(json.dumps([sslproto.SSLProtocol.max_size, gc.get_threshold(), gc.get_freeze_count() > 0]))
"""


def test_the_process_is_set_up_once() -> None:
    """Small buffers for connections, garbage collected often, what was imported not looked at again."""
    done = subprocess.run(
        [sys.executable, "-c", _SET_UP], capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout)
    assert found == [memory.TLS_BYTES, [memory.COLLECT_EVERY, 10, 10], True]


def test_kopf_remembers_no_object() -> None:
    """Each event of kopf finds an empty memory, as the first one does."""
    kept = plumbing.Forgetful()
    body: Any = {"metadata": {"uid": "u1"}}

    async def twice() -> list[inventory.ResourceMemory]:
        return [await kept.recall(body, noticed_by_listing=True) for _ in range(2)]

    first, second = asyncio.run(twice())
    assert first is not second
    assert list(kept.iter_all_memories()) == []


def test_bodies_lose_what_weighs_the_most() -> None:
    """Who wrote which field goes, and of a long annotation all but its digest; what decisions look at stays."""
    kubectl = "kubectl.kubernetes.io/last-applied-configuration"
    metadata = {"name": "p", "uid": "u", "generation": 1, "finalizers": ["f"]}
    heavy = {"managedFields": [{"manager": "m"}], "annotations": {"a": "x" * 9999, kubectl: "{}"}}
    body = {"kind": "Project", "metadata": metadata | heavy, "spec": {}, "status": {}}
    light = metadata | {"annotations": {"a": f"sha256:{hashlib.sha256(b'x' * 9999).hexdigest()}"}}
    assert source.lighten(body) == {**body, "metadata": light}
