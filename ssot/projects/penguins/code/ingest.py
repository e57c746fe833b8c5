"""Ingest: the raw table in; a clean table and its profile out."""

import collections
import statistics
from typing import Any

import folder
import table


def profile(rows: list[table.Row], raw: int) -> dict[str, Any]:
    """What a reader wants to know of the clean table before using it."""
    columns = {name: [float(row[name]) for row in rows] for name in table.FEATURES}
    return {
        "rows": len(rows),
        "dropped": raw - len(rows),
        "species": dict(collections.Counter(row["species"] for row in rows)),
        "columns": {
            name: {
                "min": min(values),
                "mean": round(statistics.fmean(values), 3),
                "max": max(values),
                "stdev": round(statistics.stdev(values), 3),
            }
            for name, values in columns.items()
        },
    }


def main() -> None:
    """Read `inputs/raw`, write `table.csv` and `profile.json`."""
    raw = table.read(folder.INPUTS / "raw")
    rows = list(table.clean(raw))
    table.write(folder.outputs() / "table.csv", rows)
    folder.write_json(folder.outputs() / "profile.json", profile(rows, len(raw)))
    folder.report_metrics({"rows": len(rows), "dropped": len(raw) - len(rows)})


if __name__ == "__main__":
    main()
