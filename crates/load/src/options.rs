//! The command line of `run`.

use std::path::PathBuf;

use clap::{ArgGroup, Args};
use http::{HeaderName, HeaderValue, Uri};

use crate::target::Protocol;

/// Options of `run`, as typed.
#[derive(Args)]
#[command(group = ArgGroup::new("length").required(true).args(["requests", "seconds"]))]
pub(crate) struct Options {
    /// What is asked for, such as `http://127.0.0.1:8080/path`
    #[arg(long, value_name = "URL")]
    pub(crate) url: Uri,
    /// The version of HTTP
    #[arg(long, value_enum, default_value = "http1")]
    pub(crate) protocol: Protocol,
    /// PEM file of the only authorities that are trusted over https
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// Connections that carry requests
    #[arg(long, value_name = "N", default_value_t = 48, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) connections: u32,
    /// Requests at a time on each connection (HTTP/2)
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) streams: u32,
    /// Ends after so many requests
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) requests: Option<u64>,
    /// Ends after so long
    #[arg(long, value_name = "S", value_parser = positive)]
    pub(crate) seconds: Option<f64>,
    /// Sends so many a second whatever comes back; latency counts from when a request was due
    #[arg(long, value_name = "R", value_parser = positive)]
    pub(crate) rate: Option<f64>,
    /// File of bearer tokens, one a line: request i carries line FROM + i, and round again
    #[arg(long, value_name = "FILE")]
    pub(crate) tokens: Option<PathBuf>,
    /// The line of the first request, counted from 0
    #[arg(long, value_name = "N", default_value_t = 0, requires = "tokens")]
    pub(crate) from: u64,
    /// A header of every request; may be repeated
    #[arg(long = "header", value_name = "'NAME: VALUE'", value_parser = field)]
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// Addresses request i to h{i mod N}.test
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub(crate) hosts: Option<u64>,
    /// Posts a body of so many bytes
    #[arg(long, value_name = "BYTES")]
    pub(crate) upload: Option<u32>,
    /// Holds so many more connections open, each after one request, the first of the run
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) idle: u32,
    /// The status that every answer must have
    #[arg(long, value_name = "STATUS", default_value_t = 200, value_parser = clap::value_parser!(u16).range(200..=599))]
    pub(crate) expect: u16,
    /// The length that every body must have
    #[arg(long, value_name = "BYTES")]
    pub(crate) expect_bytes: Option<u64>,
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(number) if (0.001..=1e7).contains(&number) => Ok(number),
        _ => Err("give a number from 0.001 to 10000000".to_owned()),
    }
}

fn field(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let parts = text.split_once(':').and_then(|(name, value)| {
        let name = name.parse().ok()?;
        Some((name, value.trim().parse().ok()?))
    });
    parts.ok_or_else(|| "write it as `name: value`".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    fn parse(line: &str) -> Result<Options, String> {
        // Words are apart by two spaces, so that a header may hold one.
        let words = std::iter::once("run").chain(line.split("  "));
        Line::try_parse_from(words)
            .map(|line| line.options)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_good_line_is_read() {
        let line =
            "--url  http://a/b  --seconds  2.5  --rate  4000  --header  X-A: b c  --hosts  7";
        let options = parse(line).expect("options");
        assert_eq!(options.url, "http://a/b");
        assert_eq!((options.seconds, options.rate), (Some(2.5), Some(4000.0)));
        let (name, value) = &options.headers[0];
        assert_eq!((name.as_str(), value.as_bytes()), ("x-a", &b"b c"[..]));
        assert_eq!(
            (options.connections, options.streams, options.expect),
            (48, 1, 200)
        );
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let cases = [
            ("--requests  1", "--url"),
            ("--url  http://a/", "--requests"),
            (
                "--url  http://a/  --requests  1  --seconds  1",
                "cannot be used with",
            ),
            ("--url  http://a/  --requests  0", "0 is not in"),
            ("--url  http://a/  --seconds  0", "number from 0.001"),
            ("--url  http://a/  --seconds  NaN", "number from 0.001"),
            (
                "--url  http://a/  --seconds  1  --rate  0",
                "number from 0.001",
            ),
            (
                "--url  http://a/  --seconds  1  --connections  0",
                "0 is not in",
            ),
            (
                "--url  http://a/  --seconds  1  --header  none",
                "name: value",
            ),
            (
                "--url  http://a/  --seconds  1  --header  a b: c",
                "name: value",
            ),
            ("--url  http://a/  --seconds  1  --from  3", "--tokens"),
            (
                "--url  http://a/  --seconds  1  --expect  101",
                "101 is not in",
            ),
            ("--url  http://a/  --seconds  1  --protocol  spdy", "spdy"),
            ("--url  http://a/  --seconds  1  --hosts  0", "0 is not in"),
        ];
        for (line, why) in cases {
            let told = parse(line).err().expect(line);
            assert!(told.contains(why), "{line}: {told}");
        }
    }
}
