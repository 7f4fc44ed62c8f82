"""Correctness before speed: a gateway that answers one request wrongly is not measured."""
import base64
import http.client
import json
import ssl
from dataclasses import dataclass, field

from processes import Failed
from workloads import CLAIMS, TEAM


@dataclass(frozen=True)
class Case:
    says: str
    status: int
    path: str = "/check"
    token: str = None
    host: str = "h0.test"
    seen: dict = field(default_factory=dict)  # headers that must have reached the upstream, with these values
    upload: int = 0
    size: int = None


def lines(path, count):
    with open(path) as file:
        return [line.strip() for line, _ in zip(file, range(count))]


def payload(token):
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def of_team(minted, number):
    """A token of a member of the team."""
    return next(token for token in lines(minted / "RS256-rotating.txt", 2000) if payload(token)["team"] == f"team-{number}")


def tampered(token):
    """The same token, one character of its signature changed."""
    head, signature = token.rsplit(".", 1)
    return f"{head}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"


def cases(work, place):
    duty, minted = work.duty, place.minted
    if not duty.algorithm:
        return [Case("a request", 200, work.path, upload=work.upload, size=work.size or None)]
    caller = of_team(minted, TEAM) if duty.policies or duty.condition else lines(minted / f"{duty.algorithm}-hot.txt", 1)[0]
    path = work.path if duty.policies else "/check"
    claims = payload(caller)
    return [
        Case("a good token", 200, path, caller, seen={header: str(claims[claim]) for claim, header in duty.claims}),
        Case("no token", 401, path),
        Case("no token at all, but its form", 401, path, "a.b.c"),
        Case("a changed signature", 401, path, tampered(caller)),
        Case("a signature of another key", 401, path, lines(minted / "RS256-bad.txt", 1)[0]),
        Case("an expired token", 401, path, lines(minted / "RS256-expired.txt", 1)[0]),
        *refused(work, place, caller),
    ]


def refused(work, place, caller):
    """Callers that are known and may not."""
    duty, minted = work.duty, place.minted
    if duty.policies:
        yield Case("a member of another team", 403, work.path, of_team(minted, TEAM + 1))
        yield Case("the path of another team", 403, f"/team-{TEAM + 1}/orders", caller)
        yield Case("a path without a policy", 403, "/other", caller)
    if duty.condition:
        yield Case("a caller that the condition refuses", 403, token=of_team(minted, TEAM + 1))
    if duty.routes:
        yield Case("a host without a route", 404, token=caller, host="other.test")
        yield Case("the last host", 200, token=caller, host=f"h{duty.routes - 1}.test")
        yield Case("a closed path", 403, "/admin/users", of_team(minted, 8), host="h7.test")
        yield Case("a closed path, from the team that may", 200, "/admin/users", of_team(minted, 7), host="h7.test")


def check(slot, load):
    """Raises at the first answer that is wrong."""
    work, place = slot.workload, slot.place
    if work.duty.http2:
        load.requests(slot, 1)
        return
    for case in cases(work, place):
        answer, headers, size = ask(place, work.duty.tls, case)
        wrong = answer != case.status or (case.size is not None and size != case.size)
        came = f"{answer} with {size} bytes"
        if not wrong and case.seen:
            seen = dict(zip((header for _, header in CLAIMS), headers.get("x-seen", "").split("|")))
            wrong = any(seen.get(name) != value for name, value in case.seen.items())
            came = f"{answer}, and the upstream saw {seen}"
        if wrong:
            wanted = f"{case.status}" + (f" and {case.seen}" if case.seen else "")
            raise Failed(f"{work.name}: {slot.candidate} answers wrongly to {case.says} (GET {case.path}): wanted {wanted}, got {came}")


def ready(slot, load):
    """Whether the gateway gives the first good answer."""
    try:
        if slot.workload.duty.http2:
            load.requests(slot, 1)
            return True
        first = cases(slot.workload, slot.place)[0]
        return ask(slot.place, slot.workload.duty.tls, first)[0] == first.status
    except (OSError, http.client.HTTPException, Failed):
        return False


def ask(place, tls, case):
    # Headers that carry claims are sent along: who is let in must not be able to set them.
    headers = {"Host": case.host, **{header: "forged" for header in case.seen}}
    if case.token:
        headers["Authorization"] = f"Bearer {case.token}"
    if tls:
        context = ssl.create_default_context(cafile=place.folder / "ca.crt")
        connection = http.client.HTTPSConnection("127.0.0.1", place.port, timeout=10, context=context)
    else:
        connection = http.client.HTTPConnection("127.0.0.1", place.port, timeout=10)
    try:
        connection.request("POST" if case.upload else "GET", case.path, body=b"u" * case.upload or None, headers=headers)
        response = connection.getresponse()
        return response.status, response.headers, len(response.read())
    finally:
        connection.close()
