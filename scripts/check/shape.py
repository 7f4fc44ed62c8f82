"""Size and shape of source files: a heading, at most 600 lines, functions of at most 80. Test code is not counted."""
import sys

from frame import ROOT, run
from rust import blank, functions, is_test_file, without_tests

FILE_CAP, FILE_AIM, FUNCTION_CAP = 600, 350, 80


def problems(root):
    found = []
    for path in sorted(root.glob("crates/*/**/*.rs")):
        name, text = path.relative_to(root), path.read_text()
        if not text.startswith("//!") and name.name != "tests.rs":
            found.append(f"{name}:1: no `//!` line that says what the file owns")
        if not is_test_file(name):
            found += size(name, text, warn=root == ROOT)
    return found


def size(name, text, warn):
    code = without_tests(blank(text))
    lines = len(text.splitlines()) - test_lines(text, code)
    if lines > FILE_CAP:
        yield f"{name}: {lines} lines without tests, more than {FILE_CAP}"
    elif lines > FILE_AIM and warn:
        print(f"  warning: {name}: {lines} lines without tests, more than the {FILE_AIM} we aim at", file=sys.stderr)
    for function, line, length in functions(code):
        if length > FUNCTION_CAP:
            yield f"{name}:{line}: `{function}` has {length} lines, more than {FUNCTION_CAP}"


def test_lines(text, code):
    """Lines that hold code before tests are blanked and none after."""
    pairs = zip(blank(text).splitlines(), code.splitlines())
    return sum(1 for before, after in pairs if before.strip() and not after.strip())


LONG = "fn long() {\n" + "    step();\n" * 90 + "}\n"

run(
    problems,
    bad=[
        ({"crates/a/src/lib.rs": "pub fn f() {}\n"}, "no `//!` line"),
        ({"crates/a/src/lib.rs": "//! A.\n" + "pub const A: u8 = 0;\n" * 700}, "701 lines"),
        ({"crates/a/src/lib.rs": "//! A.\n" + LONG}, "`long` has 92 lines"),
        # Braces inside literals and comments end nothing.
        ({"crates/a/src/lib.rs": "//! A.\n" + LONG.replace("step();", "s('}', \"}\\\"}\", r#\"}\"}\"#); /* } /* } */ } */", 1)}, "92"),
        ({"crates/a/src/lib.rs": "//! A.\nfn g<'a>(x: &'a str, y: [u8; 2]) -> &'a str\nwhere\n    T: U,\n" + LONG[10:]}, "`g`"),
    ],
    good={
        "crates/a/src/lib.rs": "//! A.\n#[cfg(test)]\nmod tests {\n" + LONG + "const X: u8 = 0;\n" * 700 + "}\n",
        "crates/a/src/b.rs": "//! B.\n#[test]\n" + LONG + "/*\n" + LONG + "*/\n",
        "crates/a/src/tests.rs": "//! Tests.\n" + LONG * 8,
    },
    advice="split by responsibility; tests beyond 150 lines go to `foo/tests.rs`",
)
