"""A set of files, checked: every rule says where, what, and what would be right."""

import declared_files as files
import pytest

from workbenchx import errors
from workbenchx.api import identity
from workbenchx.declared import validate

TOKEN = "ghp_" + "a1B2" * 9


def said(extra: dict[str, str], **options: object) -> list[str]:
    """What a report says about files that are added to the ground."""
    return files.lines(files.report({**files.GROUND, **extra}, **options))


def one(extra: dict[str, str], **options: object) -> str:
    """The one thing that a report says."""
    (line,) = said(extra, **options)
    return line


def test_every_error_is_told_at_once_in_order_of_place() -> None:
    """A broken file hides neither its other documents nor the other files."""
    bad = (
        files.job("a", "retries: three\ntimout: 5m\n")
        + "---\nx: [\n---\n"
        + files.job("b", "seed: 1\n")
    )
    found = said({"b.yaml": bad, "a.yaml": files.job("c", "timeout: 5 minutes\n")})

    assert [tuple(line.split(": ")[:2]) for line in found] == [
        ("a.yaml:10:12", "RunnerJob/c"),
        ("b.yaml:10:12", "RunnerJob/a"),
        ("b.yaml:11:3", "RunnerJob/a"),
        ("b.yaml:14:1", "a value is missing or a bracket is not closed (add it)"),
        ("b.yaml:24:3", "RunnerJob/b"),
    ]


def test_an_unknown_field_names_its_neighbour() -> None:
    """At its key, with the name that was probably meant."""
    line = one({"a.yaml": files.job(spec="timout: 5m\n")})

    assert (
        line
        == 'a.yaml:10:3: RunnerJob/ingest: spec.timout: is not a field here (did you mean "timeout"?)'
    )


def test_a_missing_field_is_told_where_it_should_stand() -> None:
    """At the mapping that lacks it."""
    text = files.job().replace("  runtime: python\n", "")

    assert one({"a.yaml": text}).startswith(
        "a.yaml:6:1: RunnerJob/ingest: spec.runtime: is missing"
    )


def test_a_boolean_by_accident_says_how_to_write_the_text() -> None:
    """`no` where text belongs is the classic."""
    line = one({"a.yaml": files.job(spec="env:\n  - name: COUNTRY\n    value: no\n")})

    assert line.startswith("a.yaml:12:14: RunnerJob/ingest: spec.env[0].value: must be text")
    assert '`no` is read as false; write that, or "no" in quotes' in line


def test_an_unknown_kind_names_its_neighbour() -> None:
    """At the kind."""
    text = files.job().replace("RunnerJob", "RunerJob")

    assert (
        one({"a.yaml": text})
        == 'a.yaml:2:7: kind: is "RunerJob", which is not a kind (did you mean "RunnerJob"?)'
    )


@pytest.mark.parametrize(
    ("text", "severity", "words"),
    [
        ("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\n", "notice", "is ignored"),
        (
            "apiVersion: v1\nkind: List\nitems: [{apiVersion: v1, kind: Secret}]\n",
            "notice",
            "is ignored",
        ),
        (
            "apiVersion: v1\nkind: List\nitems:\n  - apiVersion: workbenchx.dev/v1alpha1\n    kind: App\n",
            "",
            "divided by ---",
        ),
        ("apiVersion: workbenchx.dev/v1\nkind: App\n", "", "write workbenchx.dev/v1alpha1"),
        ("apiVersion: workbenchX.dev/v1alpha1\nkind: App\n", "", "write workbenchx.dev/v1alpha1"),
        ("kind: App\nmetadata: {name: x}\n", "", 'add "apiVersion: workbenchx.dev/v1alpha1"'),
        ("lr: 0.1\nepochs: 3\n", "notice", "no resource"),
        ("- a\n- b\n", "", "is a list"),
        ("just text\n", "", "is a single value"),
    ],
)
def test_what_is_not_ours_is_ignored_and_mistakes_are_errors(
    text: str, severity: str, words: str
) -> None:
    """Other people's manifests are told as notices; what was meant for us is an error."""
    line = one({"a.yaml": text})

    assert words in line
    assert (severity == "notice") == (": notice: " in line)


def test_a_namespace_is_there_exactly_for_namespaced_kinds() -> None:
    """Both mistakes are told, whatever else is wrong with the document."""
    job = files.job().replace("  namespace: churn\n", "").replace("name: ingest", "name: Ingest")
    runtime = files.runtime("other").replace("name: other", "name: other\n  namespace: x")

    found = said({"a.yaml": job, "b.yaml": runtime})

    assert any(
        "a.yaml:3:1: RunnerJob/Ingest: metadata.namespace: is missing" in line for line in found
    )
    assert any("b.yaml:5:3: Runtime/other: metadata.namespace: is set" in line for line in found)


def test_one_identity_is_declared_once() -> None:
    """Both places are named, and the resource is invalid until one is gone."""
    extra = {"a.yaml": files.job(), "b.yaml": "# later\n" + files.job()}
    found = files.report({**files.GROUND, **extra})

    assert files.lines(found) == [
        "b.yaml:5:9: RunnerJob/ingest: metadata.name: is declared twice: also at a.yaml:1 (keep one, or rename it)"
    ]
    (job,) = [item for item in found.documents if item.kind == "RunnerJob"]
    assert job.problem == "is declared again at b.yaml:2"


def test_the_same_name_in_another_namespace_is_another_resource() -> None:
    """Identity is kind, namespace and name."""
    projects = {"project.yaml": files.project(extra="namespaces: [churn, lab]")}

    assert said({**projects, "a.yaml": files.job(), "b.yaml": files.job(namespace="lab")}) == []


def test_a_reference_that_leads_nowhere_names_its_neighbour() -> None:
    """At the field that refers."""
    text = files.job().replace("runtime: python", "runtime: pyton")

    assert one({"a.yaml": text}) == (
        'a.yaml:8:12: RunnerJob/ingest: spec.runtime: refers to Runtime "pyton", which is not declared '
        '(did you mean "python"?)'
    )


def test_a_target_in_another_namespace_is_pointed_out() -> None:
    """A name resolves in its own namespace only."""
    extra = {
        "project.yaml": files.project(extra="namespaces: [churn, lab]"),
        "a.yaml": files.document("Dataset", "raw", "lab", "project: churn\nuri: repo:raw.csv"),
        "b.yaml": files.job(spec="inputs:\n  - {name: raw, from: Dataset/raw}\n"),
    }

    assert "not declared in namespace churn (it exists in namespace lab)" in one(extra)


def test_names_are_compared_for_the_first_targets_that_are_missing() -> None:
    """All are told; after a hundred different ones the hint is what there is. The same one again is hinted at alike."""
    jobs = [files.job(f"j{n:03}").replace("python", f"pyton{n:03}") for n in range(103)]
    again = files.job("z").replace("python", "pyton000")
    found = said({"a.yaml": "---\n".join([*jobs, again])})

    assert len(found) == 104
    hints = [line.rpartition(" (")[2] for line in found]
    assert set(hints[:100]) == {'did you mean "python"?)'}
    assert set(hints[100:103]) == {"there are: python)"}
    assert hints[103] == hints[0]


def test_what_is_known_besides_counts() -> None:
    """A part of the tree is checked against what is recorded."""
    known = {
        identity.Key("Project", "", "churn"): {"namespaces": ["churn"]},
        identity.Key("Runtime", "", "python"): {},
        identity.Key("RunnerJob", "churn", "first"): {
            "project": "churn",
            "outputs": [{"name": "table"}],
        },
    }
    good = files.job(spec="inputs:\n  - {name: t, from: RunnerJob/first/table}\n")
    bad = files.job("other", "inputs:\n  - {name: t, from: RunnerJob/first/tabel}\n")

    assert files.lines(files.report({"a.yaml": good}, known=known)) == []
    (line,) = files.lines(files.report({"a.yaml": bad}, known=known))
    assert 'did you mean "table"?' in line


def test_notices_after_the_first_hundreds_are_at_their_documents() -> None:
    """All are told; where each field stands is looked up for the first of them."""
    jobs = "---\n".join(files.job(f"j{n:03}") for n in range(120))
    found = files.report({"a.yaml": jobs}, open_world=True)
    columns = [notice.column for notice in found.notices]

    assert sorted(columns) == [1] * 40 + [12] * 200


def test_in_an_open_world_a_missing_target_is_only_told() -> None:
    """More may be declared beside the part that is checked."""
    found = files.report({"a.yaml": files.job()}, open_world=True)

    assert found.valid
    assert len(found.notices) == 2


def test_of_an_open_world_no_more_is_told_than_is_wanted() -> None:
    """The first targets by place; what is an error is told however many there are."""
    jobs = "---\n".join(files.job(f"j{n:03}") for n in range(5))
    one = {"a.yaml": jobs.encode()}
    found = validate.check(one, open_world=True, told=3)

    assert found.valid
    assert len(found.notices) == 3
    assert len(validate.check(one, told=3).problems) == 10


def test_a_target_in_an_unreadable_file_is_only_told() -> None:
    """One broken file does not make errors of everything that refers to it."""
    broken = files.runtime("rust").replace("image:", "\timage:")
    text = files.job().replace("runtime: python", "runtime: rust")
    found = files.report({**files.GROUND, "a.yaml": text, "b.yaml": broken})

    assert [item.path for item in files.errors(found)] == ["b.yaml"]
    assert frozenset({"b.yaml"}) == found.broken


def test_an_output_that_does_not_exist_is_an_error() -> None:
    """Both of an input and of a model's version."""
    extra = {
        "a.yaml": files.job("first", "outputs:\n  - {name: table, path: out.csv}\n"),
        "b.yaml": files.job("second", "inputs:\n  - {name: t, from: RunnerJob/first/tables}\n"),
    }

    line = one(extra)
    assert line.startswith("b.yaml:11:23: RunnerJob/second: spec.inputs[0].from: takes output")
    assert 'did you mean "table"?' in line


def test_cycles_are_printed_as_a_walk() -> None:
    """Once for each cycle, at its first resource."""
    extra = {
        "a.yaml": files.job("a", "lifecycle: {dependsOn: [RunnerJob/b]}\n"),
        "b.yaml": files.job("b", "inputs: [{name: x, from: RunnerJob/c/x}]\n"),
        "c.yaml": files.job(
            "c", "lifecycle: {dependsOn: [RunnerJob/a]}\noutputs: [{name: x, path: x}]\n"
        ),
        "d.yaml": files.job("d", "lifecycle: {dependsOn: [RunnerJob/a]}\n"),
    }

    assert one(extra).startswith(
        "a.yaml:10:27: RunnerJob/a: spec.lifecycle.dependsOn[0]: is a cycle: "
        "RunnerJob/a→RunnerJob/b→RunnerJob/c→RunnerJob/a"
    )


def test_a_resource_may_not_wait_for_itself() -> None:
    """The shortest cycle."""
    line = one({"a.yaml": files.job("a", "lifecycle: {dependsOn: [RunnerJob/a]}\n")})

    assert "is a cycle: RunnerJob/a→RunnerJob/a" in line


def test_references_stay_inside_a_project() -> None:
    """Even where two projects share a namespace."""
    extra = {
        "project.yaml": files.project(extra="namespaces: [shared]"),
        "other.yaml": files.project("fraud", "namespaces: [shared]"),
        "a.yaml": files.document("Dataset", "raw", "shared", "project: fraud\nuri: repo:raw.csv"),
        "b.yaml": files.job(namespace="shared", spec="inputs:\n  - {name: r, from: Dataset/raw}\n"),
    }

    assert "refers to Dataset/raw of project fraud, but belongs to churn" in one(extra)


def test_a_namespace_has_to_be_one_of_the_projects() -> None:
    """Without a list it is the one that is named like the project."""
    line = one({"a.yaml": files.job(namespace="elsewhere")})

    assert line == (
        'a.yaml:5:14: RunnerJob/ingest: metadata.namespace: is "elsewhere", which is not a namespace '
        "of project churn (its namespaces: churn)"
    )


def test_one_provider_of_a_kind_is_the_default() -> None:
    """The second one is told, with the place of the first."""
    provider = "adapter: local\ndefault: true"
    extra = {
        "a.yaml": files.document("SandboxProvider", "one", "", provider),
        "b.yaml": files.document("SandboxProvider", "two", "", provider),
        "c.yaml": files.document("StorageProvider", "three", "", provider),
    }

    assert (
        "b.yaml:7:12: SandboxProvider/two: spec.default: is true, and SandboxProvider/one at a.yaml:1"
        in one(extra)
    )


def test_an_unpinned_image_says_how_to_pin_it() -> None:
    """A tag moves; a digest does not."""
    text = files.runtime("other").replace(files.IMAGE, "python:3.12")

    line = one({"a.yaml": text})
    assert line.startswith("a.yaml:6:10: Runtime/other: spec.image: ")
    assert "name@sha256:<64 hex>" in line


@pytest.mark.parametrize(
    "spec",
    [
        "env: [{name: API_TOKEN, value: hunter2hunter2}]\n",
        f"env: [{{name: HARMLESS, value: {TOKEN}}}]\n",
        f"command: [run, --token, {TOKEN}]\n",
        "env: [{name: URL, value: 'postgres://me:hunter2hunter2@db/x'}]\n",
        "env: [{name: KEY, value: '-----BEGIN RSA PRIVATE KEY----- hunter2hunter2'}]\n",
        f"timeout: {TOKEN}\n",
        f"retries: {TOKEN}\n",
        f"runtimee: {TOKEN}\n",
    ],
)
def test_inline_secrets_are_errors_and_never_repeated(spec: str) -> None:
    """By the name of the variable, or by the shape of the value; whatever else is wrong there."""
    found = files.report({**files.GROUND, "a.yaml": files.job(spec=spec)})

    assert files.errors(found)
    everything = "\n".join([*files.lines(found), *(str(item.problem) for item in found.documents)])
    assert TOKEN not in everything
    assert "hunter2" not in everything


@pytest.mark.parametrize(
    "env",
    [
        "{name: API_TOKEN, secretRef: {env: WBX_SECRET_CHURN_API}}",
        "{name: PASSWORD_FILE, value: /run/secrets/password}",
        "{name: TOKENIZER, value: bert-base}",
        "{name: MAX_TOKENS, value: '512'}",
        "{name: MAIL, value: ada@example.org}",
    ],
)
def test_what_only_sounds_like_a_secret_is_fine(env: str) -> None:
    """References, file names, counts."""
    assert said({"a.yaml": files.job(spec=f"env: [{env}]\n")}) == []


def test_a_secret_of_another_project_is_refused() -> None:
    """The name of the variable says whose it is."""
    line = one(
        {"a.yaml": files.job(spec="env: [{name: A, secretRef: {env: WBX_SECRET_FRAUD_API}}]\n")}
    )

    assert "begin with WBX_SECRET_CHURN_" in line


def test_an_invalid_document_keeps_its_identity() -> None:
    """So that its last good version can stay in force."""
    found = files.report({**files.GROUND, "a.yaml": files.job(spec="retries: many\n")})
    (job,) = [item for item in found.documents if item.kind == "RunnerJob"]

    assert identity.Key("RunnerJob", "churn", "ingest") == job.key
    assert job.problem is not None
    assert job.problem.startswith("a.yaml:1: spec.retries: must be a whole number")
    assert "a.yaml" not in found.broken


def test_a_document_without_a_reliable_identity_breaks_its_file() -> None:
    """Nothing may be deleted because it is absent there."""
    found = files.report({**files.GROUND, "a.yaml": files.job("Not a name!")})

    assert frozenset({"a.yaml"}) == found.broken


def test_a_file_that_cannot_be_read_is_a_problem() -> None:
    """Not an exception."""

    class Gone(dict[str, bytes]):
        def __getitem__(self, path: str) -> bytes:
            if path == "gone.yaml":
                raise errors.Stalled("was deleted while it was read")
            return super().__getitem__(path)

    found = validate.check(Gone({"a.yaml": files.project().encode(), "gone.yaml": b""}))

    assert files.lines(found) == ["gone.yaml: was deleted while it was read"]
    assert frozenset({"gone.yaml"}) == found.broken


def test_documents_carry_what_the_planner_needs() -> None:
    """Spec as written, its digest, references, project and place."""
    found = files.report({**files.GROUND, "jobs/a.yaml": "# head\n" + files.job()})
    (job,) = [item for item in found.documents if item.kind == "RunnerJob"]

    assert job.spec == {"project": "churn", "runtime": "python", "command": ["python", "run.py"]}
    assert (job.project, job.path, job.line) == ("churn", "jobs/a.yaml", 2)
    assert {"Project", "Runtime"} == {reference.target.kind for reference in job.references}
    assert len(job.hash) == 64
