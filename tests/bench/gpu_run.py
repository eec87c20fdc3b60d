#!/usr/bin/env python3
"""The steps of tests/gpu.sh: runs them, each in its time, and writes the record of all."""

import argparse
import datetime
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import gpu_machine
import gpu_record
import gpu_roundtrip

# The sanitizer is last: it takes whatever time there is, and the record is good with a part of it.
STEPS = ("tests", "roundtrip", "bench", "torch", "sanitizer")
# Of the time limit; what a step leaves goes to those after it.
SHARES = {"tests": 0.16, "roundtrip": 0.07, "bench": 0.35, "torch": 0.17, "sanitizer": 0.25}
# By program, the tests of a card. The last runs server and command line, as users do.
TEST_PROGRAMS = {
    "ncscope_kernels_tests": "*/cuda",
    "ncscope_metrics_tests": "*/cuda",
    "ncscope_program_tests": "CudaPrograms.*",
}
# Tools in the order of what they tell about kernels of ours. initcheck and the second memcheck see
# those of the libraries too, which takes long: initcheck must, to know what cuBLAS has written.
OURS = ("--kernel-name", "kns=ncscope")
SANITIZERS = (
    ("memcheck", "memcheck", OURS),
    ("racecheck", "racecheck", OURS),
    ("synccheck", "synccheck", OURS),
    ("initcheck", "initcheck", ()),
    ("memcheck_all", "memcheck", ()),
)
# What a tool says of a finding; it ends with a summary only where it is left to end.
FINDING = re.compile(
    r"^=+ (?:Invalid |Misaligned |Uninitialized |Barrier error|Program hit |Leaked "
    r"|(?:Error|Warning): Race |Race reported|Potential \w+ hazard)",
    re.MULTILINE,
)
# Every kernel in its smaller tests.
SANITIZER_TESTS = (
    "AccumulatorTest.CuttingIntoBatchesDoesNotChangeABit",
    "AccumulatorTest.DroppedRowsLeaveNoTrace",
    "AccumulatorTest.EveryTypeAndShapeMatchesTheOracle",
    "AccumulatorTest.MathFp64KeepsEveryProductInFloat64",
    "ArgmaxAffineTest.CentresThatNearlyCoincideAreToldApart",
    "ArgmaxAffineTest.MatchesPlainLoopsOnEveryTypeAndShape",
    "GramResidualTest.MatchesPlainLoops",
    "LinearAlgebraTest.SyrkReadsTheUpperTriangleAndWritesBoth",
    "PairReduceTest.EqualRowsAreNamedAndLeftOut",
    "PairReduceTest.ZeroVectorsHaveNoCosine",
    "RowsTest.*",
)
SANITIZER_FILTER = ":".join(f"Devices/{test}/cuda" for test in SANITIZER_TESTS)
SMOKE_TESTS = {
    "ncscope_kernels_tests": "Devices/RowsTest*/cuda:Devices/GramResidualTest*/cuda",
    "ncscope_program_tests": "CudaPrograms.DoctorChecksTheCard",
}
HERE = Path(__file__).resolve().parent


class Run:
    """What the steps share: programs, environment, where logs go, and the clock."""

    def __init__(self, options):
        self.root = Path(options.programs).resolve()
        self.smoke = options.smoke
        self.mode = "smoke" if options.smoke else "quick" if options.quick else "full"
        self.logs = Path(options.output) / "logs"
        self.logs.mkdir(parents=True, exist_ok=True)
        self.deadline = time.monotonic() + options.limit
        self.date = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
        # Tests of the programs run those that were carried here, with the card's own module.
        self.environment = dict(
            os.environ,
            NCSCOPE_REQUIRE_CUDA="1",
            NCSCOPE_TEST_PROGRAMS=str(self.root / "bin"),
            NCSCOPE_TEST_CUDA_MODULE=str(self.root / "lib/ncscope/ncscope_cuda.so"),
            NCSCOPE_TEST_OTHER_MODULE=str(self.root / "lib/tests/ncscope_cuda_other_module.so"),
        )
        if options.cuda_libraries:
            old = os.environ.get("LD_LIBRARY_PATH", "")
            self.environment["LD_LIBRARY_PATH"] = options.cuda_libraries + (
                ":" + old if old else ""
            )
        if options.smoke:
            host_card = str(self.root / "lib/tests/ncscope_cuda_host.so")
            self.environment["NCSCOPE_CUDA_MODULE"] = host_card
            del self.environment["NCSCOPE_TEST_CUDA_MODULE"]

    def program(self, name):
        return str(self.root / "bin" / name)

    def command(self, log, arguments, seconds, environment=None):
        """Runs a command, output to a log; returns its exit status, 124 where the time passed."""
        with open(self.logs / log, "wb") as out:
            out.write((" ".join(map(str, arguments)) + "\n").encode())
            out.flush()
            process = subprocess.Popen(
                arguments,
                stdout=out,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=environment or self.environment,
                start_new_session=True,
            )
            try:
                return process.wait(max(1, seconds))
            except subprocess.TimeoutExpired:
                # Asked first: a sanitizer still says what it has found.
                for sign, patience in ((signal.SIGINT, 4), (signal.SIGKILL, None)):
                    os.killpg(process.pid, sign)
                    try:
                        process.wait(patience)
                        break
                    except subprocess.TimeoutExpired:
                        pass
                return 124


def gtest_counts(path):
    """Passed, failed and skipped tests of a JSON report of GoogleTest, names of the failed."""
    counts = {"passed": 0, "failed": 0, "skipped": 0, "failures": []}
    for suite in json.loads(path.read_text())["testsuites"]:
        for test in suite["testsuite"]:
            if test.get("failures"):
                counts["failed"] += 1
                counts["failures"].append(f"{test['classname']}.{test['name']}")
            elif test["result"] == "SKIPPED":
                counts["skipped"] += 1
            elif test["status"] == "RUN":
                counts["passed"] += 1
    return counts


def run_tests(run, seconds):
    """The conformance suite on the card, and the programs."""
    end = time.monotonic() + seconds
    programs = []
    for name, usual in (SMOKE_TESTS if run.smoke else TEST_PROGRAMS).items():
        report = run.logs / f"{name}.json"
        report.unlink(missing_ok=True)
        test_filter = os.environ.get("NCSCOPE_GPU_FILTER", usual)
        status = run.command(
            f"{name}.log",
            [run.program(name), f"--gtest_filter={test_filter}", f"--gtest_output=json:{report}"],
            end - time.monotonic(),
        )
        result = {"program": name, "filter": test_filter, "exit_status": status}
        if report.exists():
            result |= gtest_counts(report)
        else:
            result |= {"passed": 0, "failed": 0, "skipped": 0, "failures": []}
            result["why"] = (
                "the time limit passed" if status == 124 else "it ended before its report"
            )
        programs.append(result)
    good = all(p["exit_status"] == 0 and p["passed"] > 0 and p["failed"] == 0 for p in programs)
    return {"status": "passed" if good else "failed", "programs": programs}


def tool_status(exit_status, text, passed):
    """Passed, failed, or partial: the time ended it before it found anything."""
    if FINDING.search(text) or re.search(r"^\[  FAILED  \]", text, re.MULTILINE):
        return "failed"
    if exit_status == 124:
        return "partial"
    return "passed" if exit_status == 0 and passed > 0 else "failed"


def run_sanitizer(run, seconds):
    """compute-sanitizer on the kernels' tests, one tool after the other."""
    if run.smoke:
        return {"status": "skipped", "why": "the host card checks its kernels itself"}
    found = shutil.which("compute-sanitizer") or shutil.which(
        "compute-sanitizer", path="/usr/local/cuda/bin:/usr/local/cuda/compute-sanitizer"
    )
    if found is None:
        return {"status": "skipped", "why": "there is no compute-sanitizer on this machine"}
    version = subprocess.run([found, "--version"], capture_output=True, text=True, check=False)
    version = re.findall(r"version\s+(\S+)", version.stdout + version.stderr, re.IGNORECASE)
    tools = []
    end = time.monotonic() + seconds
    for number, (name, tool, options) in enumerate(SANITIZERS):
        share = (end - time.monotonic()) / (len(SANITIZERS) - number)
        test_filter = os.environ.get("NCSCOPE_GPU_SANITIZER_FILTER", SANITIZER_FILTER)
        arguments = [found, "--tool", tool, "--error-exitcode", "9", *options]
        arguments += [run.program("ncscope_kernels_tests"), f"--gtest_filter={test_filter}"]
        start = time.monotonic()
        exit_status = run.command(f"{name}.log", arguments, share)
        text = (run.logs / f"{name}.log").read_text(errors="replace")
        summaries = re.findall(r"(?:ERROR SUMMARY|RACECHECK SUMMARY): (.*)", text)
        ran = re.findall(r"^\[  PASSED  \] (\d+) tests?", text, re.MULTILINE)
        passed = int(ran[-1]) if ran else 0
        tools.append(
            {
                "tool": name,
                "status": tool_status(exit_status, text, passed),
                "filter": test_filter,
                "options": list(options),
                "exit_status": exit_status,
                "seconds": round(time.monotonic() - start, 1),
                "findings": len(FINDING.findall(text)),
                "summary": summaries[-1] if summaries else "",
                "tests_passed": passed,
                "tests_finished": len(re.findall(r"^\[ +OK \]", text, re.MULTILINE)),
            }
        )
    found = {tool["status"] for tool in tools}
    status = next(s for s in ("failed", "partial", "passed") if s in found)
    result = {"status": status, "version": version[0] if version else "unknown", "tools": tools}
    if status == "partial":
        cut = [t["tool"] for t in tools if t["status"] == "partial"]
        result["why"] = f"the time limit passed in {', '.join(cut)}; nothing was found until then"
    return result


def run_roundtrip(run, seconds):
    """Server and command line on the card, against the processor."""
    checks = gpu_roundtrip.run(run, time.monotonic() + seconds)
    good = all(check["ok"] for check in checks)
    return {"status": "passed" if good else "failed", "checks": checks}


def run_bench(run, seconds):
    """The benchmarks, without a record of their own."""
    report = run.logs / "bench.json"
    report.unlink(missing_ok=True)
    name = "ncscope_bench_cuda_host" if run.smoke else "ncscope_bench_cuda"
    # Sections begin within the limit; the one that is under way may end.
    arguments = [run.program(name), "--output", str(report), "--limit", str(int(seconds * 0.8))]
    if run.mode != "full":
        arguments.append(f"--{run.mode}")
    status = run.command("bench.log", arguments, seconds)
    result = {"status": "passed" if status == 0 else "failed", "exit_status": status}
    if status == 124:
        result["why"] = "the time limit passed; sections that had ended are in the record"
    return result


def run_torch(run, seconds):
    """What PyTorch does instead."""
    report = run.logs / "torch.json"
    report.unlink(missing_ok=True)
    arguments = [sys.executable, str(HERE / "torch_baseline.py"), "--output", str(report)]
    arguments += ["--limit", str(int(seconds * 0.8))]
    if run.mode != "full":
        arguments.append(f"--{run.mode}")
    status = run.command("torch.log", arguments, seconds, dict(os.environ))
    if status == 3:
        return {"status": "skipped", "why": "there is no torch on this machine"}
    result = {"status": "passed" if status == 0 else "failed", "exit_status": status}
    if status == 124:
        result["why"] = "the time limit passed"
    return result


def parse(arguments):
    parser = argparse.ArgumentParser(prog="gpu.sh", description=__doc__)
    parser.add_argument("--programs", required=True)
    parser.add_argument("--built", required=True)
    parser.add_argument("--cuda-libraries", default="")
    parser.add_argument("--only", default=",".join(STEPS))
    parser.add_argument("--output", default=str(HERE / "records"))
    parser.add_argument("--limit", type=float, default=540)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--smoke", action="store_true")
    options = parser.parse_args(arguments)
    options.only = options.only.split(",")
    for step in options.only:
        if step not in STEPS:
            parser.error(f"--only: expected some of {','.join(STEPS)}, got '{step}'")
    if options.smoke and Path(options.output).resolve() == HERE / "records":
        parser.error("--smoke: needs --output; what the host card does is no record")
    return options


def record_of(run, options, steps):
    """The record as far as the steps are done."""
    done = {step: steps.get(step, {"status": "skipped", "why": "not reached"}) for step in STEPS}
    smi = gpu_machine.nvidia_smi() if not run.smoke else {}
    record = gpu_record.assemble(run.logs, run.mode, options.built, done, smi, gpu_machine.host())
    record["date"] = run.date
    return record


def main(arguments):
    options = parse(arguments)
    run = Run(options)
    for earlier in ("bench.json", "torch.json"):  # figures of another run are none of this one
        (run.logs / earlier).unlink(missing_ok=True)
    not_asked = {"status": "skipped", "why": "not asked for"}
    steps = {step: dict(not_asked) for step in STEPS if step not in options.only}
    remaining = [step for step in STEPS if step in options.only]
    path = None
    while remaining:
        step = remaining[0]
        left = run.deadline - time.monotonic()
        seconds = left * SHARES[step] / sum(SHARES[other] for other in remaining)
        remaining.pop(0)
        if seconds < 1:
            steps[step] = {"status": "failed", "why": "the time limit passed before it"}
            continue
        print(f"gpu.sh: {step} (at most {seconds:.0f} s)", flush=True)
        start = time.monotonic()
        try:
            steps[step] = globals()[f"run_{step}"](run, seconds)
        except Exception as error:  # a step that breaks does not hide the others
            steps[step] = {"status": "failed", "why": f"{type(error).__name__}: {error}"}
        steps[step]["seconds"] = round(time.monotonic() - start, 1)
        why = steps[step].get("why", "")
        print(f"gpu.sh: {step}: {steps[step]['status']}{f' ({why})' if why else ''}", flush=True)
        # Each time anew, so that a run that is ended leaves what it has found.
        record = record_of(run, options, steps)
        path = path or gpu_record.path_of(record, Path(options.output), HERE / "records")
        if path is not None:
            gpu_record.write(record, path)
    record = record_of(run, options, steps)
    for line in gpu_record.summary(record):
        print("gpu.sh:", line)
    if path is None:
        print("gpu.sh: no record: nothing told the name of a card", file=sys.stderr)
        return 1
    gpu_record.write(record, path)
    print(f"gpu.sh: record {path}")
    return 1 if any(step["status"] == "failed" for step in steps.values()) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
