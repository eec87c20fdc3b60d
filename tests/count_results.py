"""Adds up JUnit files and ends with one line: N passed, N failed, N skipped."""

import argparse
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path


def count(path: Path) -> tuple[int, int, int]:
    """Passed, failed and skipped test cases of one file."""
    passed = failed = skipped = 0
    for case in ElementTree.parse(path).iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            failed += 1
        elif case.find("skipped") is not None or case.get("status") in ("notrun", "disabled"):
            skipped += 1
        else:
            passed += 1
    return passed, failed, skipped


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--broken", type=int, default=0, help="steps that failed")
    parser.add_argument("files", nargs="*", type=Path)
    arguments = parser.parse_args()
    total = [0, 0, 0]
    for path in arguments.files:
        if not path.exists():
            continue
        counts = count(path)
        total = [a + b for a, b in zip(total, counts)]
        print(f"{path.stem}: {counts[0]} passed, {counts[1]} failed, {counts[2]} skipped")
    # A step that failed without a failed test (a build, a fuzzer) counts as one failure.
    if arguments.broken and total[1] == 0:
        total[1] = arguments.broken
    print(f"{total[0]} passed, {total[1]} failed, {total[2]} skipped")
    return 1 if total[1] or arguments.broken or total[0] == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
