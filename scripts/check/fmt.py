"""Formatting, as `cargo fmt` leaves it."""
import subprocess

from frame import ROOT, run


def problems(root):
    if root == ROOT:
        command = ["cargo", "fmt", "--all", "--check", "--", "--color", "never"]
    else:
        command = ["rustfmt", "--check", "--color", "never", "--edition", "2024", "sample.rs"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    if done.returncode == 0:
        return []
    return (done.stdout + done.stderr).strip().splitlines()[:40] or [f"{command[0]} ended with {done.returncode}"]


run(
    problems,
    bad=[({"sample.rs": "fn  main( ) { }\n"}, "Diff in")],
    good={"sample.rs": "fn main() {}\n"},
    advice="run `cargo fmt`",
)
