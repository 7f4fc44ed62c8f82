//! What the tokens say: claims as a provider of a company's logins writes them.

/// Distinguishes tokens of one run of `mint` from each other.
#[derive(Clone, Copy)]
pub(crate) struct Series<'a> {
    /// Of which key and file: goes into `jti`.
    pub(crate) name: &'a str,
    /// `iat` and `nbf`, in seconds since 1970.
    pub(crate) issued: u64,
    /// `exp`, in seconds since 1970.
    pub(crate) expires: u64,
}

impl Series<'_> {
    /// The payload of the `n`-th token, about 470 bytes of JSON.
    pub(crate) fn payload(self, n: u64) -> String {
        let Self {
            name,
            issued,
            expires,
        } = self;
        let team = n % 1000;
        format!(
            concat!(
                r#"{{"iss":"https://idp.test","sub":"user-{n}","aud":"api","iat":{issued},"nbf":{issued},"#,
                r#""exp":{expires},"jti":"{name}-{n:07}","azp":"web","sid":"{sid:016x}","#,
                r#""tenant":"acme","name":"Robin Example {n}","email":"user-{n}@corp.example","#,
                r#""email_verified":true,"groups":["staff","developers","team-{team}"],"team":"team-{team}","#,
                r#""role":"member","scope":"openid profile email orders:read orders:write","#,
                r#""realm_access":{{"roles":["offline_access","uma_authorization"]}}}}"#,
            ),
            n = n,
            issued = issued,
            expires = expires,
            name = name,
            team = team,
            // Any odd factor spreads the numbers and keeps them distinct.
            sid = n.wrapping_add(issued).wrapping_mul(0x9e37_79b9_7f4a_7c15),
        )
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn the_nth_token_is_of_the_nth_user() {
        let series = Series {
            name: "RS256-new",
            issued: 1_700_000_000,
            expires: 1_700_003_600,
        };
        let claims: Value = serde_json::from_str(&series.payload(12_345)).expect("JSON");
        assert_eq!(claims["sub"], "user-12345");
        assert_eq!(claims["team"], "team-345");
        assert_eq!(claims["role"], "member");
        assert_eq!(claims["exp"], 1_700_003_600);
        assert_eq!(claims["groups"].as_array().map(Vec::len), Some(3));
        assert_ne!(series.payload(1), series.payload(2));
    }
}
