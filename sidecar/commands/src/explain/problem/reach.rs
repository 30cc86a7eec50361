//! The texts about a host that the node does not reach or trust, or that is not the registry.

use std::net::IpAddr;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition as Status;
use tcr::names::SYSTEM_NAMESPACE;

use super::super::case::Case;
use super::super::conditions::{Condition, Meaning};
use super::super::facts::AskedFor;
use super::super::findings::{Problem, Who};
use super::super::kubelet::PullFailure;
use super::node::{asked_host, name, to_do};
use custom_resource::condition::{ConditionReason, ConditionType};

/// A host other than the registry.
pub(in super::super) fn other_host(case: &Case<'_>, host: &str, failure: &PullFailure) -> Problem {
    let (node, words) = (name(case.facts), &failure.words);
    let asked = match host == case.host {
        true => format!("{host}, or by the storage that it sends to for layers,"),
        false => asked_host(case, failure),
    };
    let (reason, says, to_do) = match (failure.meaning(), failure.condition()) {
        (Some(Meaning::Network), Some(condition)) if failure.is_mirror => (
            "MirrorUnreachable",
            format!("does not reach {asked} for {}", condition.cause),
            Who::Platform.asks(&format!("mend the mirror {host}, or take it out of the node's hosts.toml")),
        ),
        (Some(Meaning::Network), Some(condition)) => (
            if failure.is_of_layer { "StorageUnreachable" } else { "OtherHostUnreachable" },
            format!("does not reach {asked} for {}", condition.cause),
            to_do(case, condition, failure),
        ),
        (Some(Meaning::Certificate), Some(condition)) => (
            condition.reason,
            format!("does not trust {asked} for {}", condition.cause),
            to_do(case, condition, failure),
        ),
        _ if failure.is_mirror => (
            "MirrorRefused",
            format!("is refused by {asked} or does not find the image there"),
            Who::Platform.asks(&format!(
                "correct the mirror {host} in the node's hosts.toml (its own credential, what it holds), or take it out"
            )),
        ),
        _ => (
            "StorageRefused",
            format!("is refused by {asked}"),
            Who::Platform.asks(&format!(
                "see why {host} refuses it (the clock of {node}, a policy of the bucket, a proxy that changes the URL): \
                 the registry's credential is not the cause"
            )),
        ),
    };
    Problem::new(reason, format!("{node} {}: {words}", says.trim_end_matches(',')), to_do).of(Who::Platform)
}

/// The node does not trust the registry.
pub(in super::super) fn certificate(
    case: &Case<'_>,
    condition: &Condition,
    failure: &PullFailure,
) -> Problem {
    let (node, host) = (name(case.facts), &case.host);
    let message =
        format!("{node} does not trust the certificate of {host}: {}: {}", condition.cause, failure.words);
    Problem::new(condition.reason, message, to_do(case, condition, failure)).of(Who::Platform)
}

/// The node does not reach the registry.
pub(in super::super) fn cannot_reach(
    case: &Case<'_>,
    condition: &Condition,
    failure: &PullFailure,
) -> Problem {
    let (node, host) = (name(case.facts), &case.host);
    let message = format!("{node} does not reach {host}");
    let said = format!("{}: {}", condition.cause.replace("{host}", host), failure.words);
    let problem = match private_link(case) {
        None => Problem::new(
            "RegistryUnreachable",
            format!("{message}: {said}"),
            Who::Platform.asks(&without_link(case, condition, failure)),
        ),
        Some((asked, link)) => {
            let problem = over_link(case, asked, link, failure, &message);
            Problem { message: format!("{}; {said}", problem.message), ..problem }
        }
    };
    problem.of(Who::Platform)
}

/// What to do where no ImagePullSecret asks for a private link.
fn without_link(case: &Case<'_>, condition: &Condition, failure: &PullFailure) -> String {
    let host = &case.host;
    let is_public = failure.dialled.is_none_or(|it| is_public(it.ip()));
    if let Some((dialled, address)) = beside_moved_link(case, failure) {
        return format!(
            "correct what leads {host} to {dialled} there, a hosts file or a name server of your own: the private link has \
             the address {address}; or have it kept by spec.tcr.privateNetwork.resolve"
        );
    }
    match case.asked.first() {
        Some((asked, _)) if asked.spec.tcr.is_some() && is_public => format!(
            "resolve {host} to the private link (spec.tcr.privateNetwork.resolve of ImagePullSecret {}), or allow the \
             nodes' addresses in the instance's public access",
            asked.name
        ),
        _ => condition.to_do.replace("{host}", host).replace("{registry}", host),
    }
}

/// The private address of the connection and the link's present one, where nodes have an entry by hand.
fn beside_moved_link(case: &Case<'_>, failure: &PullFailure) -> Option<(IpAddr, IpAddr)> {
    let dialled = failure.dialled.map(|it| it.ip()).filter(|it| !is_public(*it))?;
    let links: Vec<IpAddr> = case.asked.iter().flat_map(|(asked, _)| asked.link_addresses()).collect();
    let moved = links.first().filter(|_| !links.contains(&dialled))?;
    Some((dialled, *moved))
}

fn over_link(
    case: &Case<'_>,
    asked: &AskedFor,
    link: &Status,
    failure: &PullFailure,
    message: &str,
) -> Problem {
    let (node, host) = (name(case.facts), &case.host);
    let answer =
        "let the nodes reach the link's address, port 443: its security group, routes, network policies";
    let is_led_to_one = failure.dialled.is_some_and(|dialled| asked.link_addresses().contains(&dialled.ip()));
    // Of several VPCs another one may have no link.
    if link.status == "False" && !is_led_to_one {
        return Problem::new(
            "PrivateLinkDown",
            format!("{message}: its private link is not up ({}): {}", link.reason, link.message),
            Who::Platform.asks(&format!("mend the private link: {}", link.message)),
        );
    }
    if let Some(reason) = not_resolving(asked, node) {
        let meaning = reason.meaning().trim_end_matches('.');
        return Problem::new(
            reason.as_str(),
            format!("{message}, and hosts-updater says of it: {meaning}"),
            Who::Platform.asks(reason.action().trim_end_matches('.')),
        );
    }
    match &asked.nodes {
        Some(nodes) if nodes.withholding > 0 => Problem::new(
            "PrivateLinkSilent",
            format!("{message}: on {} nodes the private link's address does not answer", nodes.withholding),
            Who::Platform.asks(answer),
        ),
        Some(nodes) if nodes.current < nodes.desired => Problem::new(
            "NodesBehind",
            format!(
                "{message}: {} of {} nodes have the entries for their hosts file",
                nodes.current, nodes.desired
            ),
            Who::Platform.asks(&format!(
                "see why hosts-updater on {node} is behind: kubectl -n {SYSTEM_NAMESPACE} get pods -o wide -l \
                 app.kubernetes.io/component=hosts-updater"
            )),
        ),
        _ if is_beside_link(failure, asked, link) => {
            let dialled = failure.dialled.map_or("asked a name server".to_owned(), |it| format!("dialled {}", it.ip()));
            Problem::new(
                "HostsFileNotUsed",
                format!(
                    "{message}: it {dialled}, though the private link is up and every node has the entry ({})",
                    link.message
                ),
                Who::Platform.asks(&format!(
                    "see why {node} does not use its hosts file for {host}: files before dns in /etc/nsswitch.conf (the \
                     container runtime reads it when it starts), a proxy of the container runtime, another line for {host}"
                )),
            )
        }
        _ => Problem::new(
            "PrivateLinkSilent",
            format!("{message}, though it resolves it to the private link: {}", link.message),
            Who::Platform.asks(answer),
        ),
    }
}

/// Why this node does not use its entries, where its agent reports it.
fn not_resolving(asked: &AskedFor, node: &str) -> Option<ConditionReason> {
    let nodes = asked.nodes.as_ref()?;
    let told = nodes.not_resolving.iter().find(|it| it.nodes.iter().any(|name| name == node))?;
    ConditionReason::of(&told.reason)
}

/// Whether the node connected elsewhere although the registry's private link is up.
pub(in super::super) fn is_beside(case: &Case<'_>, failure: &PullFailure) -> bool {
    let is_registry = failure.host.as_deref().is_none_or(|host| case.is_registry(host));
    is_registry
        && !failure.is_mirror
        && private_link(case)
            .is_some_and(|(asked, link)| link.status == "True" && is_beside_link(failure, asked, link))
}

/// Whether the connection was to another port than the registry's, which means a proxy.
pub(in super::super) fn is_of_proxy(case: &Case<'_>, failure: &PullFailure) -> bool {
    let Some(host) = failure.host.as_deref().filter(|host| case.is_registry(host)) else { return false };
    let port = host.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).unwrap_or(443);
    // Without TLS the port differs.
    failure.dialled.is_some_and(|it| it.port() != port && it.port() != 80)
}

fn is_beside_link(failure: &PullFailure, asked: &AskedFor, link: &Status) -> bool {
    let mut addresses = asked.link_addresses();
    if addresses.is_empty() {
        // A controller of an earlier release reports only the condition, whose message also names the former
        // address.
        let is = link.message.split("no longer to").next().unwrap_or_default();
        let words = is.split(|c: char| c.is_whitespace() || matches!(c, ',' | ';'));
        addresses.extend(words.filter_map(|it| it.parse::<IpAddr>().ok()));
    }
    match failure.dialled {
        Some(dialled) if addresses.is_empty() => is_public(dialled.ip()),
        Some(dialled) => !addresses.contains(&dialled.ip()),
        None => failure.condition().is_some_and(|it| matches!(it.reason, "NameUnknown" | "NameServerFailed")),
    }
}

/// The link that nodes are to resolve the registry to.
fn private_link<'a>(case: &Case<'a>) -> Option<(&'a AskedFor, &'a Status)> {
    let is_resolved =
        |asked: &AskedFor| asked.spec.tcr.as_ref().is_some_and(|tcr| tcr.private_network.resolve);
    // An ImagePullSecret without a credential may resolve it all the same.
    let all = case.facts.asked.known().map(Vec::as_slice).unwrap_or_default();
    let by_link = all.iter().filter(|asked| asked.has_link_for(&case.host));
    let asked = case.asked.iter().map(|(asked, _)| *asked).chain(by_link);
    asked.filter(|asked| is_resolved(asked)).find_map(|asked| {
        let link = asked.conditions.iter().find(|it| it.type_ == ConditionType::PrivateLink.as_str())?;
        Some((asked, link))
    })
}

/// Whether the address is public, so that no private link has it.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(it) => {
            let shared =
                it.octets().first() == Some(&100) && it.octets().get(1).is_some_and(|it| it & 0xC0 == 64);
            !(it.is_private() || it.is_loopback() || it.is_link_local() || it.is_unspecified() || shared)
        }
        IpAddr::V6(it) => {
            !(it.is_loopback()
                || it.is_unspecified()
                || it.segments().first().is_some_and(|it| it & 0xFE00 == 0xFC00))
        }
    }
}
