"""pydantic-ai's published suite of workspaces, on sessions of our adapters (decision 167)."""

import asyncio
import contextlib
import inspect
import itertools
import os
import pathlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import providers_sandbox as support
import pytest
import workspace_backend
from cluster_fixtures import cluster
from pydantic_ai import workspaces
from pydantic_ai.workspaces import conformance

__all__ = ["cluster"]
SHARED = "wbx-test-1"
LONG = f"sleep {os.getpid() + 7_000_000}"
ADAPTERS = ("kubernetes", "local-isolated", "vercel_sandbox")
RULES = sorted(name for name in vars(conformance.WorkspaceBackendSuite) if name.startswith("test_"))
AS_ROOT = "test_permission_denied_uses_builtin_error"
"""Asks for a user whom the kernel refuses something: the emulator's programs run as the tests do, which may be root."""
CASES = [
    (adapter, rule)
    for adapter in ADAPTERS
    for rule in RULES
    if (adapter, rule) != ("vercel_sandbox", AS_ROOT)
]
_FACTS = dict.fromkeys(
    (
        "can_detect_exit_with_inherited_output_pipes",
        "enforces_parent_file_errors",
        "filesystem_honors_shell_permissions",
        "has_real_posix_shell",
    ),
    True,
)
_NUMBERS = itertools.count(2)


@pytest.fixture(scope="module")
def opened(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], support.Bench]]:
    """An adapter, with the session that the rules share. Kept for the whole file: the rules come in any order."""
    kept: dict[str, support.Bench] = {}
    with contextlib.ExitStack() as stack:

        def open_(name: str) -> support.Bench:
            if name not in kept:
                folder = tmp_path_factory.mktemp("workspace")
                made = stack.enter_context(support.FACTORIES[name](request, folder))
                asyncio.run(_begun(made))
                kept[name] = made
            return kept[name]

        yield open_


async def _begun(bench: support.Bench) -> None:
    await bench.begin(bench.spec(SHARED, shape="session"))
    await bench.rest()


@pytest.fixture
def shared(request: pytest.FixtureRequest, opened: Callable[[str], support.Bench]) -> support.Bench:
    """One adapter, with the session that the rules share."""
    return opened(request.param)


@pytest.fixture
async def given(shared: support.Bench) -> AsyncIterator[dict[str, Any]]:
    """What the rules ask for by name; a session that one makes for itself goes with it."""
    name = f"wbx-test-{next(_NUMBERS)}"

    async def make() -> str:
        await shared.begin(shared.spec(name, shape="session"))
        return name

    def fresh() -> workspace_backend.SandboxWorkspace:
        return workspace_backend.SandboxWorkspace(shared.sandbox, make)

    def attach(ref: workspaces.WorkspaceRef) -> workspace_backend.SandboxWorkspace:
        return workspace_backend.SandboxWorkspace(shared.again(), ref=ref)

    async def destroy(backend: workspaces.WorkspaceBackend) -> None:
        assert backend.ref is not None
        await shared.sandbox.delete(backend.ref.id)

    ref = workspaces.WorkspaceRef(provider=shared.sandbox.adapter, id=SHARED)
    yield {
        **_FACTS,
        "backend": workspace_backend.SandboxWorkspace(shared.sandbox, ref=ref),
        "fresh_backend": fresh,
        "destructive_backend": fresh,
        "attach_backend": attach,
        "destroy_environment": destroy,
    }
    await shared.sandbox.delete(name)
    await shared.rest()


@pytest.mark.parametrize(("shared", "rule"), CASES, indirect=["shared"])
async def test_a_rule_of_workspaces(given: dict[str, Any], rule: str) -> None:
    """Each rule holds in a session: also that what a command left in the background outlives that command."""
    suite = conformance.WorkspaceBackendSuite()
    test: Callable[..., Awaitable[None]] = getattr(suite, rule)
    await test(**{each: given[each] for each in inspect.signature(test).parameters})


@pytest.mark.parametrize("shared", ADAPTERS, indirect=True)
async def test_nothing_outlives_its_session(given: dict[str, Any]) -> None:
    """What a command detached from itself runs on for whoever attaches, and ends with the session, at the latest."""
    backend = given["fresh_backend"]()
    await backend.run(["sh", "-c", f"setsid {LONG} & echo begun"])
    assert runs(LONG)
    attached = given["attach_backend"](backend.ref)
    assert (await attached.run(["echo", "there"])).stdout == "there\n"
    assert runs(LONG)
    await given["destroy_environment"](backend)
    assert not runs(LONG)


def runs(command: str) -> bool:
    """Whether a process of that command line runs on this machine, in whatever namespace."""
    for entry in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if entry.read_bytes().replace(b"\0", b" ").strip() == command.encode():
                return True
    return False
