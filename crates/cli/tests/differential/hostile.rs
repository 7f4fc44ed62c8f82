//! Spoiling a request: spellings by which people get around policies, or try to.

use crate::ask::{Ask, Place, Token};
use crate::random::Random;

pub(crate) fn spoil(random: &mut Random, ask: &mut Ask) {
    match random.below(12) {
        0..3 => host(random, ask),
        3..7 => path(random, ask),
        7..9 => headers(random, ask),
        9 => query(random, ask),
        10 => method(random, ask),
        _ => scheme(random, ask),
    }
}

pub(crate) fn host(random: &mut Random, ask: &mut Ask) {
    match random.below(6) {
        0 => ask.host.push_str(":8080"),
        1 => ask.host.push_str(":443"),
        2 => ask.host.push('.'),
        3 => ask.host = ask.host.to_ascii_uppercase(),
        4 => ask.host.push_str(".:80"),
        _ if ask.tls.is_none() => ask.path = format!("http://{}{}", ask.host, ask.path),
        _ => ask.host = "127.0.0.1".into(),
    }
}

pub(crate) fn path(random: &mut Random, ask: &mut Ask) {
    // In absolute form the path is behind the host.
    if !ask.path.starts_with('/') {
        return;
    }
    let path = ask.path.clone();
    let middle = path.rfind('/').unwrap_or_default();
    let (before, last) = path.split_at(middle);
    ask.path = match random.below(18) {
        0 => path.to_ascii_uppercase(),
        1 => format!("/{path}"),
        2 => format!("{path}/"),
        3 => format!("{path};x=1"),
        4 => format!("{before}%2f{}", last.trim_start_matches('/')),
        5 => path.replace('a', "%61"),
        6 => format!("{before}/.{last}"),
        7 => format!("{before}/x/..{last}"),
        8 => format!("{before}/x/%2e%2E{last}"),
        9 => format!("{before}/x/..;{last}"),
        10 => format!("{before}/x/%2e%2e;y{last}"),
        11 => path.replace('/', "\\").replacen('\\', "/", 1),
        12 => format!("{before}%5c{}", last.trim_start_matches('/')),
        13 => format!("{before}/{last}"),
        14 => format!("{path}%00"),
        15 | 16 => {
            let odd = random.pick(&["|", "[", "^", "{", "}", "*"]);
            format!("{path}{odd}")
        }
        _ => format!("{path}%20"),
    };
}

fn headers(random: &mut Random, ask: &mut Ask) {
    let more = [
        ("x-role", "admin"),
        ("X-Role", "dev"),
        ("x_role", "admin"),
        ("x-sub", "alice"),
        ("X_Sub", "alice"),
        ("x-team", ""),
        ("x-role", "dev,admin"),
        ("x-payload", "e30"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-for", "unknown, 203.0.113.9"),
        ("x-forwarded-for", "203.0.113.9:80"),
        ("x-forwarded-for", ""),
        ("authorization", "Bearer"),
        ("authorization", "Basic YTpi"),
        ("connection", "x-role"),
    ];
    if !ask.headers.is_empty() && random.percent(30) {
        let at = random.below(ask.headers.len());
        let (name, value) = ask.headers[at].clone();
        // Envoy joins the lines of some headers, those of CORS among them, as if they were one.
        if name.starts_with("access-control-") || name == "origin" {
            return;
        }
        let value = if random.percent(50) {
            value.to_ascii_uppercase()
        } else {
            String::new()
        };
        let place = if random.percent(50) { at } else { at + 1 };
        ask.headers.insert(place, (name, value));
        return;
    }
    let (name, value) = *random.pick(&more);
    ask.headers.push((name.into(), value.into()));
}

fn query(random: &mut Random, ask: &mut Ask) {
    if random.percent(30) {
        // A parameter without a value is a token all the same.
        ask.tokens.push(Token {
            place: Place::Query((*random.pick(&["access_token", "tok"])).into()),
            text: String::new(),
            identity: (String::new(), None),
            critical: false,
        });
        return;
    }
    let more = ["/admin", "a=/../b", "q=a%26b%3Dc", "b=2"];
    ask.query.push((*random.pick(&more)).into());
}

fn method(random: &mut Random, ask: &mut Ask) {
    match random.below(4) {
        0 => ask.method = ask.method.to_ascii_lowercase(),
        1 => ask.method = "PATCH".into(),
        2 => ask.method = "OPTIONS".into(),
        _ => preflight(ask),
    }
}

/// What a browser asks before it asks across origins (once: Envoy joins the lines of these headers).
fn preflight(ask: &mut Ask) {
    ask.method = "OPTIONS".into();
    for (name, value) in [
        ("origin", "https://app.test"),
        ("access-control-request-method", "GET"),
    ] {
        if !ask.headers.iter().any(|it| it.0 == name) {
            ask.headers.push((name.into(), value.into()));
        }
    }
}

/// Other spellings of what stands before a token.
fn scheme(random: &mut Random, ask: &mut Ask) {
    let spellings = [
        "bearer ",
        "BEARER ",
        "Bearer  ",
        "xxBearer ",
        "Basic a, Bearer ",
        "Bearer ,",
        "Token ",
        "",
    ];
    for token in &mut ask.tokens {
        if let Place::Header(_, before) = &mut token.place {
            *before = (*random.pick(&spellings)).into();
        }
    }
}
