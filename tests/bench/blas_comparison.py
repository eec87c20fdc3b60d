#!/usr/bin/env python3
"""Compares the BLAS libraries that the CPU device could use, in the shapes that it asks for.

    blas_comparison.py [LIBRARY...] [--threads N...] [--runs R]

LIBRARY: files that hold CBLAS, or oneDNN; by default those of Debian's packages that are installed
(libopenblas0-pthread, libblis4-openmp, libblis4-pthread, libdnnl2). Each library runs in a process
of its own for each number of threads (default: 1 and all cores). Prints GFLOP/s, medians; ssyrk and
dsyrk count n (n + 1) k. oneDNN has products of float32 only; its bfloat16 products are of no use
here, since what is multiplied are float32 differences of the samples. Needs numpy.
"""

import argparse
import ctypes
import glob
import json
import os
import statistics
import subprocess
import sys
import time

import numpy

PATTERNS = {
    "OpenBLAS": "/usr/lib/*/openblas-pthread/libopenblas.so.0",
    "BLIS, OpenMP": "/usr/lib/*/blis-openmp/libblis.so.*",
    "BLIS, pthreads": "/usr/lib/*/blis-pthread/libblis.so.*",
    "oneDNN": "/usr/lib/*/libdnnl.so.2",
}
THREADS = ("OPENBLAS_NUM_THREADS", "BLIS_NUM_THREADS", "OMP_NUM_THREADS")

# Routine, m, n, k: what it stands for. C [m, n] += A^T B of A [k, m], B [k, n]; syrk has m = n.
SHAPES = (
    ("ssyrk", 512, 512, 2048, "scatter of a tile, d 512"),
    ("ssyrk", 1024, 1024, 2048, "scatter of a tile, d 1024"),
    ("ssyrk", 2048, 2048, 2048, "scatter of a tile, d 2048"),
    ("sgemm", 2048, 2048, 2048, "the same by gemm"),
    ("sgemm", 1024, 1024, 2048, "scores of 1024 rows and classes, d 2048"),
    ("dsyrk", 1000, 1000, 2048, "Gram matrix of 1000 means, d 2048"),
    ("dgemm", 1024, 1024, 1024, "pairs of 1024 and 1024 classes, d 1024"),
    ("dgemm", 2048, 1000, 2048, "S_W times 1000 directions, d 2048"),
)


class Library:
    def __init__(self, path):
        self.library = ctypes.CDLL(path)
        self.dnnl = hasattr(self.library, "dnnl_sgemm")

    def has(self, routine):
        return routine == "sgemm" if self.dnnl else True

    def call(self, routine, m, n, k):
        """A function that runs it once."""
        kind = numpy.float32 if routine[0] == "s" else numpy.float64
        real = ctypes.c_float if routine[0] == "s" else ctypes.c_double
        generator = numpy.random.default_rng(1)
        a = generator.standard_normal((k, m)).astype(kind)
        b = generator.standard_normal((k, n)).astype(kind)
        c = numpy.zeros((m, n), kind)
        where = [ctypes.c_void_p(array.ctypes.data) for array in (a, b, c)]
        integer = ctypes.c_long if self.dnnl else ctypes.c_int
        m, n, k = integer(m), integer(n), integer(k)
        row_major, no_transpose, transpose, upper = 101, 111, 112, 121
        if self.dnnl:
            gemm = self.library.dnnl_sgemm
            arguments = (ctypes.c_char(b"T"), ctypes.c_char(b"N"), m, n, k, real(1))
            arguments += (where[0], m, where[1], n, real(1), where[2], n)
        elif routine.endswith("gemm"):
            gemm = getattr(self.library, "cblas_" + routine)
            arguments = (row_major, transpose, no_transpose, m, n, k, real(1))
            arguments += (where[0], m, where[1], n, real(1), where[2], n)
        else:
            gemm = getattr(self.library, "cblas_" + routine)
            arguments = (row_major, upper, transpose, n, k, real(1), where[0], n)
            arguments += (real(1), where[2], n)
        keep = (a, b, c)
        return lambda: (gemm(*arguments), keep)


def rate(library, shape, runs):
    routine, m, n, k, _ = shape
    flops = (n * (n + 1) if routine.endswith("syrk") else 2 * m * n) * k
    once = library.call(routine, m, n, k)
    once()
    repeats = max(1, int(2e10 / flops))
    seconds = []
    for _ in range(runs):
        start = time.perf_counter()
        for _ in range(repeats):
            once()
        seconds.append((time.perf_counter() - start) / repeats)
    return flops / statistics.median(seconds) / 1e9


def measure(path, runs):
    library = Library(path)
    return [rate(library, shape, runs) if library.has(shape[0]) else None for shape in SHAPES]


def in_own_process(path, threads, runs):
    environment = dict(os.environ, **{name: str(threads) for name in THREADS})
    command = [sys.executable, __file__, "--measure", path, "--runs", str(runs)]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("libraries", nargs="*", metavar="LIBRARY")
    parser.add_argument("--threads", type=int, nargs="+", default=sorted({1, os.cpu_count()}))
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--measure", metavar="LIBRARY", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure, options.runs)))
        return 0
    libraries = {path: path for path in options.libraries}
    if not libraries:
        found = {name: sorted(glob.glob(pattern)) for name, pattern in PATTERNS.items()}
        libraries = {name: files[-1] for name, files in found.items() if files}
    for threads in options.threads:
        rows = {n: in_own_process(p, threads, options.runs) for n, p in libraries.items()}
        print(f"\nGFLOP/s, {threads} thread{'s' if threads > 1 else ''}")
        print(f"{'':48}" + "".join(f"{name:>16}" for name in rows))
        for i, (routine, _, _, _, what) in enumerate(SHAPES):
            values = (f"{row[i]:16.0f}" if row[i] else f"{'-':>16}" for row in rows.values())
            print(f"{routine + ' ' + what:48}" + "".join(values), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
