"""Tests of scripts/check-instructions with counts that are given, so that nothing is built."""
import contextlib
import importlib.machinery
import importlib.util
import io
import pathlib
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

sys.dont_write_bytecode = True
SCRIPT = pathlib.Path(__file__).resolve().parents[1] / "check-instructions"
LOADER = importlib.machinery.SourceFileLoader("check_instructions", str(SCRIPT))
check = importlib.util.module_from_spec(importlib.util.spec_from_loader(LOADER.name, LOADER))
LOADER.exec_module(check)

PLAIN, PARSED = ("decision", "plain"), ("token", "parsed")
STORED = check.text("1.95.0", {PLAIN: 1050, PARSED: 2100})


class Check(unittest.TestCase):
    def run_check(self, *arguments, counts=None, compiler="1.95.0", machine="x86_64"):
        """Exit code, what was printed, and the ceilings afterwards."""
        counts = {PLAIN: 1000, PARSED: 2000} | (counts or {})
        printed = io.StringIO()
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(printed):
            file = pathlib.Path(folder, "ceilings.toml")
            file.write_text(STORED)
            with mock.patch.object(check, "count", lambda wanted: {it: counts[it] for it in wanted}), mock.patch.object(
                check, "compiler", lambda: compiler
            ):
                code = check.main([*arguments, "--ceilings", str(file)], machine)
            return code, printed.getvalue(), file.read_text()

    def test_passes_at_the_ceiling(self):
        code, printed, _ = self.run_check(counts={PLAIN: 1050})
        self.assertEqual((code, "ABOVE" in printed, "well below" in printed), (0, False, False))

    def test_fails_above_a_ceiling(self):
        code, printed, after = self.run_check(counts={PLAIN: 1050.1})
        self.assertEqual((code, after), (1, STORED))
        self.assertRegex(printed, r"plain +1,050 +1,050 ABOVE\n")
        self.assertRegex(printed, r"parsed +2,000 +2,100\n")
        self.assertNotIn("rustc", printed)

    def test_says_first_that_the_compiler_is_another(self):
        code, printed, _ = self.run_check(counts={PLAIN: 1200}, compiler="1.96.0")
        self.assertEqual(code, 1)
        self.assertRegex(printed, r"\A  the ceilings were counted with rustc 1\.95\.0, and this is 1\.96\.0: look")

    def test_says_what_is_well_below(self):
        code, printed, _ = self.run_check(counts={PLAIN: 899})
        self.assertEqual(code, 0)
        self.assertRegex(printed, r"plain +899 +1,050 well below\n")
        self.assertNotIn("well below", self.run_check(counts={PLAIN: 901})[1])

    def test_counts_only_what_is_asked_for(self):
        code, printed, _ = self.run_check("parsed", counts={PLAIN: 9999})
        self.assertEqual((code, "plain" in printed), (0, False))
        with self.assertRaises(SystemExit), contextlib.redirect_stderr(io.StringIO()) as said:
            self.run_check("plian")
        self.assertIn("plian", said.getvalue())

    def test_counts_nothing_on_another_processor(self):
        code, printed, _ = self.run_check(counts={PLAIN: 9999}, machine="aarch64")
        self.assertEqual((code, "aarch64" in printed), (0, True))

    def test_stores_five_percent_above(self):
        code, _, after = self.run_check("--write", counts={PLAIN: 1999, PARSED: 40}, compiler="1.96.0")
        self.assertEqual((code, after), (0, check.text("1.96.0", {PLAIN: 2100, PARSED: 50})))


class Callgrind(unittest.TestCase):
    def count(self, code, said):
        done = subprocess.CompletedProcess([], code, "", said)
        with mock.patch.object(check.subprocess, "run", lambda *_, **__: done):
            return check.callgrind(pathlib.Path("program"), "plain")

    def test_reads_the_count(self):
        self.assertEqual(self.count(0, "==7== Events    : Ir\n==7== Collected : 640000\n"), 2000)

    def test_refuses_a_run_that_failed_or_measured_nothing(self):
        for code, said in [(1, "==7== Collected : 640000\n"), (0, "==7== Collected : 0\n"), (0, "")]:
            with self.assertRaisesRegex(SystemExit, "could not be counted"):
                self.count(code, said)


if __name__ == "__main__":
    unittest.main()
