"""`wbx validate` as a user meets it: every error with its place, an exit code, never a traceback."""

import json
import pathlib

import cli_schemas
import cli_tree
import cli_wbx
import pytest


@pytest.fixture
def repository(tmp_path: pathlib.Path) -> pathlib.Path:
    """A small valid repository."""
    return cli_tree.make(tmp_path)


def test_a_valid_tree_is_valid(repository: pathlib.Path) -> None:
    """Exit 0, nothing on stdout, a count on stderr."""
    done = cli_wbx.wbx("validate", folder=repository)

    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "6 documents in 3 files: valid\n"


def test_the_sample_is_valid(root: pathlib.Path) -> None:
    """What we ship is what we would accept, also from another folder."""
    done = cli_wbx.wbx("validate", str(root / "ssot"), folder=pathlib.Path("/"))

    assert (done.returncode, done.stdout) == (0, "")


def test_every_error_has_its_place_and_the_way_out(repository: pathlib.Path) -> None:
    """All errors of all files at once, in order, as file:line:col: Kind/name: field: problem (what would be right)."""
    bad = cli_tree.job("bad", "[a]", more="tiemout: 5m\nretries: many\n")
    cli_tree.write(repository, "bad", bad)
    cli_tree.write(repository, "worse", cli_tree.job("worse", "[a]").replace("python", "pyhton"))

    done = cli_wbx.wbx("validate", folder=repository)

    lines = done.stdout.splitlines()
    assert done.returncode == 1
    assert any(
        line.startswith("ssot/bad.yaml:9:3: RunnerJob/bad: spec.tiemout: ") and '"timeout"' in line
        for line in lines
    )
    assert any(
        line.startswith("ssot/bad.yaml:10:12: RunnerJob/bad: spec.retries: ") for line in lines
    )
    assert any(
        line.startswith("ssot/worse.yaml:6:12: RunnerJob/worse: spec.runtime: ") for line in lines
    )
    assert lines == sorted(lines, key=lambda line: line.split(":")[0])


def test_json_says_the_same_by_its_schema(repository: pathlib.Path) -> None:
    """`--json` holds every finding; its schema is published."""
    cli_tree.write(repository, "bad", cli_tree.job("bad", "[a]", more="retries: many\n"))

    done = cli_wbx.wbx("validate", "--json", folder=repository)

    answer = json.loads(done.stdout)
    cli_schemas.check("validate", answer)
    assert (done.returncode, answer["valid"]) == (1, False)
    assert [item["line"] for item in answer["problems"]] == [9]


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join(['*' + before] * 9)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a:\n\t- b\n", "bad.yaml:2:1"),
        (b"\xff\xfe\x00", "bad.yaml"),
        (b"apiVersion: workbenchx.dev/v1alpha1\nkind: App\nkind: App\n", "bad.yaml:3:1"),
        (BOMB.encode(), "bad.yaml"),
        (b"- " * 5000, "bad.yaml"),
        (b"{" * 5000, "bad.yaml"),
        (b"x" * (10 * 1024 * 1024 + 1), "bad.yaml"),
        (
            b"apiVersion: workbenchx.dev/v1alpha1\nkind: Bakery\nmetadata: {name: x}\nspec: {}\n",
            "Bakery",
        ),
        (b"apiVersion: workbenchx.dev/v1alpha1\nkind: Project\nmetadata: 7\n", "bad.yaml"),
        (b"!!python/object/apply:os.system ['true']\n", "bad.yaml"),
    ],
    ids=["tab", "encoding", "twice", "bomb", "deep", "braces", "large", "kind", "metadata", "tag"],
)
def test_bad_input_is_an_error_with_a_place_never_a_traceback(
    repository: pathlib.Path, content: bytes, said: str
) -> None:
    """Exit 1, one line on stdout that names the file, and the other files are still read."""
    (repository / "ssot" / "bad.yaml").write_bytes(content)

    done = cli_wbx.wbx("validate", folder=repository, timeout=30)

    assert done.returncode == 1
    assert said in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert "a bug in" not in done.stderr
    assert "6 documents" in done.stderr


def test_manifests_of_others_are_ignored_with_a_notice(repository: pathlib.Path) -> None:
    """A Deployment beside our files is none of our business."""
    cli_tree.write(
        repository, "k8s", "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\n"
    )

    done = cli_wbx.wbx("validate", folder=repository)

    assert done.returncode == 0
    assert "ssot/k8s.yaml" in done.stdout
    assert "notice" in done.stdout


def test_a_link_out_of_the_tree_is_not_followed(
    repository: pathlib.Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """What lies elsewhere is not declared here."""
    outside = tmp_path_factory.mktemp("outside") / "secret.yaml"
    outside.write_text(cli_tree.dataset("stolen"))
    (repository / "ssot" / "link.yaml").symlink_to(outside)

    done = cli_wbx.wbx("validate", folder=repository)

    assert done.returncode == 1
    assert "ssot/link.yaml" in done.stdout
    assert "stolen" not in done.stdout


def test_a_part_of_the_tree_may_refer_to_the_rest(repository: pathlib.Path) -> None:
    """One file of ssot/ alone is not wrong because its runtime is declared in another."""
    done = cli_wbx.wbx("validate", "-q", "ssot/hello.yaml", folder=repository)

    assert (done.returncode, done.stdout) == (0, "")


def test_a_path_that_is_not_there_is_one_line(repository: pathlib.Path) -> None:
    """With the way out."""
    done = cli_wbx.wbx("validate", "nowhere", folder=repository)

    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        'wbx: error: there is no "nowhere"',
        "  give the folder of declared YAML, or set ssot in wbx.toml",
    ]


def test_a_typo_in_the_settings_is_told_with_its_line(repository: pathlib.Path) -> None:
    """A setting that nothing reads is not ignored."""
    (repository / "wbx.toml").write_text('\nenviroment = "x"\n')

    done = cli_wbx.wbx("validate", folder=repository)

    assert done.returncode == 1
    assert 'wbx.toml:2: unknown key "enviroment" (did you mean "environment"?)' in done.stderr
