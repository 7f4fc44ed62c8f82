"""The configurations as docs/benchmarks.md shows them: one in full for each gateway, of the others what differs."""
import difflib
import pathlib
from dataclasses import replace

import envoy
import haproxy
import nginx
import ours
from processes import Place

MODULES = {"countersign": ours, "envoy": envoy, "haproxy": haproxy, "nginx": nginx}


class Example(Place):
    """A place with short names in it."""

    def secret(self):
        return "…\n", "…\n"


PLACE = Example(pathlib.Path("."), pathlib.Path("."), pathlib.Path("/run/bench"), pathlib.Path("/run/bench"),
                {name: "JWKS" for name in ("RS256", "ES256", "EdDSA")}, workers=2, port=8080, upstream=8000)


def appendix(workloads):
    """Markdown."""
    found = []
    for candidate, module in MODULES.items():
        found += section(candidate, module, workloads)
    return "\n".join(found)


def section(candidate, module, workloads):
    duties = distinct(candidate, workloads)
    found = [f"### {candidate}", ""]
    if not duties:
        return []
    first = next(iter(duties))
    found += fenced(f"{duties[first]}:", module.shown(first, PLACE))
    for duty, names in list(duties.items())[1:]:
        base, name = nearest(duty, duties)
        lines = difference(module.shown(base, PLACE), module.shown(duty, PLACE))
        found += fenced(f"{names}, what differs from {name}:", lines) if lines else [f"{names}: as {name}.", ""]
    return found


def distinct(candidate, workloads):
    """Duties that differ in more than keys and counts, with the workloads that have them."""
    found = {}
    for work in workloads:
        caches = [candidate in work.candidates and work.duty] + ([replace(work.duty, cache=True)] if candidate == "envoy" and "envoy-cache" in work.candidates else [])
        for duty in filter(None, caches):
            shown = replace(duty, algorithm=duty.algorithm and "RS256", policies=min(duty.policies, 1), routes=min(duty.routes, 1),
                            denials=min(duty.denials, 1))
            label = f"`{work.name}`" + (" with token cache" if duty.cache else "")
            found.setdefault(shown, []).append(label)
    return {duty: ", ".join(labels) for duty, labels in found.items()}


def nearest(duty, duties):
    """What a duty is held against: the plain token configuration where it asks for tokens, else the first."""
    known = list(duties)
    tokens = next((one for one in known if one.algorithm), None)
    base = tokens if duty.algorithm and duty != tokens else known[0]
    return base, duties[base].split(", ")[0]


def difference(before, after):
    lines = list(difflib.unified_diff(before.splitlines(), after.splitlines(), n=2, lineterm=""))[2:]
    return "\n".join("…" if line.startswith("@@") else line for line in lines)


def fenced(says, text):
    return [says, "", "```text", text.rstrip("\n"), "```", ""]
