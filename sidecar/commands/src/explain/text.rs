//! Prints findings for people, in the style of `kubectl describe`.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::findings::{EventFinding, Findings, ImageFinding, Try, Verdict};
use registry_client::PullAnswer;

/// Events shown at most.
const MOST_EVENTS: usize = 5;
/// The column in which values begin.
const COLUMN: usize = 19;

/// The findings, at this time.
pub fn text(findings: &Findings, now: Timestamp) -> String {
    let mut out = String::new();
    if let Some((kind, name)) = findings.target.as_ref().and_then(|it| it.split_once('/')) {
        let place = if kind == "Namespace" { String::new() } else { format!("{}/", findings.namespace) };
        line(&mut out, 0, kind, &format!("{place}{name}, as a Pod that is made now"));
    }
    let place = findings.node.as_ref().map(|node| format!(" on {node}")).unwrap_or_default();
    if findings.target.is_none() {
        line(
            &mut out,
            0,
            "Pod",
            &format!("{}/{} ({}{place})", findings.namespace, findings.pod, findings.phase),
        );
    }
    let account = format!("{}, {}", findings.service_account, findings.service_account_says);
    line(&mut out, 0, "Service Account", &account);
    line(&mut out, 0, "Policy", &findings.policy_says);
    if findings.secrets.is_empty() {
        line(&mut out, 0, "Pull Secrets", "<none>");
    }
    for (index, secret) in findings.secrets.iter().enumerate() {
        let label = if index == 0 { "Pull Secrets" } else { "" };
        let way = secret.way.map(|way| format!("; {way}")).unwrap_or_default();
        line(&mut out, 0, label, &format!("{}  {}{way}", secret.name, secret.says));
    }
    if let Some(problem) = &findings.sandbox {
        line(&mut out, 0, "Sandbox", &format!("it cannot be made ({}): {}", problem.reason, problem.message));
    }
    for image in &findings.images {
        out.push('\n');
        about(&mut out, image);
    }
    if !findings.other_accounts.is_empty() {
        out.push_str("\nOther ServiceAccounts:\n");
    }
    for told in &findings.other_accounts {
        let _ = writeln!(out, "  {told}");
    }
    if !findings.events.is_empty() {
        out.push_str("\nEvents:\n");
    }
    for event in findings.events.iter().take(MOST_EVENTS) {
        let _ = writeln!(out, "  {:<6} {}  {}", age(event, now), event.reason, event.message);
    }
    if !findings.not_known.is_empty() {
        out.push_str("\nNot known:\n");
    }
    for missing in &findings.not_known {
        let _ = writeln!(out, "  {missing}");
    }
    let _ = writeln!(out, "\nTo do: {}", findings.to_do);
    out
}

fn about(out: &mut String, image: &ImageFinding) {
    line(out, 0, "Image", &image.image);
    line(out, 2, "Used by", &image.users.join(", "));
    if let Some(registry) = &image.registry {
        line(out, 2, "Registry", registry);
        if image.asked.is_empty() {
            line(out, 2, "Asked for by", "<none>");
        }
    }
    for (index, asked) in image.asked.iter().enumerate() {
        let label = if index == 0 { "Asked for by" } else { "" };
        // The reason why it does not select the Pod is a sentence that already names it.
        let says = match asked.selected {
            true => format!("ImagePullSecret {}, {}", asked.name, asked.says),
            false => asked.says.clone(),
        };
        line(out, 2, label, &says);
    }
    for (index, one) in image.tries.iter().enumerate() {
        let label = if index == 0 { "Tried in order" } else { "" };
        line(out, 2, label, &format!("{}. {}", index + 1, tried(one)));
    }
    if image.tries.is_empty() && image.registry.is_some() {
        let answer =
            image.without_credential.as_ref().map(|it| format!(": {}", says(it))).unwrap_or_default();
        line(out, 2, "Tried in order", &format!("no credential{answer}"));
    }
    let verdict = match image.verdict {
        Verdict::Pulls => "it can be pulled",
        Verdict::Likely => "it should be pulled",
        Verdict::Unknown => "not known",
        Verdict::Fails if image.on_node => "it is on the node, and does not run",
        Verdict::Fails => "it will not be pulled",
    };
    let verdict = match &image.problem {
        Some(problem) => format!("{verdict} ({}): {}", problem.reason, problem.message),
        None => verdict.to_owned(),
    };
    line(out, 2, "Verdict", &verdict);
    for note in &image.notes {
        line(out, 2, "Note", note);
    }
}

fn tried(one: &Try) -> String {
    let answer = one.registry.as_ref().map_or("not asked", says);
    format!("{} (user {} for {}): {answer}", one.secret, one.username, one.key)
}

fn says(answer: &PullAnswer) -> &str {
    match answer {
        PullAnswer::Pulls => "may pull",
        PullAnswer::Refused(why)
        | PullAnswer::NotAllowed(why)
        | PullAnswer::NotFound(why)
        | PullAnswer::Unknown(why) => why,
    }
}

fn line(out: &mut String, indent: usize, label: &str, value: &str) {
    let label = if label.is_empty() { String::new() } else { format!("{label}:") };
    let width = COLUMN - indent;
    let _ = writeln!(out, "{:indent$}{label:<width$}{value}", "");
}

fn age(event: &EventFinding, now: Timestamp) -> String {
    let at = event.last_seen.as_deref().and_then(|at| at.parse::<Timestamp>().ok());
    at.map_or_else(|| "?".to_owned(), |at| crate::age::age(at, now))
}
