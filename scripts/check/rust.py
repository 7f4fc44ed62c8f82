"""Reads Rust source far enough to count and to follow imports: no comment, string or test is taken for code."""
import re

TOKEN = re.compile(
    r"""
    (?P<line>//[^\n]*)
  | (?P<block>/\*)
  | (?P<raw>\b(?:b|c)?r(?P<hashes>\#*)")
  | (?P<string>(?:\b[bc])?")
  | (?P<char>(?:\bb)?'(?:\\(?:x[0-9a-fA-F]{2}|u\{[0-9a-fA-F_]+\}|.)|[^\\'\n])')
    """,
    re.X,
)
NOT_NEWLINE = re.compile(r"[^\n]")


def blank(text):
    """The source with comments, strings and character literals turned to spaces; every line keeps its place."""
    out, at = [], 0
    while match := TOKEN.search(text, at):
        end = token_end(text, match)
        out += [text[at : match.start()], NOT_NEWLINE.sub(" ", text[match.start() : end])]
        at = end
    return "".join([*out, text[at:]])


def token_end(text, match):
    if match["block"]:
        return block_end(text, match.end())
    if match["raw"]:
        close = text.find('"' + match["hashes"], match.end())
        return len(text) if close < 0 else close + 1 + len(match["hashes"])
    if match["string"]:
        return string_end(text, match.end())
    return match.end()


def block_end(text, at):
    """Block comments nest."""
    depth = 1
    for mark in re.compile(r"/\*|\*/").finditer(text, at):
        depth += 1 if mark.group() == "/*" else -1
        if depth == 0:
            return mark.end()
    return len(text)


def string_end(text, at):
    while at < len(text) and text[at] != '"':
        at += 2 if text[at] == "\\" else 1
    return at + 1


def closing(code, at):
    """Where the brace that opens at `at` closes. The code must be blanked."""
    depth = 0
    for mark in re.compile(r"[{}]").finditer(code, at):
        depth += 1 if mark.group() == "{" else -1
        if depth == 0:
            return mark.start()
    return len(code) - 1


TEST = re.compile(r"#\s*\[\s*(?:cfg\s*\((?:[^\]]*\W)?test\b[^\]]*\)|(?:\w+::)*test(?:\([^\]]*\))?)\s*\]")
NOT_TEST = re.compile(r"not\s*\(\s*test\s*\)")


def without_tests(code):
    """Blanks the items that only tests compile. The code must be blanked."""
    at = 0
    while match := TEST.search(code, at):
        at = match.end()
        if NOT_TEST.search(match.group()):
            continue
        end = item_end(code, at)
        code = code[: match.start()] + NOT_NEWLINE.sub(" ", code[match.start() : end]) + code[end:]
    return code


def item_end(code, at):
    """Past the item that begins at `at`: its closing brace or its semicolon, whichever is its own."""
    depth = 0
    for mark in re.compile(r"[()\[\]{;]").finditer(code, at):
        char = mark.group()
        if char in "([":
            depth += 1
        elif char in ")]":
            depth -= 1
        elif depth == 0:
            return mark.end() if char == ";" else closing(code, mark.start()) + 1
    return len(code)


FN = re.compile(r"\bfn\s+((?:r#)?\w+)")


def functions(code):
    """Name, first line and length in lines of every function with a body. The code must be blanked."""
    for match in FN.finditer(code):
        end = item_end(code, match.end())
        if code[end - 1] == "}":
            first = code.count("\n", 0, match.start()) + 1
            yield match[1], first, code.count("\n", match.start(), end) + 1


def is_test_file(path):
    """Whether the whole file is test code, by the names that house style gives them."""
    return path.name == "tests.rs" or bool({"tests", "benches", "fuzz"} & set(path.parts[:-1]))
