//! Answers for people: one line per object, its warnings, and what the policy changed.

use serde::Deserialize;
use similar::{ChangeTag, TextDiff};

use crate::document::render;
use crate::{AdmissionResponse, Evaluation, Request};

#[cfg(test)]
mod tests;

/// Collects what happened, for the summary.
pub(super) struct Report {
    colour: bool,
    admitted: usize,
    patched: usize,
    warned: usize,
    refused: usize,
}

/// How a word stands out.
#[derive(Clone, Copy)]
pub(super) enum Colour {
    Red = 31,
    Green = 32,
    Yellow = 33,
    Cyan = 36,
}

impl Report {
    pub(super) fn new(colour: bool) -> Self {
        Self { colour, admitted: 0, patched: 0, warned: 0, refused: 0 }
    }

    /// What is printed for one object.
    pub(super) fn entry(&mut self, request: &Request<'_>, evaluation: &Evaluation, is_yaml: bool) -> String {
        let response = &evaluation.response;
        let warnings = response.warnings.as_deref().unwrap_or_default();
        self.warned += usize::from(!warnings.is_empty());
        let (word, count, colour) = match (response.allowed, &response.patch) {
            (false, _) => ("refused ", &mut self.refused, Colour::Red),
            (true, Some(_)) => ("patched ", &mut self.patched, Colour::Green),
            (true, None) => ("admitted", &mut self.admitted, Colour::Cyan),
        };
        *count += 1;
        let mut text =
            format!("{}  {}: {}\n", self.paint(colour, word), subject(request), one_line(&reason(response)));
        for warning in warnings {
            text += &format!("  {} {}\n", self.paint(Colour::Yellow, "warning:"), one_line(warning));
        }
        if let (true, Some(object), Some(mutated)) =
            (response.allowed, request.object(), &evaluation.mutated_object)
        {
            text += &self.diff(&render(object, is_yaml), &render(mutated, is_yaml));
        }
        text
    }

    /// The last line.
    pub(super) fn summary(&self) -> String {
        let Self { admitted, patched, warned, refused, .. } = self;
        format!("{admitted} admitted, {patched} patched, {warned} warned, {refused} refused\n")
    }

    /// A unified diff with three lines around each change.
    fn diff(&self, before: &str, after: &str) -> String {
        let diff = TextDiff::from_lines(before, after);
        let mut text = String::new();
        for hunk in diff.unified_diff().context_radius(3).iter_hunks() {
            text += &format!("  {}\n", self.paint(Colour::Cyan, &hunk.header().to_string()));
            for change in hunk.iter_changes() {
                let line = one_line(change.value().trim_end_matches('\n'));
                text += &match change.tag() {
                    ChangeTag::Equal => format!("   {line}\n"),
                    ChangeTag::Delete => format!("  {}\n", self.paint(Colour::Red, &format!("-{line}"))),
                    ChangeTag::Insert => format!("  {}\n", self.paint(Colour::Green, &format!("+{line}"))),
                };
            }
        }
        text
    }

    fn paint(&self, colour: Colour, text: &str) -> String {
        colour.paint(self.colour, text)
    }
}

impl Colour {
    pub(super) fn paint(self, is_wanted: bool, text: &str) -> String {
        match is_wanted {
            true => format!("\x1b[{}m{text}\x1b[0m", self as u8),
            false => text.to_owned(),
        }
    }
}

/// What the answer is about: kind, namespace and name.
fn subject(request: &Request<'_>) -> String {
    #[derive(Default, Deserialize)]
    #[serde(rename_all = "camelCase", default)]
    struct Object {
        metadata: Metadata,
    }
    #[derive(Default, Deserialize)]
    #[serde(rename_all = "camelCase", default)]
    struct Metadata {
        generate_name: String,
    }
    let name = match request.name() {
        "" => {
            let object = request.object().and_then(|object| serde_json::from_str::<Object>(object).ok());
            match object.unwrap_or_default().metadata.generate_name {
                prefix if prefix.is_empty() => "(no name)".to_owned(),
                prefix => prefix + "*",
            }
        }
        name => name.to_owned(),
    };
    let subject = match (request.kind(), request.namespace()) {
        ("", _) => format!("request {}", request.uid()),
        (kind, "") => format!("{kind} {name}"),
        (kind, namespace) => format!("{kind} {namespace}/{name}"),
    };
    one_line(&subject)
}

/// Why the answer is what it is, as far as the policy says.
fn reason(response: &AdmissionResponse) -> String {
    let message = response.status.as_ref().and_then(|status| status.message.clone());
    if let (false, message) = (response.allowed, message) {
        return message.unwrap_or_else(|| "the policy gives no reason".into());
    }
    let annotations = response.audit_annotations.iter().flatten();
    let annotations: Vec<String> = annotations
        .map(|(key, value)| {
            let name = key.rsplit('/').next().unwrap_or(key);
            if name == "reason" { value.clone() } else { format!("{name}={value}") }
        })
        .collect();
    if !annotations.is_empty() {
        return annotations.join("; ");
    }
    match response.patch_json() {
        Some(patch) => operations(&patch),
        None => "nothing to change".into(),
    }
}

/// A patch in words: `add /spec/imagePullSecrets`.
fn operations(patch: &str) -> String {
    #[derive(Deserialize)]
    struct Operation {
        op: String,
        path: String,
    }
    let operations: Vec<Operation> = serde_json::from_str(patch).unwrap_or_default();
    let words: Vec<String> = operations.iter().map(|Operation { op, path }| format!("{op} {path}")).collect();
    words.join("; ")
}

/// One line of plain text: what comes from a policy or a manifest must not steer the terminal.
fn one_line(text: &str) -> String {
    text.trim_end().chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}
