//! Requests that a given policy set has something to say about: most are aimed at one of its rules, then many of
//! these are spoilt a little.

use std::net::Ipv4Addr;

use serde_json::{Map, Value, json};

use crate::ask::{Ask, Place, Token};
use crate::hostile;
use crate::keys::{self, FLAWS};
use crate::policies::Group;
use crate::random::Random;
use crate::vocabulary::{CERTIFICATES, ISSUERS, KNOWN_METHODS, SERVER_NAMES, SUBJECTS};

pub(crate) fn ask(random: &mut Random, group: &Group) -> Ask {
    let mut aim = Aim::new(random, group);
    let rules: Vec<&Value> = group
        .policies()
        .flat_map(|it| it["spec"]["rules"].as_array().into_iter().flatten())
        .collect();
    if !rules.is_empty() && random.percent(85) {
        let rule = *random.pick(&rules);
        aim.at(random, rule);
        if random.percent(40) {
            aim.miss(random, rule);
        }
    }
    let mut ask = aim.ask(random, group);
    for _ in 0..*random.pick(&[0, 0, 0, 0, 0, 1, 1, 2]) {
        hostile::spoil(random, &mut ask);
    }
    ask
}

/// A request in the making, with the token that it will carry.
struct Aim {
    ask: Ask,
    wants_token: bool,
    issuer: usize,
    claims: Map<String, Value>,
    proxies: usize,
}

impl Aim {
    fn new(random: &mut Random, group: &Group) -> Self {
        let mut ask = Ask::new();
        ask.method = (*random.pick(&["GET", "GET", "GET", "POST", "PUT", "DELETE", "HEAD"])).into();
        ask.path = (*random.pick(PLAIN_PATHS)).into();
        ask.host = (*random.pick(&[
            "a.example.com",
            "b.example.com",
            "example.com",
            "a.example.com:8080",
            "other.test",
        ]))
        .into();
        for _ in 0..*random.pick(&[0, 0, 1, 2]) {
            ask.query
                .push((*random.pick(&["a=1", "b=2", "q=x%26y", "c"])).into());
        }
        for (name, values) in PLAIN_HEADERS {
            if random.percent(15) {
                ask.headers
                    .push(((*name).into(), (*random.pick(values)).into()));
            }
        }
        if group.tls {
            let certificate = random.percent(60).then(|| random.below(CERTIFICATES.len()));
            ask.tls = Some(((*random.pick(SERVER_NAMES)).into(), certificate));
        } else {
            ask.from = Ipv4Addr::new(127, 0, 0, *random.pick(&[1, 1, 1, 2, 3, 9]));
            ask.to = Ipv4Addr::new(127, 0, 0, *random.pick(&[1, 1, 1, 2]));
        }
        let issuer = *random.pick(&[0, 0, 0, 0, 1, 1, 2, 2, 3]);
        Self {
            ask,
            wants_token: random.percent(45),
            issuer,
            claims: claims(random),
            proxies: group.proxies,
        }
    }

    /// Makes the request fit a rule, as far as one value each goes.
    fn at(&mut self, random: &mut Random, rule: &Value) {
        for (side, inner) in [("from", "source"), ("to", "operation")] {
            let Some(entries) = rule[side].as_array() else {
                continue;
            };
            let fields = random.pick(entries)[inner].as_object();
            for (name, values) in fields.into_iter().flatten() {
                // What must not be there is met one time in four.
                let negated = name.starts_with("not");
                if !negated || random.percent(25) {
                    let value = one(random, values);
                    self.field(random, &plain(name), &value);
                }
            }
        }
        for condition in rule["when"].as_array().into_iter().flatten() {
            let key = condition["key"].as_str().expect("a key");
            let values = &condition["values"];
            if !values.is_null() {
                let value = one(random, values);
                self.condition(random, key, &value);
            } else if random.percent(40) {
                let value = one(random, &condition["notValues"]);
                self.condition(random, key, &value);
            }
        }
    }

    /// Makes the request fail a rule, perhaps, in one field that it states.
    fn miss(&mut self, random: &mut Random, rule: &Value) {
        let mut names: Vec<String> = Vec::new();
        for (side, inner) in [("from", "source"), ("to", "operation")] {
            for entry in rule[side].as_array().into_iter().flatten() {
                let fields = entry[inner].as_object().into_iter().flatten();
                names.extend(fields.map(|(name, _)| plain(name)));
            }
        }
        let conditions = rule["when"].as_array().into_iter().flatten();
        names.extend(conditions.filter_map(|it| it["key"].as_str().map(str::to_owned)));
        if !names.is_empty() {
            let name = random.pick(&names).clone();
            self.without(random, &name);
        }
    }

    fn without(&mut self, random: &mut Random, name: &str) {
        if let Some(header) = name.strip_prefix("request.headers[") {
            let header = header.trim_end_matches(']');
            return self.ask.headers.retain(|(name, _)| name != header);
        }
        if let Some(path) = name.strip_prefix("request.auth.claims[") {
            let claim = path.split(']').next().unwrap_or_default();
            self.claims.remove(claim);
            return;
        }
        match name {
            "hosts" => hostile::host(random, &mut self.ask),
            "paths" => hostile::path(random, &mut self.ask),
            "methods" => self.ask.method = (*random.pick(KNOWN_METHODS)).into(),
            "ipBlocks" | "source.ip" if self.ask.tls.is_none() => {
                self.ask.from = Ipv4Addr::new(127, 0, 0, *random.pick(&[1, 2, 3, 9]));
            }
            "remoteIpBlocks" | "remote.ip" => {
                self.ask
                    .headers
                    .retain(|(name, _)| name != "x-forwarded-for");
            }
            "requestPrincipals" | "request.auth.principal" => match random.below(3) {
                0 => self.wants_token = false,
                1 => _ = self.claims.remove("sub"),
                _ => self.issuer = random.below(3),
            },
            "request.auth.audiences" => _ = self.claims.remove("aud"),
            "request.auth.presenter" => _ = self.claims.remove("azp"),
            "connection.sni" => self.server_name(random, ""),
            _ => {
                if let Some((_, certificate)) = &mut self.ask.tls {
                    let other = random.percent(60).then(|| random.below(CERTIFICATES.len()));
                    *certificate = other;
                }
            }
        }
    }

    fn field(&mut self, random: &mut Random, name: &str, value: &str) {
        match name {
            "hosts" => self.ask.host = host(random, value),
            "methods" => self.ask.method = method(random, value),
            "paths" => self.ask.path = path(random, value),
            "requestPrincipals" => self.principal(random, value),
            "ipBlocks" => self.near(random, value),
            "remoteIpBlocks" => self.far(random, value),
            "principals" | "namespaces" | "trustDomains" | "serviceAccounts" => {
                self.certificate(random, value);
            }
            _ => {}
        }
    }

    fn condition(&mut self, random: &mut Random, key: &str, value: &str) {
        if let Some(name) = key
            .strip_prefix("request.headers[")
            .and_then(|it| it.strip_suffix(']'))
        {
            return self.header(random, name, value);
        }
        if let Some(path) = key.strip_prefix("request.auth.claims[") {
            let path: Vec<&str> = path.trim_end_matches(']').split("][").collect();
            return self.claim(random, &path, value);
        }
        match key {
            "request.auth.audiences" => self.claim(random, &["aud"], value),
            "request.auth.presenter" => self.claim(random, &["azp"], value),
            "request.auth.principal" => self.principal(random, value),
            "source.ip" => self.near(random, value),
            "remote.ip" => self.far(random, value),
            "connection.sni" => self.server_name(random, value),
            _ if key.starts_with("source.") => self.certificate(random, value),
            _ => {}
        }
    }

    fn header(&mut self, random: &mut Random, name: &str, value: &str) {
        match name {
            ":path" => return self.ask.path = path(random, value),
            ":method" => return self.ask.method = method(random, value),
            ":authority" | "host" => return self.ask.host = host(random, value),
            _ => {}
        }
        let value = filled(random, value, &["x", "", "dev", "1; z"]);
        match name {
            // A token stands there anyway.
            "authorization" if self.wants_token => {}
            _ => self.ask.headers.push((name.to_owned(), value)),
        }
    }

    fn claim(&mut self, random: &mut Random, path: &[&str], value: &str) {
        self.wants_token = true;
        let word = filled(random, value, &["x", "ops", "dev"]);
        let value = match random.below(10) {
            0..4 => json!(word),
            4..7 => json!(["other", word]),
            7 => json!([word, 3, null]),
            8 => json!(format!("other {word}")),
            _ => serde_json::from_str(&word).unwrap_or_else(|_| json!({"in": word})),
        };
        match path {
            ["iss"] => self.principal(random, &format!("{word}/alice")),
            ["sub"] => _ = self.claims.insert("sub".into(), word.into()),
            [name] => _ = self.claims.insert((*name).into(), value),
            [outer, inner, ..] => {
                _ = self
                    .claims
                    .insert((*outer).into(), json!({ *inner: value }));
            }
            [] => {}
        }
    }

    fn principal(&mut self, random: &mut Random, value: &str) {
        self.wants_token = true;
        let known = ISSUERS.iter().position(|issuer| value.starts_with(issuer));
        if let Some(issuer) = known {
            self.issuer = issuer;
            let subject = value[ISSUERS[issuer].len()..].trim_start_matches('/');
            let subject = filled(random, subject, &["ice", "x"]);
            self.claims.insert("sub".into(), subject.into());
        } else if let Some((_, subject)) = value.rsplit_once('/') {
            self.claims.insert("sub".into(), subject.into());
        }
    }

    fn near(&mut self, random: &mut Random, value: &str) {
        if self.ask.tls.is_none() {
            let network = value.split('/').next().unwrap_or_default();
            let stated = network.parse().ok().filter(Ipv4Addr::is_loopback);
            let other = Ipv4Addr::new(127, 0, 0, *random.pick(&[1, 2, 3, 9]));
            self.ask.from = stated.filter(|it| it.octets()[3] != 0).unwrap_or(other);
        }
    }

    fn far(&mut self, random: &mut Random, value: &str) {
        let address = match value.split_once('/') {
            Some((network, _)) => network.to_owned(),
            None => value.to_owned(),
        };
        // Where the last but so many is believed, mostly there.
        let behind = match random.below(10) {
            0..7 => self.proxies.saturating_sub(1),
            _ => random.below(3),
        };
        let value = address + &", 10.0.0.1".repeat(behind);
        self.ask.headers.push(("x-forwarded-for".into(), value));
    }

    fn certificate(&mut self, random: &mut Random, value: &str) {
        let Some((_, certificate)) = &mut self.ask.tls else {
            return;
        };
        let core = value.trim_matches('*');
        let fits: Vec<usize> = (0..CERTIFICATES.len())
            .filter(|at| CERTIFICATES[*at].iter().any(|name| name.contains(core)))
            .collect();
        if !fits.is_empty() {
            *certificate = Some(*random.pick(&fits));
        }
    }

    fn server_name(&mut self, random: &mut Random, value: &str) {
        if let Some((name, _)) = &mut self.ask.tls {
            let core = value.trim_matches('*');
            let fits: Vec<&&str> = SERVER_NAMES.iter().filter(|it| it.contains(core)).collect();
            if !fits.is_empty() {
                *name = (**random.pick(&fits)).into();
            }
        }
    }

    fn ask(mut self, random: &mut Random, group: &Group) -> Ask {
        if self.wants_token {
            let flaw = random.percent(12).then(|| *random.pick(FLAWS));
            let token = self.token(random, group, flaw);
            self.ask.tokens.push(token);
        }
        if random.percent(5) {
            self.issuer = random.below(ISSUERS.len());
            if random.percent(50) {
                self.claims = claims(random);
            }
            let flaw = random.percent(30).then(|| *random.pick(FLAWS));
            let token = self.token(random, group, flaw);
            self.ask.tokens.push(token);
        }
        self.ask
    }

    fn token(&self, random: &mut Random, group: &Group, flaw: Option<keys::Flaw>) -> Token {
        let subject = self.claims.get("sub").and_then(Value::as_str);
        Token {
            place: place(random, group, self.issuer),
            text: keys::mint(self.issuer, &self.claims, flaw),
            identity: (ISSUERS[self.issuer].into(), subject.map(str::to_owned)),
            critical: flaw == Some(keys::Flaw::Critical),
        }
    }
}

fn claims(random: &mut Random) -> Map<String, Value> {
    let mut claims = Map::new();
    if random.percent(90) {
        claims.insert("sub".into(), (*random.pick(SUBJECTS)).into());
    }
    let some = [
        ("role", json!("dev")),
        ("groups", json!(["dev", "ops"])),
        ("scope", json!("read write")),
        ("aud", json!(["api", "https://api"])),
        ("aud", json!("web")),
        ("azp", json!("cli")),
        ("level", json!(7)),
        ("realm", json!({"roles": ["admin"], "name": "x"})),
        (
            "realm",
            json!({"roles": {"deep": ["dev", ["ops"], "admin"]}}),
        ),
        ("groups", json!([{"in": "dev"}, "*", "a b"])),
        ("role", json!(["", "devops", 7, true])),
        ("a.b", json!("admin")),
        ("scp", json!("read write")),
        ("permission", json!("  write ")),
        ("groups", json!([])),
        ("role", json!("")),
    ];
    for (name, value) in some {
        if random.percent(20) {
            claims.insert(name.into(), value);
        }
    }
    claims
}

/// Where the rules look for tokens of this issuer, mostly.
fn place(random: &mut Random, group: &Group, issuer: usize) -> Place {
    let default = if random.percent(85) {
        Place::Header("Authorization".into(), "Bearer ".into())
    } else {
        Place::Query("access_token".into())
    };
    let rules: Vec<&Value> = group
        .token_rules()
        .filter(|it| it["issuer"] == ISSUERS[issuer])
        .collect();
    if rules.is_empty() || random.percent(8) {
        return default;
    }
    let rule = *random.pick(&rules);
    let mut places = Vec::new();
    for header in rule["fromHeaders"].as_array().into_iter().flatten() {
        let text = |name: &str| header[name].as_str().unwrap_or_default().to_owned();
        places.push(Place::Header(text("name"), text("prefix")));
    }
    if !rule["fromParams"].is_null() {
        places.push(Place::Query("tok".into()));
    }
    if !rule["fromCookies"].is_null() {
        places.push(Place::Cookie("session".into()));
    }
    if places.is_empty() {
        default
    } else {
        random.pick(&places).clone()
    }
}

fn one(random: &mut Random, values: &Value) -> String {
    let values = values.as_array().expect("a list of values");
    random.pick(values).as_str().expect("a string").to_owned()
}

/// `notPaths`: `paths`.
fn plain(name: &str) -> String {
    match name.strip_prefix("not") {
        Some(rest) => {
            let (first, rest) = rest.split_at(1);
            format!("{}{rest}", first.to_ascii_lowercase())
        }
        None => name.to_owned(),
    }
}

/// A pattern with something in the place of its star.
fn filled(random: &mut Random, pattern: &str, fillers: &[&str]) -> String {
    let filler = random.pick(fillers);
    if let Some(rest) = pattern.strip_prefix('*') {
        format!("{filler}{rest}")
    } else if let Some(rest) = pattern.strip_suffix('*') {
        format!("{rest}{filler}")
    } else {
        pattern.to_owned()
    }
}

fn host(random: &mut Random, pattern: &str) -> String {
    let host = filled(random, pattern, &["a", "b.a", "example.com", "80"]);
    // A star that stands for itself is in no host.
    if random.percent(90) {
        host.replace('*', "x")
    } else {
        host
    }
}

fn method(random: &mut Random, pattern: &str) -> String {
    let fits = |it: &&&str| match (pattern.strip_suffix('*'), pattern.strip_prefix('*')) {
        (Some(start), _) => it.starts_with(start),
        (None, Some(end)) => it.ends_with(end),
        (None, None) => **it == pattern,
    };
    let fitting: Vec<&&str> = KNOWN_METHODS.iter().filter(fits).collect();
    if fitting.is_empty() {
        return pattern.to_owned();
    }
    (**random.pick(&fitting)).to_owned()
}

fn path(random: &mut Random, pattern: &str) -> String {
    let many = *random.pick(&["", "x", "x/y", "/"]);
    let one = *random.pick(&["x", "v1", "a%2fb", ""]);
    let filled = filled(random, pattern, &["", "/x", "x", "/a/b"])
        .replace("{**}", many)
        .replace("{*}", one);
    if filled.starts_with('/') {
        filled
    } else {
        format!("/{filled}")
    }
}

const PLAIN_PATHS: &[&str] = &[
    "/",
    "/api",
    "/api/v1",
    "/api/v1/users",
    "/admin",
    "/index.html",
    "/files/a",
    "/x/v1",
];

const PLAIN_HEADERS: &[(&str, &[&str])] = &[
    ("x-role", &["admin", "dev", "devops", "", "admin,dev"]),
    ("x-team", &["ops", "dev", "true"]),
    ("cookie", &["a=1", "a=1; b=2", "b=2"]),
    ("x-sub", &["alice", "mallory"]),
    (
        "x-forwarded-for",
        &["203.0.113.9", "198.51.100.6, 10.0.0.1"],
    ),
    ("authorization", &["Basic YTpi"]),
];
