//! Where the gateway is meant to differ, each by the decision of `docs/differences.md` that says so.
//!
//! A difference is never waved through for what the request looks like. Each decision says how *we* read the
//! request; that reading is put in words which Envoy reads the same way, Envoy is asked again, and only if it now
//! answers as the gateway did is the difference explained.

use countersign_testkit::corpus::IstioExpect;
use serde_json::{Value, json};

use crate::ask::{Ask, Place, Token};
use crate::policies::Group;
use crate::vocabulary::KNOWN_METHODS;

/// The policies that Envoy is asked under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Policies {
    AsWritten,
    /// Those that deny, and no ALLOW: whether a request is denied however its host or path is spelt (P9).
    DenyOnly,
    /// Those that ask for `Authorization` ask for each of its lines (T2).
    LinesApart,
}

impl Policies {
    /// What a group may have to be asked under.
    pub(crate) fn needed(group: &Group) -> Vec<Self> {
        let text = |it: &Value| it["spec"]["rules"].to_string();
        let by_host = |it: &Value| {
            let text = text(it);
            let named = text.contains("\"hosts\"") || text.contains("*}");
            it["spec"]["action"] == "DENY" && named
        };
        let by_line = |it: &Value| text(it).contains(BY_LINE);
        let mut needed = vec![Self::AsWritten];
        if group.policies().any(by_host) {
            needed.push(Self::DenyOnly);
        }
        if group.policies().any(by_line) {
            needed.push(Self::LinesApart);
        }
        needed
    }

    pub(crate) fn apply(self, documents: &[Value]) -> Vec<Value> {
        let allows = |it: &Value| {
            let action = it["spec"]["action"].as_str().unwrap_or("ALLOW");
            it["kind"] == "AuthorizationPolicy" && action == "ALLOW"
        };
        let kept = documents
            .iter()
            .filter(|it| self != Self::DenyOnly || !allows(it));
        let apart = |it: &Value| {
            let text = it.to_string();
            let text = text.replace(BY_LINE, &format!("request.headers[{LINES}]"));
            serde_json::from_str(&text).expect("as before")
        };
        match self {
            Self::LinesApart => kept.map(apart).collect(),
            Self::AsWritten | Self::DenyOnly => kept.cloned().collect(),
        }
    }
}

const BY_LINE: &str = "request.headers[authorization]";

/// One way in which we read requests otherwise.
pub(crate) struct Decision {
    pub(crate) code: &'static str,
    pub(crate) what: &'static str,
    /// Whether it may let through what Envoy refuses.
    pub(crate) admits: bool,
    /// The request in words that Envoy reads as we read the original; `None` where it is nothing to this decision.
    pub(crate) reading: fn(&Group, &Ask) -> Option<Ask>,
}

/// Decisions whose readings may meet in one request.
pub(crate) const DECISIONS: &[Decision] = &[
    Decision {
        code: "HTTP methods",
        what: "methods that Envoy does not know are passed on, and compared as they are written",
        admits: true,
        reading: known_method,
    },
    Decision {
        code: "P1",
        what: "headers that `Connection` names are gone before any policy",
        admits: true,
        reading: without_nominated,
    },
    Decision {
        code: "P7",
        what: "`%2e%2e;` is resolved like `..`, and slashes alone are merged too",
        admits: true,
        reading: path_resolved,
    },
    Decision {
        code: "T2",
        what: "the scheme of `Authorization` in any case, at the start, and once",
        admits: true,
        reading: scheme_at_start,
    },
    Decision {
        code: "T7",
        what: "every spelling of an output header is taken from the client",
        admits: true,
        reading: without_spellings,
    },
];

fn without_nominated(_: &Group, ask: &Ask) -> Option<Ask> {
    let connection = |it: &&(String, String)| it.0.eq_ignore_ascii_case("connection");
    let lines = ask.headers.iter().filter(connection);
    let named: Vec<String> = lines
        .flat_map(|(_, value)| value.split(','))
        .map(|it| it.trim().to_ascii_lowercase())
        .collect();
    let mut read = ask.clone();
    read.headers
        .retain(|(name, _)| !named.contains(&name.to_ascii_lowercase()));
    (read.headers.len() < ask.headers.len()).then_some(read)
}

fn path_resolved(group: &Group, ask: &Ask) -> Option<Ask> {
    let mut read = ask.clone();
    for spelling in ["%2e%2e;", "%2E%2E;", "%2e%2E;", "%2E%2e;", ".%2e;", "%2e.;"] {
        read.path = read.path.replace(spelling, "..;");
    }
    // Behind a backslash they are not seen for what they are.
    if read.path.contains("..;") {
        if group.normalization.starts_with("DECODE") {
            read.path = read.path.replace("%5c", "/").replace("%5C", "/");
        }
        read.path = read.path.replace('\\', "/");
    }
    let merges = group.normalization.contains("MERGE");
    let behind_host = read.path.find("://").map_or(0, |at| at + 3);
    let start = read.path[behind_host..].find('/').unwrap_or_default() + behind_host;
    if merges && is_root(&read.path[start..]) {
        read.path.replace_range(start.., "/");
    }
    (group.normalization != "NONE" && read.path != ask.path).then_some(read)
}

/// Whether nothing but slashes is left of a path once it is resolved.
fn is_root(path: &str) -> bool {
    let mut plain = path.to_ascii_lowercase();
    for (spelling, meant) in [("%2f", "/"), ("%5c", "/"), ("\\", "/"), ("%2e", ".")] {
        plain = plain.replace(spelling, meant);
    }
    let mut segments = Vec::new();
    for segment in plain.split('/') {
        // Parameters of a dot segment go with it.
        let name = segment.split(';').next().unwrap_or_default();
        match name {
            "." => {}
            ".." => _ = segments.pop(),
            _ => segments.push(segment),
        }
    }
    segments.iter().all(|it| it.is_empty())
}

/// What stands in `Authorization` is a token behind a configured scheme and spaces, in any case; two lines are never
/// one, and symbols before a token belong to it.
fn scheme_at_start(group: &Group, ask: &Ask) -> Option<Ask> {
    let schemes = schemes(group);
    let lines = authorization(ask);
    let found = lines.iter().find_map(|line| after_scheme(line, &schemes));
    let mut read = ask.clone();
    read.headers
        .retain(|(name, _)| !name.eq_ignore_ascii_case(AUTHORIZATION));
    read.tokens.retain(|it| !is_authorization(it));
    let Some((scheme, token)) = found else {
        // Envoy would find the scheme anywhere: it must not be there to be found.
        let hidden = lines.iter().map(|it| without_schemes(it, &schemes));
        let hidden = hidden.map(|it| (AUTHORIZATION.to_owned(), it));
        read.headers.extend(hidden);
        return (authorization(&read) != lines).then_some(read);
    };
    let text = match lines.as_slice() {
        [_, _, ..] => NO_TOKEN.to_owned(),
        _ if token.starts_with(|it: char| it.is_ascii_alphanumeric()) => token.to_owned(),
        // Envoy would skip what stands before the token, and not behind a letter.
        _ => format!("x{token}"),
    };
    let mut original = ask.tokens.iter().filter(|it| is_authorization(it));
    let (identity, critical) = original.next().map_or_else(Default::default, |it| {
        (it.identity.clone(), it.critical && lines.len() == 1)
    });
    read.tokens.push(Token {
        place: Place::Header(AUTHORIZATION.into(), format!("{scheme} ")),
        text,
        identity,
        critical,
    });
    (authorization(&read) != lines).then_some(read)
}

const AUTHORIZATION: &str = "authorization";

/// T2: the lines of `Authorization` once more, as they came and under a name that Envoy does not join them for, where
/// a policy asks for them.
pub(crate) fn lines_apart(group: &Group, original: &Ask, read: &Ask) -> Option<Ask> {
    let lines = authorization(original);
    let minded = Policies::needed(group).contains(&Policies::LinesApart);
    (minded && !lines.is_empty()).then(|| {
        let mut read = read.clone();
        let apart = lines.into_iter().map(|it| (LINES.to_owned(), it));
        read.headers.extend(apart);
        read
    })
}

const LINES: &str = "x-lines-of-authorization";

fn without_schemes(line: &str, schemes: &[&str]) -> String {
    schemes.iter().fold(line.to_owned(), |line, scheme| {
        line.replace(&format!("{scheme} "), &hidden(scheme))
    })
}

/// The scheme that the line begins with, in any case, and what stands behind it.
fn after_scheme<'a>(line: &'a str, schemes: &[&'static str]) -> Option<(&'static str, &'a str)> {
    schemes.iter().find_map(|scheme| {
        let (given, rest) = line.split_at_checked(scheme.len())?;
        let fits = given.eq_ignore_ascii_case(scheme) && rest.starts_with([' ', '\t']);
        fits.then(|| (*scheme, rest.trim_start()))
    })
}

/// Undoes in Envoy's answer what [`scheme_at_start`] and [`known_method`] hid from it.
pub(crate) fn unhidden(ask: &Ask, mut expect: IstioExpect) -> IstioExpect {
    expect.upstream = expect.upstream.map(|seen| {
        let text = SCHEMES.iter().fold(seen.to_string(), |text, scheme| {
            text.replace(&hidden(scheme), &format!("{scheme} "))
        });
        let mut seen: Value = serde_json::from_str(&text).expect("as before");
        if seen["method"] == UNNAMED {
            seen["method"] = ask.method.as_str().into();
        }
        if let Some(headers) = seen["headers"].as_array_mut() {
            headers.retain(|it| it[0] != LINES);
            let lines = authorization(ask);
            let is_same = |it: &Value| lines.len() == 1 && it[0] == AUTHORIZATION;
            for header in headers.iter_mut().filter(|it| is_same(it)) {
                header[1] = spelled(header[1].as_str().unwrap_or_default(), &lines[0]).into();
            }
        }
        seen
    });
    expect
}

/// The line as the client wrote it, where it differs in scheme and white space only.
fn spelled<'a>(seen: &'a str, line: &'a str) -> &'a str {
    let token = |it: &'a str| it.rsplit([' ', '\t']).next();
    if token(seen) == token(line) {
        line
    } else {
        seen
    }
}

fn hidden(scheme: &str) -> String {
    format!("{scheme}~")
}

/// Of the right form nowhere.
const NO_TOKEN: &str = "not.a-token";

const SCHEMES: &[&str] = &["Bearer", "Token"];

/// The schemes that the rules of a group look for in `Authorization`.
fn schemes(group: &Group) -> Vec<&'static str> {
    let mut found = Vec::new();
    for rule in group.token_rules() {
        if is_default(rule) {
            found.push("Bearer");
        } else if rule["fromHeaders"].to_string().contains("Token ") {
            found.push("Token");
        }
    }
    found
}

fn is_default(rule: &Value) -> bool {
    ["fromHeaders", "fromParams", "fromCookies"]
        .iter()
        .all(|it| rule[it].is_null())
}

fn authorization(ask: &Ask) -> Vec<String> {
    let named = |it: &&(String, String)| it.0.eq_ignore_ascii_case(AUTHORIZATION);
    let plain = ask.headers.iter().filter(named).map(|it| it.1.clone());
    let tokens = ask.tokens.iter().filter_map(|it| match &it.place {
        Place::Header(_, before) if is_authorization(it) => Some(format!("{before}{}", it.text)),
        _ => None,
    });
    plain.chain(tokens).collect()
}

fn is_authorization(token: &Token) -> bool {
    matches!(&token.place, Place::Header(name, _) if name.eq_ignore_ascii_case(AUTHORIZATION))
}

/// T4: with something in the place of a token whose `crit` we honour, where there is one.
pub(crate) fn critical_broken(ask: &Ask) -> Option<Ask> {
    let mut read = ask.clone();
    for token in read.tokens.iter_mut().filter(|it| it.critical) {
        token.text = NO_TOKEN.into();
    }
    ask.tokens.iter().any(|it| it.critical).then_some(read)
}

/// A method that Envoy knows, and that no policy here names, stands for one that it does not.
fn known_method(_: &Group, ask: &Ask) -> Option<Ask> {
    let unknown = !KNOWN_METHODS.contains(&ask.method.as_str());
    unknown.then(|| Ask {
        method: UNNAMED.into(),
        ..ask.clone()
    })
}

const UNNAMED: &str = "LOCK";

/// Whether we refuse a request for its form where Envoy does not: a `Host` that is none, NUL in a path.
pub(crate) fn is_malformed(ask: &Ask) -> bool {
    let (host, port) = ask.host.split_once(':').unwrap_or((&ask.host, "0"));
    let is_name = |it: char| it.is_ascii_alphanumeric() || ".-_".contains(it);
    let is_host = !host.is_empty()
        && !host.contains("..")
        && host.chars().all(is_name)
        && port.chars().all(|it| it.is_ascii_digit());
    let absolute = ask.path.strip_prefix("http://").unwrap_or_default();
    let bad = absolute
        .split('/')
        .next()
        .is_some_and(|it| it.matches(':').count() > 1 || it.contains(".."));
    !is_host || bad || ask.path.contains("%00")
}

fn without_spellings(group: &Group, ask: &Ask) -> Option<Ask> {
    let fold = |name: &str| -> String {
        let symbol = |it: char| if it.is_ascii_alphanumeric() { it } else { '-' };
        name.to_ascii_lowercase().chars().map(symbol).collect()
    };
    let outputs: Vec<String> = group
        .token_rules()
        .flat_map(|rule| {
            let claims = rule["outputClaimToHeaders"]
                .as_array()
                .into_iter()
                .flatten();
            let names = claims.map(|it| it["header"].clone());
            names.chain([rule["outputPayloadToHeader"].clone()])
        })
        .filter_map(|it| it.as_str().map(fold))
        .collect();
    let mut read = ask.clone();
    read.headers
        .retain(|(name, _)| !outputs.contains(&fold(name)));
    (read.headers.len() < ask.headers.len()).then_some(read)
}

/// T3: each token alone, where there are several. What stands in a line of `Authorization` that was not meant as one
/// may be one too.
pub(crate) fn alone(ask: &Ask) -> Vec<Ask> {
    let is_line = |(name, _): &(String, String)| name.eq_ignore_ascii_case("authorization");
    let lines = ask.headers.iter().any(is_line);
    if ask.tokens.len() + usize::from(lines) < 2 {
        return Vec::new();
    }
    let solo = ask.tokens.iter().map(|token| {
        let mut solo = ask.clone();
        solo.tokens = vec![token.clone()];
        solo.headers.retain(|it| !is_line(it));
        solo
    });
    let lone = lines.then(|| {
        let mut lone = ask.clone();
        lone.tokens.clear();
        lone
    });
    solo.chain(lone).collect()
}

/// T3: whether tokens of the request name different callers.
pub(crate) fn callers_differ(ask: &Ask) -> bool {
    let first = ask.tokens.first().map(|it| &it.identity);
    ask.tokens.iter().any(|it| Some(&it.identity) != first)
}

/// T3: what two tokens of one caller say in a header is said once.
pub(crate) fn said_once(seen: &Value) -> Value {
    let mut headers: Vec<&Value> = Vec::new();
    for header in seen["headers"].as_array().into_iter().flatten() {
        if !headers.contains(&header) {
            headers.push(header);
        }
    }
    let mut once = seen.clone();
    once["headers"] = json!(headers);
    once
}

/// T3: every token at a configured place is verified, and goes, where Envoy stops at the first rule that is content.
pub(crate) fn tokens_gone(ask: &Ask, seen: &Value) -> Value {
    let mut gone = said_once(seen);
    let is_token = |header: &Value| {
        ask.tokens.iter().any(|token| match &token.place {
            Place::Header(name, before) => {
                header[0]
                    .as_str()
                    .is_some_and(|it| it.eq_ignore_ascii_case(name))
                    && header[1] == format!("{before}{}", token.text)
            }
            Place::Query(_) | Place::Cookie(_) => false,
        })
    };
    if let Some(headers) = gone["headers"].as_array_mut() {
        headers.retain(|it| !is_token(it));
    }
    gone
}

/// T7: a claim's number in a header, which Envoy writes with six decimals.
pub(crate) fn numbers_as_json(seen: &Value) -> Value {
    let mut read = seen.clone();
    for header in read["headers"].as_array_mut().into_iter().flatten() {
        let value = header[1].as_str().and_then(|it| it.parse::<f64>().ok());
        if let Some(value) = value.filter(|_| header[0] == "x-level") {
            header[1] = value.to_string().into();
        }
    }
    read
}

/// T6: path and query as the upstream gets them when only the parameters with tokens go.
pub(crate) fn query_kept(group: &Group, ask: &Ask, seen: &Value) -> Value {
    let gone = |name: &str| {
        group.token_rules().any(|rule| {
            let named = rule["fromParams"].to_string().contains(name);
            named || (name == "access_token" && is_default(rule))
        })
    };
    let mut kept = ask.clone();
    kept.tokens
        .retain(|it| !matches!(&it.place, Place::Query(name) if gone(name)));
    let mut read = seen.clone();
    if kept.tokens.len() < ask.tokens.len() {
        let target = kept.target();
        let query = target.split_once('?').map(|(_, query)| format!("?{query}"));
        let path = seen["path"].as_str().unwrap_or_default();
        let path = path.split('?').next().unwrap_or_default();
        read["path"] = format!("{path}{}", query.unwrap_or_default()).into();
    }
    read
}

/// P9: the path with plain letters for what no path should have, which templates that deny meet all the same.
pub(crate) fn plain_path(ask: &Ask) -> Option<Ask> {
    let odd = |it: char| "\"[]\\^{|}".contains(it);
    let path = ask.path.replace(odd, "x");
    (path != ask.path).then(|| Ask {
        path,
        ..ask.clone()
    })
}

/// P9: other spellings of the host, by which a DENY without a port meets it.
pub(crate) fn hosts(ask: &Ask) -> Vec<Ask> {
    let absolute = ask.path.strip_prefix("http://").map(str::to_owned);
    let (host, path) = match &absolute {
        Some(rest) => {
            let at = rest.find('/').unwrap_or(rest.len());
            let (host, path) = rest.split_at(at);
            (host.to_owned(), path.to_owned())
        }
        None => (ask.host.clone(), ask.path.clone()),
    };
    let portless = host.split(':').next().unwrap_or_default().to_owned();
    let dotless = portless.trim_end_matches('.').to_owned();
    let one_dot_less = portless.strip_suffix('.').unwrap_or_default().to_owned();
    let spellings = [portless, one_dot_less, dotless]
        .into_iter()
        .filter(|it| *it != host && !it.is_empty());
    let asks = spellings.map(|host| Ask {
        host,
        path: path.clone(),
        ..ask.clone()
    });
    asks.collect()
}
