//! The key sets, good and bad, that `jwksUri` of the cases point at.

use std::fs;
use std::time::Duration;

use countersign_testkit::corpus;
use countersign_testkit::site::Reply;
use countersign_testkit::upstream::Upstream;

/// Paths that do not have a usable key set, or not within the cases' patience of a second.
const BAD: [&str; 8] = [
    "/slow",
    "/500",
    "/404",
    "/garbage",
    "/nokeys",
    "/emptykeys",
    "/nocontent",
    "/keys-not-array",
];

/// The path that has one.
pub(crate) const GOOD: &str = "/ok";

/// The good set.
pub(crate) fn key_set() -> String {
    let path = corpus::shared("conformance/istio/jwks-main.json").expect("beside the cases");
    fs::read_to_string(path).expect("a readable key set")
}

/// A server of them all.
pub(crate) fn key_server() -> Upstream {
    let (server, good) = (Upstream::start("keys"), key_set());
    let reply = |path: &str| match path {
        GOOD => Reply::json(good.clone()),
        "/slow" => Reply::json(good.clone()).after(Duration::from_secs(3)),
        "/500" => Reply::new(500).body(good.clone()),
        "/garbage" => Reply::new(200).body("<html>"),
        "/nokeys" => Reply::json("{}"),
        "/emptykeys" => Reply::json(r#"{"keys":[]}"#),
        "/keys-not-array" => Reply::json(r#"{"keys":{}}"#),
        "/nocontent" => Reply::new(204),
        _ => Reply::new(404).body("nope"),
    };
    for path in [GOOD].into_iter().chain(BAD) {
        server.answer(path, reply(path));
    }
    server
}
