use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;
use crate::diagnostic::{Diagnostics, Style};
use crate::source::{Files, Text};

/// All YAML files below a folder of the shared material; `None` where it is not at hand, which CI does not forgive.
fn shared(folder: &str) -> Option<Vec<Text>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    if root.is_dir() {
        return Some(files_under(&root.join(folder)));
    }
    assert!(
        std::env::var_os("CI").is_none(),
        "the shared material is missing"
    );
    println!("skipped: the shared material is missing");
    None
}

fn files_under(folder: &Path) -> Vec<Text> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    let mut texts = Vec::new();
    for path in paths {
        if path.is_dir() {
            texts.extend(files_under(&path));
        } else if path
            .extension()
            .is_some_and(|extension| extension == "yaml")
        {
            let content = std::fs::read_to_string(&path).unwrap();
            let name = path.display().to_string();
            texts.push(Text { name, content });
        }
    }
    texts
}

/// Every file by itself: the examples repeat names on purpose.
fn codes_of_each(texts: Vec<Text>) -> (usize, BTreeSet<&'static str>) {
    let mut codes = BTreeSet::new();
    let mut count = 0;
    for text in texts {
        let files = Files::new([text]);
        let mut diags = Diagnostics::new();
        let objects = Objects::collect(&files, &|_| Some("1234".into()), &mut diags);
        count += objects.iter().count();
        codes.extend(diags.iter().map(|diagnostic| diagnostic.code));
    }
    (count, codes)
}

#[test]
fn examples_become_objects() {
    let Some(texts) = shared("examples") else {
        return;
    };
    let texts = texts
        .into_iter()
        .filter(|text| !text.name.ends_with("helm-values.yaml"));
    let (count, codes) = codes_of_each(texts.collect());
    assert_eq!(count, 32);
    assert_eq!(codes, BTreeSet::from(["unsupported-kind"]));
}

#[test]
fn conformance_manifests_become_objects() {
    let Some(texts) = shared("conformance/gwapi/manifests") else {
        return;
    };
    let (count, codes) = codes_of_each(texts);
    assert!(count > 300, "{count}");
    assert_eq!(codes, BTreeSet::from(["foreign-kind", "unsupported-kind"]));
}

fn collect(texts: &[(&str, &str)]) -> (Files, Objects, Diagnostics) {
    let files = Files::new(texts.iter().map(|(name, content)| Text {
        name: (*name).into(),
        content: (*content).into(),
    }));
    let mut diags = Diagnostics::new();
    let objects = Objects::collect(&files, &|_| None, &mut diags);
    (files, objects, diags)
}

#[test]
fn kinds_are_classified() {
    for (group, kind, expected) in [
        ("", "Secret", Class::Known(Kind::Secret)),
        ("", "Pod", Class::Foreign),
        (
            "",
            "HTTPRoute",
            Class::WrongGroup("gateway.networking.k8s.io"),
        ),
        (
            "",
            "PeerAuthentication",
            Class::WrongGroup("security.istio.io"),
        ),
        (
            "discovery.k8s.io",
            "EndpointSlice",
            Class::Known(Kind::EndpointSlice),
        ),
        (
            "gateway.networking.k8s.io",
            "HTTPRoute",
            Class::Known(Kind::HttpRoute),
        ),
        ("gateway.networking.k8s.io", "httproute", Class::Unknown),
        ("gateway.networking.k8s.io", "UDPRoute", Class::Unsupported),
        (
            "gateway.networking.x-k8s.io",
            "XBackendTrafficPolicy",
            Class::Unsupported,
        ),
        (
            "gateway.kgateway.dev",
            "GatewayParameters",
            Class::Unsupported,
        ),
        (
            "countersign.dev",
            "GatewayParameters",
            Class::Known(Kind::GatewayParameters),
        ),
        (
            "gatway.kgateway.dev",
            "TrafficPolicy",
            Class::WrongGroup("gateway.kgateway.dev"),
        ),
        (
            "security.istio.io",
            "PeerAuthentication",
            Class::Unsupported,
        ),
        (
            "authentication.istio.io",
            "AuthorizationPolicy",
            Class::WrongGroup("security.istio.io"),
        ),
        ("networking.istio.io", "Gateway", Class::Foreign),
        ("extauth.solo.io", "AuthConfig", Class::Unsupported),
        ("apps", "Deployment", Class::Foreign),
        ("batch", "Job", Class::Foreign),
        ("policy.linkerd.io", "AuthorizationPolicy", Class::Foreign),
        ("authorino.kuadrant.io", "AuthConfig", Class::Foreign),
        (
            "apiextensions.k8s.io",
            "CustomResourceDefinition",
            Class::Foreign,
        ),
        ("networking.k8s.io", "Ingress", Class::Foreign),
    ] {
        assert_eq!(classify(group, kind), expected, "{group} {kind}");
    }
}

#[test]
fn an_envelope_is_read() {
    let text = "# first\n---\napiVersion: v1\nkind: Service\nmetadata:\n  name: web\n  namespace: shop\n  \
                labels: {app: web, tier: \"1\"}\n  annotations: {a: b}\n  creationTimestamp: \"1970-01-02T00:00:00Z\"\n";
    let (files, objects, diags) = collect(&[("a.yaml", text)]);
    assert!(diags.is_empty());
    let object = objects.iter().next().unwrap();
    assert_eq!(
        (
            object.kind,
            &*object.version,
            &*object.namespace,
            &*object.name
        ),
        (Kind::Service, "v1", "shop", "web")
    );
    assert_eq!(
        (object.label("tier"), object.label("none")),
        (Some("1"), None)
    );
    assert_eq!(object.annotations, [("a".into(), "b".into())]);
    assert_eq!(object.created, Some(86_400));
    assert_eq!(object.origin.to_string(), "Service shop/web (a.yaml:3)");
    assert_eq!(files.slice(object.name_span), "web");
}

#[test]
fn top_level_fields_that_nobody_reads_are_errors() {
    let text =
        "apiVersion: v1\nkind: Secret\nmetadata: {name: x}\ntype: Opaque\ndatas: {}\nstatus: {}\n";
    let (_, objects, mut diags) = collect(&[("a.yaml", text)]);
    let object = objects.of(Kind::Secret).next().unwrap();
    let mut fields = object.fields(&mut diags);
    let kind = fields.optional("type", crate::read::string);
    fields.ignored("data");
    fields.finish();
    assert_eq!(kind.as_deref(), Some("Opaque"));
    let told: Vec<_> = diags
        .iter()
        .map(|d| (d.message.as_str(), d.help.as_deref(), d.subject.clone()))
        .collect();
    let expected = (
        "unknown field `datas` in `Secret`",
        Some("did you mean `data`?"),
        Some(object.reference()),
    );
    assert_eq!(told, [expected]);
}

#[test]
fn one_name_may_be_used_once_per_kind_and_namespace() {
    let service = |namespace: &str| {
        format!("apiVersion: v1\nkind: Service\nmetadata: {{name: web{namespace}}}\n")
    };
    let class = |version: &str, namespace: &str| {
        format!(
            "apiVersion: gateway.networking.k8s.io/{version}\nkind: GatewayClass\nmetadata: {{name: web{namespace}}}\n"
        )
    };
    let (files, objects, mut diags) = collect(&[
        ("a.yaml", &service("")),
        ("b.yaml", &service(", namespace: shop")),
        ("c.yaml", &class("v1", "")),
        ("d.yaml", &service(", namespace: default")),
        ("e.yaml", &class("v1beta1", "")),
    ]);
    diags.sort();
    assert_eq!(objects.iter().count(), 3);
    let told: Vec<_> = diags
        .iter()
        .map(|diagnostic| {
            let (first, _) = diagnostic.related[0];
            (
                diagnostic.code,
                files.name(diagnostic.span.unwrap().file).to_string(),
                files.name(first.file).to_string(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("duplicate-object", "d.yaml".to_owned(), "a.yaml".to_owned()),
            ("duplicate-object", "e.yaml".to_owned(), "c.yaml".to_owned()),
        ]
    );
}

#[test]
fn data_of_config_maps_is_not_ours_until_it_is_read() {
    let text =
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {run: \"echo ${NOT_SET}\"}\n";
    let (_, objects, mut diags) = collect(&[("a.yaml", text)]);
    assert!(diags.is_empty());
    let object = objects.iter().next().unwrap();
    let mut fields = object.fields(&mut diags);
    let data = fields.optional("data", crate::read::map(crate::read::string));
    fields.finish();
    assert_eq!(data.map(|entries| entries.len()), Some(0));
    assert_eq!(
        diags.errors().map(|error| error.code).collect::<Vec<_>>(),
        ["unset-variable"]
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// Wherever a file is cut or garbled, it is read or refused, and what is told can be shown.
    #[test]
    fn garbled_files_do_not_panic(
        cuts in prop::collection::vec((any::<prop::sample::Index>(), 0..20_usize, prop::collection::vec(any::<u8>(), 0..8)), 1..4),
    ) {
        let mut bytes = include_bytes!("../../tests/golden/kinds.yaml").to_vec();
        for (at, length, insert) in cuts {
            let start = at.index(bytes.len());
            let end = (start + length).min(bytes.len());
            bytes.splice(start..end, insert);
        }
        let text = String::from_utf8_lossy(&bytes);
        let (files, objects, mut diags) = collect(&[("a.yaml", &text)]);
        for object in objects.iter() {
            object.fields(&mut diags).finish();
        }
        diags.sort();
        for diagnostic in diags.iter() {
            let span = diagnostic.span.unwrap();
            prop_assert!(text.get(span.start.byte as usize..span.end.byte as usize).is_some());
        }
        prop_assert!(!diags.render(&files, Style::Plain).is_empty());
        diags.render(&files, Style::Json);
    }
}
