"""Arrows between the workspace's crates point one way, and each crate keeps out what its place forbids."""
import tomllib

from frame import crates, run

# What each crate may depend on. jose, core and what lies between are pure; the edges come last.
BELOW = {
    "jose": [],
    "oauth": ["jose"],
    "oidc": ["jose", "oauth"],
    "sts": ["jose", "oauth"],
    "expression": ["jose"],
    "core": ["jose", "expression"],
    "config": ["jose", "expression", "core", "oauth", "oidc", "sts"],
    "runtime": ["jose", "expression", "core", "oauth", "oidc", "sts", "config"],
    "server": ["jose", "expression", "core", "oauth", "oidc", "sts", "config", "runtime"],
    "explain": ["jose", "expression", "core", "oauth", "oidc", "sts", "config"],
    "cli": ["jose", "expression", "core", "oauth", "oidc", "sts", "config", "explain", "runtime", "server"],
    "testkit": [],
    "load": ["jose"],
}
NETWORK = ["tokio", "tokio-util", "tokio-rustls", "hyper", "hyper-util", "notify", "socket2"]
IMPURE = [*NETWORK, "tracing", "tracing-subscriber", "clap", "miette"]
YAML = ["saphyr-parser"]
TLS = ["rustls", "rustls-pki-types"]
PURE = [*IMPURE, *YAML, *TLS]
KEEPS_OUT = {
    "jose": PURE,
    "oauth": PURE,
    "oidc": PURE,
    "sts": PURE,
    "expression": PURE,
    "core": PURE,
    "config": IMPURE,
    "explain": PURE,
    "runtime": ["clap", *YAML],
    "server": ["clap", *YAML],
    "cli": YAML,
}


def problems(root):
    found = []
    for folder in crates(root):
        manifest = tomllib.loads((folder / "Cargo.toml").read_text())
        found += [f"crates/{folder.name}/Cargo.toml: {text}" for text in judge(folder.name, manifest)]
    return found


def judge(name, manifest):
    if name not in BELOW:
        yield f"`{name}` has no place in BELOW of scripts/check/layers.py"
        return
    if not manifest.get("lints", {}).get("workspace"):
        yield "the workspace's lints are not taken over: `[lints] workspace = true`"
    for dependency in manifest.get("dependencies", {}):
        crate = dependency.removeprefix("countersign-")
        if crate == "testkit":
            yield "`countersign-testkit` is for tests: it belongs under [dev-dependencies]"
        elif crate != dependency and crate not in BELOW[name]:
            yield f"`{name}` must not depend on `{crate}`"
        elif dependency in KEEPS_OUT.get(name, []):
            yield f"`{name}` keeps out `{dependency}`"


def sample(name, *dependencies, lints="[lints]\nworkspace = true\n"):
    listed = "".join(f"{dependency}.workspace = true\n" for dependency in dependencies)
    return {f"crates/{name}/Cargo.toml": f"{lints}[dependencies]\n{listed}"}


run(
    problems,
    bad=[
        (sample("jose", "countersign-core"), "`jose` must not depend on `core`"),
        (sample("runtime", "countersign-server"), "`runtime` must not depend on `server`"),
        (sample("core", "tokio"), "`core` keeps out `tokio`"),
        (sample("server", "countersign-testkit"), "belongs under [dev-dependencies]"),
        (sample("testkit", "countersign-jose"), "`testkit` must not depend on `jose`"),
        (sample("utils"), "has no place"),
        (sample("jose", lints=""), "lints are not taken over"),
    ],
    good={
        **sample("jose", "serde"),
        "crates/core/Cargo.toml": "[lints]\nworkspace = true\n[dependencies]\ncountersign-jose.workspace = true\n"
        "[dev-dependencies]\ncountersign-testkit.workspace = true\ntokio.workspace = true\n",
    },
    advice="move the code to the crate that may have the dependency; a new crate gets its line in BELOW",
)
