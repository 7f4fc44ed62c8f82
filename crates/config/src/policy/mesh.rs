//! Istio's MeshConfig, as it lies in a cluster: ConfigMap `istio` in the root
//! namespace, key `mesh`.

use std::collections::BTreeSet;
use std::sync::Arc;

use countersign_core::path::Normalization;

use super::trust::TrustDomains;
use crate::diagnostic::{Diagnostic, Diagnostics, quoted};
use crate::object::{Kind, Object, Objects};
use crate::read::{Fields, any_string, choice, dns_label, int_in, map, parsed, string};
use crate::source::{Files, Text};
use crate::yaml::{self, Node};

/// Settings that hold for every gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mesh {
    /// Policies in this namespace apply to all namespaces.
    pub root_namespace: Arc<str>,
    /// `pathNormalization`.
    pub normalization: Normalization,
    /// `defaultConfig.gatewayTopology.numTrustedProxies`.
    pub trusted_proxies: u32,
    /// `trustDomain` and `trustDomainAliases`.
    pub trust_domains: TrustDomains,
    /// Names of the `extensionProviders`.
    pub providers: BTreeSet<Arc<str>>,
}

impl Default for Mesh {
    fn default() -> Self {
        Mesh {
            root_namespace: "istio-system".into(),
            normalization: Normalization::Base,
            trusted_proxies: 0,
            trust_domains: TrustDomains::default(),
            providers: BTreeSet::new(),
        }
    }
}

/// Finds and reads the ConfigMap; without one, Istio's defaults hold.
pub(super) fn read(objects: &Objects, diags: &mut Diagnostics) -> Mesh {
    let mut found: Option<Mesh> = None;
    for object in objects
        .of(Kind::ConfigMap)
        .filter(|it| &*it.name == "istio")
    {
        let Some((text, at)) = mesh_text(object) else {
            continue;
        };
        let mut mesh = parse(&text, &at, diags);
        // Without `rootNamespace` the mesh's root is where Istio itself lies.
        let root = mesh.0.take().unwrap_or_else(|| object.namespace.clone());
        mesh.1.root_namespace = root;
        if found.replace(mesh.1).is_some() {
            let message = "there are two MeshConfigs: two ConfigMaps `istio` with a key `mesh`";
            let error = Diagnostic::error("duplicate-mesh-config", message).at(object.name_span);
            diags.push(error.help("load the one of Istio's root namespace only"));
        }
    }
    found.unwrap_or_default()
}

/// The text under `data.mesh`. Other ConfigMaps of that name are none of ours,
/// and whoever owns ConfigMaps reports what is wrong with their shape.
fn mesh_text(object: &Object) -> Option<(Arc<str>, Node)> {
    let mut unheard = Diagnostics::new();
    let mut fields = object.fields(&mut unheard);
    let data = fields.optional("data", map(|node, _| Some(node.clone())))?;
    let (_, node) = data.into_iter().find(|(key, _)| &*key.text == "mesh")?;
    let text = any_string(&node, &mut Diagnostics::new())?;
    Some((text, node))
}

/// Reads the YAML inside the YAML. Its own lines are named in the messages,
/// which stand where the text begins.
fn parse(text: &Arc<str>, at: &Node, diags: &mut Diagnostics) -> (Option<Arc<str>>, Mesh) {
    let files = Files::new([Text {
        name: "mesh".into(),
        content: text.to_string(),
    }]);
    let mut inner = Diagnostics::new();
    let mut result = (None, Mesh::default());
    for file in files.ids() {
        for document in yaml::parse(&files, file, &mut inner) {
            result = fields(&document.node, &mut inner);
        }
    }
    for problem in inner.iter() {
        let line = problem.span.map_or(0, |span| span.start.line);
        let mut outer = problem.clone();
        outer.message = format!("MeshConfig line {line}: {}", problem.message);
        outer.span = Some(at.span);
        outer.related.clear();
        diags.push(outer);
    }
    result
}

fn fields(node: &Node, diags: &mut Diagnostics) -> (Option<Arc<str>>, Mesh) {
    let mut mesh = Mesh::default();
    let Some(mut fields) = Fields::of(node, "MeshConfig", diags) else {
        return (None, mesh);
    };
    let root = fields.optional("rootNamespace", dns_label);
    mesh.normalization = fields
        .optional("pathNormalization", normalization)
        .flatten()
        .unwrap_or(mesh.normalization);
    mesh.trusted_proxies = fields
        .optional("defaultConfig", proxies)
        .flatten()
        .unwrap_or(0);
    let own = fields.optional("trustDomain", trust_domain);
    let aliases = fields.list("trustDomainAliases", trust_domain);
    mesh.trust_domains = TrustDomains::new(own, aliases);
    mesh.providers = fields
        .list("extensionProviders", provider)
        .into_iter()
        .collect();
    pass_over(&mut fields);
    fields.finish();
    (root, mesh)
}

const NORMALIZATIONS: &[(&str, Normalization)] = &[
    ("DEFAULT", Normalization::Base),
    ("NONE", Normalization::None),
    ("BASE", Normalization::Base),
    ("MERGE_SLASHES", Normalization::MergeSlashes),
    (
        "DECODE_AND_MERGE_SLASHES",
        Normalization::DecodeAndMergeSlashes,
    ),
];

fn normalization(node: &Node, diags: &mut Diagnostics) -> Option<Option<Normalization>> {
    let mut fields = Fields::of(node, "MeshConfig.pathNormalization", diags)?;
    Some(fields.optional("normalization", choice(NORMALIZATIONS)))
}

fn proxies(node: &Node, diags: &mut Diagnostics) -> Option<Option<u32>> {
    let mut fields = Fields::of(node, "MeshConfig.defaultConfig", diags)?;
    let hops = fields.optional("gatewayTopology", topology).flatten();
    pass_over(&mut fields);
    Some(hops)
}

fn topology(node: &Node, diags: &mut Diagnostics) -> Option<Option<u32>> {
    let mut fields = Fields::of(node, "MeshConfig.defaultConfig.gatewayTopology", diags)?;
    let hops = fields.optional("numTrustedProxies", int_in(0..=100));
    fields.unsupported(
        "forwardClientCertDetails",
        "client certificates are not forwarded",
    );
    fields.unsupported(
        "proxyProtocol",
        "use `spec.proxyProtocol` of GatewayParameters",
    );
    Some(hops)
}

fn trust_domain(node: &Node, diags: &mut Diagnostics) -> Option<Arc<str>> {
    let accept = |text: &str| (!text.contains(['/', '*'])).then(|| Arc::from(text));
    let help = "write its name alone, such as `cluster.local`";
    parsed(accept, "is not a trust domain", help)(node, diags)
}

fn provider(node: &Node, diags: &mut Diagnostics) -> Option<Arc<str>> {
    let mut fields = Fields::of(node, "MeshConfig.extensionProviders", diags)?;
    let name = fields.required("name", string);
    pass_over(&mut fields);
    name
}

/// A mesh has many settings that concern sidecars and Istio's own parts: each
/// gets a note, none an error.
fn pass_over(fields: &mut Fields<'_, '_>) {
    for key in fields.rest() {
        let message = format!(
            "{} of MeshConfig does not concern a gateway",
            quoted(&key.text)
        );
        fields
            .diags()
            .push(Diagnostic::note("passed-over", message).at(key.span));
    }
}
