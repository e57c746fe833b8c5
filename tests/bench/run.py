"""`make bench`: run the benchmarks, each in its own process, and write RESULTS.md.

Usage: python tests/bench/run.py [--small] [SUBJECT ...]
"""

import argparse
import compileall
import datetime
import json
import os
import pathlib
import platform
import subprocess
import sys
import tempfile
from concurrent import futures

import harness

HERE = pathlib.Path(__file__).parent
HEAD = """# Measurements

Written by `make bench`; do not edit. Both sides ran on the same machine in the same run: whole processes, started cold,
the median of several. A ratio is ours over theirs; the goal is the issue's.
"""
TABLE = "| what | WorkbenchX | peer | ratio | goal | |\n| --- | --- | --- | --- | --- | --- |"


def main() -> None:
    """Run what was asked for; exit 1 if a benchmark failed (a missed goal is told, and is no failure)."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--small", action="store_true", help="little data: checks the answers only")
    parser.add_argument("subjects", nargs="*", help="which (default: all)")
    asked = parser.parse_args()
    known = {path.stem.removeprefix("bench_"): path for path in sorted(HERE.glob("bench_*.py"))}
    if unknown := set(asked.subjects) - set(known):
        raise SystemExit(f"no benchmark {', '.join(sorted(unknown))}; known: {', '.join(known)}")
    # As pip leaves it where it installs it, and the packages of the peers: Python may be told to write nothing itself.
    compileall.compile_dir(harness.ROOT / "controller", quiet=1)
    subjects = asked.subjects or list(known)
    # With little data nothing is measured, so they need not be alone on the machine.
    with futures.ThreadPoolExecutor(os.cpu_count() if asked.small else 1) as pool:
        rows = pool.map(lambda subject: run(known[subject], small=asked.small), subjects)
        found = dict(zip(subjects, rows, strict=True))
    failed = [subject for subject, each in found.items() if each is None]
    if not asked.small:
        write({subject: each for subject, each in found.items() if each is not None})
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")
    print(f"{len(found)} benchmarks ran" + (", small: answers checked" if asked.small else ""))


def run(path: pathlib.Path, *, small: bool) -> list[harness.Row] | None:
    """The rows of one benchmark; None if it failed. What a small one says is shown when it has ended: several run at once."""
    if not small:
        print(f"== {path.stem}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        output = pathlib.Path(folder) / "rows.json"
        command = [sys.executable, str(path), f"--json={output}", *(["--small"] if small else [])]
        out, err = (subprocess.PIPE, subprocess.STDOUT) if small else (None, None)
        done = subprocess.run(command, check=False, text=True, stdout=out, stderr=err)
        if small:
            print(f"== {path.stem}\n{done.stdout}", end="", flush=True)
        if done.returncode:
            return None
        return [harness.Row(**row) for row in json.loads(output.read_text(encoding="utf-8"))]


def write(found: dict[str, list[harness.Row]]) -> None:
    """RESULTS.md: the new sections, and the old ones of subjects that did not run now."""
    path = HERE / "RESULTS.md"
    sections = old_sections(path.read_text(encoding="utf-8") if path.exists() else "")
    for subject, rows in found.items():
        body = [
            f"Measured at {commit()}, {where()}.",
            "",
            TABLE,
            *(harness.line(row) for row in rows),
        ]
        sections[subject] = "\n".join(body)
    parts = [f"## {subject}\n\n{text}\n" for subject, text in sorted(sections.items())]
    path.write_text("\n".join([HEAD, *parts]), encoding="utf-8")
    print(f"wrote {path}")


def old_sections(text: str) -> dict[str, str]:
    """The sections of an earlier RESULTS.md, by subject."""
    parts = text.split("\n## ")[1:]
    return {part.partition("\n")[0]: part.partition("\n")[2].strip() for part in parts}


def commit() -> str:
    """The commit that was measured; "with changes" where the work tree is not it."""
    git = ["git", "-C", str(HERE)]
    name = subprocess.run(
        [*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True
    )
    changed = subprocess.run(
        [*git, "status", "--porcelain"], capture_output=True, text=True, check=True
    )
    return name.stdout.strip() + (" with changes" if changed.stdout else "")


def where() -> str:
    """The day and the machine."""
    day = datetime.datetime.now(datetime.UTC).date().isoformat()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // (1 << 30)
    system = f"{platform.system()} {platform.machine()}"
    return (
        f"{day}, {os.cpu_count()} cores, {memory} GiB, {system}, Python {platform.python_version()}"
    )


if __name__ == "__main__":
    main()
