"""Reports as tables of pandas, and of notebooks."""

from __future__ import annotations

import dataclasses
import html
from typing import TYPE_CHECKING, Any

from .headline import HEADLINE, scalars
from .v1.report_types import ClassReport

if TYPE_CHECKING:
    from .report import Report

# A table of many warnings is not read.
MOST_WARNINGS = 8


def frame_of_report(report: Report) -> Any:
    """Returns a DataFrame of one row: what the report is of, then its scalar metrics by path."""
    row: dict[str, Any] = {
        "run": report.run,
        "epoch": report.epoch,
        "split": report.split,
        "layer": report.layer,
        "attempt": report.attempt,
        "partial": report.partial,
    }
    for path, value in scalars(report).items():
        row[path] = float("nan") if value is None else value
    return _pandas().DataFrame([row])


def frame_of_classes(report: Report) -> Any:
    """Returns a DataFrame of the present classes, by label; NaN where a class has no value."""
    names = [field.name for field in dataclasses.fields(ClassReport)]
    columns = {name: report.class_column(name) for name in names}
    return _pandas().DataFrame(columns).set_index("label")


def html_of_report(report: Report) -> str:
    """Returns the headline numbers as an HTML table that needs nothing else."""
    title = f"{report.run}, epoch {report.epoch}, {report.split}, {report.layer}"
    data = report.data
    notes = [f"{data.samples} samples, {data.present_classes} classes, dimension {data.dim}"]
    if report.partial:
        notes.append("partial: samples are known to be missing")
    notes += [f"{each.code}: {each.message}" for each in report.warnings[:MOST_WARNINGS]]
    if len(report.warnings) > MOST_WARNINGS:
        notes.append(f"{len(report.warnings) - MOST_WARNINGS} more warnings")
    values = scalars(report)
    rows = [_row(report, path, values[path], reading) for path, reading in HEADLINE]
    return (
        f'<table class="ncscope"><caption>{html.escape(title)}</caption>'
        "<thead><tr><th>metric</th><th>value</th><th></th></tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table>"
        + "".join(f"<div><small>{html.escape(note)}</small></div>" for note in notes)
    )


def _row(report: Report, path: str, value: float | None, reading: str) -> str:
    if value is not None:
        cell = f"<td>{value:.4g}</td>"
    else:
        reason = report.why(path) or ""
        cell = f'<td title="{html.escape(reason)}">undefined</td>'
    return f"<tr><th>{html.escape(path)}</th>{cell}<td>{html.escape(reading)}</td></tr>"


def _pandas() -> Any:
    try:
        import pandas
    except ImportError as error:
        raise ImportError(
            "to_pandas() and classes_to_pandas() need pandas: pip install pandas"
        ) from error
    return pandas
