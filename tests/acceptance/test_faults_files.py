"""Files that are wrong: each stops only what it declares, and nothing is deleted because it could not be read."""

import os
import pathlib
import signal
from collections.abc import Callable, Iterator

import cli_tree
import cli_wbx
import pytest

SECRET = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
BAD: dict[str, bytes] = {
    "tab": b"spec:\n\tproject: lab\n",
    "bytes": b"\xff\xfe\xfa\x00\x01",
    "bomb": b"a: &a [x,x,x,x,x,x,x,x,x]\n"
    + b"".join(
        b"%c: &%c [%s]\n" % (at + 1, at + 1, b",".join([b"*%c" % at] * 9)) for at in range(97, 110)
    ),
    "list": b"- a list\n",
}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[cli_wbx.Workbench]:
    """A workbench with one more dataset, Dataset/frail, that each test damages and mends."""
    with cli_wbx.workbench(tmp_path_factory.mktemp("files")) as made:
        cli_tree.write(made.root, "frail", cli_tree.dataset("frail"))
        made.ok("up", "--once")
        yield made


@pytest.fixture
def damage(bench: cli_wbx.Workbench) -> Iterator[Callable[[bytes], pathlib.Path]]:
    """Puts other bytes into the file of Dataset/frail; mends it afterwards."""
    path = bench.root / "ssot" / "frail.yaml"
    good = path.read_bytes()

    def put(data: bytes) -> pathlib.Path:
        path.write_bytes(data)
        return path

    yield put
    path.unlink(missing_ok=True)
    path.write_bytes(good)


def datasets(bench: cli_wbx.Workbench) -> set[str]:
    """What is recorded."""
    return {item["name"] for item in bench.json("get", "datasets", "--json")["items"]}


@pytest.mark.parametrize("name", BAD)
def test_a_file_that_cannot_be_parsed_deletes_nothing(
    bench: cli_wbx.Workbench, damage: Callable[[bytes], pathlib.Path], name: str
) -> None:
    """Exit 1 with file, line and column, also in its row; what it declared before stays; the other files are applied."""
    damage(BAD[name])
    cli_tree.write(bench.root, "new", cli_tree.dataset("new", name))

    done = bench.run("apply")

    assert done.returncode == 1
    assert "ssot/frail.yaml:" in done.stderr
    place = done.stderr.split("ssot/frail.yaml:")[1].split(": ")[0].split(":")
    assert len(place) == 2
    assert all(number.isdigit() for number in place)
    assert "Traceback" not in done.stderr
    assert "frail" in datasets(bench)
    assert bench.json("get", "Dataset/new", "-o", "json")["spec"]["version"] == name
    items = bench.json("get", "datasets", "--json")["items"]
    (row,) = (item for item in items if item["name"] == "frail")
    assert (row["ready"], row["reason"]) == (False, "Invalid")
    assert row["message"].startswith(f"ssot/frail.yaml:{':'.join(place)}: ")
    assert f"ssot/frail.yaml:{':'.join(place)}: " in bench.ok("why", "Dataset/frail")


def test_up_once_isolates_bad_files_too(
    bench: cli_wbx.Workbench, damage: Callable[[bytes], pathlib.Path]
) -> None:
    """As `apply`: exit 1, the rest is done, the last good version stays in force and `why` says so."""
    good = bench.json("get", "Dataset/frail", "-o", "json")["spec"]
    damage(
        cli_tree.dataset("frail", "9").replace("format: csv", "format: 7\n  colour: red").encode()
    )
    cli_tree.write(bench.root, "beside", cli_tree.dataset("beside"))

    done = bench.run("up", "--once")
    planned = bench.run("plan")

    assert (done.returncode, planned.returncode) == (1, 1)
    for line in (
        "ssot/frail.yaml:7:11: Dataset/frail: spec.format",
        "8:3: Dataset/frail: spec.colour",
    ):
        assert line in done.stderr
    assert bench.json("get", "Dataset/frail", "-o", "json")["spec"] == good
    assert "last good version stays in force" in bench.ok("why", "Dataset/frail")
    assert "beside" in datasets(bench)


def test_a_link_out_of_the_tree_is_not_followed(
    bench: cli_wbx.Workbench, tmp_path: pathlib.Path
) -> None:
    """It is an error at its own name; what lies there is not declared."""
    outside = tmp_path / "outside.yaml"
    outside.write_text(cli_tree.dataset("outside"))
    link = bench.root / "ssot" / "link.yaml"
    link.symlink_to(outside)
    try:
        done = bench.run("apply")
    finally:
        link.unlink()

    assert done.returncode == 1
    assert "ssot/link.yaml: is a link that leads out of the tree" in done.stderr
    assert "outside" not in datasets(bench)


def test_manifests_of_others_are_a_notice(bench: cli_wbx.Workbench) -> None:
    """Kubernetes' own kinds may lie beside ours: exit 0, one line each, nothing recorded."""
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: theirs}\ndata: {a: b}\n"
    cli_tree.write(bench.root, "theirs", text)

    done = bench.run("apply")
    cli_tree.remove(bench.root, "theirs")

    assert done.returncode == 0, done.stderr
    assert "ssot/theirs.yaml:1:13: notice: " in done.stderr
    assert bench.run("plan").returncode == 0


def test_an_inline_secret_is_refused_without_being_repeated(bench: cli_wbx.Workbench) -> None:
    """The message names the place, not the value; neither output nor database nor home ever has it."""
    more = f"env:\n  - {{name: GIT_TOKEN, value: {SECRET}}}\n"
    cli_tree.write(bench.root, "leaky", cli_tree.job("leaky", "[python, hello.py]", more=more))

    done = [bench.run("apply"), bench.run("plan"), bench.run("validate")]
    cli_tree.remove(bench.root, "leaky")

    assert [each.returncode for each in done] == [1, 1, 1]
    assert not any(SECRET in each.stdout + each.stderr for each in done)
    assert "leaky" in done[0].stderr
    dumped = bench.ok("db", "psql", "-Atc", "select to_jsonb(d) from ops.declared d")
    assert "frail" in dumped
    assert SECRET not in dumped


def test_a_file_that_goes_bad_and_good_while_up_serves(
    bench: cli_wbx.Workbench, damage: Callable[[bytes], pathlib.Path]
) -> None:
    """The serving `wbx up` says what is wrong, goes on, and takes the mended file up."""
    marks = bench.home / "serving"
    with bench.start("up") as serving:
        bench.until(lambda: list(marks.glob("*")), "wbx up to serve")
        damage(cli_tree.dataset("frail").replace("uri:", "url:").encode())
        why = ("why", "Dataset/frail")
        bench.until(lambda: "last good version" in bench.run(*why).stdout, "the problem")
        damage(b"spec: [\n")
        cli_tree.write(bench.root, "served", cli_tree.dataset("served"))
        bench.until(lambda: "served" in datasets(bench), "what was written after the bad file")
        assert "frail" in datasets(bench)
        damage(cli_tree.dataset("frail", "3").encode())
        get = ("get", "Dataset/frail", "-o", "json")
        bench.until(lambda: bench.json(*get)["spec"]["version"] == "3", "the mended file")
        os.kill(serving.pid, signal.SIGINT)
        output = cli_wbx.ended(serving)

    assert serving.returncode == 130
    assert "ssot/frail.yaml:" in output
    assert "Traceback" not in output
