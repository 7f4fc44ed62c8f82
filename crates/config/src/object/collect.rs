//! Texts to objects.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use countersign_core::origin::Origin;

use super::classify::{api_version, kinds_of, restricts};
use super::{Class, Kind, Object, classify, metadata};
use crate::diagnostic::{Diagnostic, Diagnostics, ObjectRef, quoted};
use crate::read::nearest;
use crate::source::{FileId, Files, Span};
use crate::yaml::{self, Environment, Node, Scalar, Typed, Unset, Value};

/// All objects of one load, in the order in which they were written.
#[derive(Clone, Debug, Default)]
pub struct Objects {
    list: Vec<Object>,
}

/// `apiVersion` and `kind`, and the place of the latter.
struct Head {
    group: Arc<str>,
    version: Arc<str>,
    kind: Arc<str>,
    version_span: Span,
    kind_span: Span,
}

impl Objects {
    /// Reads every text, and keeps each object of a kind that is ours. Broken documents, unusable envelopes, variables that
    /// are not set, kinds that must not be passed over and objects that are there twice are errors; nothing stops at one.
    pub fn collect(files: &Files, env: Environment<'_>, diags: &mut Diagnostics) -> Self {
        let mut collector = Collector {
            files,
            env,
            diags,
            list: Vec::new(),
            seen: HashMap::new(),
            foreign: BTreeMap::new(),
        };
        for file in files.ids() {
            for document in yaml::parse(files, file, collector.diags) {
                collector.root(file, document.node);
            }
        }
        let list = std::mem::take(&mut collector.list);
        collector.passed_over();
        Self { list }
    }

    /// All objects.
    pub fn iter(&self) -> impl Iterator<Item = &Object> {
        self.list.iter()
    }

    /// All objects of one kind.
    pub fn of(&self, kind: Kind) -> impl Iterator<Item = &Object> {
        self.iter().filter(move |object| object.kind == kind)
    }
}

struct Collector<'a> {
    files: &'a Files,
    env: Environment<'a>,
    diags: &'a mut Diagnostics,
    list: Vec<Object>,
    seen: HashMap<ObjectRef, Span>,
    /// What is passed over: where the first of each stands, and how many there are.
    foreign: BTreeMap<String, (Span, usize)>,
}

impl Collector<'_> {
    /// Takes the root of a document, or an item of a `List`.
    fn root(&mut self, file: FileId, node: Node) {
        if node.child("kind").and_then(Node::text) == Some("List") {
            return self.list(file, node);
        }
        let Some(head) = head(&node, self.diags) else {
            return;
        };
        let class = classify(&head.group, &head.kind);
        let version = match class {
            Class::Known(kind) => known_version(kind, &head, self.diags),
            _ => false,
        };
        if !version {
            unread(&node, self.diags);
        }
        match class {
            Class::Known(kind) if version => self.object(file, kind, &head, node),
            Class::Known(_) => {}
            Class::Foreign => {
                let first = (head.kind_span, 0);
                self.foreign.entry(named(&head)).or_insert(first).1 += 1;
            }
            class => self.diags.push(refused(class, &head)),
        }
    }

    fn passed_over(self) {
        for (named, (first, count)) in self.foreign {
            let many = if count > 1 {
                format!(" ({count} objects)")
            } else {
                String::new()
            };
            let message = format!("{named} is passed over: nothing here reads it{many}");
            self.diags
                .push(Diagnostic::note("foreign-kind", message).at(first));
        }
    }

    fn list(&mut self, file: FileId, node: Node) {
        let span = node.span;
        let Value::Mapping(entries) = node.value else {
            return;
        };
        let items = entries
            .into_iter()
            .find(|(key, _)| &*key.text == "items")
            .map(|(_, node)| node);
        match items.map(|items| (items.is_null(), items.value)) {
            Some((_, Value::Sequence(items))) => {
                for item in items {
                    self.root(file, item);
                }
            }
            Some((true, _)) => {}
            Some(_) | None => {
                let error =
                    Diagnostic::error("not-an-object", "a `List` needs a list `items`").at(span);
                self.diags
                    .push(error.help("write `items:` with one object per item"));
            }
        }
    }

    fn object(&mut self, file: FileId, kind: Kind, head: &Head, mut root: Node) {
        // The data of these belongs to whoever refers to it, and may be a script full of dollar signs.
        let unset = match kind {
            Kind::ConfigMap | Kind::Secret => Unset::Defer,
            _ => Unset::Report,
        };
        yaml::expand(&mut root, self.files, self.env, unset, self.diags);
        let Some(node) = root.child("metadata").filter(|node| !node.is_null()) else {
            let error = Diagnostic::error(
                "missing-field",
                format!("this {} has no `metadata`", kind.name()),
            );
            self.diags.push(
                error
                    .at(head.kind_span)
                    .help("add `metadata:` with a `name:`"),
            );
            return;
        };
        let Some(metadata) = metadata::read(kind, node, self.diags) else {
            return;
        };
        let origin = Origin {
            kind: kind.name(),
            namespace: Arc::clone(&metadata.namespace),
            name: Arc::clone(&metadata.name.value),
            part: "".into(),
            file: self.files.name(file),
            line: root.span.start.line,
        };
        let object = Object {
            kind,
            version: Arc::clone(&head.version),
            namespace: metadata.namespace,
            name: metadata.name.value,
            name_span: metadata.name.span,
            labels: metadata.labels,
            annotations: metadata.annotations,
            created: metadata.created,
            origin,
            root,
        };
        self.keep(object);
    }

    fn keep(&mut self, object: Object) {
        let reference = object.reference();
        if let Some(first) = self.seen.get(&reference) {
            let error = Diagnostic::error("duplicate-object", format!("{reference} is here twice"));
            let error = error
                .at(object.name_span)
                .related(*first, "the first one")
                .about(reference);
            self.diags
                .push(error.help("remove one of them, or give it another name"));
            return;
        }
        self.seen.insert(reference, object.name_span);
        self.list.push(object);
    }
}

/// Reads `apiVersion` and `kind`, which must be there and literal.
fn head(node: &Node, diags: &mut Diagnostics) -> Option<Head> {
    if !matches!(node.value, Value::Mapping(_)) {
        let message = format!("this document is {}, not an object", node.describe());
        let error = Diagnostic::error("not-an-object", message).at(node.span);
        diags.push(error.help("write an object with `apiVersion`, `kind` and `metadata`"));
        return None;
    }
    let (version, kind) = (literal(node, "apiVersion"), literal(node, "kind"));
    let (Some((version, version_span)), Some((kind, kind_span))) = (&version, &kind) else {
        diags.push(headless(node, version.is_some(), kind.is_some()));
        return None;
    };
    let (group, version) = version.text.split_once('/').unwrap_or(("", &version.text));
    Some(Head {
        group: group.into(),
        version: version.into(),
        kind: Arc::clone(&kind.text),
        version_span: *version_span,
        kind_span: *kind_span,
    })
}

/// Nobody here knows what is secret of an object that is not read.
fn unread(node: &Node, diags: &mut Diagnostics) {
    if let Value::Mapping(entries) = &node.value {
        let known = |key: &str| matches!(key, "apiVersion" | "kind" | "metadata");
        let rest = entries.iter().filter(|(key, _)| !known(&key.text));
        rest.for_each(|(_, node)| diags.withhold(node.span));
    }
}

fn literal<'n>(node: &'n Node, name: &str) -> Option<(&'n Scalar, Span)> {
    let child = node.child(name)?;
    match &child.value {
        Value::Scalar(scalar) if scalar.typed() == Typed::String && !scalar.text.is_empty() => {
            Some((scalar, child.span))
        }
        _ => None,
    }
}

fn headless(node: &Node, version: bool, kind: bool) -> Diagnostic {
    let first = match &node.value {
        Value::Mapping(entries) => entries.first().map_or(node.span, |(key, _)| key.span),
        _ => node.span,
    };
    let error = |message: &str| Diagnostic::error("not-an-object", message).at(first);
    match (version, kind) {
        (false, false) if node.child("tokenExchange").is_some() => {
            error("these are Helm values, which are not read yet")
                .help("leave this file out of the configuration")
        }
        (false, false) => error("this document has no `apiVersion` and no `kind`").help(
            "write a Kubernetes object; Helm values and other files do not belong among them",
        ),
        (false, true) => error("this object has no `apiVersion`")
            .help("add `apiVersion:`, for example `gateway.networking.k8s.io/v1`"),
        (true, _) => error("this object has no `kind`").help("add `kind:`"),
    }
}

/// Why an object of a kind that is not read may not be passed over.
fn refused(class: Class, head: &Head) -> Diagnostic {
    let named = named(head);
    match class {
        Class::WrongGroup(meant) => {
            let message = if restricts(&head.kind) {
                format!("nothing here reads {named}: it would protect nothing")
            } else {
                format!("there is no {named}")
            };
            let help = match api_version(meant, &head.kind) {
                Some(right) => format!("did you mean `apiVersion: {right}`?"),
                None => format!("did you mean a version of `{meant}`?"),
            };
            Diagnostic::error("unknown-group", message)
                .at(head.version_span)
                .help(help)
        }
        Class::Unsupported => {
            let restricts = ["Policy", "Auth"]
                .iter()
                .any(|word| head.kind.contains(word));
            let without = if restricts { "enforcing it" } else { "it" };
            let message =
                format!("{named} is not supported yet: refusing to start without {without}");
            let help = match &*head.kind {
                // It says how sidecars let each other in; Istio's gateways pass it over too.
                "PeerAuthentication" => {
                    "leave it out: it is about sidecars and does nothing on a gateway, where `spec.tls.frontend` of the Gateway asks for client certificates"
                }
                _ => "remove the object, if what it asks for is not needed here",
            };
            Diagnostic::error("unsupported-kind", message)
                .at(head.kind_span)
                .help(help)
        }
        Class::Known(_) | Class::Foreign | Class::Unknown => {
            Diagnostic::error("unknown-kind", format!("unknown kind {named}"))
                .at(head.kind_span)
                .help(known_kinds(&head.kind, &head.group))
        }
    }
}

/// `` `Deployment` of `apps` ``
fn named(head: &Head) -> String {
    let kind = quoted(&head.kind);
    match &*head.group {
        "" => format!("{kind} of the core group"),
        group => format!("{kind} of {}", quoted(group)),
    }
}

fn known_kinds(kind: &str, group: &str) -> String {
    let kinds: Vec<_> = kinds_of(group).collect();
    match nearest(kind, &kinds) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("the kinds that are read are `{}`", kinds.join("`, `")),
    }
}

fn known_version(kind: Kind, head: &Head, diags: &mut Diagnostics) -> bool {
    if kind.versions().contains(&&*head.version) {
        return true;
    }
    let prefix = match &*head.group {
        "" => String::new(),
        group => format!("{group}/"),
    };
    let accepted: Vec<_> = kind
        .versions()
        .iter()
        .map(|version| format!("`{prefix}{version}`"))
        .collect();
    let message = format!(
        "unknown version {} of {}",
        quoted(&head.version),
        kind.name()
    );
    let error = Diagnostic::error("unknown-version", message).at(head.version_span);
    diags.push(error.help(format!("write {}", accepted.join(" or "))));
    false
}
