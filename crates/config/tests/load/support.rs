//! Loading in one line, and what came of it in short.

use countersign_config::compiled::Compiled;
use countersign_config::diagnostic::Style;
use countersign_config::source::Text;
use countersign_config::{Loaded, load};
use countersign_core::listener::Listener;
use countersign_core::route::RouteRule;

/// Loads one text under the name `t.yaml`, without any environment.
pub(crate) fn load_one(text: &str) -> Loaded {
    load_all(&[("t.yaml", text)])
}

/// Loads texts under their names.
pub(crate) fn load_all(texts: &[(&str, &str)]) -> Loaded {
    let texts = texts.iter().map(|(name, content)| Text {
        name: (*name).to_owned(),
        content: (*content).to_owned(),
    });
    load(texts.collect(), &|_| None)
}

/// `error[code]: message` of all but notes, in order.
pub(crate) fn told(loaded: &Loaded) -> Vec<String> {
    let worth = loaded
        .diagnostics
        .iter()
        .filter(|it| it.severity.name() != "note");
    let line = worth.map(|it| format!("{}[{}]: {}", it.severity.name(), it.code, it.message));
    line.collect()
}

/// Their codes.
pub(crate) fn codes(text: &str) -> Vec<&'static str> {
    let loaded = load_one(text);
    let worth = loaded
        .diagnostics
        .iter()
        .filter(|it| it.severity.name() != "note");
    worth.map(|it| it.code).collect()
}

/// What a text without errors becomes; the diagnostics say why it does not.
pub(crate) fn compiled(text: &str) -> Compiled {
    accepted(load_one(text))
}

pub(crate) fn accepted(loaded: Loaded) -> Compiled {
    let shown = loaded.diagnostics.render(&loaded.files, Style::Plain);
    loaded
        .compiled
        .unwrap_or_else(|| panic!("refused:\n{shown}"))
}

/// A Gateway `default/gw` with these listeners, in flow style: `{name: a, port: 80, protocol: HTTP}`.
pub(crate) fn gateway(listeners: &str) -> String {
    gateway_named("gw", "", listeners)
}

/// The same with a name and more fields of `spec`, one on each line, indented.
pub(crate) fn gateway_named(name: &str, fields: &str, listeners: &str) -> String {
    format!(
        "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {{name: {name}}}\n\
         spec:\n  gatewayClassName: any\n{fields}  listeners: [{listeners}]\n---\n"
    )
}

/// A plain listener on port 80.
pub(crate) const HTTP: &str = "{name: http, port: 80, protocol: HTTP}";

/// An HTTPRoute `default/r` on `gw` with these rules, in flow style.
pub(crate) fn route(rules: &str) -> String {
    route_named("r", "", rules)
}

/// The same with a name and more fields of `spec`.
pub(crate) fn route_named(name: &str, fields: &str, rules: &str) -> String {
    let parents = if fields.contains("parentRefs") {
        ""
    } else {
        "  parentRefs: [{name: gw}]\n"
    };
    format!(
        "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {{name: {name}}}\n\
         spec:\n{parents}{fields}  rules: [{rules}]\n---\n"
    )
}

/// A Service `default/s` on port 80.
pub(crate) const SERVICE: &str =
    "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {ports: [{port: 80}]}\n---\n";

/// A reference to it.
pub(crate) const TO_SERVICE: &str = "backendRefs: [{name: s, port: 80}]";

/// A listener by its title, such as `default/gw/http`.
pub(crate) fn listener<'c>(compiled: &'c Compiled, title: &str) -> &'c Listener {
    let mut all = compiled.snapshot.listeners.iter();
    all.find(|it| &*it.name == title)
        .unwrap_or_else(|| panic!("no listener {title}"))
}

/// A rule by its name, such as `default/r/0`.
pub(crate) fn rule<'c>(compiled: &'c Compiled, name: &str) -> &'c RouteRule {
    let mut all = compiled.snapshot.rules.iter();
    all.find(|it| &*it.name == name)
        .unwrap_or_else(|| panic!("no rule {name}"))
}

/// Host, rule and match count of each entry of a listener, by precedence.
pub(crate) fn entries(compiled: &Compiled, title: &str) -> Vec<String> {
    let entries = listener(compiled, title).routes.entries();
    let shown = entries.map(|it| {
        let rule = compiled.snapshot.rule(it.rule).unwrap();
        format!("{} {}", it.host, rule.name)
    });
    shown.collect()
}
