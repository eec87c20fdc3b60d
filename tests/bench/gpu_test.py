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
import types
import unittest
from pathlib import Path
from unittest import mock

import check_record
import gpu_record
import gpu_roundtrip
import gpu_run
import gpu_targets
import torch_baseline

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
            for measured in self.record["ceilings"][name]["measured"]:
                self.assertGreater(measured["value"], 0)

    def test_what_is_changed_in_a_record_is_found(self):
        def changed(change):
            record = copy.deepcopy(self.record)
            change(record)
            return self.problems(record)

        with_share = next(i for i, f in enumerate(self.record["figures"]) if "share" in f)
        with_target = next(
            i for i, f in enumerate(self.record["figures"]) if f.get("met") is not None
        )

        def flip(record):
            record["figures"][with_target]["met"] ^= True

        def drop(name):
            def change(record):
                record["figures"] = [f for f in record["figures"] if f["name"] != name]

            return change

        def partial(record):
            tool = {"tool": "memcheck", "tests_finished": 0}
            record["steps"]["sanitizer"] = {"status": "partial", "why": "time", "tools": [tool]}

        for change in (
            lambda r: r["figures"][with_share].update(share=0.9999),
            lambda r: r["figures"][with_share].update(shares=[1.0]),
            lambda r: r["figures"][with_share]["work"][0].update(amount=1),
            lambda r: r["figures"][with_share].update(seconds=1e-9),
            lambda r: r["figures"][with_target].pop("target"),
            lambda r: r["ceilings"]["sgemm"]["measured"].pop(),
            lambda r: r["ceilings"].pop("device_copy"),
            lambda r: r["missed"].append({"name": "another"}),
            lambda r: r["machine"].update(kernel="6.1"),
            lambda r: r["steps"]["bench"].update(why="cannot open /home/me/x.json"),
            lambda r: r["steps"]["tests"].update(status="partial", why="time"),
            partial,
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
            *map(drop, gpu_targets.figure_targets("smoke")),
        ):
            self.assertTrue(changed(change))

    def test_a_missed_target_is_listed_and_no_problem_with_a_note(self):
        record = copy.deepcopy(self.record)
        name = "finalize/d12_K20"
        figure = next(f for f in record["figures"] if f["name"] == name)
        figure |= {"value": 0.5, "least": 0.5, "most": 0.5}
        record["figures"] = gpu_targets.with_shares(record["figures"], record["ceilings"], "smoke")
        self.assertTrue(any("missed does not list" in p for p in self.problems(record)))
        record["missed"] = gpu_targets.missed(record)
        self.assertIn({"name": name, "seconds": 0.5, "seconds_at_most": 0.1}, record["missed"])
        self.assertEqual(self.problems(record), [])
        record["notes"] = {entry["name"]: "the host" for entry in record["missed"]}
        self.assertEqual(
            self.problems(record, draft=False), ["what the host card does is no record"]
        )

    def test_a_step_that_was_not_asked_for_misses_nothing(self):
        record = copy.deepcopy(self.record)
        record |= {"figures": [], "ceilings": {}, "comparisons": [], "missed": []}
        self.assertTrue(any("has a target" in problem for problem in self.problems(record)))
        record["steps"]["bench"] = {"status": "skipped", "why": "not asked for"}
        self.assertFalse(any("has a target" in problem for problem in self.problems(record)))


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
            self.assertEqual(list(steps), list(gpu_run.STEPS))
            # Again, among what the first run has left.
            done = gpu_sh("--smoke", "--build", BUILD, "--output", output, "--only", "roundtrip")
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

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
        (entry,) = gpu_targets.comparisons(ours, {"figures": [theirs]})
        self.assertEqual((entry["factor"], entry["met"]), (15, True))
        self.assertEqual(gpu_targets.comparisons(ours, {"figures": [theirs | {"N": 5}]}), [])

    def test_shares_are_of_the_larger_bound_by_the_better_ceiling(self):
        def measured(*values):
            return {"measured": [{"value": value} for value in values]}

        ceilings = {
            gpu_targets.PINNED: measured(10.0, 8.0),
            gpu_targets.PRODUCTS: measured(4.0, 5.0),
        }
        figure = {"name": "f", "unit": "byte/s", "value": 5.0, "seconds": 20.0}
        figure["work"] = [
            {"amount": 100.0, "ceiling": gpu_targets.PINNED},
            {"amount": 20.0, "ceiling": gpu_targets.PRODUCTS},
        ]
        target = gpu_targets.Target("f", share_at_least=0.85, unless_products=0.85)
        judged = gpu_targets.judged(figure, ceilings, {}, target)
        self.assertEqual(judged["shares"], [0.5, 0.625])
        self.assertEqual((judged["share"], judged["bound_by"]), (0.5, gpu_targets.PINNED))
        self.assertIs(judged["met"], False)
        # Where products take nearly as long, there is no such target.
        figure["work"][1]["amount"] = 36.0
        self.assertIsNone(gpu_targets.judged(figure, ceilings, {}, target)["met"])
        figure["work"][1]["amount"] = 60.0
        judged = gpu_targets.judged(figure, ceilings, {}, target)
        self.assertEqual((judged["share"], judged["bound_by"]), (0.625, gpu_targets.PINNED))
        self.assertEqual(judged["shares"], [0.75, 0.625])
        # Another figure is a ceiling too, of one measurement.
        figure["work"] = [{"amount": 10.0, "ceiling": "other"}, figure["work"][0]]
        known = {"other": {"value": 0.625}}
        self.assertEqual(gpu_targets.judged(figure, ceilings, known, None)["shares"], [0.8, 0.8])
        self.assertEqual(gpu_targets.judged(figure, ceilings, {}, None), {})

    def test_the_full_list_has_every_target(self):
        targets = gpu_targets.figure_targets("full")
        self.assertEqual(len(targets), 8 + 18 + 1 + 2 + 2 + 1 + 1)
        self.assertEqual(targets["finalize/d4096_K50000"].seconds_at_most, 3)
        record = {"mode": "full", "figures": [], "comparisons": [], "skipped": []}
        record["steps"] = {"bench": {"status": "failed"}, "torch": {"status": "failed"}}
        self.assertEqual(len(gpu_targets.missing(record)), len(targets) + 2)
        # What does not fit the card's memory cannot be there.
        name = "torch/many_classes/pinned/float32/one_hot"
        record["skipped"] = [{"what": name, "why": gpu_targets.OUT_OF_MEMORY + ": 1 TiB"}]
        self.assertEqual(len(gpu_targets.missing(record)), len(targets) + 1)

    def test_paths_do_not_get_into_a_record(self):
        scrubbed = gpu_record.without_paths(
            {"a": ["cannot open '/home/me/x y/run.json'", "--data=/tmp/a-b/data", 1]}
        )
        self.assertEqual(scrubbed["a"][1:], ["--data=data", 1])
        self.assertNotIn("/home", scrubbed["a"][0])
        for text in ("epoch/imagenet/pinned", "http://127.0.0.1:80/a/b", "1/2/3", "byte/s"):
            self.assertEqual(gpu_record.without_paths(text), text)

    def test_what_broke_is_not_called_skipped(self):
        with tempfile.TemporaryDirectory() as logs:
            skipped = [
                {"name": "scatter/d2048/syrk_add", "why": "broke", "failed": True},
                {"name": "scatter/d2048/cublas_bf16x9", "why": "not here", "failed": False},
            ]
            text = json.dumps({"card": {"name": "A"}, "skipped": skipped})
            (Path(logs) / "bench.json").write_text(text)
            steps = {step: {"status": "passed"} for step in gpu_run.STEPS}
            record = gpu_record.assemble(Path(logs), "full", "0" * 40, steps, {}, {})
        self.assertEqual([entry["what"] for entry in record["failed"]], ["scatter/d2048/syrk_add"])
        self.assertEqual(
            [entry["what"] for entry in record["skipped"]], ["scatter/d2048/cublas_bf16x9"]
        )


FAKE_SANITIZER = """#!/bin/bash
[[ $1 == --version ]] && { echo "version 1.2"; exit; }
echo "[       OK ] A.B/cuda (1 ms)"
case "$2 $FAKE" in
  "racecheck hangs") sleep 60 ;;
  "racecheck hangs_with_a_race") echo "========= Error: Race reported between A and B"; sleep 60 ;;
  "racecheck hangs_after_a_failed_test") echo "[  FAILED  ] A.C/cuda (1 ms)"; sleep 60 ;;
  "racecheck finds") echo "========= ERROR SUMMARY: 1 error"; exit 9 ;;
esac
echo "[  PASSED  ] 1 test."
echo "========= ERROR SUMMARY: 0 errors"
"""


class Sanitizer(unittest.TestCase):
    """The step, with a tool that says what it is told to."""

    def step(self, fake):
        with tempfile.TemporaryDirectory() as folder:
            tool = Path(folder) / "compute-sanitizer"
            tool.write_text(FAKE_SANITIZER)
            tool.chmod(0o755)
            environment = {"PATH": f"{folder}:{os.environ['PATH']}", "FAKE": fake}
            with mock.patch.dict(os.environ, environment):
                options = ("--programs", folder, "--built", "0", "--output", folder)
                run = gpu_run.Run(gpu_run.parse(options))
                step = gpu_run.run_sanitizer(run, 5)
        return step, {tool["tool"]: tool["status"] for tool in step["tools"]}

    def test_its_tests_are_there(self):
        program = BUILD / "bin/ncscope_kernels_tests"
        for test in gpu_run.SANITIZER_TESTS:
            found = subprocess.run(
                [program, f"--gtest_filter=Devices/{test}/cuda", "--gtest_list_tests"],
                capture_output=True,
                text=True,
                check=True,
            )
            self.assertIn("/cuda", found.stdout, test)

    def test_time_that_passed_is_told_from_an_error(self):
        step, tools = self.step("nothing")
        self.assertEqual((step["status"], step["version"]), ("passed", "1.2"))
        step, tools = self.step("hangs")
        self.assertEqual(step["status"], "partial")
        self.assertIn("racecheck", step["why"])
        self.assertEqual(tools["racecheck"], "partial")
        self.assertEqual(tools["initcheck"], "passed")
        for fake in ("hangs_with_a_race", "hangs_after_a_failed_test", "finds"):
            step, tools = self.step(fake)
            self.assertEqual((step["status"], tools["racecheck"]), ("failed", "failed"))


class OutOfMemoryError(RuntimeError):
    pass


class Torch(unittest.TestCase):
    """What torch_baseline.py makes of runs, without torch."""

    def main(self, measure, epoch=None):
        """Exit status, and what the file held after each figure and in the end."""
        torch = mock.MagicMock(__version__="0")
        torch.version.cuda = "0"
        torch.cuda.OutOfMemoryError = OutOfMemoryError
        torch.device = lambda kind: types.SimpleNamespace(type=kind)
        states = []
        write = torch_baseline.write

        def watched(result, path):
            write(result, path)
            states.append(json.loads(Path(path).read_text()))

        class Samples:
            def __init__(self, shape, device, deadline):
                if epoch:
                    epoch(shape)
                self.shape, self.device, self.deadline = shape, device, deadline

            of_rows = torch_baseline.Epoch.of_rows

        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder) / "torch.json")
            patched = {"torch": torch, "Epoch": Samples, "measure": measure, "write": watched}
            arguments = ["torch_baseline.py", "--smoke", "--output", path]
            with (
                mock.patch.multiple(torch_baseline, **patched),
                mock.patch.object(sys, "argv", arguments),
                mock.patch("sys.stderr"),
            ):
                return torch_baseline.main(), states

    def test_the_first_run_is_in_no_median_and_each_figure_is_written(self):
        rows = []

        def measure(epoch, _):
            rows.append(epoch.shape.rows)
            return (
                {},
                {},
                100.0 if epoch.shape.rows == epoch.shape.pool_rows else 1.0 + len(rows) % 2,
            )

        status, states = self.main(measure)
        self.assertEqual(status, 0)
        self.assertEqual([len(state["figures"]) for state in states], [1, 2, 3, 4])
        self.assertEqual(rows[:3], [100, 300, 300])
        for figure in states[-1]["figures"]:
            self.assertEqual((figure["runs"], figure["warm"], figure["warm_up_s"]), (2, True, 100))
            self.assertLess(figure["most"], 100)

    def test_a_shape_that_fails_loses_no_other(self):
        def epoch(shape):
            if shape.name.startswith("few"):
                raise RuntimeError("no pinned memory")

        status, states = self.main(lambda *_: ({}, {}, 1.0), epoch)
        self.assertEqual(status, 1)
        self.assertEqual(len(states[-1]["figures"]), 2)
        self.assertEqual([s["failed"] for s in states[-1]["skipped"]], [True, True])

    def test_memory_and_time_are_reasons_and_no_failures(self):
        for error in (OutOfMemoryError("1 TiB"), torch_baseline.TimeLimit()):
            status, states = self.main(mock.Mock(side_effect=error))
            self.assertEqual((status, len(states[-1]["skipped"])), (0, 4))
        # Time that passes after a warm-up leaves no figure; after a run, that run.
        runs = [({}, {}, 9.0), torch_baseline.TimeLimit(), ({}, {}, 9.0), ({}, {}, 1.0)]
        rest = [torch_baseline.TimeLimit()] * 3
        _, states = self.main(mock.Mock(side_effect=runs + rest))
        (figure,) = states[-1]["figures"]
        self.assertEqual((figure["value"], figure["runs"]), (1.0, 1))


class Committed(unittest.TestCase):
    def test_committed_records_are_good(self):
        done = subprocess.run(
            [sys.executable, HERE / "check_record.py"], capture_output=True, text=True, check=False
        )
        self.assertEqual(done.returncode, 0, done.stdout)


if __name__ == "__main__":
    BUILD = Path(sys.argv.pop(1)).resolve()
    unittest.main(verbosity=2)
