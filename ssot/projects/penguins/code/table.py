"""The penguin table: which columns it has, how a raw row becomes a clean one."""

import csv
import pathlib
from collections.abc import Iterable, Iterator

SPECIES = ("Adelie", "Chinstrap", "Gentoo")
FEATURES = ("bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g")
COLUMNS = ("species", "island", *FEATURES, "sex", "year")
MISSING = "NA"

Row = dict[str, str]


def read(path: pathlib.Path) -> list[Row]:
    """Every row of a CSV file, as text.

    Raises:
        SystemExit: a column is missing; the message names it.
    """
    with path.open(newline="", encoding="utf-8") as stream:
        reader = csv.DictReader(stream)
        missing = sorted(set(COLUMNS) - set(reader.fieldnames or ()))
        if missing:
            raise SystemExit(f"{path.name}: no column {', '.join(missing)}")
        return list(reader)


def clean(rows: Iterable[Row]) -> Iterator[Row]:
    """Rows that have a known species and every measurement; numbers in one spelling."""
    for row in rows:
        if row["species"] in SPECIES and all(row[name] not in ("", MISSING) for name in FEATURES):
            yield row | {name: f"{float(row[name]):g}" for name in FEATURES}


def write(path: pathlib.Path, rows: Iterable[Row]) -> None:
    """Rows as CSV, columns in their fixed order."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, COLUMNS, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def features(row: Row) -> list[float]:
    """The measurements of one bird, in the order of `FEATURES`."""
    return [float(row[name]) for name in FEATURES]
