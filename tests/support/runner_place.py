"""A desk, an account and adapters of `do_runner` of either shape, with hands that act as the runners of its machines."""

import asyncio
import contextlib
import dataclasses
import datetime
import json
import pathlib
from collections.abc import AsyncIterator
from typing import Any

import droplet_emulator
import machine_shapes
import microvm_emulator
import providers_sandbox
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from workbenchx import errors, ports
from workbenchx.providers.sandbox.do_runner import adapter, fleet, settings
from workbenchx.providers.sandbox.do_runner.agent import proving
from workbenchx.providers.storage import local as local_storage
from workbenchx.store import callers, postgres, runners

INSTALLATION, NAME = machine_shapes.INSTALLATION, machine_shapes.NAME
IMAGE = "registry.example.org/python@sha256:" + "1" * 64


def certificate() -> str:
    """Of a machine that nobody has the key of."""
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "wbx")])
    now = datetime.datetime.now(datetime.UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name)
    made = made.public_key(key.public_key()).serial_number(1)
    made = made.not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
    return made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


CERTIFICATE = certificate()


@dataclasses.dataclass
class Place:
    """An account, a desk, adapters, and hands that act as runners."""

    vendor: microvm_emulator.Emulator
    store: postgres.Postgres
    source: callers.Callers
    storage: ports.StorageProvider
    made: list[adapter.DropletSandbox]
    shape: str

    def sandbox(self, **more: Any) -> adapter.DropletSandbox:
        """An adapter, as one process of ours has it."""
        document = {
            **machine_shapes.SHAPES[self.shape].settings,
            "endpoint": self.vendor.url,
            "apiUrl": "https://wbx.example.org",
            "listLag": 0.0,
            "patience": 120.0,
            **more,
        }
        chosen = settings.read(document, [{"unit": "instance-hour", "usd": 0.5}])
        api = fleet.Fleet(chosen, INSTALLATION, lambda: droplet_emulator.TOKEN)
        made = adapter.DropletSandbox(
            self.store, api, self.storage, chosen, credential=lambda name: name
        )
        self.made.append(made)
        return made

    @property
    def machines(self) -> dict[Any, Any]:
        """Those of its shape at the vendor, by id."""
        return machine_shapes.SHAPES[self.shape].machines(self.vendor)

    @property
    def asked(self) -> int:
        """How often the vendor was asked for one."""
        return self.vendor.asked.count(machine_shapes.SHAPES[self.shape].asked)

    def one(self) -> Any:
        """The only one of that name, of either shape."""
        found: list[Any] = [*self.vendor.named(NAME), *self.vendor.of_name(NAME)]
        (one,) = found
        return one

    def hand(self, droplet: droplet_emulator.Droplet) -> runners.Called:
        """The runner of a droplet, by the token in its user data."""
        told = droplet.body["user_data"]
        return self._called(told[told.index("{") : told.index("}") + 1], f"boot-{droplet.id}")

    def guest(self, microvm: microvm_emulator.Microvm) -> runners.Called:
        """The runner of a microVM, by the token in its environment."""
        return self._called(microvm.body["environment"]["WBX_RUNNER"], f"boot-{microvm.id}")

    def _called(self, config: str, boot: str) -> runners.Called:
        return runners.Called(self.source, json.loads(config)["token"], boot)

    def hands(self) -> list[runners.Called]:
        """The runners of every machine of that name."""
        droplets = [self.hand(each) for each in self.vendor.named(NAME)]
        return droplets + [self.guest(each) for each in self.vendor.of_name(NAME)]

    async def stage(self) -> runners.Called:
        """Wait for a machine whose token counts; it says that its files are in place."""
        found: list[runners.Called] = []

        async def claimed() -> bool:
            for hand in self.hands():
                with contextlib.suppress(errors.Stalled):
                    await hand.claim(CERTIFICATE)
                    await hand.heartbeat("staged")
                    found.append(hand)
                    return True
            return False

        await providers_sandbox.until(claimed, seconds=120)
        return found[0]

    async def begin(
        self, sandbox: adapter.DropletSandbox, spec: ports.SandboxSpec | None = None
    ) -> runners.Called:
        """A sandbox whose command was started; its runner."""
        making = asyncio.create_task(sandbox.create(spec or order()))
        hand = await self.stage()
        assert (await making).state == "created"
        assert (await sandbox.start(NAME, {"SECRET": "hush"})).state == "running"
        await hand.heartbeat("running")
        return hand


def order(**more: Any) -> ports.SandboxSpec:
    """One command."""
    values = {"command": ("true",), "outputs": ("out.csv",), **more}
    return ports.SandboxSpec(NAME, {"run": "r"}, "execution", IMAGE, **values)


async def output(sandbox: adapter.DropletSandbox) -> bytes:
    """All that the command printed."""
    return b"".join([data async for data in sandbox.follow_log(NAME)])


def proof(which: str, challenge: str, data: bytes, digest: str) -> str:
    """What a runner says to prove that it has the bytes: `guessed`, `of the digest` alone, or true."""
    made = proving.Proof("00" * 32 if which == "guessed" else challenge)
    made.add(bytes.fromhex(digest) if which == "of the digest" else data)
    return made.told()


@contextlib.asynccontextmanager
async def serving(
    store: postgres.Postgres, source: callers.Callers, folder: pathlib.Path, shape: str
) -> AsyncIterator[Place]:
    """Nothing yet, until the end of the block."""
    vendor = microvm_emulator.Emulator()
    vendor.start()
    made = Place(
        vendor, store, source, local_storage.LocalStorage(folder / "storage"), [], shape=shape
    )
    try:
        yield made
    finally:
        for each in made.made:
            await each.aclose()
        await source.close()
        vendor.stop()
