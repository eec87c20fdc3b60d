#!/usr/bin/env python3
"""tests/gpu.sh without a card: on the host card of tests/simt, tiny.

gpu_test.py BUILD      a build folder with the programs, the host card's module and benchmark
"""

import copy
import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import check_record
import gpu_record
import gpu_roundtrip

HERE = Path(__file__).resolve().parent
SCRIPT = HERE.parent / "gpu.sh"
BUILD = Path()


def gpu_sh(*arguments, **environment):
    return subprocess.run(
        [SCRIPT, *map(str, arguments)],
        env=dict(os.environ, **environment),
        capture_output=True,
        text=True,
        check=False,
    )


class Smoke(unittest.TestCase):
    """One run of all steps, and what is seen of it."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        output = Path(cls.folder.name)
        cls.done = gpu_sh("--smoke", "--build", BUILD, "--output", output)
        cls.files = sorted(output.glob("*.json"))
        cls.record = json.loads(cls.files[0].read_text()) if cls.files else None

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def problems(self, record, draft=True):
        return list(check_record.problems(record, self.files[0].name, draft))

    def test_all_steps_pass_or_say_why_not(self):
        self.assertEqual(self.done.returncode, 0, self.done.stdout + self.done.stderr)
        self.assertEqual(len(self.files), 1)
        steps = {name: step["status"] for name, step in self.record["steps"].items()}
        self.assertIn(steps.pop("torch"), ("passed", "skipped"))
        self.assertEqual(
            steps,
            {"tests": "passed", "roundtrip": "passed", "sanitizer": "skipped", "bench": "passed"},
        )
        self.assertIn("sanitizer", [skip["what"] for skip in self.record["skipped"]])
        self.assertIn("skipped sanitizer", self.done.stdout)

    def test_the_record_is_good_as_a_draft_and_not_as_a_record(self):
        self.assertEqual(self.problems(self.record), [])
        found = self.problems(self.record, draft=False)
        self.assertIn("what the host card does is no record", found)
        self.assertTrue(any("notes do not say" in problem for problem in found))

    def test_every_section_has_figures(self):
        groups = {figure["name"].split("/")[0] for figure in self.record["figures"]}
        self.assertEqual(
            groups,
            {"scatter", "epoch", "ingest", "shift", "finalize", "nearest_center", "pair_sweep"},
        )
        for name in ("device_copy", "host_to_device_pinned", "sgemm", "dgemm", "ssyrk", "dsyrk"):
            self.assertGreater(self.record["ceilings"][name]["value"], 0)

    def test_what_is_changed_in_a_record_is_found(self):
        def changed(change):
            record = copy.deepcopy(self.record)
            change(record)
            return self.problems(record)

        with_share = next(i for i, f in enumerate(self.record["figures"]) if "share" in f)
        with_target = next(i for i, f in enumerate(self.record["figures"]) if "met" in f)

        def flip(record):
            record["figures"][with_target]["met"] ^= True

        for change in (
            lambda r: r["figures"][with_share].update(share=0.9999),
            lambda r: r["figures"][with_share].update(value=1e30),
            lambda r: r["figures"][0].update(error=1),
            lambda r: r["figures"][0].update(error=None),
            lambda r: r["card"].pop("name"),
            lambda r: r["card"].update(name="another"),
            lambda r: r["steps"].pop("tests"),
            lambda r: r["steps"]["sanitizer"].pop("why"),
            lambda r: r["steps"]["tests"]["programs"][0].update(passed=0),
            lambda r: r.pop("ceilings"),
            flip,
        ):
            self.assertTrue(changed(change))


class Script(unittest.TestCase):
    def test_a_failed_step_hides_no_other(self):
        with tempfile.TemporaryDirectory() as output:
            done = gpu_sh(
                *("--smoke", "--build", BUILD, "--output", output, "--only", "tests,roundtrip"),
                NCSCOPE_GPU_FILTER="Nothing.IsCalledThis",
            )
            self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
            (file,) = Path(output).glob("*.json")
            steps = json.loads(file.read_text())["steps"]
            self.assertEqual(steps["tests"]["status"], "failed")
            self.assertEqual(steps["roundtrip"]["status"], "passed")
            self.assertEqual(steps["bench"], {"status": "skipped", "why": "not asked for"})

    def test_the_host_card_gets_no_record(self):
        records = HERE / "records"
        before = sorted(records.iterdir())
        for arguments in (("--output", records), ()):
            done = gpu_sh("--smoke", "--build", BUILD, *arguments)
            self.assertEqual(done.returncode, 2, done.stdout + done.stderr)
        self.assertEqual(sorted(records.iterdir()), before)

    def test_bad_usage(self):
        for arguments in (("--nonsense",), ("--only",), ("--only", "nothing", "--no-build")):
            self.assertEqual(gpu_sh(*arguments).returncode, 2)


class Parts(unittest.TestCase):
    def test_reports_that_differ_are_told_apart(self):
        def differ(one, other):
            return list(gpu_roundtrip.differences("r", one, other, 1e-5))

        same = {"nc1": {"pinv": 1.0, "rank": 2}, "device": {"backend": "cpu"}}
        self.assertEqual(differ(same, same | {"device": {"backend": "cuda"}}), [])
        self.assertEqual(differ(same, same | {"nc1": {"pinv": 1.000001, "rank": 2}}), [])
        self.assertTrue(differ(same, same | {"nc1": {"pinv": 1.001, "rank": 2}}))
        self.assertTrue(differ(same, same | {"nc1": {"pinv": float("nan"), "rank": 2}}))
        self.assertTrue(differ(same, same | {"nc1": {"pinv": 1.0, "rank": 3}}))
        self.assertTrue(differ(same, {"nc1": {"pinv": 1.0, "rank": 2, "cdnv": 1.0}}))
        self.assertTrue(differ({"classes": [1.0]}, {"classes": [1.0, 2.0]}))

    def test_times_of_other_sample_counts_are_not_compared(self):
        ours = [{"name": "epoch/imagenet/pinned/float32/end_to_end", "value": 2.0, "N": 10}]
        theirs = {"name": "torch/imagenet/pinned/float32/one_hot", "value": 30.0, "N": 10}
        (entry,) = gpu_record.comparisons(ours, {"figures": [theirs]})
        self.assertEqual((entry["factor"], entry["met"]), (15, True))
        self.assertEqual(gpu_record.comparisons(ours, {"figures": [theirs | {"N": 5}]}), [])

    def test_committed_records_are_good(self):
        done = subprocess.run(
            [sys.executable, HERE / "check_record.py"], capture_output=True, text=True, check=False
        )
        self.assertEqual(done.returncode, 0, done.stdout)


if __name__ == "__main__":
    BUILD = Path(sys.argv.pop(1)).resolve()
    unittest.main(verbosity=2)
