//! What to try at the demo, and what comes of it.

use crate::output::Palette;

/// Where the parts of a running demo are.
pub(crate) struct Tour {
    pub(crate) gateway: u16,
    pub(crate) application: u16,
    pub(crate) issuer: u16,
}

impl Tour {
    /// The places and the commands, for reading.
    pub(crate) fn text(&self, palette: Palette) -> String {
        let address = |port: u16| format!("http://127.0.0.1:{port}");
        let mut out = palette
            .strong("A gateway that asks for a token, and an application behind it")
            + "\n\n";
        for (part, port, does) in [
            (
                "gateway",
                self.gateway,
                "lets requests through that carry a good token",
            ),
            (
                "application",
                self.application,
                "answers with each request as it arrived",
            ),
            (
                "issuer",
                self.issuer,
                "gives a token to alice and to bob, and asks nothing",
            ),
        ] {
            out += &format!("  {part:<11}  {}  {does}\n", address(port));
        }
        out += "\nTry it from another terminal:\n";
        for (number, (title, command)) in (1..).zip(self.steps()) {
            out += &format!("\n{number}. {title}\n   {}\n", palette.strong(&command));
        }
        out + "\n`countersign demo --print-config` shows the configuration. Ctrl-C ends the demo.\n"
    }

    fn steps(&self) -> [(&'static str, String); 4] {
        let curl = format!("curl -i http://127.0.0.1:{}/", self.gateway);
        let bearer = |path: &str| {
            let token = format!("curl -s http://127.0.0.1:{}/{path}", self.issuer);
            format!(r#"-H "Authorization: Bearer $({token})""#)
        };
        [
            ("Without a token: 401 `Jwt is missing`", curl.clone()),
            (
                "As alice: 200, and the application is told `x-user: alice` and `x-team: dev`",
                format!("{curl} {}", bearer("token/alice")),
            ),
            (
                "As alice who says that she is bob: 200, and the application is still told `x-user: alice`",
                format!("{curl} -H 'X-User: bob' {}", bearer("token/alice")),
            ),
            (
                "With a token that the issuer did not sign: 401 `Jwt verification fails`",
                format!("{curl} {}", bearer("forged/alice")),
            ),
        ]
    }
}
