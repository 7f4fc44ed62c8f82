//! Requests as browsers and services send them, and the tokens in them, which were verified before.

use countersign_core::{Facts, Keys, Presented, ProviderId};
use countersign_jose::{Claims, KeySet, Verified};
use http::request::Parts;

use super::TURNS;

pub(super) const ISSUER: &str = "https://idp.example.com";
pub(super) const NOW: u64 = 1_800_000_000;

/// How requests differ from one another.
pub(super) struct Shape<'a> {
    /// The kind of policies or routes that they are made for.
    pub(super) kind: &'a str,
    /// How many of those there are: requests are spread over them.
    pub(super) number: usize,
    /// Whether they carry a token.
    pub(super) token: bool,
}

impl Default for Shape<'_> {
    fn default() -> Self {
        Shape {
            kind: "",
            number: 1,
            token: true,
        }
    }
}

impl Shape<'_> {
    /// Which policy or route a request is made for.
    fn target(&self, turn: usize) -> usize {
        // Across all of them, and not the first few.
        turn * self.number / TURNS
    }
}

/// One request for each turn.
pub(super) fn heads(shape: &Shape<'_>) -> Result<Vec<Parts>, String> {
    (0..TURNS).map(|turn| head(shape, turn)).collect()
}

fn head(shape: &Shape<'_>, turn: usize) -> Result<Parts, String> {
    let target = shape.target(turn);
    let host = if shape.kind == "host" { target } else { 0 };
    let path = match shape.kind {
        "path" => format!("/service-{target}/7/things?page=2"),
        "template" => format!("/eu/{target}-7/things?page=2"),
        _ => "/7/things?page=2".to_owned(),
    };
    let mut request = http::Request::get(path)
        .header("host", format!("host-{host}.example.com"))
        .header("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0)")
        .header("accept", "application/json, text/plain, */*")
        .header("accept-language", "en-GB,en;q=0.8")
        .header("accept-encoding", "gzip, deflate, br")
        .header("cookie", "theme=dark; lang=en")
        .header("x-number", target.to_string());
    if shape.token {
        let token = match shape.kind {
            "strange" => STRANGE.to_owned(),
            _ => token(turn),
        };
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let request = request.body(()).map_err(|it| it.to_string())?;
    Ok(request.into_parts().0)
}

/// As long as a token of RS256 is. Whose it is stands at its end.
fn token(turn: usize) -> String {
    format!("{}.{}.{turn}", "h".repeat(80), "p".repeat(980))
}

/// One of `https://elsewhere.example.com`, whose signature nobody looks at.
const STRANGE: &str = concat!(
    "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6ImVsc2V3aGVyZSJ9.",
    "eyJpc3MiOiJodHRwczovL2Vsc2V3aGVyZS5leGFtcGxlLmNvbSIsImF1ZCI6WyJhcGkiXSwic3ViIjoic3RyYW5nZXIiLCJpYXQiOjE3OTk5OTkw",
    "MDAsImV4cCI6MTgwMDAwMzYwMCwic2NvcGUiOiJvcGVuaWQgcHJvZmlsZSBlbWFpbCIsImdyb3VwcyI6WyJwbGF0Zm9ybSIsInBheW1lbnRzIl19",
    ".c2lnbmF0dXJl",
);

/// What all tokens say, beside who it is.
const PROFILE: &str = r#""iss":"https://idp.example.com","aud":["api"],"iat":1799999000,"nbf":1799999000,
"exp":1800003600,"jti":"5b0f2a54-9f2e-4c8b-a4b5-0b7f3c9d2e11","azp":"web","sid":"0b7f3c9d2e11","name":"Ada Example",
"email":"ada@example.com","groups":["platform","payments","on-call"],"scope":"openid profile email",
"role":"member","realm_access":{"roles":["offline_access","user"]}"#;

/// Tokens that were verified before.
pub(super) struct Callers {
    keys: KeySet,
    claims: Vec<Verified<Claims>>,
}

impl Callers {
    /// A caller for each turn, of the tenant that one of `number` policies is about.
    pub(super) fn new(number: usize) -> Result<Callers, String> {
        let shape = Shape {
            number,
            ..Shape::default()
        };
        let claims = (0..TURNS).map(|turn| {
            let tenant = shape.target(turn);
            let json = format!(
                r#"{{{PROFILE},"sub":"caller-{tenant}","tenant":["tenant-{tenant}","tenant-{tenant}-7"]}}"#
            );
            let claims = Claims::parse(json.as_bytes()).map_err(|it| it.code().to_owned())?;
            Ok(Verified::dangerous_unverified(claims))
        });
        Ok(Callers {
            keys: KeySet::empty(),
            claims: claims.collect::<Result<_, String>>()?,
        })
    }
}

impl Facts for Callers {
    fn keys(&self, _: ProviderId) -> Keys<'_> {
        Keys::Ready {
            set: &self.keys,
            generation: 0,
        }
    }

    /// Costs next to nothing: the cache of the gateway is not what is measured.
    fn verified(&self, _: ProviderId, _: u64, token: &Presented<'_>) -> Option<Verified<Claims>> {
        let (_, turn) = token.bytes().split_last_chunk::<2>()?;
        let turn = std::str::from_utf8(turn).ok()?;
        let turn = turn.trim_start_matches('.').parse::<usize>().ok()?;
        self.claims.get(turn).cloned()
    }
}
