//! Making what differs small: the fewest policies, fields, values and header lines that still do.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use crate::ask::Ask;
use crate::decisions::Policies;
use crate::judge::{Verdict, judge};
use crate::policies::Group;
use crate::scene::{Answer, Scene, Side, World};
use crate::yaml;

/// Tells of a difference all that one needs to see it: policies, request, both answers and the gateway's log.
pub(crate) fn smallest(world: &World, trust_domains: &[&str], group: Group, ask: Ask) -> String {
    let (mut group, mut ask) = (group, ask);
    // Every round makes it smaller, so it ends; the bound is for a peer that answers now so, now so.
    for _ in 0..60 {
        let policies = smaller_group(world, trust_domains, &group, &ask);
        let request = smaller_ask(
            world,
            trust_domains,
            policies.as_ref().unwrap_or(&group),
            &ask,
        );
        if policies.is_none() && request.is_none() {
            break;
        }
        group = policies.unwrap_or(group);
        ask = request.unwrap_or(ask);
    }
    tell(world, trust_domains, &group, &ask)
}

fn smaller_ask(world: &World, trust_domains: &[&str], group: &Group, ask: &Ask) -> Option<Ask> {
    let mut scene = Scene::start(world, std::slice::from_ref(group), trust_domains).ok()?;
    let mut smallest = None;
    loop {
        let current = smallest.as_ref().unwrap_or(ask);
        let found = current
            .smaller()
            .into_iter()
            .find(|it| differs(&mut scene, group, 0, it));
        match found {
            Some(found) => smallest = Some(found),
            None => return smallest,
        }
    }
}

/// The first group, smaller by one part, that still differs. All are tried in one scene.
fn smaller_group(world: &World, trust_domains: &[&str], group: &Group, ask: &Ask) -> Option<Group> {
    let groups: Vec<Group> = without_one_part(group).into_iter().take(60).collect();
    if groups.is_empty() {
        return None;
    }
    let mut scene = Scene::start(world, &groups, trust_domains).ok()?;
    let at = (0..groups.len()).find(|at| differs(&mut scene, &groups[*at], *at, ask))?;
    groups.into_iter().nth(at)
}

fn differs(scene: &mut Scene<'_>, group: &Group, index: usize, ask: &Ask) -> bool {
    matches!(judge(scene, group, index, ask).1, Verdict::Different(_))
}

/// Big parts first.
fn without_one_part(group: &Group) -> Vec<Group> {
    let mut found = Vec::new();
    for at in 0..group.documents.len() {
        let mut smaller = group.clone();
        smaller.documents.remove(at);
        found.push(smaller);
    }
    for (at, document) in group.documents.iter().enumerate() {
        for document in smaller_document(document) {
            let mut smaller = group.clone();
            smaller.documents[at] = document;
            found.push(smaller);
        }
    }
    if group.normalization != "BASE" {
        found.push(Group {
            normalization: "BASE",
            ..group.clone()
        });
    }
    if group.proxies != 0 {
        found.push(Group {
            proxies: 0,
            ..group.clone()
        });
    }
    found
}

/// Documents that admission still takes: no list becomes empty, nothing that must be there goes.
fn smaller_document(document: &Value) -> Vec<Value> {
    let list = if document["kind"] == "RequestAuthentication" {
        "jwtRules"
    } else {
        "rules"
    };
    let with = |parts: Vec<Value>| {
        let mut smaller = document.clone();
        smaller["spec"][list] = parts.into();
        smaller
    };
    let Some(parts) = document["spec"][list].as_array() else {
        return Vec::new();
    };
    let mut found: Vec<Value> = shorter(parts).into_iter().map(with).collect();
    for (at, part) in parts.iter().enumerate() {
        let inside = if list == "rules" {
            smaller_rule(part)
        } else {
            without_a_key(part, &["issuer", "jwks"])
        };
        for part in inside {
            let mut parts = parts.clone();
            parts[at] = part;
            found.push(with(parts));
        }
    }
    found
}

fn smaller_rule(rule: &Value) -> Vec<Value> {
    let mut found = without_a_key(rule, &[]);
    for (key, inner) in [("from", "source"), ("to", "operation"), ("when", "")] {
        let Some(entries) = rule[key].as_array() else {
            continue;
        };
        let with = |entries: Vec<Value>| {
            let mut smaller = rule.clone();
            smaller[key] = entries.into();
            smaller
        };
        found.extend(shorter(entries).into_iter().map(with));
        for (at, entry) in entries.iter().enumerate() {
            let fields = if inner.is_empty() {
                entry
            } else {
                &entry[inner]
            };
            for fields in smaller_fields(fields) {
                let mut entries = entries.clone();
                if inner.is_empty() {
                    entries[at] = fields;
                } else {
                    entries[at][inner] = fields;
                }
                found.push(with(entries));
            }
        }
    }
    found
}

fn smaller_fields(fields: &Value) -> Vec<Value> {
    let lists = |it: &Map<String, Value>| it.values().filter(|it| it.is_array()).count();
    let map = fields.as_object().expect("fields");
    let mut found = Vec::new();
    if lists(map) > 1 {
        found.extend(without_a_key(fields, &["key"]));
    }
    for (name, values) in map {
        for values in values.as_array().map(|it| shorter(it)).unwrap_or_default() {
            let mut smaller = fields.clone();
            smaller[name] = values.into();
            found.push(smaller);
        }
    }
    found
}

/// The list without one of its members, as long as one stays.
fn shorter(list: &[Value]) -> Vec<Vec<Value>> {
    let without = |at: usize| {
        let mut shorter = list.to_vec();
        shorter.remove(at);
        shorter
    };
    let count = if list.len() > 1 { list.len() } else { 0 };
    (0..count).map(without).collect()
}

fn without_a_key(value: &Value, keep: &[&str]) -> Vec<Value> {
    let map = value.as_object().expect("a mapping");
    let keys = map.keys().filter(|it| !keep.contains(&it.as_str()));
    let without = |key: &String| {
        let mut smaller = map.clone();
        smaller.remove(key);
        Value::from(smaller)
    };
    keys.map(without).collect()
}

fn tell(world: &World, trust_domains: &[&str], group: &Group, ask: &Ask) -> String {
    let mut text = yaml::documents(&group.documents);
    let (normalization, proxies) = (group.normalization, group.proxies);
    _ = writeln!(
        text,
        "\n(pathNormalization {normalization}, numTrustedProxies {proxies}, trust domains {trust_domains:?})\n"
    );
    let mut scene = match Scene::start(world, std::slice::from_ref(group), trust_domains) {
        Ok(scene) => scene,
        Err(why) => return text + &why,
    };
    let (from, to, tls) = (ask.from, ask.to, &ask.tls);
    let request = ask.request(scene.ports[0]).bytes();
    let request = String::from_utf8_lossy(&request).replace('\r', "");
    _ = writeln!(text, "{from} to {to}, TLS {tls:?}\n{request}");
    let envoy = scene.ask(0, Side::Envoy(Policies::AsWritten), ask);
    let ours = scene.ask(0, Side::Gateway, ask);
    _ = writeln!(text, "Envoy:   {}", shown(&envoy));
    _ = writeln!(text, "gateway: {}", shown(&ours));
    _ = writeln!(text, "log:     {}", scene.end());
    text
}

fn shown(answer: &Answer) -> String {
    match &answer.response {
        Ok(response) => format!("{} {:?}", response.status, response.text()),
        Err(error) => format!("no answer: {error}"),
    }
}
