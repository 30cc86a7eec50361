//! Prints the report for people.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::report::{Count, Finding, Line, Replicas, Report};
use crate::reader::Controller;
use crate::table;

const HEADER: [&str; 10] = [
    "NAME",
    "REGISTRY",
    "READY",
    "CREDENTIAL",
    "ENDS",
    "NAMESPACES",
    "SERVICE-ACCOUNTS",
    "CONFLICTS",
    "PRIVATE-LINK",
    "NODES",
];

/// The report, at this time.
pub fn text(report: &Report, now: Timestamp) -> String {
    let mut out = String::new();
    let pods =
        |replicas: &Option<Replicas>| replicas.map(|it| format!("{} of {} Pods ready", it.ready, it.desired));
    let controller = match &report.controller {
        Some(Controller::Leads { holder, .. }) => Some(format!("{holder} leads")),
        Some(Controller::Away) => Some("none leads".to_owned()),
        Some(Controller::Unknown) | None => None,
    };
    let controller: Vec<String> = [controller, pods(&report.replicas)].into_iter().flatten().collect();
    let webhook = report.webhook_failure_policy.as_ref().map(|policy| {
        let pods = pods(&report.webhook_replicas).map(|pods| format!(", {pods}")).unwrap_or_default();
        let fate = if policy == "Ignore" { "admitted unchanged" } else { "refused" };
        format!("webhook{pods}; while it is away Pods are {fate}")
    });
    let unknown = || "not known".to_owned();
    let lines = [
        ("Controller:", if controller.is_empty() { unknown() } else { controller.join(", ") }),
        ("Admission:", webhook.unwrap_or_else(|| "no webhook of its own".to_owned())),
        ("Node agents:", pods(&report.agents).unwrap_or_else(|| "none".to_owned())),
    ];
    for (label, value) in lines {
        let _ = writeln!(out, "{label:<14}{value}");
    }
    out.push('\n');
    if report.image_pull_secrets.is_empty() {
        out.push_str("There are no ImagePullSecrets: nothing is distributed.\n");
    } else {
        let lines = report.image_pull_secrets.iter().map(|line| cells(line, now));
        table::write(&mut out, std::iter::once(HEADER.map(str::to_owned)).chain(lines).collect());
    }
    section(&mut out, "Not ready", &report.problems);
    section(&mut out, "To know", &report.notes);
    if !report.not_known.is_empty() {
        out.push_str("\nNot known:\n");
        for missing in &report.not_known {
            let _ = writeln!(out, "  {missing}");
        }
    }
    out
}

fn section(out: &mut String, title: &str, findings: &[Finding]) {
    if !findings.is_empty() {
        let _ = writeln!(out, "\n{title}:");
    }
    for Finding { about, message } in findings {
        let _ = writeln!(out, "  {about}: {message}");
    }
}

fn cells(line: &Line, now: Timestamp) -> [String; 10] {
    let count = |Count { current, desired }: Count| format!("{current}/{desired}");
    let pulls = match line.identity.as_ref().map(|it| it.registry_namespaces.as_slice()) {
        None | Some([]) => String::new(),
        Some(names) => format!(" for {}", names.join(",")),
    };
    let credential = match &line.token_id {
        Some(id) => format!("{} {id}{pulls}", line.credential),
        None => line.credential.to_owned(),
    };
    let ends = line.expires_at.as_deref().and_then(|at| at.parse::<Timestamp>().ok());
    [
        line.name.clone(),
        line.registry.clone(),
        line.ready.clone(),
        credential,
        ends.map_or_else(|| "-".to_owned(), |at| left(at, now)),
        count(line.namespaces),
        count(line.service_accounts),
        if line.conflicts { "yes" } else { "no" }.to_owned(),
        line.private_link.clone().unwrap_or_else(|| "-".to_owned()),
        line.nodes.as_ref().map_or_else(|| "-".to_owned(), |nodes| nodes.summary.clone()),
    ]
}

fn left(at: Timestamp, now: Timestamp) -> String {
    let seconds = at.duration_since(now).as_secs();
    match seconds {
        ..=0 => "ended".to_owned(),
        1..=7199 => format!("in {}m", seconds / 60),
        7200..=172_799 => format!("in {}h", seconds / 3600),
        _ => format!("in {}d", seconds / 86_400),
    }
}
