//! Makes findings about a Pod's pulls from all facts. Pure.

use tcr::names::{INJECT_ANNOTATION, derived_secret_name};

use super::admission::{needed_by_policy, other_accounts};
use super::facts::{Content, Facts, ImageUse, SecretFacts};
use super::findings::Problem;
use super::findings::{EventFinding, Findings, SecretFinding, Verdict};
use super::image;
use super::problem::node::sandbox_failed;
use super::problem::{make_again, not_known};
use crate::reader::Seen;

/// All findings.
pub fn findings(facts: &Facts) -> Findings {
    let pod = &facts.pod;
    let mut images = Vec::new();
    for used in &pod.images {
        if images.iter().any(|it: &super::findings::ImageFinding| it.image == used.image) {
            continue;
        }
        let users: Vec<&ImageUse> = pod.images.iter().filter(|it| it.image == used.image).collect();
        images.push(image::finding(&used.image, &users, facts));
    }
    let sandbox = sandbox(facts);
    let of_none = if facts.asked.known().is_some() { Verdict::Pulls } else { Verdict::Unknown };
    let verdict = images.iter().map(|it| it.verdict).max().unwrap_or(of_none);
    let verdict = if sandbox.is_some() { Verdict::Fails } else { verdict };
    let not_known = unread(facts);
    let problem = sandbox.as_ref().or_else(|| {
        let worst = images.iter().filter(|it| it.verdict == verdict);
        worst.chain(&images).find_map(|it| it.problem.as_ref())
    });
    let to_do = match (verdict, problem, not_known.first()) {
        (_, Some(problem), _) => problem.to_do.clone(),
        (Verdict::Unknown, None, Some(missing)) => {
            format!("have somebody run this who may read what is not known ({missing})")
        }
        (Verdict::Unknown, None, None) => "run this again".to_owned(),
        // The kubelet does not repeat the reason while it waits, so waiting would not show it.
        (Verdict::Likely, None, _) if is_backing_off(facts) => format!(
            "have it pulled again, for the kubelet says why it fails only then: {}; then explain the new Pod",
            make_again(facts)
        ),
        _ if is_backing_off(facts) => format!(
            "nothing: the kubelet pulls again within five minutes (or at once: kubectl -n {} delete pod {})",
            pod.namespace, pod.name
        ),
        _ => "nothing".to_owned(),
    };
    Findings {
        target: facts.target.as_ref().map(ToString::to_string),
        namespace: pod.namespace.clone(),
        pod: pod.name.clone(),
        phase: pod.phase.clone(),
        node: pod.node.clone(),
        service_account: pod.account.clone(),
        service_account_says: account_says(facts),
        policy_says: policy_says(facts),
        secrets: pod.references.iter().map(|name| secret(name, facts)).collect(),
        images,
        sandbox,
        other_accounts: other_accounts(facts),
        events: facts.events.known().into_iter().flatten().map(EventFinding::of).collect(),
        not_known,
        verdict,
        to_do,
    }
}

/// Why the Pod's sandbox cannot be created: until it is, no image of its containers is pulled.
fn sandbox(facts: &Facts) -> Option<Problem> {
    let waits = |used: &ImageUse| {
        let words = ["ContainerCreating", "PodInitializing", ""];
        !used.is_there && used.waiting.as_ref().is_none_or(|(reason, _)| words.contains(&reason.as_str()))
    };
    if !facts.pod.images.iter().all(waits) {
        return None;
    }
    let event = facts.events.known()?.iter().find(|it| it.reason == "FailedCreatePodSandBox")?;
    Some(sandbox_failed(facts, &event.message))
}

fn is_backing_off(facts: &Facts) -> bool {
    let reason = |used: &ImageUse| used.waiting.as_ref().map(|(reason, _)| reason.clone());
    facts.pod.images.iter().filter_map(reason).any(|it| it == "ImagePullBackOff" || it == "ErrImagePull")
}

/// What could not be read, each once.
fn unread(facts: &Facts) -> Vec<String> {
    let secrets = facts.secrets.values().filter_map(|seen| not_known("Secrets", seen));
    let others = [
        not_known("ImagePullSecrets", &facts.asked),
        not_known("the ServiceAccount", &facts.account),
        // Read for label selectors only.
        facts
            .asked
            .known()
            .filter(|all| all.iter().any(|it| it.spec.namespace_selector.is_some()))
            .and_then(|_| not_known("the namespace's labels", &facts.labels)),
        not_known("Events", &facts.events),
        not_known("other ServiceAccounts", &facts.other_accounts),
        not_known("whether a controller runs", &facts.controller),
    ];
    let mut all: Vec<String> = Vec::new();
    for one in secrets.chain(others.into_iter().flatten()) {
        if !all.contains(&one) {
            all.push(one);
        }
    }
    all
}

fn account_says(facts: &Facts) -> String {
    let pod = &facts.pod;
    let account = match &facts.account {
        Seen::Known(Some(account)) => account,
        Seen::Known(None) => return "it does not exist, so that no more Pods can be made with it".to_owned(),
        other => return other.missing().unwrap_or_default(),
    };
    let lacking: Vec<&str> =
        account.references.iter().filter(|it| !pod.references.contains(it)).map(String::as_str).collect();
    match (account.references.as_slice(), lacking.as_slice()) {
        ([], _) => "refers to no Secret".to_owned(),
        (all, []) => format!("refers to {}", all.join(", ")),
        (all, lacking) => format!(
            "refers to {}; the Pod lacks {}: the list counts when a Pod is made, and only where that brings none",
            all.join(", "),
            lacking.join(", ")
        ),
    }
}

fn policy_says(facts: &Facts) -> String {
    let pod = &facts.pod;
    if pod.mirror {
        return "leaves mirrors of static Pods alone".to_owned();
    }
    if pod.opted_out {
        return format!("leaves the Pod alone: its annotation {INJECT_ANNOTATION} is \"false\"");
    }
    if facts.unreviewed {
        return format!("is not asked about Pods of namespace {}", pod.namespace);
    }
    if facts.asked.known().is_none() {
        return "not known: it goes by the ImagePullSecrets".to_owned();
    }
    let adds: Vec<String> = needed_by_policy(facts).iter().map(|it| derived_secret_name(&it.name)).collect();
    match adds.as_slice() {
        [] => "adds nothing to a Pod like this one".to_owned(),
        names => format!("adds {} to a Pod like this one, when it is made", names.join(", ")),
    }
}

fn secret(name: &str, facts: &Facts) -> SecretFinding {
    let says = match facts.secrets.get(name) {
        Some(Seen::Known(Some(found))) => secret_says(found),
        Some(Seen::Known(None)) => "does not exist".to_owned(),
        Some(other) => format!("not known: {}", other.missing().unwrap_or_default()),
        None => "not looked at".to_owned(),
    };
    let managed =
        matches!(facts.secrets.get(name), Some(Seen::Known(Some(SecretFacts { is_ours: true, .. }))));
    SecretFinding { name: name.to_owned(), says, managed, way: facts.ways.get(name).copied() }
}

fn secret_says(found: &SecretFacts) -> String {
    let edited = found.edited_by.as_ref().filter(|_| found.is_ours);
    let edited = edited.map_or(String::new(), |editor| format!("; changed by {editor}"));
    match &found.content {
        Content::Logins(logins) if logins.is_empty() => format!("has no credential{edited}"),
        Content::Logins(logins) => {
            let keys: Vec<&str> = logins.keys().map(String::as_str).collect();
            format!("for {}{edited}", keys.join(", "))
        }
        Content::Ignored(why) => format!("passed over by the kubelet: {why}{edited}"),
        Content::Broken(why) => format!("makes every pull fail: {why}{edited}"),
    }
}
