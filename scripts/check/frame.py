"""What every check shares: its bad samples, its verdict, and running the project's own tools.

A check is a function from a tree (or a list) to problems. `run` first feeds it samples that it must refuse and one
that it must accept, so that a check which no longer catches anything fails, too.
"""
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]


def run(problems, bad, good, advice):
    """Ends the process: 0 without problems, 1 with problems, 2 when the check itself is broken.

    `bad` pairs an input with a text that some problem must hold; `good` is an input without problems. An input that
    is a dict of paths and texts is laid out as a folder first.
    """
    for sample, expected in bad:
        found = examine(problems, sample)
        if not any(expected in problem for problem in found):
            sys.exit(fault(f"a bad sample passed: expected {expected!r}, found {found}"))
    found = examine(problems, good)
    if found:
        sys.exit(fault(f"the good sample failed: {found}"))
    found = problems(ROOT)
    for problem in found:
        print(f"  {problem}")
    if found:
        print(f"  what to do: {advice}")
    sys.exit(1 if found else 0)


def examine(problems, sample):
    if not isinstance(sample, dict):
        return problems(sample)
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for path, text in sample.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
        return problems(root)


def fault(text):
    print(f"  the check itself is broken: {text}")
    return 2


def output(*command, cwd=ROOT):
    """Standard output of a command that must succeed."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr}")
    return done.stdout


def crates(root):
    """Folders of the workspace's crates."""
    return sorted(path.parent for path in root.glob("crates/*/Cargo.toml"))
