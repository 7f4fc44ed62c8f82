"""What the documents tell a reader to run or to open exists: make targets, commands of the binary, linked files."""
import re

from frame import ROOT, run

CODE = re.compile(r"```.*?```|`[^`\n]+`", re.S)
MAKE = re.compile(r"\bmake ([a-z][a-z-]*)")
COMMAND = re.compile(r"(?:^|[\s/`$])countersign ([a-z][a-z-]*)", re.M)
LINK = re.compile(r"\]\(([^)\s#]+)(?:#[^)\s]*)?\)")
TARGET = re.compile(r"^([a-z][a-z-]*):", re.M)


def problems(root):
    targets = set(TARGET.findall((root / "Makefile").read_text()))
    # House style: one file, or one folder, per command.
    commands = {path.stem for path in root.glob("crates/cli/src/command/*")} | {"help"}
    found = []
    for path in [*sorted(root.glob("*.md")), *sorted(root.glob("docs/**/*.md"))]:
        name, text = path.relative_to(root), path.read_text()
        code = "\n".join(CODE.findall(text))
        found += [f"{name}: no target `make {word}`" for word in unknown(MAKE, code, targets)]
        found += [f"{name}: no command `countersign {word}`" for word in unknown(COMMAND, code, commands)]
        found += [f"{name}: no file `{link}`" for link in broken(path.parent, CODE.sub("", text))]
    return found


def unknown(pattern, code, known):
    return sorted({word for word in pattern.findall(code) if word not in known and word.replace("-", "_") not in known})


def broken(folder, text):
    links = {link for link in LINK.findall(text) if not re.match(r"[a-z]+:", link)}
    return sorted(link for link in links if not (folder / link).exists())


def sample(readme):
    return {"Makefile": "test: ## Test\n\ttrue\n", "crates/cli/src/command/run.rs": "", "crates/cli/src/command/token/mod.rs": "", "README.md": readme}


run(
    problems,
    bad=[
        (sample("Run `make tset`."), "no target `make tset`"),
        (sample("```\n$ countersign explain x\n```"), "no command `countersign explain`"),
        (sample("See [there](docs/none.md#a)."), "no file `docs/none.md`"),
    ],
    good=sample("They make sense. `make test`, `target/release/countersign run x`, `countersign token decode`, [this](README.md#x), [that](https://a.b)."),
    advice="mend the document, or what it names",
)
