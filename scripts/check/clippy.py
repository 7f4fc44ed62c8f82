"""The workspace's lints over every target, warnings as errors.

The samples are crates under the very lint tables of the workspace, so a lint that is dropped there fails here.
"""
import re
import subprocess

from frame import ROOT, run


def problems(root):
    command = ["cargo", "clippy", "--quiet", "--workspace", "--all-targets"]
    command += ["--locked"] if root == ROOT else ["--offline"]
    done = subprocess.run([*command, "--", "-D", "warnings"], cwd=root, capture_output=True, text=True)
    if done.returncode == 0:
        return []
    return done.stderr.strip().splitlines()[:120] or [f"clippy ended with {done.returncode}"]


def sample(code):
    lints = re.search(r"^\[workspace\.lints\.rust\].*?(?=^\[profile)", (ROOT / "Cargo.toml").read_text(), re.M | re.S)
    manifest = '[workspace]\n[package]\nname = "sample"\nedition = "2024"\n[lints]\nworkspace = true\n'
    return {
        "Cargo.toml": manifest + lints.group(),
        "clippy.toml": (ROOT / "clippy.toml").read_text(),
        "src/lib.rs": "//! A sample.\n" + code,
    }


def function(body):
    return sample(f"/// Documented.\npub fn f(x: &[u8]) -> u8 {{ {body} }}\n")


run(
    problems,
    bad=[
        (function("*x.first().unwrap()"), "unwrap_used"),
        (function("x[0]"), "indexing_slicing"),
        (function("unsafe { *x.as_ptr() }"), "unsafe-code"),
        (sample("pub fn f() {}\n"), "missing_docs"),
    ],
    good=function("x.first().copied().unwrap_or(0)"),
    advice="mend what clippy names, or write `#[expect(lint, reason = \"…\")]` where it is wrong",
)
