"""Formatting, as `cargo fmt` leaves it."""
import subprocess

from frame import ROOT, run


OPTIONS = ["--check", "--color", "never"]


def problems(root):
    if root != ROOT:
        return difference(root, "rustfmt", "--edition", "2024", *OPTIONS, "sample.rs")
    ours = difference(root, "cargo", "fmt", "--all", "--", *OPTIONS)
    return ours + difference(root, "rustfmt", "--edition", "2024", *OPTIONS, *root.glob("fuzz/fuzz_targets/*.rs"))


def difference(root, *command):
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    if done.returncode == 0:
        return []
    return (done.stdout + done.stderr).strip().splitlines()[:40] or [f"{command[0]} ended with {done.returncode}"]


run(
    problems,
    bad=[({"sample.rs": "fn  main( ) { }\n"}, "Diff in")],
    good={"sample.rs": "fn main() {}\n"},
    advice="run `cargo fmt`; for fuzz targets `cargo fmt --manifest-path fuzz/Cargo.toml`",
)
