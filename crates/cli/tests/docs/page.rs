//! A page of the documents: the files that it shows, and the commands with what they print.
//!
//! A fenced block with a file name after its language is that file. A block in the language `console` is a terminal:
//! lines that begin with `$ ` are commands, what follows each is its output, where `…` stands for anything.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use countersign_testkit::port;
use countersign_testkit::upstream::Upstream;
use tempfile::TempDir;

use crate::shell::Shell;

/// Ports of the documents, each with the one that stands in for it, so that pages can run side by side.
struct Ports(Vec<(u16, u16)>);

/// A page, read.
pub(crate) struct Page {
    name: String,
    ports: Ports,
    steps: Vec<Step>,
}

/// What a reader of the page does next.
enum Step {
    Save { file: String, text: String },
    Run { command: String, output: String },
}

impl Page {
    /// Reads a page by its path from the top of the repository.
    pub(crate) fn read(name: &str) -> Self {
        let ports = Ports::new();
        let steps = steps(name, &ports);
        Self {
            name: name.to_owned(),
            ports,
            steps,
        }
    }

    /// Has the files of another page there as well, which a reader has saved before.
    pub(crate) fn with_files_of(mut self, other: &str) -> Self {
        let mut steps = steps(other, &self.ports);
        steps.retain(|step| matches!(step, Step::Save { .. }));
        steps.append(&mut self.steps);
        Self { steps, ..self }
    }

    /// Does all steps in a folder of its own, and returns how many commands that were. Beside the gateway, where a page
    /// starts none itself, a backend that shows what it gets listens on the port that the documents give it.
    pub(crate) fn run(&self) -> usize {
        let folder = TempDir::new().expect("a temporary folder");
        let _upstream = (!self.starts_a_backend()).then(|| {
            let address = (Ipv4Addr::LOCALHOST, self.ports.actual(BACKEND)).into();
            Upstream::bind("orders", address, None).expect("a free port")
        });
        let mut shell = Shell::open(folder.path());
        let mut commands = 0;
        for step in &self.steps {
            match step {
                Step::Save { file, text } => save(folder.path(), file, text),
                Step::Run { command, output } => {
                    let command = self.at_our_admin(command);
                    if let Err(shown) = shell.run(&command, output) {
                        panic!("{}: $ {command}\n{shown}", self.name);
                    }
                    commands += 1;
                }
            }
        }
        commands
    }

    fn starts_a_backend(&self) -> bool {
        let runs = |step: &Step| matches!(step, Step::Run { command, .. } if command.starts_with("python3 "));
        self.steps.iter().any(runs)
    }

    /// The admin listener has a port that need not be named.
    fn at_our_admin(&self, command: &str) -> String {
        let named = command.contains("--admin");
        let admin = format!(
            "countersign run --admin 127.0.0.1:{} ",
            self.ports.actual(ADMIN)
        );
        if named {
            command.to_owned()
        } else {
            command.replace("countersign run ", &admin)
        }
    }
}

const BACKEND: u16 = 8000;
const ADMIN: u16 = 9901;
const DOCUMENTED: [u16; 7] = [BACKEND, 8080, 8090, 8443, 9000, ADMIN, 9902];

impl Ports {
    fn new() -> Self {
        Self(
            DOCUMENTED
                .iter()
                .map(|documented| (*documented, port::free()))
                .collect(),
        )
    }

    fn actual(&self, documented: u16) -> u16 {
        let found = self.0.iter().find(|(it, _)| *it == documented);
        found.expect("a port of DOCUMENTED").1
    }

    /// A text with our ports in place of the documented ones.
    fn put_into(&self, text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
            let (before, number) = rest.split_at(start);
            let end = number.find(|c: char| !c.is_ascii_digit());
            let (number, after) = number.split_at(end.unwrap_or(number.len()));
            let documented = self.0.iter().find(|(it, _)| it.to_string() == number);
            out += before;
            out += &documented.map_or_else(|| number.to_owned(), |(_, actual)| actual.to_string());
            rest = after;
        }
        out + rest
    }
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn save(folder: &Path, file: &str, text: &str) {
    let path = folder.join(file);
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    fs::write(path, text).expect("a file");
}

fn steps(page: &str, ports: &Ports) -> Vec<Step> {
    let text = fs::read_to_string(root().join(page)).expect("the page");
    let text = ports.put_into(&text);
    let mut steps = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(info) = line.strip_prefix("```") else {
            continue;
        };
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        match info.split_once(' ') {
            Some((_, file)) => steps.push(Step::Save {
                file: file.to_owned(),
                text: block.join("\n") + "\n",
            }),
            None if info == "console" => steps.extend(commands(page, &block)),
            // Whoever runs the tests has run `make` already.
            None if info == "sh" => assert!(
                block.iter().all(|line| line.starts_with("make ")),
                "{page}: {block:?}"
            ),
            None => assert_eq!(info, "text", "{page}: a block without a file name"),
        }
    }
    steps
}

fn commands(page: &str, block: &[&str]) -> Vec<Step> {
    let mut steps = Vec::new();
    for line in block {
        match (line.strip_prefix("$ "), steps.last_mut()) {
            (Some(command), _) => steps.push(Step::Run {
                command: command.to_owned(),
                output: String::new(),
            }),
            (None, Some(Step::Run { output, .. })) => *output += &format!("{line}\n"),
            (None, _) => panic!("{page}: {line:?} is the output of no command"),
        }
    }
    steps
}
