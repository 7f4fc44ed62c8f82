//! `examples/nullplatform`: a scope's domain behind https on 443, open to tokens made for it and for nobody else.

use countersign_testkit::client::{Request, Response};
use countersign_testkit::port;
use countersign_testkit::site::Seen;
use countersign_testkit::tls::Authority;
use countersign_testkit::upstream::Upstream;
use serde_json::{Value, json};

use crate::place::{DENIED, Issuer, Place, local, once, over_tls, read, secret, short};

const ISSUER: &str = "https://api.nullplatform.com/scope";
const DOMAIN: &str = "my-app.example.com";

/// The gateway of the scopes. Ports 443 and 80, which a test may not bind, are bound elsewhere.
struct Scopes {
    place: Place,
    authority: Authority,
    https: u16,
    http: u16,
    issuer: Issuer,
}

impl Scopes {
    /// Starts it; `None` where the examples are not there.
    fn start() -> Option<Self> {
        Self::with(|gateway| gateway)
    }

    /// The same with another gateway.
    fn with(change: impl FnOnce(String) -> String) -> Option<Self> {
        let (upstream, issuer) = (Upstream::start("my-app"), Issuer::new(ISSUER));
        let authority = Authority::new("public");
        let gateway = read("nullplatform/gateway.yaml")?;
        let backend = format!("port: {}", upstream.address().port());
        let gateway = change(once(&gateway, "port: 8000", &backend));
        let keys = format!("{ISSUER}/.well-known/jwks.json");
        let tokens = once(
            &read("nullplatform/request-authentication.yaml")?,
            &keys,
            &issuer.url(),
        );
        let (https, http) = (port::free(), port::free());
        let files = [
            ("gateway.yaml", gateway),
            ("tokens.yaml", tokens),
            (
                "policy.yaml",
                read("nullplatform/authorization-policy.yaml")?,
            ),
            ("class.yaml", class(https, http)),
            (
                "secret.yaml",
                secret("gateways", "scopes-tls", &authority.issue(&[DOMAIN])),
            ),
        ];
        let files = files.each_ref().map(|(name, text)| (*name, text.as_str()));
        Some(Self {
            place: Place::start(upstream, &files),
            authority,
            https,
            http,
            issuer,
        })
    }

    /// Sends a request to the scope's domain.
    fn ask(&self, request: &Request) -> Response {
        self.ask_as(DOMAIN, request)
    }

    /// Sends a request with this `Host`.
    fn ask_as(&self, host: &str, request: &Request) -> Response {
        let request = request.clone().header("host", host);
        over_tls(self.https, DOMAIN, self.authority.client(None), &request)
    }

    /// What the upstream got of a request that must get there.
    fn passes(&self, request: &Request) -> Seen {
        let answer = self.ask(request);
        assert_eq!(answer.status, 200, "{}", answer.text());
        self.place.last()
    }

    fn token(&self, audience: &Value) -> String {
        let claims = json!({"sub": "alice", "email": "alice@example.com", "aud": audience});
        self.issuer.token(claims)
    }
}

/// The example's class of gateways, with a port map and an address of the test's own.
fn class(https: u16, http: u16) -> String {
    let class = json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "GatewayClass",
        "metadata": {"name": "istio"},
        "spec": {
            "controllerName": "countersign.dev/gateway",
            "parametersRef": {
                "group": "countersign.dev", "kind": "GatewayParameters",
                "name": "ports", "namespace": "gateways",
            },
        },
    });
    let parameters = json!({
        "apiVersion": "countersign.dev/v1alpha1", "kind": "GatewayParameters",
        "metadata": {"name": "ports", "namespace": "gateways"},
        "spec": {"ports": [{"port": 443, "bind": https}, {"port": 80, "bind": http}]},
    });
    format!("{class}\n---\n{parameters}\n")
}

fn denied() -> (u16, String) {
    (DENIED.0, DENIED.1.to_owned())
}

#[test]
fn a_token_for_the_domain_or_nothing() {
    let Some(scopes) = Scopes::start() else {
        return;
    };
    assert_eq!(
        short(&scopes.ask(&Request::get("/"))),
        denied(),
        "anonymous"
    );
    for (audience, status) in [
        (json!(DOMAIN), 200),
        (json!(["other.example.com", DOMAIN]), 200),
        (json!("other.example.com"), 403),
        (json!(["other.example.com"]), 403),
        (json!([]), 403),
    ] {
        let request = Request::get("/").bearer(&scopes.token(&audience));
        let answer = scopes.ask(&request);
        assert_eq!(answer.status, status, "{audience}: {}", answer.text());
    }
    let forged = scopes.issuer.forged(json!({"sub": "alice", "aud": DOMAIN}));
    let refused = scopes.ask(&Request::get("/").bearer(&forged));
    assert_eq!(short(&refused), (401, "Jwt verification fails".to_owned()));
    assert_eq!(scopes.place.reached(), 2);
}

/// `hosts` of a DENY rule are not evaded by a port, a dot or capitals.
#[test]
fn other_spellings_of_the_host() {
    let Some(scopes) = Scopes::start() else {
        return;
    };
    for host in [
        "my-app.example.com:443",
        "my-app.example.com.",
        "MY-APP.example.com",
    ] {
        let refused = scopes.ask_as(host, &Request::get("/"));
        assert_eq!(short(&refused), denied(), "{host}");
    }
    let elsewhere = scopes.ask_as("other.example.com", &Request::get("/"));
    assert_eq!(elsewhere.status, 404, "the policy is for one domain");
    assert_eq!(scopes.place.reached(), 0);
}

#[test]
fn health_is_exempt_and_nothing_beside_it() {
    let Some(scopes) = Scopes::start() else {
        return;
    };
    let seen = scopes.passes(&Request::get("/health?x=1"));
    assert_eq!(seen.target, "/health?x=1");
    for path in [
        "/health/",
        "/healthz",
        "/HEALTH",
        "/health/../admin",
        "/x?/health",
        "/health%2f",
    ] {
        assert_eq!(short(&scopes.ask(&Request::get(path))), denied(), "{path}");
    }
    let bad = Request::get("/health").bearer("x");
    assert_eq!(
        scopes.ask(&bad).status,
        401,
        "a token must be good, here too"
    );
}

#[test]
fn who_calls_is_told_upstream_and_only_by_the_gateway() {
    let Some(scopes) = Scopes::start() else {
        return;
    };
    let spoofs = |request: Request| {
        let names = ["X-User-ID", "x-user-id", "X_User_ID", "X-User-Email"];
        names
            .into_iter()
            .fold(request, |request, name| request.header(name, "root"))
    };
    let seen = scopes.passes(&spoofs(
        Request::get("/").bearer(&scopes.token(&json!(DOMAIN))),
    ));
    assert_eq!(seen.headers.all("x-user-id"), ["alice"]);
    assert_eq!(seen.headers.all("x-user-email"), ["alice@example.com"]);
    assert_eq!(seen.headers.first("authorization"), None);
    let anonymous = scopes.passes(&spoofs(Request::get("/health")));
    for headers in [&seen.headers, &anonymous.headers] {
        assert!(
            headers.0.iter().all(|(_, value)| value != "root"),
            "{headers:?}"
        );
    }
    assert_eq!(anonymous.headers.first("x-user-id"), None);
}

#[test]
fn the_token_may_come_in_a_cookie() {
    let Some(scopes) = Scopes::start() else {
        return;
    };
    let cookie = |token: &str| format!("theme=dark; np_scope_token={token}");
    let with = |token: &str| Request::get("/").header("cookie", &cookie(token));
    let token = scopes.token(&json!(DOMAIN));
    let seen = scopes.passes(&with(&token));
    assert_eq!(seen.headers.all("x-user-id"), ["alice"]);
    assert_eq!(seen.headers.all("cookie"), [cookie(&token)], "cookies stay");
    assert_eq!(
        short(&scopes.ask(&with(&scopes.token(&json!("other"))))),
        denied()
    );
    let forged = scopes.issuer.forged(json!({"sub": "alice", "aud": DOMAIN}));
    assert_eq!(scopes.ask(&with(&forged)).status, 401);
    let query = Request::get(&format!("/?access_token={token}"));
    assert_eq!(
        short(&scopes.ask(&query)),
        denied(),
        "no token is looked for there"
    );
}

/// The policy speaks of port 443: what comes in by another port of the same Gateway is not its concern.
#[test]
fn another_port_is_not_hit() {
    let plain = "  listeners:\n  - {name: http, protocol: HTTP, port: 80}\n";
    let Some(scopes) = Scopes::with(|gateway| once(&gateway, "  listeners:\n", plain)) else {
        return;
    };
    assert_eq!(short(&scopes.ask(&Request::get("/"))), denied());
    let request = Request::get("/").header("host", DOMAIN);
    assert_eq!(request.send(local(scopes.http)).status, 200);
    let told = Request::get("/").header("host", "my-app.example.com:443");
    assert_eq!(
        told.send(local(scopes.http)).status,
        200,
        "the port of the connection counts"
    );
    assert_eq!(scopes.place.reached(), 2);
}
