"""No two modules of one crate import each other, directly or in a circle.

Modules are compared with their siblings: what `a::x` names of `b::y` is an arrow from `a` to `b`. A module and its
own children may name each other, since a file split in parts stays one thing.
"""
from frame import crates, run
from modules import Crate


def problems(root):
    return [problem for folder in crates(root) for problem in crate_problems(folder)]


def crate_problems(folder):
    arrows = {}
    for source, target in Crate(folder).uses():
        depth = next((i for i, pair in enumerate(zip(source, target)) if pair[0] != pair[1]), None)
        if depth is not None:
            arrows.setdefault(source[: depth + 1], {}).setdefault(target[: depth + 1], "::".join(source))
    for circle in circles(arrows):
        steps = zip(circle, [*circle[1:], circle[0]])
        told = [f"{'::'.join(a)} names {'::'.join(b)} (in {arrows[a][b]})" for a, b in steps]
        yield f"{folder.name}: " + ", ".join(told)


def circles(arrows):
    """One shortest circle for every set of modules that reach one another."""
    reported = set()
    for start in sorted(arrows):
        circle = shortest(arrows, start)
        if circle and not reported & set(circle):
            reported |= set(circle)
            yield circle


def shortest(arrows, start):
    """The shortest way from `start` back to it; nothing where there is none."""
    ways, seen = [[start]], {start}
    for way in ways:
        for step in sorted(arrows.get(way[-1], ())):
            if step == start:
                return way
            if step not in seen:
                seen.add(step)
                ways.append([*way, step])
    return None


def sample(**files):
    manifest = {"crates/a/Cargo.toml": ""}
    return manifest | {f"crates/a/src/{path.replace('__', '/')}.rs": text for path, text in files.items()}


run(
    problems,
    bad=[
        (sample(lib="mod x; mod y;", x="use crate::y::Y;", y="fn f() -> crate::x::X { todo!() }"), "x names y (in x), y names x"),
        (sample(lib="mod x; mod y;", x="mod deep;", x__deep="use super::super::y;", y="use crate::{z, x::{self, B as C}};"), "x names y (in x::deep)"),
        (sample(lib="mod x; mod y; mod z;", x="use crate::y::A;", y="use crate::z::A;", z="use crate::x::A;"), "z names x"),
        # Through a re-export at the root.
        (sample(lib="mod x; mod y; pub use x::{A, B}; pub use y::C;", x="use crate::C;", y="use super::{A};"), "y names x"),
        # Between the children of one module, through their parent.
        (sample(lib="mod m;", m="mod p; mod q; use p::A; use self::q::B;", m__p="use super::B;", m__q="use super::A;"), "m::p names m::q"),
    ],
    good=sample(
        lib="mod x; mod y; pub use x::A; pub struct Root;",
        x="mod part; use crate::y::Y; use crate::Root; pub use part::P; pub struct A;",
        x__part="use super::A; use crate::x;",
        y="// use crate::x;\nuse std::x::Y;\n#[cfg(test)]\nmod tests { use crate::x::A; }\nconst C: &str = \"crate::x::A\";",
        y__tests="use crate::x::A;",
    ),
    advice="move what both need into a module below them, or pass it as an argument",
)
