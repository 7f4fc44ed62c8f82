"""Every dependency may be used under a licence that asks for no more than notices."""
import re

from frame import ROOT, run
from packages import Package, resolved

ALLOWED = {
    "0BSD", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0",
    "CDLA-Permissive-2.0", "ISC", "MIT", "MIT-0", "OpenSSL", "Unicode-3.0", "Zlib",
}  # fmt: skip
# Packages under other terms, each with the reason why that is fine.
EXCEPTIONS = {}


def problems(source):
    packages = resolved() if source == ROOT else source
    return [f"{p.name} {p.version}: {p.licence or 'no licence'}" for p in packages if not permitted(p)]


def permitted(package):
    if EXCEPTIONS.get(package.name, (None,))[0] == package.licence:
        return True
    # `/` is how old manifests write OR.
    words = re.findall(r"\(|\)|[^\s()]+", package.licence.replace("/", " OR "))
    allowed, rest = either(words)
    return allowed and not rest


def either(words):
    """SPDX expression grammar: OR binds weaker than AND. Returns the verdict and the words left."""
    allowed, words = both(words)
    while words[:1] == ["OR"]:
        other, words = both(words[1:])
        allowed = allowed or other
    return allowed, words


def both(words):
    allowed, words = single(words)
    while words[:1] == ["AND"]:
        other, words = single(words[1:])
        allowed = allowed and other
    return allowed, words


def single(words):
    if not words:
        return False, []
    if words[0] == "(":
        allowed, words = either(words[1:])
        return allowed, words[1:]
    if words[1:2] == ["WITH"]:
        return " ".join(words[:3]) in ALLOWED, words[3:]
    return words[0] in ALLOWED, words[1:]


def under(licence):
    return [Package("sample", "1.0.0", licence)]


run(
    problems,
    bad=[
        (under("GPL-3.0-only"), "GPL"),
        (under("MIT AND GPL-3.0-only"), "GPL"),
        (under("(MIT OR Apache-2.0) AND MPL-2.0"), "MPL"),
        (under("GPL-2.0-only WITH Classpath-exception-2.0"), "GPL"),
        (under(""), "no licence"),
    ],
    good=[
        *under("MIT/Apache-2.0"),
        *under("ISC AND (GPL-3.0-only OR MIT)"),
        *under("Apache-2.0 WITH LLVM-exception OR GPL-3.0-only"),
        *under("(MIT OR Apache-2.0) AND Unicode-3.0"),
    ],
    advice="choose another dependency, or add the licence or the package to scripts/check/licences.py with the reason",
)
