"""The workloads: what a gateway is set up to do, who takes part, and the load it gets."""
from dataclasses import dataclass, replace

CLAIM = (("sub", "x-user"),)
CLAIMS = (("sub", "x-user"), ("email", "x-email"), ("name", "x-name"), ("scope", "x-scope"), ("role", "x-role"),
          ("team", "x-team"), ("jti", "x-token-id"), ("aud", "x-audience"))
# The caller of policy workloads: line 500 of the tokens in rotation, whose policy lies in the middle of the set.
TEAM = 500


@dataclass(frozen=True)
class Duty:
    """What a gateway is configured to do. Every gateway passes requests on to one upstream over kept connections."""
    algorithm: str = None   # tokens must be signed with this; None: no token is asked for
    claims: tuple = ()      # (claim, header) pairs that the upstream gets
    policies: int = 0       # so many teams, each let in under its own path by a claim of the token
    condition: bool = False  # a CEL condition on a claim
    tls: bool = False
    http2: bool = False     # clear-text HTTP/2 from clients
    routes: int = 0         # so many hosts with a route each
    denials: int = 0        # so many hosts with a path that is closed to all but one team
    idle: int = 0           # so many connections may do nothing
    cache: bool = False     # Envoy's cache of verified tokens


@dataclass(frozen=True)
class Workload:
    """One kind of load. A round is `requests` requests, or `seconds` at `rate`."""
    name: str
    says: str
    duty: Duty = Duty()
    candidates: tuple = ("envoy", "haproxy", "countersign")
    requests: int = 20_000
    warm_up: int = 5_000
    path: str = "/"
    tokens: str = None      # file of tokens, sent in turn
    fresh: bool = False     # no token is sent twice to the same gateway
    connections: int = 48
    streams: int = 1
    rate: int = 0
    seconds: float = 0
    hosts: int = 0
    upload: int = 0
    size: int = 0           # bytes of each answer, where they are to be checked
    expect: int = 200
    group: str = ""         # workloads of one group are measured in the same rounds; alone where empty


def jwt(algorithm="RS256", claims=CLAIM, **more):
    return Duty(algorithm=algorithm, claims=claims, **more)


def teams(count):
    """Numbers of teams such that the caller's is in the middle."""
    return [(TEAM - count // 2 + n) % 1000 for n in range(count)]


PLAIN = ("envoy", "haproxy", "nginx", "countersign")
CACHED = ("envoy", "envoy-cache", "haproxy", "countersign")
# HAProxy 2.6 knows neither EdDSA nor policies in any form that the others have.
PAIR = ("envoy", "countersign")
HOT_TOKEN = "RS256-hot.txt"


def signatures(algorithm):
    """One hot token, many in rotation, and each new, of an algorithm other than RS256."""
    suffix = algorithm.lower()
    who = PAIR if algorithm == "EdDSA" else ("envoy", "haproxy", "countersign")
    base = Workload("", "", jwt(algorithm), who, requests=12_000)
    return [
        replace(base, name=f"jwt-hot-{suffix}", says=f"{algorithm}, one token", tokens=f"{algorithm}-hot.txt"),
        replace(base, name=f"jwt-rotating-{suffix}", says=f"{algorithm}, 10,000 tokens in rotation",
                tokens=f"{algorithm}-rotating.txt", warm_up=10_000),
        replace(base, name=f"jwt-new-{suffix}", says=f"{algorithm}, every token new", tokens=f"{algorithm}-new.txt",
                requests=5_000, warm_up=4_000, fresh=True),
    ]


def policies(count):
    return Workload(f"policies-{count}", f"RS256, one token, {count:,} AuthorizationPolicies on a claim" if count > 1 else
                    "RS256, one token, 1 AuthorizationPolicy on a claim", jwt(claims=(), policies=count), PAIR, path=f"/team-{TEAM}/orders",
                    tokens="team.txt", group="policies")


def body(name, says, size, requests, connections=48):
    return Workload(name, says, candidates=PLAIN, path=f"/files/{size}", size=size, requests=requests,
                    warm_up=requests // 5, connections=connections)


def upload(name, says, size, requests, connections=48):
    return Workload(name, says, candidates=PLAIN, path="/upload", upload=size, requests=requests,
                    warm_up=requests // 5, connections=connections)


HOT = Workload("jwt-hot", "RS256, one token", jwt(), CACHED, tokens=HOT_TOKEN, group="tokens")
PACED = replace(HOT, name="paced", says="`jwt-hot` at 4,000 requests a second", rate=4_000, seconds=5, group="")

ALL = [
    # The very requests of `jwt-hot`, so that what lies between the two is what it costs to ask for a token.
    Workload("plain", "the requests of `jwt-hot`, whose token nobody reads", candidates=PLAIN, tokens=HOT_TOKEN, requests=25_000,
             group="tokens"),
    Workload("plain-short", "requests without a token", candidates=PLAIN, requests=25_000, group="tokens"),
    HOT,
    # Envoy has a cache for each thread, and each must have seen every token.
    replace(HOT, name="jwt-rotating", says="RS256, 10,000 tokens in rotation", tokens="RS256-rotating.txt", warm_up=30_000),
    # Caches must be full: one that grows costs more, and no gateway runs that way for long.
    replace(HOT, name="jwt-new", says="RS256, every token new", tokens="RS256-new.txt", requests=12_000, warm_up=56_000, fresh=True),
    replace(HOT, name="jwt-bad", says="RS256, bad signatures (401)", candidates=("envoy", "haproxy", "countersign"),
            tokens="RS256-bad.txt", requests=12_000, fresh=True, expect=401),
    replace(HOT, name="jwt-expired", says="RS256, expired tokens (401)", candidates=("envoy", "haproxy", "countersign"),
            tokens="RS256-expired.txt", requests=15_000, expect=401, group=""),
    *signatures("ES256"),
    *signatures("EdDSA"),
    Workload("claims-headers", "RS256, one token, 8 claims to headers", jwt(claims=CLAIMS), tokens=HOT_TOKEN),
    policies(1),
    policies(100),
    policies(1_000),
    Workload("rbac-cel", "RS256, one token, a CEL condition on a claim", jwt(claims=(), condition=True), PAIR, tokens="team.txt"),
    body("body-1k", "answers of 1 kB", 1_000, 20_000),
    body("body-100k", "answers of 100 kB", 100_000, 8_000),
    body("body-10m", "answers of 10 MB", 10_000_000, 240, connections=8),
    upload("upload-100k", "uploads of 100 kB", 100_000, 6_000),
    upload("upload-10m", "uploads of 10 MB", 10_000_000, 200, connections=8),
    Workload("h2-100", "no token, HTTP/2 from clients, 4 connections of 100 streams", Duty(http2=True), PLAIN,
             connections=4, streams=100, requests=50_000, warm_up=10_000),
    Workload("tls", "no token, HTTPS from clients", Duty(tls=True), PLAIN),
    replace(HOT, name="closed-64", says="`jwt-hot` over 64 connections", candidates=("envoy", "haproxy", "countersign"),
            connections=64, group=""),
    PACED,
    replace(PACED, name="paced-plain", says="`plain-short` at 4,000 requests a second", duty=Duty(), candidates=PLAIN, tokens=None),
    replace(HOT, name="idle-10000", says="`jwt-hot` beside 10,000 idle connections",
            duty=jwt(idle=10_000),
            candidates=("envoy", "haproxy", "countersign"), group=""),
    Workload("routes-5000", "RS256, one token, 5,000 hosts with a route each, 1,000 AuthorizationPolicies",
             jwt(claims=(), routes=5_000, denials=1_000), PAIR, tokens=HOT_TOKEN, hosts=5_000, requests=15_000),
]

# Tokens that `countersign-load mint` makes for each algorithm (the most that any workload needs).
FRESH = 140_000


def chosen(names):
    known = {workload.name: workload for workload in ALL}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(f"no workload `{unknown[0]}`; there are {', '.join(known)}")
    return [workload for workload in ALL if not names or workload.name in names]


def groups(workloads):
    """Workloads that are measured together, in order."""
    found = {}
    for workload in workloads:
        found.setdefault(workload.group or workload.name, []).append(workload)
    return list(found.values())
