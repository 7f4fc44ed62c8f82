//! The source documents' examples load, each combination that their page names.

use std::path::Path;

use countersign_config::source::Text;
use countersign_config::{Loaded, load};
use countersign_core::authz::Action;
use countersign_testkit::corpus::shared;
use countersign_testkit::tls::Authority;

use super::support::{accepted, told};

fn texts(folder: &Path, names: &[&str]) -> Vec<Text> {
    let read = |name: &&str| Text {
        name: (*name).to_owned(),
        content: std::fs::read_to_string(folder.join(name)).unwrap(),
    };
    names.iter().map(read).collect()
}

fn load_in(texts: Vec<Text>) -> Loaded {
    load(texts, &|name| match name {
        "HOST_KEYCLOAK" => Some("keycloak.test".into()),
        "PORT_KEYCLOAK" => Some("8080".into()),
        "KEYCLOAK_URL" => Some("http://keycloak.test:8080".into()),
        _ => None,
    })
}

#[test]
fn kgateway() {
    let Some(folder) = shared("examples/kgateway") else {
        return;
    };
    let names = std::fs::read_dir(&folder).unwrap();
    let names = names.map(|it| it.unwrap().file_name().into_string().unwrap());
    let variants: Vec<String> = names.filter(|it| it.starts_with("jwt-")).collect();
    assert!(variants.len() >= 8, "{variants:?}");
    for variant in &variants {
        let loaded = load_in(texts(&folder, &["gateway.yaml", "policy.yaml", variant]));
        let notes = told(&loaded);
        let compiled = accepted(loaded);
        assert!(notes.is_empty(), "{variant}: {notes:?}");
        let [listener] = &*compiled.snapshot.listeners else {
            panic!("{variant}")
        };
        assert_eq!(&*listener.name, "kgateway-system/http/http");
        assert!(
            listener.jwt.is_some(),
            "{variant}: strangers must not learn what is a 404"
        );
        let entries: Vec<_> = listener.routes.entries().collect();
        let [entry] = entries.as_slice() else {
            panic!("{variant}")
        };
        assert_eq!(entry.jwt, listener.jwt, "{variant}");
        assert_eq!(entry.host.to_string(), "www.example.com");
        let [protection] = &*compiled.protection else {
            panic!("{variant}")
        };
        assert!(!protection.demands.is_empty(), "{variant}");
    }
    let two = [
        "gateway.yaml",
        "policy.yaml",
        "jwt-strict.yaml",
        "jwt-audiences.yaml",
    ];
    assert!(
        load_in(texts(&folder, &two)).compiled.is_none(),
        "one object, twice"
    );
}

#[test]
fn istio() {
    let Some(folder) = shared("examples/istio") else {
        return;
    };
    let policies = [
        ("allow-groups", Action::Allow),
        ("deny-audience", Action::Deny),
        ("principal-and-scope", Action::Allow),
    ];
    for tokens in [
        "request-authentication-single.yaml",
        "request-authentication-multi.yaml",
    ] {
        for (policy, action) in policies {
            let file = format!("authorization-policy-{policy}.yaml");
            let compiled = accepted(load_in(texts(&folder, &["gateway.yaml", tokens, &file])));
            let [listener] = &*compiled.snapshot.listeners else {
                panic!("{policy}")
            };
            assert!(listener.istio.is_some(), "{tokens}");
            let set = compiled.snapshot.policies(listener.policies.unwrap());
            let [found] = set.unwrap().policies() else {
                panic!("{policy}")
            };
            assert_eq!((found.action, found.rules.len()), (action, 1), "{policy}");
            let [protection] = &*compiled.protection else {
                panic!("{policy}")
            };
            assert!(!protection.demands.is_empty(), "{policy}");
        }
    }
    // All at once, in any order.
    let all: Vec<String> = policies
        .iter()
        .map(|(it, _)| format!("authorization-policy-{it}.yaml"))
        .collect();
    let mut all: Vec<&str> = all.iter().map(String::as_str).collect();
    all.extend(["request-authentication-single.yaml", "gateway.yaml"]);
    let loaded = load_in(texts(&folder, &all));
    let said = told(&loaded);
    assert!(
        said.iter()
            .any(|it| it.starts_with("warning[spiffe-prefix]")),
        "{said:?}"
    );
    let compiled = accepted(loaded);
    let [set] = &*compiled.snapshot.policies else {
        panic!("one gateway, one set")
    };
    assert_eq!(set.policies().len(), 3);
}

#[test]
fn nullplatform() {
    let Some(folder) = shared("examples/nullplatform") else {
        return;
    };
    let identity = Authority::new("test").issue(&["my-app.example.com"]);
    let secret = |namespace: &str| Text {
        name: "secret.yaml".into(),
        content: super::backends::secret(
            namespace,
            "scopes-tls",
            &identity.certificate,
            &identity.key,
        ),
    };
    let names = [
        "gateway.yaml",
        "request-authentication.yaml",
        "authorization-policy.yaml",
    ];
    let mut all = texts(&folder, &names);
    all.push(secret("gateways"));
    let compiled = accepted(load_in(all));
    let [socket] = &*compiled.snapshot.sockets else {
        panic!()
    };
    assert!(socket.tls && socket.port == 443);
    let [listener] = &*compiled.snapshot.listeners else {
        panic!()
    };
    assert!(listener.istio.is_some());
    assert!(listener.identity.contains("X-User-Email"));
    let set = compiled.snapshot.policies(listener.policies.unwrap());
    let [policy] = set.unwrap().policies() else {
        panic!()
    };
    let [rule] = &policy.rules[..] else { panic!() };
    let fields = rule.to[0].iter().chain(&rule.when);
    let fields: Vec<&str> = fields.map(|it| &*it.field).collect();
    assert_eq!(
        fields,
        [
            "to[0].operation.hosts",
            "to[0].operation.ports",
            "to[0].operation.notPaths",
            "when[0] request.auth.claims[aud] notValues",
        ]
    );
    let [settings] = &*compiled.sockets else {
        panic!()
    };
    let [certificate] = &*settings.certificates else {
        panic!()
    };
    assert_eq!(certificate.key.reveal(), identity.key);
    assert_eq!(&*certificate.chain, identity.certificate);

    let mut all = texts(&folder, &names);
    all.push(secret("elsewhere"));
    let loaded = load_in(all);
    assert!(loaded.compiled.is_none());
    assert!(
        told(&loaded)
            .iter()
            .any(|it| it.starts_with("error[secret-not-found]"))
    );
}
