//! `examples/istio`: the policies of a waypoint, with what their document says and what it warns of.

use std::fs;
use std::process::Command;

use countersign_testkit::client::{Request, Response};
use countersign_testkit::port;
use countersign_testkit::tls::{Authority, Identity};
use countersign_testkit::upstream::Upstream;
use serde_json::{Value, json};

use crate::place::{DENIED, Issuer, Place, local, once, over_tls, read, secret, short, trust};

const OKTA: &str = "https://example.okta.com/oauth2/default";
const SERVICES: &str = "https://idp.internal/realms/services";
const NAMESPACE: &str = "payments-prod";

/// The waypoint with some of its policies.
struct Waypoint {
    place: Place,
    port: u16,
    okta: Issuer,
    services: Issuer,
}

impl Waypoint {
    /// Starts it with these files of the example; `None` where the examples are not there.
    fn start(policies: &[&str]) -> Option<Self> {
        let (port, upstream) = (port::free(), Upstream::start("payments"));
        let gateway = read("istio/gateway.yaml")?;
        let gateway = once(&gateway, "port: 8080", &format!("port: {port}"));
        let backend = format!("port: {}", upstream.address().port());
        let gateway = once(&gateway, "port: 8000", &backend);
        let (okta, services) = (Issuer::new(OKTA), Issuer::new(SERVICES));
        let mut files = vec![("gateway.yaml", gateway)];
        for name in policies {
            let text = read(&format!("istio/{name}"))?;
            files.push((name, with_keys(&text, &okta, &services)));
        }
        let files: Vec<(&str, &str)> = files
            .iter()
            .map(|(name, text)| (*name, text.as_str()))
            .collect();
        Some(Self {
            place: Place::start(upstream, &files),
            port,
            okta,
            services,
        })
    }

    fn ask(&self, request: &Request) -> Response {
        request.send(local(self.port))
    }

    /// Status and body of `GET /` with this token; none where empty.
    fn get(&self, token: &str) -> (u16, String) {
        let request = Request::get("/");
        let request = if token.is_empty() {
            request
        } else {
            request.bearer(token)
        };
        short(&self.ask(&request))
    }

    /// A token of a person for this audience.
    fn person(&self, mut claims: Value) -> String {
        if claims.get("aud").is_none() {
            claims["aud"] = json!("api://payments");
        }
        self.okta.token(claims)
    }
}

/// The key sets of both issuers where the test serves them.
fn with_keys(text: &str, okta: &Issuer, services: &Issuer) -> String {
    let text = text.replace(&format!("{OKTA}/v1/keys"), &okta.url());
    let certs = format!("{SERVICES}/protocol/openid-connect/certs");
    text.replace(&certs, &services.url())
}

fn denied() -> (u16, String) {
    (DENIED.0, DENIED.1.to_owned())
}

#[test]
fn request_authentication_alone_lets_anonymous_requests_in() {
    let Some(waypoint) = Waypoint::start(&["request-authentication-single.yaml"]) else {
        return;
    };
    let spoofed = Request::get("/").header("X-User-Email", "root@example.com");
    assert_eq!(
        waypoint.ask(&spoofed).status,
        200,
        "nobody must show a token"
    );
    assert_eq!(waypoint.place.last().headers.first("x-user-email"), None);

    let token = waypoint.person(json!({"sub": "alice", "email": "alice@example.com"}));
    assert_eq!(waypoint.ask(&spoofed.bearer(&token)).status, 200);
    let seen = waypoint.place.last();
    assert_eq!(seen.headers.all("x-user-email"), ["alice@example.com"]);
    let forwarded = format!("Bearer {token}");
    assert_eq!(
        seen.headers.all("authorization"),
        [forwarded],
        "forwardOriginalToken"
    );

    let other = waypoint.person(json!({"sub": "alice", "aud": "api://other"}));
    let expired = waypoint.person(json!({"sub": "alice", "exp": 1_700_000_000}));
    let stranger = waypoint.person(json!({"sub": "alice", "iss": "https://stranger.example"}));
    let forged = waypoint
        .okta
        .forged(json!({"sub": "alice", "aud": "api://payments"}));
    for (token, status, body) in [
        (other.as_str(), 403, "Audiences in Jwt are not allowed"),
        (&expired, 401, "Jwt is expired"),
        (&stranger, 401, "Jwt issuer is not configured"),
        (&forged, 401, "Jwt verification fails"),
    ] {
        assert_eq!(waypoint.get(token), (status, body.to_owned()));
    }
    assert_eq!(waypoint.place.reached(), 2);
}

#[test]
fn each_issuer_at_its_place() {
    let Some(waypoint) = Waypoint::start(&["request-authentication-multi.yaml"]) else {
        return;
    };
    let person = waypoint.person(json!({"sub": "alice"}));
    let service = waypoint
        .services
        .token(json!({"sub": "cart", "aud": "svc://payments"}));
    let here = |token: &str| Request::get("/").header("x-service-jwt", token);
    assert_eq!(waypoint.get(&person).0, 200);
    assert_eq!(waypoint.ask(&here(&service)).status, 200);
    assert_eq!(waypoint.place.last().headers.first("x-service-jwt"), None);
    assert_eq!(waypoint.get("").0, 200);
    let unknown = (401, "Jwt issuer is not configured".to_owned());
    assert_eq!(
        waypoint.get(&service),
        unknown,
        "a service's token where people's are"
    );
    assert_eq!(
        short(&waypoint.ask(&here(&person))),
        unknown,
        "and the other way round"
    );
    let both = waypoint.ask(&here(&service).bearer(&person));
    assert_eq!(both.status, 401, "one caller at a time: {}", both.text());
    assert_eq!(waypoint.place.reached(), 3);
}

#[test]
fn the_audience_guard_hits_anonymous_requests_too() {
    let files = [
        "request-authentication-single.yaml",
        "authorization-policy-deny-audience.yaml",
    ];
    let Some(waypoint) = Waypoint::start(&files) else {
        return;
    };
    assert_eq!(
        waypoint.get(""),
        denied(),
        "no token, no audience: notValues match"
    );
    assert_eq!(
        waypoint.get(&waypoint.person(json!({"sub": "alice"}))).0,
        200
    );
    let among = json!({"sub": "alice", "aud": ["api://other", "api://payments"]});
    assert_eq!(
        waypoint.get(&waypoint.person(among)).0,
        200,
        "one of several"
    );
    let other = waypoint.person(json!({"sub": "alice", "aud": "api://other"}));
    let refused = (403, "Audiences in Jwt are not allowed".to_owned());
    assert_eq!(waypoint.get(&other), refused, "the token's rule is first");
    assert_eq!(waypoint.place.reached(), 2);
}

#[test]
fn an_allow_policy_turns_the_default_round() {
    let policy = "authorization-policy-allow-groups.yaml";
    let Some(alone) = Waypoint::start(&[policy]) else {
        return;
    };
    assert_eq!(alone.get(""), denied());
    let token = alone.person(json!({"sub": "alice", "groups": ["payments-admin"]}));
    assert_eq!(
        alone.get(&token),
        denied(),
        "nobody verifies tokens, so nobody has claims"
    );

    let files = ["request-authentication-single.yaml", policy];
    let waypoint = Waypoint::start(&files).expect("the examples are there");
    assert_eq!(waypoint.get(""), denied());
    for (claims, status) in [
        (
            json!({"sub": "alice", "groups": ["dev", "payments-admin"]}),
            200,
        ),
        (json!({"sub": "alice", "groups": "payments-admin"}), 200),
        (json!({"sub": "alice", "groups": ["dev"]}), 403),
        (json!({"sub": "alice", "groups": "dev payments-admin"}), 403),
        (
            json!({"sub": "alice", "groups": {"payments-admin": true}}),
            403,
        ),
        (json!({"sub": "alice"}), 403),
        (json!({"groups": ["payments-admin"]}), 403),
    ] {
        let (got, body) = waypoint.get(&waypoint.person(claims.clone()));
        assert_eq!(got, status, "{claims}: {body}");
    }
    assert_eq!(waypoint.place.reached(), 2);
}

/// The example's own gateway terminates no TLS, so it knows nobody by a certificate.
#[test]
fn without_client_certificates_no_principal_matches_and_check_says_so() {
    let files = [
        "request-authentication-single.yaml",
        "authorization-policy-principal-and-scope.yaml",
    ];
    let Some(waypoint) = Waypoint::start(&files) else {
        return;
    };
    let token = waypoint.person(json!({"sub": "alice", "scope": "payments:write"}));
    let charge = Request::new("POST", "/charge").bearer(&token);
    assert_eq!(short(&waypoint.ask(&charge)), denied());
    assert_eq!(waypoint.place.reached(), 0);

    let folder = tempfile::tempdir().expect("a folder");
    for name in ["gateway.yaml"].iter().chain(&files) {
        let text = read(&format!("istio/{name}")).expect("an example");
        fs::write(folder.path().join(name), text).expect("a file");
    }
    let checked = Command::new(env!("CARGO_BIN_EXE_countersign"))
        .args(["check", "--format", "plain", "."])
        .current_dir(folder.path())
        .output()
        .expect("the binary");
    let told = String::from_utf8_lossy(&checked.stdout) + String::from_utf8_lossy(&checked.stderr);
    assert_eq!(checked.status.code(), Some(0), "{told}");
    for code in ["warning[no-client-certificates]", "warning[spiffe-prefix]"] {
        assert!(told.contains(code), "{code} in\n{told}");
    }
}

/// The same policies behind a listener that asks callers for certificates.
#[test]
fn a_workload_and_a_scope_over_mutual_tls() {
    let Some(gateway) = read("istio/gateway.yaml") else {
        return;
    };
    let (port, upstream) = (port::free(), Upstream::start("payments"));
    let (okta, services) = (Issuer::new(OKTA), Issuer::new(SERVICES));
    let authority = Authority::new("mesh");
    let name = "payments.payments-prod";
    let listener = format!(
        "  tls:\n    frontend:\n      default:\n        validation:\n          mode: AllowInsecureFallback\n          \
         caCertificateRefs: [{{group: \"\", kind: ConfigMap, name: mesh}}]\n  listeners:\n  \
         - name: https\n    protocol: HTTPS\n    tls: {{certificateRefs: [{{name: waypoint}}]}}\n    port: {port}"
    );
    let plain = "  listeners:\n  - name: http\n    protocol: HTTP\n    port: 8080";
    let gateway = once(&gateway, plain, &listener);
    let backend = format!("port: {}", upstream.address().port());
    let gateway = once(&gateway, "port: 8000", &backend);
    let policy = |name: &str| {
        let text = read(&format!("istio/{name}")).expect("an example");
        with_keys(&text, &okta, &services)
    };
    let files = [
        ("gateway.yaml", gateway),
        ("jwt.yaml", policy("request-authentication-single.yaml")),
        (
            "authorization.yaml",
            policy("authorization-policy-principal-and-scope.yaml"),
        ),
        (
            "secret.yaml",
            secret(NAMESPACE, "waypoint", &authority.issue(&[name])),
        ),
        ("mesh.yaml", trust(NAMESPACE, "mesh", &authority)),
    ];
    let files = files.each_ref().map(|(name, text)| (*name, text.as_str()));
    let place = Place::start(upstream, &files);

    let checkout = authority.issue(&["spiffe://cluster.local/ns/checkout/sa/checkout"]);
    let cart = authority.issue(&["spiffe://cluster.local/ns/checkout/sa/cart"]);
    let stranger = Authority::new("strangers");
    let stranger = stranger.issue(&["spiffe://cluster.local/ns/checkout/sa/checkout"]);
    let scope =
        |scope: &str| okta.token(json!({"sub": "alice", "aud": "api://payments", "scope": scope}));
    let (write, all, none) = (
        scope("payments:write"),
        scope("openid payments:write"),
        scope("payments:writer"),
    );
    let post = |token: &str| Request::new("POST", "/charge").bearer(token);
    let cases: [(&str, Option<&Identity>, Request, u16); 9] = [
        ("both", Some(&checkout), post(&write), 200),
        ("a scope among others", Some(&checkout), post(&all), 200),
        ("another scope", Some(&checkout), post(&none), 403),
        (
            "no token",
            Some(&checkout),
            Request::new("POST", "/charge"),
            403,
        ),
        ("another workload", Some(&cart), post(&write), 403),
        ("nobody vouches for it", Some(&stranger), post(&write), 403),
        ("no certificate", None, post(&write), 403),
        (
            "another method",
            Some(&checkout),
            Request::get("/charge").bearer(&write),
            403,
        ),
        (
            "another path",
            Some(&checkout),
            Request::new("POST", "/charge/1").bearer(&write),
            403,
        ),
    ];
    for (what, identity, request, status) in cases {
        let answer = over_tls(port, name, authority.client(identity), &request);
        assert_eq!(answer.status, status, "{what}: {}", answer.text());
    }
    assert_eq!(place.reached(), 2);
}
