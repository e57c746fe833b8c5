"""`wbx up URL`: a repository instead of a folder, followed from commit to commit, and a folder again."""

import pathlib
from collections.abc import Iterator

import cli_schemas
import cli_wbx
import git_lab
import pytest
import store_server


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[cli_wbx.Workbench]:
    """An empty folder with a home; nothing of it runs on afterwards."""
    folder = tmp_path_factory.mktemp("followed")
    store_server.reachable(folder)
    (folder / "here").mkdir()
    made = cli_wbx.Workbench(folder / "here", folder / "home")
    yield made
    assert made.run("up", "--stop").returncode == 0


def test_a_repository_is_followed(bench: cli_wbx.Workbench, tmp_path: pathlib.Path) -> None:
    """Each push is brought in force, at once where somebody asks; a refused file stops itself alone.

    Every resource knows its place. A folder takes over only when it is named.
    """
    repository = git_lab.Repository(tmp_path / "served")
    repository.commit({"ssot/lab.yaml": git_lab.project(), "ssot/a.yaml": git_lab.dataset("a")})
    url = f"file://{repository.bare}"
    assert bench.run("up", f"{url}x", "--once").returncode == 1
    done = bench.run("up", str(repository.bare), "--path", "ssot", "--once")
    assert done.returncode == 0, done.stderr
    assert "2 documents" in done.stderr
    assert bench.run("plan").returncode == 0

    with bench.start("up") as serving:
        assert serving.stdout is not None
        assert url in serving.stdout.readline()
        tip = repository.commit({"ssot/b.yaml": git_lab.dataset("b")})
        assert tip[:12] in bench.ok("sync")
        bench.until(lambda: bench.run("get", "Dataset/b").returncode == 0, "b", seconds=120)
        repository.commit({"ssot/a.yaml": "kind: [", "ssot/b.yaml": None})
        refused = bench.run("sync")
        assert (refused.returncode, "ssot/a.yaml:1" in refused.stdout) == (1, True)
        bench.until(lambda: bench.run("get", "Dataset/b").returncode == 1, "b gone", seconds=120)
        serving.terminate()
        assert "ssot/a.yaml:1" in cli_wbx.ended(serving, seconds=120)

    listed = bench.json("get", "datasets", "--json")
    cli_schemas.check("get", listed)
    (row,) = listed["items"]
    assert (row["source_repo"], row["source_path"], row["source_line"]) == (url, "ssot/a.yaml", 2)
    assert f"ssot/a.yaml:2 of {url}" in bench.ok("why", "Dataset/a")
    (bench.root / "ssot").mkdir()
    (bench.root / "ssot" / "c.yaml").write_text(git_lab.project() + git_lab.dataset("c"))
    taken = bench.run("apply")
    assert (taken.returncode, "this installation follows" in taken.stderr) == (1, True)
    bench.ok("apply", "ssot")
    rows = bench.json("get", "datasets", "--json")["items"]
    assert [(each["name"], each["source_repo"]) for each in rows] == [("c", None)]
    assert bench.run("sync").returncode == 1
