"""Report: is last night's table still what the model was trained for? Exits 1 if it is not."""

import collections
import statistics

import folder
import table

MIN_ROWS = 150
MIN_SHARE = 0.1
FAR = 4.0


def outliers(rows: list[table.Row]) -> int:
    """Birds with a measurement more than four deviations from its species' mean."""
    far: set[int] = set()
    for species in table.SPECIES:
        birds = [(number, row) for number, row in enumerate(rows) if row["species"] == species]
        for name in table.FEATURES:
            values = [float(row[name]) for _, row in birds]
            if len(values) > 1 and (spread := statistics.stdev(values)):
                mean = statistics.fmean(values)
                far |= {n for n, row in birds if abs(float(row[name]) - mean) > FAR * spread}
    return len(far)


def problems(rows: list[table.Row]) -> list[str]:
    """What is wrong with the table, one sentence each."""
    counts = collections.Counter(row["species"] for row in rows)
    rare = [name for name in table.SPECIES if counts[name] < MIN_SHARE * len(rows)]
    found = [f"{name} is under {MIN_SHARE:.0%} of the table" for name in rare]
    if len(rows) < MIN_ROWS:
        found.append(f"{len(rows)} rows are fewer than {MIN_ROWS}")
    if far := outliers(rows):
        found.append(f"{far} birds are far from their species' mean")
    return found


def main() -> None:
    """Read `inputs/table`, write `report.md`, report `rows` and `problems`."""
    rows = table.read(folder.INPUTS / "table")
    found = problems(rows)
    lines = ["# Quality of the penguin table", "", f"{len(rows)} rows."]
    lines += [f"- {sentence}" for sentence in found] or ["No problem found."]
    (folder.outputs() / "report.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    folder.report_metrics({"rows": len(rows), "problems": len(found)})
    raise SystemExit(1 if found else 0)


if __name__ == "__main__":
    main()
