#!/usr/bin/env python3
"""Tests of bench_official.py; no test judges a time. Needs PyTorch for all but the command line, and a checkout of
google/gemma_pytorch in the environment variable GEMMA_PYTORCH for the official model.

example:
  GEMMA_PYTORCH=gemma_pytorch python3 bench_official_test.py
"""

import json
import os
import re
import stat
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
MODEL = os.path.join(HERE, "..", "fixtures", "tiny", "one_kv_head")
CHECKOUT = os.environ.get("GEMMA_PYTORCH")

try:
    import torch
except ImportError:
    torch = None


def bench(*arguments):
    command = [sys.executable, os.path.join(HERE, "bench_official.py"), *arguments]
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)


class CommandLineTest(unittest.TestCase):
    def test_help_has_an_example(self):
        result = bench("--help")
        self.assertEqual(result.returncode, 0)
        self.assertIn("example:", result.stdout)

    @unittest.skipUnless(torch, "PyTorch is not installed")
    def test_bad_input_ends_in_one_line(self):
        for arguments, part in ((("--tokens", "0"), "--tokens"), (("--prompt-tokens", "9000"), "at most"),
                                (("--threads", "-1"), "--threads"), ((), "checkout of google/gemma_pytorch")):
            result = bench("--gemma-pytorch", "nowhere", "--model", MODEL, "--gemma", "gemma", *arguments)
            self.assertEqual(result.returncode, 2, result.stderr)
            self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
            self.assertIn(part, result.stderr)


@unittest.skipUnless(torch and CHECKOUT, "GEMMA_PYTORCH names no checkout of google/gemma_pytorch")
class OfficialTest(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.program = os.path.join(temporary.name, "gemma")

    def write_program(self, text):
        with open(self.program, "w", encoding="utf-8") as file:
            file.write(f"#!/bin/sh\n{text}\n")
        os.chmod(self.program, os.stat(self.program).st_mode | stat.S_IXUSR)

    def bench(self, *arguments):
        return bench("--gemma-pytorch", CHECKOUT, "--model", MODEL, "--gemma", self.program, "--prompt-tokens", "7",
                     "--tokens", "3", "--rounds", "2", "--threads", "1", *arguments)

    def test_the_ratio_is_that_of_the_two_columns(self):
        rate = {"tokens_per_second": {"median": 1000.0}}
        self.write_program(f"echo '{json.dumps({'runs': [{'prefill': rate, 'decode': rate}]})}'")
        result = self.bench()
        self.assertEqual(result.returncode, 0, result.stderr)
        rows = [line.split() for line in result.stdout.splitlines() if re.match("(bfloat16|float32) ", line)]
        self.assertEqual([row[:2] for row in rows], [[dtype, phase] for dtype in ("bfloat16", "float32")
                                                     for phase in ("prefill", "decode")])
        for row in rows:
            official, gemma, ratio, least, largest = (float(word.strip("()")) for word in row[2:6] + row[7:])
            self.assertEqual(gemma, 1000)
            self.assertGreater(official, 0)
            self.assertLessEqual(least, ratio)
            self.assertLessEqual(ratio, largest)
            # The columns are medians of two rounds, of rates; the ratio is the median of two ratios, rounded.
            self.assertLessEqual(least - 0.01, gemma / official)
            self.assertGreaterEqual(largest + 0.01, gemma / official)

    def test_what_the_program_says_is_told(self):
        self.write_program("echo 'gemma: no such thing' >&2; exit 2")
        result = self.bench()
        self.assertEqual(result.returncode, 2)
        self.assertIn("gemma: no such thing", result.stderr)


if __name__ == "__main__":
    unittest.main()
