"""What of a project is indexed, and what is not."""

import io
import pathlib
import tarfile

import pytest

from workbenchx import errors
from workbenchx.engine import corpus, snapshots
from workbenchx.planner import model


def tar(files: dict[str, bytes]) -> io.BytesIO:
    """An archive of these files."""
    stream = io.BytesIO()
    with tarfile.open(
        fileobj=stream, mode="w", encoding="utf-8", errors="surrogateescape"
    ) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    stream.seek(0)
    return stream


def bodies(files: dict[str, bytes]) -> dict[str, str | None]:
    """By source, what is indexed."""
    return {text.source: text.body for text in corpus.of_snapshot(tar(files))}


def test_prose_and_yaml_are_texts() -> None:
    """By their names, in any folder and any case of letters; code, data and locks are not."""
    files = {
        "README": b"one", "docs/Guide.MD": b"two", "a.rst": b"three", "n.txt": b"four", "c.yml": b"k: 5",
        "train.py": b"no", "data.csv": b"no", ".hidden.md": b"no", ".git/x.md": b"no", "logo.png": b"no",
        "requirements-dev.txt": b"no", "pnpm-lock.yaml": b"no",
    }  # fmt: skip
    assert bodies(files) == {
        "README": "one", "docs/Guide.MD": "two", "a.rst": "three", "n.txt": "four", "c.yml": "k: 5",
    }  # fmt: skip


def test_what_is_no_text_is_told() -> None:
    """Too large, not UTF-8, or with NUL: a source without a body. A byte order mark is no letter; an empty file is a text."""
    files = {
        "large.md": b"x" * (corpus.LARGEST + 1), "latin.txt": b"\xe9t\xe9", "nul.txt": b"a\0b",
        "wide.txt": "text".encode("utf-16"), "mark.md": b"\xef\xbb\xbfHello", "empty.md": b"",
    }  # fmt: skip
    assert bodies(files) == {
        "large.md": None, "latin.txt": None, "nul.txt": None, "wide.txt": None, "mark.md": "Hello", "empty.md": "",
    }  # fmt: skip


def test_a_name_that_is_no_text_shows_its_bytes() -> None:
    """A source is text that Postgres takes."""
    assert list(bodies({"\udce9.md": b"x"})) == ["\\xe9.md"]


def test_links_are_not_followed() -> None:
    """A link in an archive points anywhere; it has no text of its own."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        link = tarfile.TarInfo("link.md")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    stream.seek(0)
    assert list(corpus.of_snapshot(stream)) == []


def test_a_snapshot_is_read_as_it_was_written(tmp_path: pathlib.Path) -> None:
    """The archive that the engine itself makes."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "README.md").write_text("# Hello\n", encoding="utf-8")
    stream = io.BytesIO(b"".join(snapshots.tar(tmp_path, "code", ["code/README.md"])))
    assert [text.body for text in corpus.of_snapshot(stream)] == ["# Hello\n"]


@pytest.mark.parametrize("damage", [b"no archive at all", b"\x1f\x8b gzip"])
def test_a_damaged_archive_is_refused(damage: bytes) -> None:
    """It stalls this project, with a reason."""
    with pytest.raises(errors.Stalled) as told:
        list(corpus.of_snapshot(io.BytesIO(damage)))
    assert told.value.reason == "InvalidArchive"


def test_what_is_declared_is_a_text() -> None:
    """A resource can be found by what its spec says."""
    key = model.Key("Experiment", "iris", "species")
    text = corpus.of_declared(key, {"project": "iris", "command": ["python", "träin.py"]})
    assert text.source == "Experiment/iris/species"
    assert "träin.py" in str(text.body)
    (passage,) = corpus.passages(text)
    assert passage.text.startswith("Experiment/iris/species\n")


def test_a_passage_knows_where_it_is() -> None:
    """The place is the body's; what is embedded also says the source and the headings, and so does the digest."""
    text = corpus.Text("a.md", "# Top\n\nSome words.\n")
    (passage,) = corpus.passages(text)
    assert passage.text == "a.md\nTop\n# Top\n\nSome words."
    chunk = passage.chunk
    assert (chunk.start, chunk.end, chunk.line, chunk.number) == (0, 18, 1, 0)
    (other,) = corpus.passages(corpus.Text("b.md", text.body))
    assert other.chunk.body == chunk.body
    assert other.chunk.sha256 != chunk.sha256
    assert corpus.passages(corpus.Text("c.md", None)) == []
