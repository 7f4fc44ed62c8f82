"""The modules of a crate and what each one names of the others, from the source alone.

A module is a tuple of names from the crate's root, `()` for the root. A name that a module re-exports counts as the
module that defines it, so that a cycle cannot hide behind `pub use`. Macros and glob imports are not followed.
"""
import re

from rust import blank, is_test_file, without_tests

USE = re.compile(r"\b(?:pub\s*(?:\([^)]*\)\s*)?)?use\s+([^;]+);")
PATH = re.compile(r"(?<![\w:])((?:crate|super|self)(?:\s*::\s*(?:super|r#\w+|\w+))+)")


class Crate:
    """Modules by path, and for each one the names that it imports or re-exports."""

    def __init__(self, folder):
        src = folder / "src"
        files = [path for path in sorted(src.glob("**/*.rs")) if not is_test_file(path.relative_to(folder))]
        self.code = {module(path.relative_to(src)): without_tests(blank(path.read_text())) for path in files}
        self.names = {at: dict(self.imports(at)) for at in self.code}

    def imports(self, at):
        """Local name and absolute path of everything that `use` brings into a module."""
        for match in USE.finditer(self.code[at]):
            for path, name in leaves(match[1]):
                target = self.absolute(at, path)
                if target is not None and name not in ("*", "_"):
                    yield name, target

    def absolute(self, at, path):
        """A path from the crate's root; `None` where it leads out of the crate."""
        head, *rest = path
        if head == "crate":
            return tuple(rest)
        if head == "self":
            return at + tuple(rest)
        if head == "super":
            return self.absolute(at[:-1], rest) if rest and rest[0] == "super" else at[:-1] + tuple(rest)
        return at + tuple(path) if at + (head,) in self.code else None

    def owner(self, path, seen=()):
        """The module that defines what an absolute path names."""
        at = ()
        for index, name in enumerate(path):
            if at + (name,) in self.code:
                at += (name,)
                continue
            target = self.names[at].get(name)
            if target is None or (at, name) in seen:
                return at
            return self.owner(target + path[index + 1 :], (*seen, (at, name)))
        return at

    def uses(self):
        """Pairs of modules: who names, and who is named."""
        for at, code in self.code.items():
            paths = [path for match in USE.finditer(code) for path, _ in leaves(match[1])]
            paths += [re.split(r"\s*::\s*", match[1]) for match in PATH.finditer(code)]
            for path in paths:
                target = self.absolute(at, path)
                if target is not None:
                    yield at, self.owner(target)


def module(path):
    """`a/b.rs` and `a/b/mod.rs` are both `(a, b)`; `lib.rs` and `main.rs` are the root."""
    parts = path.with_suffix("").parts
    return parts[:-1] if parts[-1] in ("lib", "main", "mod") else parts


def leaves(tree):
    """Each path of a `use` tree with its local name: `a::{b, c::d as e}` is `a::b` as `b` and `a::c::d` as `e`."""
    tree = " ".join(tree.split())
    brace = tree.find("{")
    if brace < 0:
        path, _, alias = tree.partition(" as ")
        path = [part.strip().removeprefix("r#") for part in path.split("::") if part.strip()]
        if path[-1] == "self" and len(path) > 1:
            path.pop()
        yield path, alias.strip() or path[-1]
        return
    prefix = tree[:brace]
    for branch in split(tree[brace + 1 : tree.rfind("}")]):
        yield from leaves(prefix + branch)


def split(text):
    """At the commas outside of braces."""
    depth, start = 0, 0
    for at, char in enumerate(text):
        depth += (char == "{") - (char == "}")
        if char == "," and depth == 0:
            yield from filter(None, [text[start:at].strip()])
            start = at + 1
    yield from filter(None, [text[start:].strip()])
