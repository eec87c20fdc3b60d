#!/usr/bin/env python3
"""Checks records of tests/gpu.sh: what must be there is, and what can be computed again agrees.

    check_record.py [--draft] [FILE...]     without files: all of tests/bench/records

A committed record is of a card, not of the host's, and says by `notes` what bounds each figure that
misses its target; --draft is for one that was just written. Exit status: 0 all good, 1 some not.
"""

import argparse
import json
import math
import re
import sys
from pathlib import Path

RECORDS = Path(__file__).resolve().parent / "records"
STEPS = ("tests", "roundtrip", "sanitizer", "bench", "torch")
KEYS = {
    "schema": int,
    "date": str,
    "mode": str,
    "commit": str,
    "dirty": bool,
    "card": dict,
    "machine": dict,
    "steps": dict,
    "ceilings": dict,
    "figures": list,
    "torch": dict,
    "comparisons": list,
    "skipped": list,
    "notes": dict,
}
HOST_CARD = "SIMT host"


def close(one, other):
    return isinstance(one, (int, float)) and math.isclose(one, other, rel_tol=1e-6)


def figure_problems(figure, known, ceilings):
    name = figure.get("name", "a figure without a name")
    for key in ("name", "unit", "value", "least", "most", "runs"):
        if key not in figure:
            yield f"{name}: no {key}"
            return
    if not (isinstance(figure["value"], (int, float)) and figure["value"] > 0):
        yield f"{name}: expected a positive value, got {figure['value']}"
        return
    if not figure["least"] <= figure["value"] <= figure["most"]:
        yield f"{name}: the median is not between the least and the most"
    if "error" in figure and not (
        isinstance(figure["error"], (int, float)) and figure["error"] <= figure["error_at_most"]
    ):
        yield f"{name}: a wrong result, error {figure['error']}"
    share = figure.get("share")
    if "ceiling" in figure:
        top = figure["ceiling_value"]
        of_time = figure["unit"] == "s"
        if not close(share, top / figure["value"] if of_time else figure["value"] / top):
            yield f"{name}: share {share} is not that of {figure['value']} and {top}"
        named = ceilings.get(figure["ceiling"]) or known.get(figure["ceiling"])
        if named is not None and not close(top, named["value"]):
            yield f"{name}: ceiling {figure['ceiling']} is {named['value']}, not {top}"
    elif share is not None:
        yield f"{name}: a share of nothing"
    if ("target" in figure) != ("met" in figure):
        yield f"{name}: target and met go together"
    elif "target" in figure:
        if "share_at_least" in figure["target"]:
            met = share is not None and share >= figure["target"]["share_at_least"]
        else:
            met = figure["value"] < figure["target"]["seconds_at_most"]
        if met != figure["met"]:
            yield f"{name}: met is {figure['met']}, its numbers say {met}"


def problems(record, file_name, draft):
    """Yields what is wrong, as texts."""
    for key, kind in KEYS.items():
        if not isinstance(record.get(key), kind):
            yield f"expected {key} of type {kind.__name__}"
            return
    card = record["card"].get("name")
    if not card:
        yield "there is no record without the name of a card"
    if not re.fullmatch(r"[0-9a-f]{40}", record["commit"]):
        yield f"expected a commit, got '{record['commit']}'"
    slug = re.sub(r"[^a-z0-9]+", "-", (card or "").lower()).strip("-")
    if not file_name.startswith(f"{record['date'][:10]}-{slug}-{record['commit'][:12]}"):
        yield f"the file's name is not <date>-<card>-<commit>: {file_name}"
    for step in STEPS:
        state = record["steps"].get(step)
        if not isinstance(state, dict) or state.get("status") not in (
            "passed",
            "failed",
            "skipped",
        ):
            yield f"step {step}: expected passed, failed or skipped"
        elif state["status"] == "skipped" and not state.get("why"):
            yield f"step {step}: skipped without a reason"
    if record["steps"].get("tests", {}).get("status") == "passed":
        for program in record["steps"]["tests"].get("programs", []):
            if program["passed"] == 0 or program["failed"] > 0:
                yield f"{program['program']}: not what a passed step has"
    if record["figures"]:
        for key in ("driver", "CUDA runtime", "cuBLAS", "cuSOLVER"):
            if key not in record["card"]:
                yield f"card: no {key}"
    known = {figure.get("name"): figure for figure in record["figures"]}
    if len(known) != len(record["figures"]):
        yield "two figures have one name"
    for figure in record["figures"]:
        yield from figure_problems(figure, known, record["ceilings"])
    for entry in record["comparisons"]:
        if not close(entry["factor"], entry["torch_s"] / entry["ours_s"]):
            yield f"{entry['name']}: factor {entry['factor']} is not that of its times"
        if entry["met"] != (entry["factor"] >= entry["factor_at_least"]):
            yield f"{entry['name']}: met is wrong"
    if draft:
        return
    if card == HOST_CARD or record["mode"] == "smoke":
        yield "what the host card does is no record"
    for entry in [*record["figures"], *record["comparisons"]]:
        if entry.get("met") is False and not record["notes"].get(entry["name"]):
            yield f"{entry['name']}: misses its target, and notes do not say what bounds it"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--draft", action="store_true")
    parser.add_argument("files", nargs="*", type=Path)
    options = parser.parse_args()
    bad = 0
    files = options.files or sorted(RECORDS.glob("*.json"))
    for path in files:
        try:
            found = list(problems(json.loads(path.read_text()), path.name, options.draft))
        except (OSError, ValueError, KeyError, TypeError) as error:
            found = [f"{type(error).__name__}: {error}"]
        for problem in found:
            print(f"{path}: {problem}")
        bad += bool(found)
    print(f"check_record: {len(files)} records, {bad} with problems")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
