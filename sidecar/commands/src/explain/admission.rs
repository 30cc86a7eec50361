//! The references that a Pod created now would get, and the ServiceAccounts with which it would get others.
//! Pure.

use std::collections::BTreeSet;

use tcr::image_ref::host_of;
use tcr::names::derived_secret_name;
use tcr::pull_rights::{Candidate, Needed, needed};

use super::facts::{AccountFacts, AskedFor, Facts, ImageUse};
use super::selection::{Selected, selected};
use crate::reader::Seen;

/// ServiceAccounts of a namespace that are compared with `default`.
const MOST_ACCOUNTS: usize = 50;
/// Stands for any image of a registry.
const ANY_IMAGE: &str = "/any/image";
/// Stands for any image of a registry namespace.
const ANY_OF_NAMESPACE: &str = "/image";

/// One image of each registry that ImagePullSecrets are for, where the Pod is any Pod; where credentials are
/// for registry namespaces, one of each namespace that is for the Pod.
pub(super) fn any_images(facts: &Facts) -> Vec<ImageUse> {
    let all = || facts.asked.known().into_iter().flatten();
    let mut images = BTreeSet::new();
    for asked in all().filter(|it| !matches!(selected(it, facts), Selected::No(_))) {
        for host in &asked.hosts {
            match asked.spec.registry_namespaces() {
                [] => images.extend([format!("{host}{ANY_IMAGE}")]),
                some => images.extend(some.iter().map(|name| format!("{host}/{name}{ANY_OF_NAMESPACE}"))),
            }
        }
    }
    for host in all().flat_map(|it| &it.hosts) {
        if !images.iter().any(|image| host_of(image) == host) {
            images.insert(format!("{host}{ANY_IMAGE}"));
        }
    }
    let any =
        |image| ImageUse { image, user: "any container".to_owned(), is_any: true, ..ImageUse::default() };
    images.into_iter().map(any).collect()
}

/// The text for any image, as it is printed: `demo.tencentcloudcr.com/team/*`.
pub(super) fn shown_as_any(image: &str) -> String {
    let cut = image.strip_suffix(ANY_IMAGE).or_else(|| image.strip_suffix(ANY_OF_NAMESPACE));
    format!("{}/*", cut.unwrap_or(image))
}

/// The ImagePullSecrets whose Secrets the policy adds to such a Pod, in their order.
pub(super) fn needed_by_policy(facts: &Facts) -> Vec<&AskedFor> {
    let is_listed = |it: &AskedFor| facts.pod.references.contains(&derived_secret_name(&it.name));
    let all = facts.asked.known().into_iter().flatten();
    let all = all.map(|it| (it, selected(it, facts) == Selected::Yes, is_listed(it)));
    let all: Vec<_> = all.filter(|(_, is_selected, is_listed)| *is_selected || *is_listed).collect();
    let mut is_needed = vec![false; all.len()];
    for image in facts.pod.images.iter().map(|it| it.image.as_str()) {
        let host = host_of(image).to_ascii_lowercase();
        let here: Vec<usize> = (0..all.len()).filter(|index| all[*index].0.hosts.contains(&host)).collect();
        let candidate = |index: &usize| Candidate {
            registry_namespaces: all[*index].0.spec.registry_namespaces(),
            is_listed: all[*index].2,
        };
        let candidates: Vec<Candidate<'_>> = here.iter().map(candidate).collect();
        let places = match needed(image, &candidates) {
            Needed::All(all) => all,
            Needed::Lacks(one) => vec![one],
        };
        places.into_iter().for_each(|place| is_needed[here[place]] = true);
    }
    let needed =
        all.iter().zip(is_needed).filter(|((_, is_selected, _), is_needed)| *is_selected && *is_needed);
    needed.map(|((asked, ..), _)| *asked).collect()
}

/// Determines the references that a Pod created now would get, and what adds each.
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
    let names: Vec<String> = needed_by_policy(facts).iter().map(|it| derived_secret_name(&it.name)).collect();
    for name in names {
        let is_allowed = !enforces || references.contains(&name);
        if is_allowed && !facts.pod.references.contains(&name) {
            facts.ways.insert(name.clone(), "the admission policy adds it");
            facts.pod.references.push(name);
        }
    }
}

/// ServiceAccounts of the namespace that an ImagePullSecret treats otherwise than `default`.
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
