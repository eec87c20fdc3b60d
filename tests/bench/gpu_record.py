"""The record of a run of tests/gpu.sh: put together, written, summed up."""

import json
import re
from pathlib import Path

import gpu_targets

SCHEMA = 2
# Absolute, of two names at least; part of no address and no name of a figure.
PATH = re.compile(r"(?<![\w.:/~-])/(?:[\w.+@-]+/)+[\w.+@-]*")


def load(path):
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return {}


def without_paths(value):
    """The same with the last name in place of each path: where a machine has things is its own."""
    if isinstance(value, str):
        return PATH.sub(lambda found: Path(found.group()).name, value)
    if isinstance(value, list):
        return [without_paths(inner) for inner in value]
    if isinstance(value, dict):
        return {key: without_paths(inner) for key, inner in value.items()}
    return value


def card_of(steps, bench, smi):
    """What is known of the card, its name first of all."""
    card = {f"smi_{key}": value for key, value in smi.items()}
    card |= bench.get("card", {})
    card.pop("seconds", None)
    if "name" not in card and "name" in smi:
        card["name"] = smi["name"]
    for check in steps.get("roundtrip", {}).get("checks", []):
        if check["name"] == "report_uses_the_card" and check["ok"]:
            device = json.loads(check["detail"])
            card.setdefault("name", device["name"])
            card.setdefault("driver", device["driver"])
            card.setdefault("libraries", ", ".join(device["libraries"]))
    return card


def assemble(logs, mode, built, steps, smi, machine):
    """The record, without its date."""
    used = [step for step in ("bench", "torch") if steps[step]["status"] != "skipped"]
    bench = load(logs / "bench.json") if "bench" in used else {}
    torch = load(logs / "torch.json") if "torch" in used else {}
    commit, _, dirty = built.partition(" ")
    skipped = [
        {"what": s, "why": steps[s]["why"]} for s in steps if steps[s]["status"] == "skipped"
    ]
    failed = []
    for absent in [*bench.get("skipped", []), *torch.get("skipped", [])]:
        # A figure that broke is not one that nobody asked for.
        (failed if absent.get("failed") else skipped).append(
            {"what": absent["name"], "why": absent["why"]}
        )
    ceilings = bench.get("ceilings", {})
    figures = gpu_targets.with_shares(bench.get("figures", []), ceilings, mode)
    record = {
        "schema": SCHEMA,
        "mode": mode,
        "commit": commit,
        "dirty": dirty == "dirty",
        "card": card_of(steps, bench, smi),
        "machine": machine,
        "steps": steps,
        "ceilings": ceilings,
        "figures": figures,
        "torch": {key: value for key, value in torch.items() if key != "skipped"},
        "comparisons": gpu_targets.comparisons(figures, torch),
        "missed": [],
        "skipped": skipped,
        "failed": failed,
        # By name: what bounds a figure that misses its target, and what was tried. People write it.
        "notes": {},
    }
    record["missed"] = gpu_targets.missed(record)
    return without_paths(record)


def path_of(record, folder, records):
    """<date>-<card>-<commit>.json in the folder; None where no card has a name.

    A run of some of the steps has their names too, and never takes the place of another.
    """
    name = record["card"].get("name")
    if not name:
        return None
    if record["mode"] == "smoke" and folder.resolve() == records.resolve():
        raise ValueError("what the host card does is no record")
    card = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    mode = "" if record["mode"] == "full" else f"-{record['mode']}"
    ran = [step for step in record["steps"] if gpu_targets.asked(record, step)]
    some = "" if len(ran) == len(record["steps"]) else "-" + "-".join(ran)
    name = f"{record['date'][:10]}-{card}-{record['commit'][:12]}{mode}{some}"
    path = Path(folder) / f"{name}.json"
    number = 1
    while path.exists() and folder.resolve() == records.resolve():
        number += 1
        path = Path(folder) / f"{name}-{number}.json"
    return path


def write(record, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(record, indent=1) + "\n")
    part.replace(path)


def number_of(entry):
    """An entry of `missed`, for people."""
    if "factor" in entry:
        return "{name}: {factor:.1f} times ours, want {factor_at_least}".format(**entry)
    if "seconds" in entry:
        return "{name}: {seconds:.4g} s, want less than {seconds_at_most}".format(**entry)
    if entry["share"] is None:
        return f"{entry['name']}: its ceiling was not measured"
    return "{name}: share {share:.3f}, want {share_at_least:.3f}".format(**entry)


def summary(record):
    """Lines for people: targets, and what was skipped."""
    for program in record["steps"]["tests"].get("programs", []):
        yield "{program}: {passed} passed, {failed} failed, {skipped} skipped".format(**program)
    for check in record["steps"]["roundtrip"].get("checks", []):
        if not check["ok"]:
            yield f"round trip: {check['name']} failed: {check['detail']}"
    for tool in record["steps"]["sanitizer"].get("tools", []):
        yield "{tool}: {status}, {tests_finished} tests, {summary}".format(**tool)
    met = [entry for entry in record["figures"] + record["comparisons"] if entry.get("met")]
    for entry in met:
        number = f"share {entry['share']:.3f}" if "share" in entry else ""
        if "factor" in entry:
            number = f"{entry['factor']:.1f} times ours"
        elif "seconds_at_most" in entry["target"]:
            number = f"{entry['value']:.4g} s"
        yield f"{entry['name']}: {number}: met"
    for figure in record["figures"]:
        if "met" in figure and figure["met"] is None:
            yield f"{figure['name']}: share {figure['share']:.3f}, no target: products bound it"
    for entry in record["missed"]:
        yield "MISSED " + number_of(entry)
    for name in gpu_targets.missing(record):
        yield f"MISSING {name}"
    for entry in record["failed"]:
        yield f"FAILED {entry['what']}: {entry['why']}"
    for skip in record["skipped"]:
        yield f"skipped {skip['what']}: {skip['why']}"
