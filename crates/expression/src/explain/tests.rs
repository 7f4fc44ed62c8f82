use crate::fixture::{attributes, environment};
use crate::program::Program;

const CLAIMS: &str = r#"{"sub": "alice", "level": 3, "groups": ["dev", "ops"], "admin": false,
    "long": "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"}"#;

/// The part that decided and what it read, in the form `part <- path=value, …`.
fn explained(source: &str) -> String {
    let program = Program::compile(source, &environment()).unwrap();
    let attributes = attributes(CLAIMS);
    let explanation = program.explain(&attributes);
    assert_eq!(explanation.result, program.test(&attributes), "{source}");
    let reads = explanation.reads.iter().map(|read| {
        let value = read.value.as_deref().unwrap_or("absent");
        format!("{}={value}", read.path)
    });
    format!(
        "{} <- {}",
        explanation.decisive,
        reads.collect::<Vec<_>>().join(", ")
    )
}

#[test]
fn the_first_false_conjunct_is_named() {
    let source = "jwt.sub == 'alice' && 'admin' in jwt.groups && request.method == 'POST'";
    assert_eq!(
        explained(source),
        "'admin' in jwt.groups <- jwt.groups=[\"dev\", \"ops\"]"
    );
}

#[test]
fn the_first_true_disjunct_is_named() {
    let source = "jwt.level >= 5 || (request.method == 'GET') || jwt.admin";
    assert_eq!(
        explained(source),
        "request.method == 'GET' <- request.method=\"GET\""
    );
}

#[test]
fn chains_are_followed_into_one_another() {
    let source = "has(jwt.sub) && (jwt.admin || (jwt.level == 3 && jwt.nosuch == 1))";
    assert_eq!(explained(source), "jwt.nosuch == 1 <- jwt.nosuch=absent");
    let all_false = "has(jwt.sub) && (jwt.admin || jwt.level == 4)";
    assert_eq!(
        explained(all_false),
        "jwt.admin || jwt.level == 4 <- jwt.admin=false, jwt.level=3"
    );
}

#[test]
fn where_no_part_decided_alone_it_is_all_of_the_source() {
    let source = " jwt.level == 3 && jwt.sub == 'alice' ";
    assert_eq!(
        explained(source),
        format!("{source} <- jwt.level=3, jwt.sub=\"alice\"")
    );
    assert_eq!(explained("jwt.level == 4"), "jwt.level == 4 <- jwt.level=3");
}

#[test]
fn parts_are_whole_as_they_are_written() {
    for part in [
        "jwt.groups.exists(g, g == 'x' || g == 'y')",
        "!jwt.groups.all(g, g.size() == 3)",
        "-1 > jwt.level",
        "-1.5 > double(jwt.level)",
        "size(jwt.groups) == 7",
        "(jwt.level + 1) * 2 == 9",
        "{'a': [1, 2]}['a'][0] == jwt.level",
        "has(jwt.nosuch)",
        "strings.quote(jwt.sub) == ''",
        "jwt['groups'][ 0 ] == 'ops'",
        "request.headers['x-env'].matches('^prod$')",
        "(jwt.admin ? jwt.admin : false)",
        "jwt.sub.lowerAscii() . startsWith('b')",
        "'é' == jwt.sub",
    ] {
        let explained = explained(&format!("true && {part} && jwt.level == 3"));
        let inner = part
            .strip_prefix('(')
            .and_then(|part| part.strip_suffix(')'));
        let inner = inner.filter(|inner| !inner.contains('('));
        let start = format!("{} <- ", inner.unwrap_or(part));
        assert!(explained.starts_with(&start), "{explained}");
    }
}

#[test]
fn attributes_are_named_as_they_are_written() {
    let source = "request.headers['X-Env'] == 'prod' && true";
    assert_eq!(
        explained(source),
        "request.headers['X-Env'] == 'prod' <- request.headers['X-Env']=\"dev\""
    );
    assert_eq!(
        explained("has(jwt.email) && true"),
        "has(jwt.email) <- jwt.email=absent"
    );
    assert_eq!(
        explained("jwt.groups.all(g, g == jwt.sub) || false"),
        "jwt.groups.all(g, g == jwt.sub) || false <- jwt.groups=[\"dev\", \"ops\"], jwt.sub=\"alice\""
    );
}

#[test]
fn values_are_cut() {
    let explained = explained("jwt.long == ''");
    assert!(
        explained.ends_with('…') && explained.chars().count() < 150,
        "{explained}"
    );
}
