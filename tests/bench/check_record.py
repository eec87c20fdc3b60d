#!/usr/bin/env python3
"""Checks records of tests/gpu.sh: what must be there is, and what can be computed again agrees.

    check_record.py [--draft] [FILE...]     without files: all of tests/bench/records

A record has every figure that has a target (gpu_targets.py). One that misses its target is listed,
which is no problem by itself; one that is absent is. A committed record is of a card, not of the
host's, and says by `notes` what bounds each figure that misses its target; --draft is for one that
was just written. Exit status: 0 all good, 1 some not.
"""

import argparse
import json
import math
import re
import sys
from pathlib import Path

import gpu_record
import gpu_targets

RECORDS = Path(__file__).resolve().parent / "records"
STEPS = ("tests", "roundtrip", "bench", "torch", "sanitizer")
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
    "missed": list,
    "skipped": list,
    "failed": list,
    "notes": dict,
}
HOST_CARD = "SIMT host"


def close(one, other):
    return isinstance(one, (int, float)) and math.isclose(one, other, rel_tol=1e-6)


def agree(one, other):
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(agree, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(agree(one[key], other[key]) for key in one)
    if isinstance(one, float) and isinstance(other, float):
        return close(one, other)
    return one == other and type(one) is type(other)


def figure_problems(figure, known, ceilings, target):
    name = figure.get("name", "a figure without a name")
    keys = ("name", "unit", "value", "least", "most", "runs")
    for key in keys if figure.get("unit") == "s" else (*keys, "seconds", "work"):
        if key not in figure:
            yield f"{name}: no {key}"
            return
    if not (isinstance(figure["value"], (int, float)) and figure["value"] > 0):
        yield f"{name}: expected a positive value, got {figure['value']}"
        return
    if not figure["least"] <= figure["value"] <= figure["most"]:
        yield f"{name}: the median is not between the least and the most"
    if figure["unit"] != "s" and not close(
        figure["value"], figure["work"][0]["amount"] / figure["seconds"]
    ):
        yield f"{name}: value {figure['value']} is not its work over its seconds"
    if "error" in figure and not (
        isinstance(figure["error"], (int, float)) and figure["error"] <= figure["error_at_most"]
    ):
        yield f"{name}: a wrong result, error {figure['error']}"
    judged = gpu_targets.judged(figure, ceilings, known, target)
    if figure.get("work") and "share" not in judged:
        yield f"{name}: a ceiling of its work is not in the record"
    for key in ("shares", "share", "bound_by", "target", "met"):
        if not agree(figure.get(key), judged.get(key)):
            yield f"{name}: {key} is {figure.get(key)}, its numbers say {judged.get(key)}"


def sanitizer_problems(step):
    """A tool that found nothing in its time has looked at something at least."""
    for tool in step.get("tools", [])[:2]:
        if step["status"] in ("passed", "partial") and tool["tests_finished"] == 0:
            yield f"sanitizer {tool['tool']}: no test ended in its time"


def texts_of(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from texts_of(inner)


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
        # A sanitizer that found nothing in its time has seen a part.
        known = ("passed", "failed", "skipped") + (("partial",) if step == "sanitizer" else ())
        if not isinstance(state, dict) or state.get("status") not in known:
            yield f"step {step}: expected one of {', '.join(known)}"
        elif state["status"] in ("skipped", "partial") and not state.get("why"):
            yield f"step {step}: {state['status']} without a reason"
    if record["steps"].get("tests", {}).get("status") == "passed":
        for program in record["steps"]["tests"].get("programs", []):
            if program["passed"] == 0 or program["failed"] > 0:
                yield f"{program['program']}: not what a passed step has"
    yield from sanitizer_problems(record["steps"].get("sanitizer", {}))
    if record["figures"]:
        for key in ("driver", "CUDA runtime", "cuBLAS", "cuSOLVER"):
            if key not in record["card"]:
                yield f"card: no {key}"
    known = {figure.get("name"): figure for figure in record["figures"]}
    if len(known) != len(record["figures"]):
        yield "two figures have one name"
    for name, ceiling in record["ceilings"].items():
        if len(ceiling["measured"]) != 2:
            yield f"ceiling {name}: expected it before and after the figures"
    targets = gpu_targets.figure_targets(record["mode"])
    for figure in record["figures"]:
        target = targets.get(figure.get("name"))
        yield from figure_problems(figure, known, record["ceilings"], target)
    for name in gpu_targets.missing(record):
        yield f"{name}: has a target, and is not in the record"
    for entry in record["comparisons"]:
        if not close(entry["factor"], entry["torch_s"] / entry["ours_s"]):
            yield f"{entry['name']}: factor {entry['factor']} is not that of its times"
        if entry["met"] != (entry["factor"] >= entry["factor_at_least"]):
            yield f"{entry['name']}: met is wrong"
    if not agree(record["missed"], gpu_targets.missed(record)):
        yield "missed does not list the targets that are not met"
    if "kernel" in record["machine"]:
        yield "machine: the release of the kernel is nobody's business"
    for text in texts_of(record):
        if gpu_record.PATH.search(text):
            yield f"a path of the machine: {text[:80]}"
    if draft:
        return
    if card == HOST_CARD or record["mode"] == "smoke":
        yield "what the host card does is no record"
    for entry in record["missed"]:
        if not record["notes"].get(entry["name"]):
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
            record = json.loads(path.read_text())
            found = list(problems(record, path.name, options.draft))
            for entry in record.get("missed", []):
                print(f"{path}: missed {gpu_record.number_of(entry)}")
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            found = [f"{type(error).__name__}: {error}"]
        for problem in found:
            print(f"{path}: {problem}")
        bad += bool(found)
    print(f"check_record: {len(files)} records, {bad} with problems")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
