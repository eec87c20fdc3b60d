"""The record of a run of tests/gpu.sh: put together, written, summed up."""

import json
import re
from pathlib import Path

SCHEMA = 1
# What the end-to-end time must be over PyTorch's best way, by the epoch's name.
FACTORS = {"imagenet/pinned/float32": 10, "many_classes/pinned/float32": 100}


def load(path):
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return {}


def comparisons(figures, torch):
    """Our end-to-end times over those of PyTorch: same card, run, shape and number of samples."""
    ours = {figure["name"]: figure for figure in figures}
    out = []
    for epoch, target in FACTORS.items():
        mine = ours.get(f"epoch/{epoch}/end_to_end")
        theirs = [f for f in torch.get("figures", []) if f["name"].startswith(f"torch/{epoch}/")]
        if mine is None or not theirs or any(f["N"] != mine["N"] for f in theirs):
            continue
        # Against the faster of its ways, and each of them for itself.
        for figure in theirs:
            out.append(
                {
                    "name": figure["name"],
                    "ours_s": mine["value"],
                    "torch_s": figure["value"],
                    "factor": figure["value"] / mine["value"],
                    "factor_at_least": target,
                    "met": figure["value"] / mine["value"] >= target,
                }
            )
    return out


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
    skipped += [{"what": s["name"], "why": s["why"]} for s in bench.get("skipped", [])]
    skipped += [{"what": f["name"], "why": f["why"]} for f in torch.get("skipped", [])]
    record = {
        "schema": SCHEMA,
        "mode": mode,
        "commit": commit,
        "dirty": dirty == "dirty",
        "card": card_of(steps, bench, smi),
        "machine": machine,
        "steps": steps,
        "ceilings": bench.get("ceilings", {}),
        "figures": bench.get("figures", []),
        "torch": {key: value for key, value in torch.items() if key != "skipped"},
        "comparisons": comparisons(bench.get("figures", []), torch),
        "skipped": skipped,
        # By name: what bounds a figure that misses its target, and what was tried. People write it.
        "notes": {},
    }
    return record


def write(record, folder, records):
    """Writes it as <date>-<card>-<commit>.json; None where no card has a name.

    A run of some of the steps has their names too, and never takes the place of another.
    """
    name = record["card"].get("name")
    if not name:
        return None
    if record["mode"] == "smoke" and folder.resolve() == records.resolve():
        raise ValueError("what the host card does is no record")
    card = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    mode = "" if record["mode"] == "full" else f"-{record['mode']}"
    folder.mkdir(parents=True, exist_ok=True)
    ran = [step for step in record["steps"] if record["steps"][step].get("why") != "not asked for"]
    some = "" if len(ran) == len(record["steps"]) else "-" + "-".join(ran)
    path = Path(folder) / f"{record['date'][:10]}-{card}-{record['commit'][:12]}{mode}{some}.json"
    if path.exists() and folder.resolve() == records.resolve():
        raise ValueError(f"{path} is there already")
    path.write_text(json.dumps(record, indent=1) + "\n")
    return path


def summary(record):
    """Lines for people: targets, and what was skipped."""
    for program in record["steps"]["tests"].get("programs", []):
        yield "{program}: {passed} passed, {failed} failed, {skipped} skipped".format(**program)
    for check in record["steps"]["roundtrip"].get("checks", []):
        if not check["ok"]:
            yield f"round trip: {check['name']} failed: {check['detail']}"
    for tool in record["steps"]["sanitizer"].get("tools", []):
        yield "{tool}: exit status {exit_status}, {summary}".format(**tool)
    for figure in record["figures"]:
        if "met" in figure:
            share = f", share {figure['share']:.3f}" if "share" in figure else ""
            met = "met" if figure["met"] else "MISSED"
            yield f"{figure['name']}: {figure['value']:.4g} {figure['unit']}{share}: {met}"
    for entry in record["comparisons"]:
        met = "met" if entry["met"] else "MISSED"
        yield "{name}: {factor:.1f} times ours, want {factor_at_least}: ".format(**entry) + met
    for skip in record["skipped"]:
        yield f"skipped {skip['what']}: {skip['why']}"
