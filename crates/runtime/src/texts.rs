//! The texts of a configuration: from files, folders and standard input.
//!
//! Of a folder its `*.yaml`, `*.yml` and `*.json` are read, in the order of their names; hidden ones are not, which also
//! keeps out the `..data` of a mounted ConfigMap, whose files are reached through the links beside it. Folders inside a
//! folder are not read, but named, so that nobody believes in a policy that was never loaded.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use countersign_config::source::Text;

/// Where texts are read from, again and again.
pub struct Sources {
    list: Vec<Source>,
    stdin: Mutex<Box<dyn Read + Send>>,
}

struct Source {
    path: PathBuf,
    /// What came out of standard input or a pipe, which can be read only once.
    once: Mutex<Option<Result<String, Unreadable>>>,
}

/// What one reading brought.
#[derive(Clone, PartialEq, Eq)]
pub struct Reading {
    /// Every text, in the order of the sources.
    pub texts: Vec<Text>,
    /// Folders inside the folders, which were not read.
    pub passed_over: Vec<PathBuf>,
}

/// A source that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// The file or folder, or [`STDIN`].
    pub name: String,
    /// What is wrong.
    pub problem: Problem,
}

/// What is wrong with a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// It is not there.
    Missing,
    /// The system refuses; what it said.
    Refused(String),
    /// Not UTF-8 from this byte on.
    NotUtf8(usize),
    /// More than [`LARGEST`] bytes.
    TooLarge,
    /// A folder without a file to read.
    Empty,
}

/// What standard input is called, in messages and as the name of its text.
pub const STDIN: &str = "<stdin>";

/// The longest text that is read, in bytes.
pub const LARGEST: u64 = 64 * 1024 * 1024;

impl Sources {
    /// Files and folders; `-` is `stdin`.
    pub fn new(
        paths: impl IntoIterator<Item = PathBuf>,
        stdin: impl Read + Send + 'static,
    ) -> Self {
        let source = |path| Source {
            path,
            once: Mutex::default(),
        };
        Self {
            list: paths.into_iter().map(source).collect(),
            stdin: Mutex::new(Box::new(stdin)),
        }
    }

    /// Reads all of them. Standard input and pipes are read the first time only, and repeated after that.
    ///
    /// # Errors
    /// Every source that cannot be read.
    pub fn read(&self) -> Result<Reading, Vec<Unreadable>> {
        let (mut texts, mut passed_over, mut unreadable) = (Vec::new(), Vec::new(), Vec::new());
        for source in &self.list {
            let files = match source.files() {
                Ok(files) => files,
                Err(problem) => {
                    unreadable.push(problem);
                    continue;
                }
            };
            passed_over.extend(files.passed_over);
            for path in files.paths {
                match self.text(source, &path) {
                    Ok(content) => texts.push(Text {
                        name: name(&path),
                        content,
                    }),
                    Err(problem) => unreadable.push(problem),
                }
            }
        }
        if unreadable.is_empty() {
            Ok(Reading { texts, passed_over })
        } else {
            Err(unreadable)
        }
    }

    /// The paths as given, without `-`.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.list
            .iter()
            .map(|source| &*source.path)
            .filter(|path| !is_stdin(path))
    }

    fn text(&self, source: &Source, path: &Path) -> Result<String, Unreadable> {
        if is_stdin(path) {
            let read = || {
                read(
                    STDIN,
                    &mut **self.stdin.lock().unwrap_or_else(PoisonError::into_inner),
                )
            };
            return source.once(read);
        }
        let name = name(path);
        let unreadable = |error: &io::Error| Unreadable {
            name: name.clone(),
            problem: Problem::from(error),
        };
        let mut file = File::open(path).map_err(|error| unreadable(&error))?;
        let stream = !file
            .metadata()
            .map_err(|error| unreadable(&error))?
            .is_file();
        if stream {
            source.once(|| read(&name, &mut file))
        } else {
            read(&name, &mut file)
        }
    }
}

/// The files that a path stands for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Listing {
    pub(crate) paths: Vec<PathBuf>,
    passed_over: Vec<PathBuf>,
}

/// Lists a folder's files, by name; any other path stands for itself.
pub(crate) fn list(path: &Path) -> io::Result<Listing> {
    let mut listing = Listing::default();
    if is_stdin(path) || !fs::metadata(path)?.is_dir() {
        listing.paths.push(path.to_owned());
        return Ok(listing);
    }
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let path = entry.path();
        let wanted = path.extension().is_some_and(|it| {
            EXTENSIONS
                .iter()
                .any(|known| it.eq_ignore_ascii_case(known))
        });
        // A link that leads nowhere, as while a mounted volume changes, must not be taken for a file that was removed.
        match fs::metadata(&path) {
            Ok(it) if it.is_dir() => listing.passed_over.push(path),
            Ok(it) if wanted && it.is_file() => listing.paths.push(path),
            Err(_) if wanted => listing.paths.push(path),
            _ => {}
        }
    }
    listing.paths.sort();
    listing.passed_over.sort();
    Ok(listing)
}

impl Source {
    fn files(&self) -> Result<Listing, Unreadable> {
        let unreadable = |problem| Unreadable {
            name: name(&self.path),
            problem,
        };
        let listing = list(&self.path).map_err(|error| unreadable(Problem::from(&error)))?;
        // A folder that somebody has emptied, or not filled yet, is not a wish to serve nothing.
        if listing.paths.is_empty() {
            Err(unreadable(Problem::Empty))
        } else {
            Ok(listing)
        }
    }

    fn once(
        &self,
        read: impl FnOnce() -> Result<String, Unreadable>,
    ) -> Result<String, Unreadable> {
        self.once
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert_with(read)
            .clone()
    }
}

fn read(name: &str, from: &mut dyn Read) -> Result<String, Unreadable> {
    let unreadable = |problem| Unreadable {
        name: name.to_owned(),
        problem,
    };
    let mut bytes = Vec::new();
    from.take(LARGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| unreadable(Problem::from(&error)))?;
    if bytes.len() as u64 > LARGEST {
        return Err(unreadable(Problem::TooLarge));
    }
    String::from_utf8(bytes)
        .map_err(|error| unreadable(Problem::NotUtf8(error.utf8_error().valid_up_to())))
}

fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

fn name(path: &Path) -> String {
    if is_stdin(path) {
        STDIN.to_owned()
    } else {
        path.display().to_string()
    }
}

impl From<&io::Error> for Problem {
    fn from(error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::NotFound {
            Self::Missing
        } else {
            Self::Refused(error.to_string())
        }
    }
}

impl Problem {
    /// What to do about it.
    pub fn help(&self) -> &'static str {
        match self {
            Self::Missing => "name a file, a folder, or `-` for standard input",
            Self::Refused(_) => "let the user that the gateway runs as read it",
            Self::NotUtf8(_) => "save it as UTF-8",
            Self::TooLarge => "split it, or name the file that was meant",
            Self::Empty => {
                "put `*.yaml`, `*.yml` or `*.json` files into it; folders inside it are not read"
            }
        }
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name.escape_debug();
        match &self.problem {
            Problem::Missing => write!(f, "`{name}` does not exist"),
            Problem::Refused(cause) => write!(f, "`{name}` cannot be read: {cause}"),
            Problem::NotUtf8(byte) => write!(f, "`{name}` is not UTF-8 text: byte {byte} is wrong"),
            Problem::TooLarge => write!(f, "`{name}` has more than {} MiB", LARGEST >> 20),
            Problem::Empty => write!(f, "the folder `{name}` has no file to read"),
        }
    }
}

impl std::error::Error for Unreadable {}

const EXTENSIONS: [&str; 3] = ["yaml", "yml", "json"];

#[cfg(test)]
mod tests;
