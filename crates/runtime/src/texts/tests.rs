use std::os::unix::fs::symlink;

use tempfile::{TempDir, tempdir};

use super::*;

/// A folder with these files; a name that ends in `/` is a folder.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let dir = tempdir().unwrap();
    for (name, content) in files {
        let path = dir.path().join(name);
        if name.ends_with('/') {
            fs::create_dir_all(path).unwrap();
        } else {
            fs::write(path, content).unwrap();
        }
    }
    dir
}

fn sources(paths: &[&Path]) -> Sources {
    Sources::new(paths.iter().map(|path| path.to_path_buf()), io::empty())
}

/// Names, without the folder, and contents.
fn texts(reading: &Reading, dir: &TempDir) -> Vec<String> {
    let prefix = format!("{}/", dir.path().display());
    reading
        .texts
        .iter()
        .map(|text| format!("{}={}", text.name.replace(&prefix, ""), text.content))
        .collect()
}

fn problems(sources: &Sources) -> Vec<String> {
    sources
        .read()
        .err()
        .unwrap()
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn a_folder_is_read_in_order() {
    let dir = folder(&[
        ("b.yaml", "2"),
        ("a.yml", "1"),
        ("c.JSON", "3"),
        (".hidden.yaml", "x"),
        ("readme.md", "x"),
        ("yaml", "x"),
        ("sub/", ""),
        (".git/", ""),
        ("sub/d.yaml", "x"),
        ("d.yaml~", "x"),
    ]);
    let reading = sources(&[dir.path()]).read().unwrap();
    assert_eq!(texts(&reading, &dir), ["a.yml=1", "b.yaml=2", "c.JSON=3"]);
    assert_eq!(reading.passed_over, [dir.path().join("sub")]);
}

#[test]
fn sources_keep_their_order() {
    let dir = folder(&[("z", "1"), ("sub/", ""), ("sub/a.yaml", "2")]);
    let paths = [
        dir.path().join("z"),
        PathBuf::from("-"),
        dir.path().join("sub"),
    ];
    let sources = Sources::new(paths, io::Cursor::new("in"));
    for _ in 0..2 {
        let reading = sources.read().unwrap();
        assert_eq!(
            texts(&reading, &dir),
            ["z=1", "<stdin>=in", "sub/a.yaml=2"],
            "standard input is kept"
        );
    }
}

#[test]
fn a_pipe_is_read_once_and_kept() {
    let (reader, mut writer) = io::pipe().unwrap();
    io::Write::write_all(&mut writer, b"kind: X").unwrap();
    drop(writer);
    let path = PathBuf::from(format!(
        "/dev/fd/{}",
        std::os::fd::AsRawFd::as_raw_fd(&reader)
    ));
    let sources = Sources::new([path], io::empty());
    for _ in 0..2 {
        assert_eq!(sources.read().unwrap().texts[0].content, "kind: X");
    }
}

#[test]
fn a_mounted_config_map() {
    let dir = folder(&[
        ("..2024_1/", ""),
        ("..2024_1/a.yaml", "old"),
        ("..2024_2/", ""),
        ("..2024_2/a.yaml", "new"),
    ]);
    let at = |name: &str| dir.path().join(name);
    symlink("..2024_1", at("..data")).unwrap();
    symlink("..data/a.yaml", at("a.yaml")).unwrap();
    let sources = sources(&[dir.path()]);
    let reading = sources.read().unwrap();
    assert_eq!(
        (texts(&reading, &dir), reading.passed_over.len()),
        (vec!["a.yaml=old".to_owned()], 0)
    );
    symlink("..2024_2", at("..data_tmp")).unwrap();
    fs::rename(at("..data_tmp"), at("..data")).unwrap();
    assert_eq!(texts(&sources.read().unwrap(), &dir), ["a.yaml=new"]);
    // A link into nothing is an error, not one policy less.
    fs::remove_dir_all(at("..2024_2")).unwrap();
    assert_eq!(
        problems(&sources),
        [format!("`{}` does not exist", at("a.yaml").display())]
    );
}

#[test]
fn every_problem_is_told() {
    let dir = folder(&[
        ("empty/", ""),
        ("empty/x.txt", "x"),
        ("empty/sub/", ""),
        ("ok.yaml", "x"),
    ]);
    let at = |name: &str| dir.path().join(name);
    fs::write(at("bad.yaml"), b"ab\xff").unwrap();
    fs::write(at("wide.yaml"), b"\xff\xfea\0").unwrap();
    let paths = ["none", "bad.yaml", "ok.yaml", "wide.yaml", "empty"].map(at);
    let paths: Vec<&Path> = paths.iter().map(|path| &**path).collect();
    let shown = dir.path().display();
    assert_eq!(
        problems(&sources(&paths)),
        [
            format!("`{shown}/none` does not exist"),
            format!("`{shown}/bad.yaml` is not UTF-8 text: byte 2 is wrong"),
            format!("`{shown}/wide.yaml` is not UTF-8 text: byte 0 is wrong"),
            format!("the folder `{shown}/empty` has no file to read"),
        ]
    );
    let sources = Sources::new([PathBuf::from("-")], io::Cursor::new(b"\xff"));
    assert_eq!(
        problems(&sources),
        ["`<stdin>` is not UTF-8 text: byte 0 is wrong"]
    );
}

#[test]
fn what_never_ends_is_cut() {
    let sources = Sources::new([PathBuf::from("-")], io::repeat(b' '));
    assert_eq!(problems(&sources), ["`<stdin>` has more than 64 MiB"]);
}

#[test]
fn help_says_what_to_do() {
    let problems = [
        Problem::Missing,
        Problem::Refused("x".into()),
        Problem::NotUtf8(1),
        Problem::TooLarge,
        Problem::Empty,
    ];
    for problem in problems {
        let help = problem.help();
        assert!(
            !help.ends_with('.') && help.starts_with(|c: char| c.is_lowercase()),
            "{help}"
        );
    }
}
