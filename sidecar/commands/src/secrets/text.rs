//! Prints the Secrets for people: those that hold the same are in one line.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::report::{Line, Mark, Report};
use crate::age::age;

/// Namespaces that are named of many.
const MOST_NAMED: usize = 5;

/// The report, at this time.
pub(super) fn text(report: &Report, now: Timestamp) -> String {
    let Report { image_pull_secret, secret, desired, contents, secrets, not_known, .. } = report;
    let mut out = String::new();
    let ours = secrets.iter().filter(|line| line.ours).count();
    let of = desired.map(|desired| format!(" of {desired}")).unwrap_or_default();
    let _ = writeln!(out, "Secret {secret} of ImagePullSecret {image_pull_secret}: in {ours}{of} namespaces");
    for content in contents {
        let what = match (content.number, contents.len()) {
            (1, 1) => "the same".to_owned(),
            (1, _) => "most hold the same".to_owned(),
            (number, _) => format!("differs ({number})"),
        };
        let group: Vec<&Line> = secrets.iter().filter(|line| line.content == Some(content.number)).collect();
        tell(&mut out, &what, &group, now);
    }
    let rest = |is_it: fn(&Line) -> bool| secrets.iter().filter(|line| is_it(line)).collect::<Vec<_>>();
    tell(&mut out, "no docker configuration alone", &rest(|line| line.ours && line.content.is_none()), now);
    tell(&mut out, "somebody else's, in the way", &rest(|line| !line.ours), now);
    let changed = rest(|line| line.ours && line.mark == Mark::Changed);
    tell(&mut out, "changed since they were written", &changed, now);
    tell(&mut out, "without a mark", &rest(|line| line.ours && line.mark == Mark::None), now);
    if !not_known.is_empty() {
        out.push_str("\nNot known:\n");
    }
    for missing in not_known {
        let _ = writeln!(out, "  {missing}");
    }
    out
}

fn tell(out: &mut String, what: &str, lines: &[&Line], now: Timestamp) {
    if lines.is_empty() {
        return;
    }
    let times = |of: fn(&Line) -> &Option<String>| {
        let mut ages: Vec<Timestamp> =
            lines.iter().filter_map(|line| of(line).as_ref()?.parse().ok()).collect();
        ages.sort_unstable();
        match (ages.first(), ages.last()) {
            (Some(first), Some(last)) if age(*first, now) == age(*last, now) => age(*first, now),
            (Some(first), Some(last)) => format!("{} to {}", age(*last, now), age(*first, now)),
            _ => "?".to_owned(),
        }
    };
    let (created, written) = (times(|line| &line.created), times(|line| &line.written));
    let named: Vec<&str> = lines.iter().take(MOST_NAMED).map(|line| line.namespace.as_str()).collect();
    let more = match lines.len().saturating_sub(MOST_NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let _ = writeln!(
        out,
        "  {what}: {}, made {created} ago, written {written} ago: {}{more}",
        lines.len(),
        named.join(", ")
    );
}
