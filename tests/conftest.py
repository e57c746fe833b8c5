"""What every test shares: a clean environment, the list of what could not run.

A test that needs a tool calls `tools.need(...)` (tests/support/tools.py). Where the tool is missing the test is
skipped, the end of the run lists it with the way to get it, and in CI (CI=true) it is a failure.
"""

import gc
import os
import pathlib
import sys
from collections.abc import Iterator

import hypothesis
import pytest

ROOT = pathlib.Path(__file__).parent.parent
_ORDER = {name: at for at, name in enumerate(("integration", "acceptance", "contract", "property"))}
_begun: set[pathlib.Path] = set()
hypothesis.settings.register_profile("workbenchx", deadline=None, print_blob=True)
hypothesis.settings.load_profile("workbenchx")

gc.disable()  # thousands of tests are collected and none is let go: each look for garbage among them is in vain
for _name in [name for name in os.environ if name.startswith("WBX_")]:
    del os.environ[_name]


@pytest.fixture
def root() -> pathlib.Path:
    """The checkout."""
    return ROOT


def pytest_xdist_auto_num_workers() -> int:
    """Half as many again as there are cores: most tests wait for programs more than they compute."""
    return max(2, len(os.sched_getaffinity(0)) * 3 // 2)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that need a cluster come first, then folders whose files take longest: no long file is left for the end."""
    items.sort(
        key=lambda item: (not _clustered(item), _ORDER.get(item.path.parent.name, len(_ORDER)))
    )


def pytest_collection_finish() -> None:
    """What was collected stays to the end, and is not looked through again."""
    gc.freeze()
    gc.enable()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """A file that needs no cluster has none beside it: an idle one takes a part of a core."""
    nodes = sys.modules.get("cluster_node")
    if nodes and item.path not in _begun and not _clustered(item):
        nodes.let_go()
    _begun.add(item.path)


def _clustered(item: pytest.Item) -> bool:
    """Whether the file of a test has the fixture `cluster`."""
    return hasattr(getattr(item, "module", None), "cluster")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Iterator[None]:
    """In CI, a test that was skipped has failed."""
    report: pytest.TestReport = yield  # type: ignore[assignment] # pluggy's wrapper protocol
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("CI") == "true":
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI does not allow: {_reason(report)}"
    return report  # type: ignore[return-value] # the same


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List what this machine could not run, and the way to get it."""
    counts: dict[str, int] = {}
    for report in terminalreporter.stats.get("skipped", []):
        if not hasattr(report, "wasxfail"):
            reason = _reason(report)
            counts[reason] = counts.get(reason, 0) + 1
    if counts:
        terminalreporter.section("not run on this machine")
        for reason, count in sorted(counts.items()):
            terminalreporter.line(f"{count:4d} × {reason}")


def _reason(report: pytest.TestReport) -> str:
    """Why a test was skipped, as its author wrote it."""
    found = report.longrepr
    return str(found[2] if isinstance(found, tuple) else found).removeprefix("Skipped: ")
