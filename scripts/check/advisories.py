"""No dependency that advisories.toml bans, by name or by version. Works offline."""
import tomllib

from frame import ROOT, run
from packages import Package, resolved

LIST = ROOT / "scripts/check/advisories.toml"


def problems(source):
    packages = resolved() if source == ROOT else source
    banned = tomllib.loads(LIST.read_text())["banned"]
    return [
        f"{package.name} {package.version}: {ban['reason']}"
        for package in packages
        for ban in banned
        if package.name in ban["crates"] and applies(package, ban)
    ]


def applies(package, ban):
    return "below" not in ban or numbers(package.version) < numbers(ban["below"])


def numbers(version):
    """Comparable; a pre-release counts as its release, build metadata as nothing."""
    return [int(number) for number in version.split("+")[0].split("-")[0].split(".")]


def package(name, version="1.0.0"):
    return Package(name, version, "MIT")


run(
    problems,
    bad=[
        ([package("ring", "0.17.14")], "only crypto stack"),
        ([package("sha2", "0.10.0")], "only crypto stack"),
        ([package("h2", "0.4.9")], "RUSTSEC-2026-0258"),
        ([package("rustls", "0.23.44")], "RUSTSEC-2026-0285"),
    ],
    good=[package("h2", "0.4.16"), package("h2", "0.10.0"), package("aws-lc-rs"), package("rustls", "0.24.0-dev.0")],
    advice="`cargo update -p NAME`, or do without; `cargo tree -i NAME` shows who asks for it",
)
