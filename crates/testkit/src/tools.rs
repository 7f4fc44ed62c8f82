//! Programs that `scripts/setup` puts under `.tools`: Envoy, Python and Node packages.
//!
//! A test that needs one fails where it is missing, with the reason that setup met.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Envoy, the peer that decisions are compared with.
///
/// # Panics
/// When it is not installed.
#[must_use]
pub fn envoy() -> PathBuf {
    find(&root(), "bin/envoy", "python")
}

/// A Python that has the packages of `scripts/tools/requirements.txt`.
///
/// # Panics
/// When it is not installed.
#[must_use]
pub fn python() -> PathBuf {
    find(&root(), "venv/bin/python", "python")
}

/// The folder to run Node in, so that it finds the packages of `scripts/tools/package.json`.
///
/// # Panics
/// When they are not installed.
#[must_use]
pub fn node() -> PathBuf {
    find(&root(), "node", "node")
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.tools")
}

fn find(root: &Path, relative: &str, part: &str) -> PathBuf {
    // Only the root is resolved: a virtual environment is found by the link that starts its Python.
    if let Ok(found) = root.canonicalize().map(|root| root.join(relative))
        && found.exists()
    {
        return found;
    }
    let reason = fs::read_to_string(root.join("missing").join(part));
    panic!(
        "{relative} is not installed: {}",
        reason.unwrap_or_else(|_| "run `scripts/setup`".into())
    );
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn what_setup_installed_runs() {
        let version = Command::new(envoy()).arg("--version").output().unwrap();
        assert!(
            String::from_utf8_lossy(&version.stdout).contains("/1.40.0/"),
            "{version:?}"
        );
        let imports = Command::new(python())
            .args([
                "-c",
                "import yaml, cryptography, sys; assert '.tools' in yaml.__file__, sys.prefix",
            ])
            .status()
            .unwrap();
        assert!(imports.success());
        let import = [
            "--input-type=module",
            "-e",
            "import 'oidc-provider'; import 'jose'",
        ];
        let loads = Command::new("node")
            .args(import)
            .current_dir(node())
            .output()
            .unwrap();
        assert!(loads.status.success(), "{loads:?}");
    }

    #[test]
    #[should_panic(expected = "bin/envoy is not installed: no such package")]
    fn a_missing_tool_fails_with_the_reason_of_setup() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("missing")).unwrap();
        fs::write(root.path().join("missing/python"), "no such package").unwrap();
        find(root.path(), "bin/envoy", "python");
    }
}
