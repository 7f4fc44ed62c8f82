use crate::failure::Problem;
use crate::fixture::{attributes, environment};
use crate::mistake::Mistake;
use crate::program::Program;

const CLAIMS: &str = r#"{
    "sub": "alice", "aud": ["api", "web"], "level": 3, "big": 18446744073709551615, "ratio": 0.5,
    "whole": 3.0, "exp": 1900000000, "admin": true, "nothing": null, "scope": "read write",
    "groups": ["dev", "ops", "admin"], "realm": {"roles": ["r1"], "x-y": {"z": 1}}
}"#;

fn test(source: &str) -> Result<bool, Problem> {
    let program = Program::compile(source, &environment()).unwrap();
    let result = program.test(&attributes(CLAIMS));
    result.map_err(|failure| failure.problem)
}

fn holds(source: &str) {
    assert_eq!(test(source), Ok(true), "{source}");
}

fn mistakes(source: &str) -> Vec<(usize, String)> {
    let mistakes = Program::compile(source, &environment()).unwrap_err();
    let place = |mistake: Mistake| (mistake.offset, mistake.message);
    mistakes.into_iter().map(place).collect()
}

fn mistake(source: &str, offset: usize, message: &str) {
    assert_eq!(mistakes(source), [(offset, message.to_owned())], "{source}");
}

#[test]
fn programs_are_shared_between_threads() {
    fn shared<T: Send + Sync + Clone>(_: &T) {}
    let program = Program::compile("jwt.admin", &environment()).unwrap();
    shared(&program);
    assert_eq!(program.clone(), program);
    assert_eq!(program.source(), "jwt.admin");
}

#[test]
fn claims_keep_their_types() {
    holds("jwt.level == 3 && type(jwt.level) == int && jwt.level + 1 == 4");
    holds("jwt.big == 18446744073709551615u && type(jwt.big) == uint");
    holds("type(jwt.ratio) == double && jwt.ratio < 1 && jwt.level > 2.5");
    holds("type(jwt.whole) == double && jwt.whole == jwt.level");
    holds("jwt.exp > int(timestamp('2020-01-01T00:00:00Z'))");
    holds("jwt.admin && jwt.nothing == null && jwt.sub != 'bob'");
    holds("!(jwt.level == '3') && !(jwt.nothing == false)");
}

#[test]
fn lists_and_maps_of_claims_are_those_of_cel() {
    holds("'admin' in jwt.groups && !('nobody' in jwt.groups)");
    holds("jwt.groups.exists(g, g.startsWith('ad')) && jwt.groups[0] == 'dev'");
    holds("size(jwt.groups) == 3 && jwt.groups == ['dev', 'ops', 'admin']");
    holds("jwt.groups.filter(g, g != 'dev').map(g, g + '!') == ['ops!', 'admin!']");
    holds("jwt.realm.roles[0] == 'r1' && jwt['realm']['roles'].size() == 1");
    holds("'roles' in jwt.realm && jwt.realm.exists(k, k == 'x-y') && jwt.realm['x-y'].z == 1");
    holds("jwt.realm == {'x-y': {'z': 1}, 'roles': ['r1']}");
    holds("['dev', 'qa'].exists(wanted, jwt.groups.exists(g, g == wanted))");
    holds("jwt.scope.split(' ').exists_one(s, s == 'read')");
    holds("type(jwt.aud) == list ? 'api' in jwt.aud : jwt.aud == 'api'");
    holds("type(jwt.sub) == list ? 'api' in jwt.sub : jwt.sub == 'alice'");
}

#[test]
fn finding_an_element_behind_others_with_a_size_of_their_own_is_paid_for() {
    let program = Program::compile("jwt.list.all(e, jwt.list[1999] == e)", &environment());
    let program = program.unwrap();
    let test = |element: &str| {
        let list = vec![element; 2000].join(",");
        let outcome = program.test(&attributes(&format!(r#"{{"list":[{list}]}}"#)));
        outcome.map_err(|failure| failure.problem)
    };
    assert_eq!(test("0"), Ok(true));
    assert_eq!(test("[]"), Ok(true));
    assert_eq!(test("[0]"), Err(Problem::Cost));
}

#[test]
fn attributes_are_looked_up_and_listed_where_they_can_be() {
    holds("request.method == 'GET' && request['path'].startsWith('/api')");
    holds("request.headers['X-Env'] == 'dev' && request.headers.accept.contains('html')");
    holds("'X-ENV' in request.headers && !('cookie' in request.headers)");
    holds("has(request.headers.accept) && !has(request.headers.cookie) && !has(request.body)");
    holds("request.headers.exists(name, name == 'x-env') && size(request.headers) == 2");
    assert_eq!(test("size(request) == 4"), Err(Problem::NotListable));
    assert_eq!(test("request.all(name, true)"), Err(Problem::NotListable));
    assert_eq!(test("request == request"), Err(Problem::NotListable));
}

#[test]
fn what_is_absent_is_an_error_that_names_the_path() {
    let absent = |name: &str| Err(Problem::Absent(name.into()));
    assert_eq!(test("jwt.email == 'a'"), absent("jwt.email"));
    assert_eq!(
        test("jwt.realm['no-such'].a == 1"),
        absent("jwt.realm['no-such']")
    );
    assert_eq!(test("absent.a == 1"), absent("absent"));
    assert_eq!(test("has(absent.a)"), absent("absent"));
    assert_eq!(test("has(jwt.no.such)"), absent("jwt.no"));
    assert_eq!(test("jwt.groups.exists(g, {'a': 1}.b == 1)"), absent("b"));
    assert_eq!(test("jwt[jwt.sub] == 1"), Err(Problem::NoSuchKey));
    assert_eq!(test("jwt.groups[3] == ''"), Err(Problem::OutOfRange));
    assert_eq!(test("jwt.groups[-1] == ''"), Err(Problem::OutOfRange));
    holds("!has(jwt.email) && !has(jwt.realm.x)");
}

#[test]
fn the_side_that_decides_absorbs_the_failure_of_the_other() {
    holds("jwt.email == 'a' || jwt.admin");
    holds("jwt.admin || jwt.email == 'a'");
    assert_eq!(test("jwt.email == 'a' && !jwt.admin"), Ok(false));
    assert_eq!(test("jwt.sub && !jwt.admin"), Ok(false));
    assert_eq!(
        test("jwt.admin && jwt.sub"),
        Err(Problem::NotBool("string"))
    );
    assert!(test("jwt.email == 'a' || !jwt.admin").is_err());
    assert!(test("jwt.groups.all(g, jwt.email == g)").is_err());
    holds("jwt.groups.exists(g, g == 'admin' || jwt.email == g)");
    holds("jwt.admin ? true : jwt.email == ''");
}

#[test]
fn no_types_are_mixed() {
    let refused = |of, given| Err(Problem::NoOverload { of, given });
    assert_eq!(test("jwt.level + 1.5 == 4.5"), refused("+", "double"));
    assert_eq!(test("jwt.sub + 1 == ''"), refused("+", "int"));
    assert_eq!(test("jwt.sub < 3"), refused("<", "int"));
    assert_eq!(test("jwt.groups < 3"), refused("<", "list"));
    assert_eq!(test("'a' in jwt.sub"), refused("in", "string"));
    assert_eq!(test("jwt.sub.x == 1"), refused(".", "string"));
    assert_eq!(test("jwt.level.matches('3')"), refused("matches", "int"));
    assert_eq!(test("jwt.sub"), Err(Problem::NotBool("string")));
    assert_eq!(
        test("9223372036854775807 + jwt.level > 0"),
        Err(Problem::Overflow)
    );
    assert_eq!(
        test("1 / (jwt.level - 3) > 0"),
        Err(Problem::DivisionByZero)
    );
}

#[test]
fn failures_say_where_and_never_what_a_claim_holds() {
    let program = Program::compile("jwt.admin && jwt.sub.a == 1", &environment()).unwrap();
    let failure = program.test(&attributes(CLAIMS)).unwrap_err();
    assert_eq!(failure.offset, 13);
    assert_eq!(
        failure.to_string(),
        "`.` does not take a string here (at offset 13)"
    );
    let conversion = Program::compile("int(jwt.sub) == 1", &environment()).unwrap();
    let failure = conversion.test(&attributes(CLAIMS)).unwrap_err();
    assert_eq!(
        failure.to_string(),
        "the value cannot be converted to int (at offset 0)"
    );
    let claims = attributes(CLAIMS);
    let value = Program::any("jwt", &environment()).unwrap();
    let shown = format!("{:?}", value.evaluate(&claims));
    assert!(!shown.contains("alice"), "{shown}");
}

#[test]
fn unknown_names_are_refused_with_their_place() {
    mistake(
        "request.mehtod == 'GET'",
        8,
        "`request` has no field `mehtod`",
    );
    mistake(
        "request['nosuch'] == ''",
        7,
        "`request` has no field `nosuch`",
    );
    mistake("has(request.nosuch)", 12, "`request` has no field `nosuch`");
    mistake("request.path.a == 1", 13, "`request.path` has no fields");
    mistake("jwt.sub == alice", 11, "unknown variable `alice`");
    mistake("jwt.sub.startWith('a')", 8, "unknown function `startWith`");
    mistake("jwt.groups.exists(g, h == 1)", 21, "unknown variable `h`");
    mistake(
        "jwt.groups.exists(g, true) && g",
        30,
        "unknown variable `g`",
    );
    assert_eq!(mistakes("foo &&\n'é' == bar(1)").len(), 2);
    let help = |source| {
        Program::compile(source, &environment())
            .unwrap_err()
            .remove(0)
            .help
    };
    assert_eq!(help("reqest.path == ''"), "did you mean `request`?");
    assert_eq!(help("request.Path == ''"), "did you mean `path`?");
    assert_eq!(help("jwt.sub.startswith('')"), "did you mean `startsWith`?");
    assert_eq!(
        help("jwt.sub.size(1) == 1"),
        "write `size(x)` or `x.size()`"
    );
}

#[test]
fn what_is_no_condition_is_refused() {
    mistake(
        "jwt.sub.size()",
        0,
        "the expression gives an int, never true or false",
    );
    mistake(
        "'admin'",
        0,
        "the expression gives a string, never true or false",
    );
    mistake(
        "jwt.admin ? 'a' : ['b']",
        0,
        "the expression gives a list, never true or false",
    );
    mistake(
        "jwt.groups.filter(g, true)",
        0,
        "the expression gives a list, never true or false",
    );
    for possible in [
        "jwt.sub",
        "jwt.admin ? true : 'b'",
        "dyn(1)",
        "jwt.groups[0]",
        "false",
    ] {
        Program::compile(possible, &environment()).unwrap();
    }
}

#[test]
fn syntax_we_do_not_have_is_refused_in_words() {
    mistake("jwt.sub = 'a'", 8, "unexpected `=`");
    mistake("jwt.a & jwt.b", 6, "unexpected `&`");
    mistake(
        "jwt.sub == 'al\\ice'",
        11,
        "the string has an unknown escape",
    );
    mistake("jwt.sub == \"a", 11, "the string is never closed");
    mistake(
        "jwt.`a-b` == 1",
        4,
        "field names in backticks are not supported",
    );
    mistake("jwt.?a == 1", 3, "optional fields are not supported");
    mistake(
        "jwt.groups.all(i, v, true)",
        11,
        "`all` with two variables is not supported",
    );
    mistake(
        "jwt.x.transformMap(k, v, v)",
        6,
        "`transformMap` with two variables is not supported",
    );
    mistake(
        "Foo{a: 1} == 1",
        0,
        "`Foo{…}` builds a message, which is not supported",
    );
    mistake("(jwt.a", 0, "`(` has no partner");
    mistake("jwt.a == ", 9, "the expression ends too early");
    mistake("jwt.a jwt.b", 6, "`jwt` is not expected here");
    mistake("if == 1", 0, "`if` is a reserved word");
    mistake("has(jwt)", 4, "`has` needs a field to look for");
    mistake(
        "'é' == '🐱' &&\n'é' != has(jwt)",
        30,
        "`has` needs a field to look for",
    );
    mistake("'é' == '🐱' 1", 15, "`1` is not expected here");
    mistake(
        "jwt.groups.exists('g', true)",
        18,
        "the first argument of a macro has to be a name",
    );
    mistake(
        "1u == 99999999999999999999u",
        6,
        "the number is out of range",
    );
    mistake(
        "jwt.sub.matches('(')",
        16,
        "this pattern is not possible: unclosed group",
    );
}
