//! `countersign check`.

use serde_json::Value;

use crate::binary::{Folder, golden};
use crate::sample;

fn sample() -> Folder {
    Folder::new()
        .file("shop/gateway.yaml", &sample::gateway())
        .file("shop/policy.yaml", &sample::policy())
}

/// As many kinds of trouble as one folder can hold.
fn broken() -> Folder {
    let gateway = sample::gateway()
        .replace("port: 8080", "port: eighty")
        .replace("/orders", "/orders/../secrets");
    let policy = sample::policy()
        .replace(
            "    extensionRef:\n      name: customers",
            "    extensionRef:\n      name: customer",
        )
        .replace("issuer: https://issuer.test", "isuer: ${ISSUER}");
    let istio = "apiVersion: security.istio.io/v1\nkind: RequestAuthentication\nmetadata:\n  name: lost\n  \
                 namespace: nowhere\nspec:\n  jwtRules: []\n";
    Folder::new()
        .file("shop/gateway.yaml", &gateway)
        .file("shop/policy.yaml", &policy)
        .file("shop/istio.yaml", istio)
        .file("shop/notes.txt", "not read")
        .file("shop/later/more.yaml", "not read either")
}

#[test]
fn a_good_configuration_shows_what_it_protects() {
    let ended = sample().run(&["check", "shop"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    golden("check.txt", &ended.stdout);
}

#[test]
fn every_error_is_told_at_once() {
    for (format, name) in [
        ("human", "check-errors.txt"),
        ("plain", "check-errors-plain.txt"),
    ] {
        let ended = broken().run(&["check", "shop", "--format", format]);
        assert_eq!(ended.code, Some(3));
        assert!(
            ended
                .stderr
                .contains("nothing in the folder `shop/later` is read"),
            "{}",
            ended.stderr
        );
        golden(name, &ended.stdout);
    }
}

#[test]
fn json_is_one_document() {
    let ended = broken().run(&["check", "shop", "--format", "json"]);
    assert_eq!(ended.code, Some(3));
    let document: Value = serde_json::from_str(&ended.stdout).unwrap();
    let diagnostics = document["diagnostics"].as_array().unwrap();
    let errors = diagnostics
        .iter()
        .filter(|it| it["severity"] == "error")
        .count();
    assert_eq!(document["summary"]["errors"], errors);
    assert!(
        errors >= 4
            && diagnostics
                .iter()
                .all(|it| it["code"].is_string() && it["message"].is_string())
    );
    assert_eq!(document["protection"], Value::Null);

    let ended = sample().run(&["check", "shop", "--format", "json"]);
    let document: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(
        (ended.code, &document["summary"]["objects"]),
        (Some(0), &Value::from(6))
    );
    assert_eq!(document["protection"].as_array().unwrap().len(), 2);
}

#[test]
fn standard_input_is_a_file_as_well() {
    let ended = Folder::new().run_with(&["check", "-"], &sample::gateway());
    assert_eq!(ended.code, Some(0), "{}", ended.stdout);
    let ended = Folder::new().run_with(&["check", "-", "--format", "plain"], "kind: [");
    assert_eq!(ended.code, Some(3));
    assert!(ended.stdout.starts_with("<stdin>:1:"), "{}", ended.stdout);
}

#[test]
fn what_cannot_be_read_is_a_failure() {
    let ended = Folder::new()
        .file("empty/x.txt", "")
        .run(&["check", "missing.yaml", "empty"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""));
    assert!(
        ended
            .stderr
            .contains("error: `missing.yaml` does not exist\n  help: "),
        "{}",
        ended.stderr
    );
    assert!(
        ended
            .stderr
            .contains("error: the folder `empty` has no file to read\n  help: "),
        "{}",
        ended.stderr
    );
    assert_eq!(Folder::new().run(&["check"]).code, Some(2));
}

#[test]
fn a_variable_is_never_shown() {
    let policy = sample::policy().replace(
        "issuer: https://issuer.test",
        "issuer: ${ISSUER}\n      clockSkew: ${SKEW}",
    );
    let folder = Folder::new()
        .file("gateway.yaml", &sample::gateway())
        .file("policy.yaml", &policy);
    let mut command = folder.command(&["check", "."]);
    let output = command
        .env("ISSUER", "https://issuer.test")
        .env("SKEW", "hunter2")
        .output()
        .unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(
        stdout.contains("${SKEW}") && !stdout.contains("hunter2"),
        "{stdout}"
    );
}
