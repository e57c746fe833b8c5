"""Declare, plan, apply, know: what a person does all day, on one small repository."""

import hashlib
import pathlib
from collections.abc import Iterator

import cli_schemas
import cli_tree
import cli_wbx
import pytest


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[cli_wbx.Workbench]:
    """A workbench that was brought up once; each test adds files of its own and takes them away."""
    with cli_wbx.workbench(tmp_path_factory.mktemp("changes")) as made:
        made.ok("up", "--once")
        yield made


def test_up_once_shows_everything_ready(bench: cli_wbx.Workbench) -> None:
    """The tree: kind, name, Ready, reason, run, cost. Again it changes nothing."""
    tree = bench.ok("up", "--once")

    lines = {
        line.split("/")[1].split()[0]: line.split() for line in tree.splitlines() if "/" in line
    }
    shipped = {"vercel", "supabase", "python", "lab", "hello", "prices"}
    assert shipped <= set(lines)
    assert all("True" in lines[name] for name in shipped)
    assert "Succeeded" in lines["hello"]
    assert bench.run("plan").returncode == 0


def test_an_edit_is_planned_as_exactly_that_field(bench: cli_wbx.Workbench) -> None:
    """`plan` exits 2 and names the field; `apply` does it; then the plan is empty and exits 0."""
    cli_tree.write(bench.root, "edited", cli_tree.dataset("edited", "1"))
    bench.ok("apply")
    cli_tree.write(bench.root, "edited", cli_tree.dataset("edited", "2"))

    plan = bench.json("plan", "--format", "json", code=2)

    cli_schemas.check("plan", plan)
    (step,) = plan["steps"]
    assert (step["action"], step["subject"]["name"]) == ("update", "edited")
    assert step["fields"] == [{"path": "spec.version", "before": "1", "after": "2"}]
    shown = bench.run("plan")
    assert shown.returncode == 2
    assert "spec.version" in shown.stdout
    assert "edited" in bench.run("plan", "--format", "markdown").stdout
    bench.ok("apply")
    assert bench.json("plan", "--json")["steps"] == []
    assert bench.json("get", "Dataset/edited", "-o", "json")["spec"]["version"] == "2"


def test_a_deleted_file_is_planned_and_applied(bench: cli_wbx.Workbench) -> None:
    """The plan says what will be destroyed; after `apply` it is not recorded any more."""
    cli_tree.write(bench.root, "gone", cli_tree.dataset("gone"))
    bench.ok("apply")
    cli_tree.remove(bench.root, "gone")

    (step,) = bench.json("plan", "--json", code=2)["steps"]
    assert (step["action"], step["destructive"]) == ("delete", True)
    bench.ok("apply")

    missing = bench.run("get", "Dataset/gone")
    assert missing.returncode == 1
    assert missing.stderr.startswith("wbx: error: there is no Dataset/gone\n")


def test_a_part_of_the_tree_deletes_only_what_came_from_it(bench: cli_wbx.Workbench) -> None:
    """Applying one file does not delete what other files declare."""
    cli_tree.write(bench.root, "part", cli_tree.dataset("part"))

    plan = bench.json("plan", "ssot/part.yaml", "--json", code=2)

    assert [(step["action"], step["subject"]["name"]) for step in plan["steps"]] == [
        ("create", "part")
    ]
    bench.ok("apply", "ssot/part.yaml")
    assert bench.run("get", "Dataset/prices").returncode == 0


def test_a_bad_file_stops_only_what_it_declares(bench: cli_wbx.Workbench) -> None:
    """`apply` exits 1 and says why; the rest is applied; what the file declared before stays in force."""
    cli_tree.write(bench.root, "fragile", cli_tree.dataset("fragile"))
    bench.ok("apply")
    cli_tree.write(bench.root, "fragile", cli_tree.dataset("fragile").replace("uri:", "url:"))
    cli_tree.write(bench.root, "sound", cli_tree.dataset("sound"))

    try:
        assert bench.run("plan").returncode == 1
        done = bench.run("apply")
        assert done.returncode == 1
        assert "ssot/fragile.yaml:6:3: Dataset/fragile: spec.url" in done.stderr
        assert bench.run("get", "Dataset/sound").returncode == 0
        assert "last good version stays in force" in bench.ok("why", "Dataset/fragile")
    finally:
        cli_tree.write(bench.root, "fragile", cli_tree.dataset("fragile"))
    bench.ok("apply")


def test_get_prints_the_whole_resource(bench: cli_wbx.Workbench) -> None:
    """As a Kubernetes object, by any form of its name; a list keeps to its schema, too."""
    resource = bench.json("get", "rj", "hello", "-n", "lab", "-o", "json")

    cli_schemas.check("resource", resource)
    assert resource["status"]["conditions"][0]["status"] == "True"
    assert resource["status"]["source"]["path"] == "ssot/hello.yaml"
    assert "kind: RunnerJob" in bench.ok("get", "RunnerJob/hello", "-o", "yaml")
    listed = bench.json("get", "runnerjobs", "--json")
    cli_schemas.check("get", listed)
    assert "hello" in [item["name"] for item in listed["items"]]


def test_why_is_one_sentence(bench: cli_wbx.Workbench) -> None:
    """From recorded facts; of what there is not, an error with the nearest name."""
    sentence = bench.ok("why", "RunnerJob/hello")

    assert sentence.startswith("RunnerJob/hello is Ready (Succeeded): ")
    assert sentence.count("\n") == 1
    cli_schemas.check("why", bench.json("why", "rj/hello", "--json"))
    missing = bench.run("why", "RunnerJob/helo")
    assert missing.returncode == 1
    assert "did you mean RunnerJob/hello?" in missing.stderr


def test_diff_tells_declared_from_recorded(bench: cli_wbx.Workbench) -> None:
    """Nothing differs after `apply`: exit 0; its JSON keeps to its schema."""
    bench.ok("diff", "RunnerJob/hello")

    cli_schemas.check("diff", bench.json("diff", "RunnerJob/hello", "--json"))


def test_a_run_tells_its_whole_story(bench: cli_wbx.Workbench) -> None:
    """Events, artifacts, output, by the start of its id; a wrong id is an error."""
    listed = bench.json("runs", "RunnerJob/hello", "--json")
    cli_schemas.check("runs", listed)
    run_id = next(item["run_id"] for item in listed["items"] if item["operation"] == "execute")

    run = bench.json("runs", run_id[:18], "--json")

    cli_schemas.check("run", run)
    assert (run["state"], run["exit_code"]) == ("succeeded", 0)
    assert [event["seq"] for event in run["events"]] == list(range(1, len(run["events"]) + 1))
    assert run["events"][0]["type"] == "RunQueued"
    assert {"greeting", "log"} == {item["name"] for item in run["artifacts"]}
    assert bench.ok("logs", run_id) == "hello from lab\n"
    assert run_id[:18] in bench.ok("runs")
    assert "RunSucceeded" in bench.ok("runs", run_id)
    assert bench.run("runs", "ffff").returncode == 1
    assert bench.run("logs", "RunnerJob/nothing").returncode == 1


def test_an_artifact_is_fetched_with_its_sha256_checked(
    bench: cli_wbx.Workbench, tmp_path: pathlib.Path
) -> None:
    """By name, id or sha256; damaged bytes are refused and leave no file."""
    listed = bench.json("artifact", "ls", "RunnerJob/hello", "--json")
    cli_schemas.check("artifacts", listed)
    found = next(item for item in listed["items"] if item["name"] == "greeting")
    target = tmp_path / "greeting.txt"

    bench.ok("artifact", "get", "RunnerJob/hello/greeting", "-o", str(target))

    assert target.read_text() == "hello\n"
    assert hashlib.sha256(target.read_bytes()).hexdigest() == found["sha256"]
    assert bench.ok("artifact", "get", found["id"]) == "hello\n"
    assert bench.ok("artifact", "get", found["sha256"][:12]) == "hello\n"
    cli_schemas.check("artifact-verify", bench.json("artifact", "verify", "--json"))


def test_a_link_to_an_artifact(bench: cli_wbx.Workbench) -> None:
    """Printed with its end; `--json` also tells the sha256 to check against. A wrong duration is an error."""
    digest = hashlib.sha256(b"hello\n").hexdigest()
    assert f"/blobs/{digest}?expires=" in bench.ok("artifact", "url", "RunnerJob/hello/greeting")
    link = bench.json("artifact", "url", digest[:12], "--expires", "2h", "--json")
    cli_schemas.check("artifact-url", link)
    assert (link["sha256"], link["bytes"]) == (digest, 6)
    assert bench.run("artifact", "url", digest, "--expires", "soon").returncode == 1
    assert bench.run("artifact", "url", digest, "--expires", "30d").returncode == 1
    assert bench.run("artifact", "url", "f" * 64).returncode == 1


def test_removed_bytes_are_told(bench: cli_wbx.Workbench) -> None:
    """What retention removed is no damage; reading it says since when, and how to have it again."""
    change = "update ops.artifacts set removed_at = {} where name = 'greeting'"
    bench.ok("db", "psql", "-c", change.format("now()"))
    for verb in ("get", "url"):
        done = bench.run("artifact", verb, "RunnerJob/hello/greeting")
        assert done.returncode == 1
        assert "removed at" in done.stderr
        assert "wbx reproduce" in done.stderr
    assert "removed by retention" in bench.ok("artifact", "verify")
    assert "removed" in bench.ok("db", "verify")
    bench.ok("db", "psql", "-c", change.format("null"))


def test_damaged_bytes_are_refused(bench: cli_wbx.Workbench, tmp_path: pathlib.Path) -> None:
    """`verify` finds them, `get` leaves no file behind."""
    hurt = cli_tree.HELLO.replace('"hello\\n"', '"precious\\n"')
    (bench.root / "code" / "precious.py").write_text(hurt)
    text = cli_tree.job("precious", "[python, precious.py]", more=cli_tree.GREETING)
    cli_tree.write(bench.root, "precious", text)
    bench.ok("apply")
    digest = hashlib.sha256(b"precious\n").hexdigest()
    (blob,) = bench.home.rglob(f"*{digest[2:]}")
    blob.chmod(0o600)
    blob.write_bytes(b"tampered\n")

    target = tmp_path / "greeting.txt"
    done = bench.run("artifact", "get", "RunnerJob/precious/greeting", "-o", str(target))
    verified = bench.run("artifact", "verify", "RunnerJob/precious/greeting")

    assert done.returncode == 1
    assert not list(tmp_path.iterdir())
    assert verified.returncode == 1
    assert "DigestMismatch" in verified.stdout
    blob.write_bytes(b"precious\n")
    bench.ok("artifact", "verify")


def test_a_run_is_reproduced(bench: cli_wbx.Workbench) -> None:
    """The same order again, the same bytes: exit 0. A command that makes others each time: exit 1."""
    (bench.root / "code" / "dice.py").write_text(
        cli_tree.HELLO.replace('"hello\\n"', "os.urandom(8).hex()")
    )
    text = cli_tree.job("dice", "[python, dice.py]", more=cli_tree.GREETING)
    cli_tree.write(bench.root, "dice", text)
    bench.ok("apply")
    same, dice = (
        bench.json("runs", f"RunnerJob/{name}", "--json")["items"][0]["run_id"]
        for name in ("hello", "dice")
    )

    good = bench.json("reproduce", same, "--json")
    bad = bench.json("reproduce", dice, "--json", code=1)
    latest = bench.json("reproduce", "RunnerJob/hello", "--json")
    assert latest["run_id"] == good["again"]

    cli_schemas.check("reproduce", good)
    verdicts = {item["name"]: item["verdict"] for item in good["outputs"]}
    assert (verdicts["greeting"], good["reproduced"]) == ("match", True)
    assert {item["name"]: item["verdict"] for item in bad["outputs"]}["greeting"] == "differs"


def test_the_database_is_open_to_any_client(bench: cli_wbx.Workbench) -> None:
    """`db url` and the wheel's psql; the chains of all events are intact; nothing is pending."""
    assert bench.ok("db", "url").startswith("postgresql://wbx_engine@")
    counted = bench.ok(
        *("db", "psql", "-Atc", "select state, exit_code from runs where name = 'hello'")
    )
    assert "succeeded|0" in counted
    status = bench.json("db", "status", "--json")
    cli_schemas.check("db-status", status)
    assert (status["running"], status["pending"]) == (True, [])
    assert bench.ok("db", "migrate") == ""


def test_the_past_is_anchored_and_verified(bench: cli_wbx.Workbench) -> None:
    """Not yet anchored at first, intact after; by run too. What the owner changes then is told, with exit 1."""
    verified = bench.json("db", "verify", "--json")
    cli_schemas.check("db-verify", verified)
    assert "unanchored" in {item["verdict"] for item in verified["items"]}
    assert {item["verdict"] for item in verified["artifacts"]} == {"intact"}

    made = bench.json("db", "anchor", "--json")
    cli_schemas.check("db-anchor", made)
    assert made["anchor"]["runs"] > 0
    assert "nothing to anchor" in bench.ok("db", "anchor")
    assert "0 intact, not yet anchored" in bench.ok("db", "verify")
    run = bench.json("runs", "RunnerJob/hello", "--json")["items"][0]
    assert "intact and anchored" in bench.ok("db", "verify", run["run_id"][:20])

    owner = ("db", "psql", "--role", "wbx_migrate", "-c")
    off = "alter table ops.run_events disable trigger user; update ops.run_events set actor = 'mallory'"
    where = f"where seq = 1 and run_id::text = '{run['run_id']}'"
    bench.ok(*owner, f"{off} {where}")
    told = bench.run("db", "verify")
    assert (told.returncode, f"{run['run_id']} broken at event 1" in told.stdout) == (1, True)
    bench.ok(*owner, f"{off.replace('mallory', 'engine')} {where}")
    bench.ok(*owner, "alter table ops.run_events enable trigger user")
    bench.ok("db", "verify")
    assert bench.run("db", "verify", "0" * 8 + run["run_id"][8:]).returncode == 1


def test_suspend_and_resume(bench: cli_wbx.Workbench) -> None:
    """Who suspended it is told; while suspended a new version is not run; resumed, it is."""
    cli_tree.write(bench.root, "paused", cli_tree.job("paused", "[python, hello.py]"))
    bench.ok("apply")
    assert "suspended by" in bench.ok("suspend", "RunnerJob/paused")
    before = len(bench.json("runs", "RunnerJob/paused", "--json")["items"])

    text = cli_tree.job("paused", "[python, hello.py, again]")
    cli_tree.write(bench.root, "paused", text)
    bench.run("apply")
    assert len(bench.json("runs", "RunnerJob/paused", "--json")["items"]) == before
    cli_schemas.check("why", bench.json("resume", "RunnerJob/paused", "--json"))
    cli_schemas.check("get", bench.json("apply", "--json"))

    assert len(bench.json("runs", "RunnerJob/paused", "--json")["items"]) == before + 1


def test_apply_is_for_the_embedded_database_only(bench: cli_wbx.Workbench) -> None:
    """With WBX_API_URL the ways are kubectl and git, and both are named."""
    done = cli_wbx.wbx(
        "apply", folder=bench.root, extra={**bench.extra, "WBX_API_URL": "https://wbx.example.org"}
    )

    assert done.returncode == 1
    assert "kubectl apply" in done.stderr
    assert "git" in done.stderr
