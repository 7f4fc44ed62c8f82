//! `mint`: keys and tokens in a folder, made once and then used by run after run.

use std::fs;
use std::io::{BufWriter, Write};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::claims::Series;
use crate::fault::Fault;
use crate::output::tell;
use crate::sign::{Algorithm, Signer};

/// Options of `mint`.
#[derive(Args)]
pub(crate) struct Options {
    /// Where keys and tokens are written; made when missing
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Tokens of each `A-rotating.txt`
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..))]
    rotating: u64,
    /// Tokens of `RS256-new.txt`; the other files of new and of bad tokens have at most 40000
    #[arg(long, value_name = "N", default_value_t = 160_000, value_parser = clap::value_parser!(u64).range(1..))]
    fresh: u64,
}

/// Writes keys and tokens, unless the folder has those asked for with a day left to live.
///
/// # Errors
/// When the folder cannot be written.
pub(crate) fn run(options: &Options) -> Result<(), Fault> {
    let now = now()?;
    if is_complete(options, now) {
        tell(&format!("{}: nothing to do", options.folder.display()));
        return Ok(());
    }
    let mark = options.folder.join(MARK);
    fs::create_dir_all(&options.folder).map_err(|error| unwritten(&options.folder, &error))?;
    if mark.exists() {
        fs::remove_file(&mark).map_err(|error| unwritten(&mark, &error))?;
    }
    let expires = now + LIFETIME;
    let signers = generate()?;
    write_keys(&options.folder, &signers)?;
    for batch in batches(options, now, &signers)? {
        batch.write(&options.folder)?;
    }
    let complete = Complete {
        rotating: options.rotating,
        fresh: options.fresh,
        expires,
    };
    write(&mark, &json!(complete).to_string())
}

/// What a whole folder was made with: the content of [`MARK`].
#[derive(Serialize, Deserialize)]
struct Complete {
    rotating: u64,
    fresh: u64,
    expires: u64,
}

fn is_complete(options: &Options, now: u64) -> bool {
    let complete: Option<Complete> = fs::read(options.folder.join(MARK))
        .ok()
        .and_then(|text| serde_json::from_slice(&text).ok());
    complete.is_some_and(|it| {
        it.rotating == options.rotating && it.fresh == options.fresh && it.expires > now + DAY
    })
}

fn generate() -> Result<Vec<(Algorithm, Signer)>, Fault> {
    let signer = |algorithm| Ok((algorithm, Signer::generate(algorithm, &kid(algorithm))?));
    Algorithm::ALL.into_iter().map(signer).collect()
}

fn write_keys(folder: &Path, signers: &[(Algorithm, Signer)]) -> Result<(), Fault> {
    let mut keys = Map::new();
    for (algorithm, signer) in signers {
        let jwks = signer.jwks(&kid(*algorithm))?;
        keys.insert(algorithm.to_string(), json!(jwks.to_string()));
        write(&folder.join(format!("{algorithm}.pem")), &signer.pem()?)?;
    }
    write(&folder.join("keys.json"), &Value::Object(keys).to_string())
}

/// One file of tokens to be made.
struct Batch<'a> {
    name: String,
    count: u64,
    signer: Signature<'a>,
    issued: u64,
    expires: u64,
}

enum Signature<'a> {
    Good(&'a Signer),
    /// By a key that nobody publishes.
    Forged(Signer),
}

fn batches<'a>(
    options: &Options,
    now: u64,
    signers: &'a [(Algorithm, Signer)],
) -> Result<Vec<Batch<'a>>, Fault> {
    let few = options.fresh.min(40_000);
    let mut batches = Vec::new();
    for (algorithm, signer) in signers {
        let mut add = |what: &str, count, signer, issued, expires| {
            batches.push(Batch {
                name: format!("{algorithm}-{what}"),
                count,
                signer,
                issued,
                expires,
            });
        };
        let good = || Signature::Good(signer);
        let expires = now + LIFETIME;
        add("hot", 1, good(), now, expires);
        add("rotating", options.rotating, good(), now, expires);
        if *algorithm == Algorithm::Rs256 {
            let other = Signer::generate(*algorithm, &kid(*algorithm))?;
            add("new", options.fresh, good(), now, expires);
            add("bad", few, Signature::Forged(other), now, expires);
            let count = options.rotating.min(1000);
            add("expired", count, good(), now - 2 * HOUR, now - HOUR);
        } else {
            add("new", few, good(), now, expires);
        }
    }
    Ok(batches)
}

impl Batch<'_> {
    fn write(&self, folder: &Path) -> Result<(), Fault> {
        let path = folder.join(format!("{}.txt", self.name));
        let failed = |error: std::io::Error| unwritten(&path, &error);
        let mut file = BufWriter::new(fs::File::create(&path).map_err(failed)?);
        let threads = thread::available_parallelism().map_or(1, NonZero::get);
        let mut done = 0;
        while done < self.count {
            let until = self.count.min(done + ROUND);
            for part in self.sign(done..until, threads as u64)? {
                file.write_all(part.as_bytes()).map_err(failed)?;
            }
            done = until;
            tell(&format!("{}: {done} of {}", self.name, self.count));
        }
        file.flush().map_err(failed)
    }

    /// These tokens as lines, in order, in one text for each thread.
    fn sign(&self, range: std::ops::Range<u64>, threads: u64) -> Result<Vec<String>, Fault> {
        let share = (range.end - range.start).div_ceil(threads);
        thread::scope(|scope| {
            let parts: Vec<_> = (0..threads)
                .map(|at| {
                    let start = range.end.min(range.start + at * share);
                    let end = range.end.min(start + share);
                    scope.spawn(move || self.lines(start..end))
                })
                .collect();
            let join = |part: thread::ScopedJoinHandle<'_, Result<String, Fault>>| {
                part.join()
                    .map_err(|_| Fault::failure("a thread that signs broke down"))?
            };
            parts.into_iter().map(join).collect()
        })
    }

    fn lines(&self, range: std::ops::Range<u64>) -> Result<String, Fault> {
        let series = Series {
            name: &self.name,
            issued: self.issued,
            expires: self.expires,
        };
        let signer = match &self.signer {
            Signature::Good(signer) => signer,
            Signature::Forged(signer) => signer,
        };
        let mut lines = String::new();
        for n in range {
            lines.push_str(&signer.token(&series.payload(n))?);
            lines.push('\n');
        }
        Ok(lines)
    }
}

/// Seconds since 1970.
///
/// # Errors
/// When the clock stands before that.
pub(crate) fn now() -> Result<u64, Fault> {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map(|since| since.as_secs())
        .map_err(|_| Fault::failure("the clock stands before 1970"))
}

/// The `kid` of the one key of an algorithm.
pub(crate) fn kid(algorithm: Algorithm) -> String {
    format!("bench-{}", algorithm.name().to_lowercase())
}

fn write(path: &Path, text: &str) -> Result<(), Fault> {
    fs::write(path, text).map_err(|error| unwritten(path, &error))
}

fn unwritten(path: &Path, error: &std::io::Error) -> Fault {
    Fault::failure(format!("`{}` cannot be written: {error}", path.display()))
}

/// Written last, so that a folder has it only when it is whole.
const MARK: &str = ".complete";
const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;
const LIFETIME: u64 = 30 * DAY;
/// Tokens held in memory at a time.
const ROUND: u64 = 10_000;

#[cfg(test)]
mod tests;
