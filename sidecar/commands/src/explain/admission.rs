//! What a Pod that is made now would refer to, and with which ServiceAccounts it would be otherwise. Pure.

use tcr::names::derived_secret_name;

use super::facts::{AccountFacts, AskedFor, Facts, ImageUse};
use super::selection::{Selected, selected};
use crate::reader::Seen;

/// ServiceAccounts of a namespace that are compared with `default`.
const MOST_ACCOUNTS: usize = 50;

/// One image of each registry that ImagePullSecrets are for, where the Pod is any.
pub(super) fn any_images(facts: &Facts) -> Vec<ImageUse> {
    let mut hosts: Vec<&String> =
        facts.asked.known().into_iter().flatten().flat_map(|it| &it.hosts).collect();
    hosts.sort();
    hosts.dedup();
    let any = |host: &String| ImageUse {
        image: format!("{host}/any/image"),
        user: "any container".to_owned(),
        is_any: true,
        ..ImageUse::default()
    };
    hosts.into_iter().map(any).collect()
}

/// What a Pod that is made now would refer to, and by which way.
pub(super) fn admit(facts: &mut Facts) {
    let account = facts.account.known().cloned().flatten().unwrap_or_default();
    let AccountFacts { references, enforces } = account;
    facts.ways = facts.pod.references.iter().map(|it| (it.clone(), "the Pod template lists it")).collect();
    if facts.pod.references.is_empty() && !facts.pod.mirror {
        facts.ways = references.iter().map(|it| (it.clone(), "its ServiceAccount refers to it")).collect();
        facts.pod.references.clone_from(&references);
    }
    if facts.pod.opted_out || facts.pod.mirror || facts.unreviewed {
        return;
    }
    let hosts: Vec<&str> = facts.pod.images.iter().map(|it| tcr::image_ref::host_of(&it.image)).collect();
    let is_meant = |it: &&AskedFor| it.hosts.iter().any(|host| hosts.contains(&host.as_str()));
    let meant = facts.asked.known().into_iter().flatten().filter(is_meant);
    let meant = meant.filter(|it| selected(it, facts) == Selected::Yes);
    let names: Vec<String> = meant.map(|it| derived_secret_name(&it.name)).collect();
    for name in names {
        let is_allowed = !enforces || references.contains(&name);
        if is_allowed && !facts.pod.references.contains(&name) {
            facts.ways.insert(name.clone(), "the admission policy adds it");
            facts.pod.references.push(name);
        }
    }
}

/// ServiceAccounts of the namespace for which an ImagePullSecret decides otherwise than for `default`.
pub(super) fn other_accounts(facts: &Facts) -> Vec<String> {
    let Seen::Known(names) = &facts.other_accounts else { return Vec::new() };
    let mut told = Vec::new();
    for name in names.iter().take(MOST_ACCOUNTS) {
        let mut other = facts.clone();
        other.pod.account.clone_from(name);
        for asked in facts.asked.known().into_iter().flatten() {
            let (usual, own) = (selected(asked, facts), selected(asked, &other));
            if (usual == Selected::Yes) != (own == Selected::Yes) {
                let says = match own {
                    Selected::Yes => {
                        format!("ImagePullSecret {} selects it, {}", asked.name, own.says(asked))
                    }
                    _ => own.says(asked),
                };
                told.push(format!("{name}: {says}"));
            }
        }
    }
    if let Some(more) = names.len().checked_sub(MOST_ACCOUNTS).filter(|it| *it > 0) {
        told.push(format!("{more} more ServiceAccounts were not compared: explain serviceaccount/NAME"));
    }
    told
}
