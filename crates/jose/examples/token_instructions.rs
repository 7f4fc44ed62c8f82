//! Reads a token many times, to be counted by `scripts/check-instructions`: `token_instructions SCENARIO TIMES`.
//!
//! Signature and digest are left out: how they are computed depends on the processor. What is counted stands in a
//! function whose name begins with `measured`.

#![expect(clippy::print_stdout, reason = "it says what it did")]

use std::hint::black_box;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_jose::{Audiences, Expect, Token, TokenError, UnixTime};

const CLAIMS: &str = include_str!("../benches/speed/claims.json");

fn main() -> Result<(), String> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, times] = &arguments[..] else {
        return Err("token_instructions SCENARIO TIMES".to_owned());
    };
    let times = times
        .parse::<usize>()
        .map_err(|_| format!("`{times}` is no number"))?;
    let scenario = Scenario::named(name)?;
    // What is made at its first use shall not be counted.
    if scenario.ends() != scenario.end {
        return Err(format!("`{name}` does not end as it should"));
    }
    let right = measured(&scenario, times);
    if right != times {
        return Err(format!("{right} of {times} ended as they should"));
    }
    println!("{times} times");
    Ok(())
}

#[inline(never)]
fn measured(scenario: &Scenario, times: usize) -> usize {
    (0..times)
        .filter(|_| black_box(scenario).ends() == scenario.end)
        .count()
}

struct Scenario {
    token: String,
    expect: Expect,
    now: UnixTime,
    end: Result<(), TokenError>,
}

impl Scenario {
    /// `parsed`: a good token, as far as one can see without keys; `expired`: an old one; `malformed`: one whose
    /// payload is no JSON.
    fn named(name: &str) -> Result<Scenario, String> {
        let (now, end) = match name {
            "parsed" => (1_800_000_000, Ok(())),
            "expired" => (1_900_000_000, Err(TokenError::Expired)),
            "malformed" => (1_800_000_000, Err(TokenError::PayloadJson)),
            _ => return Err(format!("`{name}` is no scenario")),
        };
        let claims = if name == "malformed" {
            CLAIMS.replacen(':', " ", 1)
        } else {
            CLAIMS.to_owned()
        };
        let header = r#"{"alg":"RS256","typ":"JWT","kid":"benchmark"}"#;
        let part = |text: &[u8]| URL_SAFE_NO_PAD.encode(text);
        Ok(Scenario {
            token: format!(
                "{}.{}.{}",
                part(header.as_bytes()),
                part(claims.as_bytes()),
                part(&[7; 256])
            ),
            expect: Expect {
                issuer: Some("https://idp.example.com".into()),
                audiences: Audiences::istio(["api"]),
                ..Expect::default()
            },
            now: UnixTime(now),
            end,
        })
    }

    fn ends(&self) -> Result<(), TokenError> {
        let token = Token::parse(&self.token)?;
        black_box(token.check(&self.expect, self.now)?);
        Ok(())
    }
}
