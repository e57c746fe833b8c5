"""The storage server of the tests: versitygw, an S3 server over a folder, built from the Go module in tests/storage.

`python tests/support/storage_programs.py` builds it, once for each version. A test never builds: it would look like a hang.
"""

import pathlib
import sys

import go_programs

MODULES = pathlib.Path(__file__).parent.parent / "storage"
HOW = "python tests/support/storage_programs.py builds it from source (Go 1.26; once)"


def versitygw() -> go_programs.Program:
    """The program, with the version that is pinned."""
    return go_programs.Program(
        "versitygw", "github.com/versity/versitygw/cmd/versitygw", MODULES / "versitygw"
    )


def find() -> pathlib.Path | None:
    """Where the program lies; None: nowhere."""
    path = versitygw().path
    return path if path.is_file() else None


if __name__ == "__main__":
    sys.stdout.write(f"versitygw: {go_programs.build(versitygw())}\n")
