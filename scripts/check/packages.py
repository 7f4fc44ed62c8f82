"""The third-party packages of the workspace as cargo resolves them: what is compiled here, not all that the lock names."""
from typing import NamedTuple

from frame import ROOT, output


class Package(NamedTuple):
    name: str
    version: str
    licence: str


def resolved():
    """Every package that the gateway, its build or its tests use on this platform."""
    command = ["cargo", "tree", "--locked", "--workspace", "--edges", "normal,build,dev"]
    lines = output(*command, "--prefix", "none", "--no-dedupe", "--format", "{p}|{l}").splitlines()
    # Crates of the workspace are shown with their folder.
    return sorted({parse(line) for line in lines if line and f"({ROOT}" not in line})


def parse(line):
    package, licence = line.split("|")
    name, version = package.split(" ")[:2]
    return Package(name, version.removeprefix("v"), licence)
