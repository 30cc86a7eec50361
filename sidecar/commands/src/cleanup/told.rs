//! The report on each object.

use std::io::Write;

use anyhow::{Context as _, Result};
use serde::Serialize;

use crate::output::Output;

/// The kind of a credential that is valid at a registry.
pub(super) const CREDENTIAL: &str = "credential";

/// The result for an object.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Action {
    Deleted,
    Edited,
    Emptied,
    Kept,
    Left,
    Failed,
}

/// A reported object.
#[derive(Clone, Copy, Serialize)]
pub(super) struct Object<'a> {
    pub(super) kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) namespace: Option<&'a str>,
    pub(super) name: &'a str,
}

impl<'a> Object<'a> {
    /// An object in a namespace.
    pub(super) fn of(namespace: &'a str, kind: &'a str, name: &'a str) -> Self {
        Self { kind, namespace: Some(namespace), name }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    #[serde(flatten)]
    object: Object<'a>,
    action: Action,
    dry_run: bool,
    #[serde(skip_serializing_if = "str::is_empty")]
    message: &'a str,
}

impl Line<'_> {
    fn text(&self) -> String {
        let Self { object: Object { kind, namespace, name }, action, dry_run, message } = self;
        let place = namespace.map(|it| format!("{it}/")).unwrap_or_default();
        let what = match action {
            Action::Deleted => "deleted",
            Action::Edited => "edited",
            Action::Emptied => "emptied, so that nodes lose their entries",
            Action::Kept if *kind == CREDENTIAL => "stays valid; to remove it: ",
            Action::Kept => "stays; to remove it: ",
            Action::Left => "left: ",
            Action::Failed => "failed: ",
        };
        let mark = if *dry_run { " (dry run)" } else { "" };
        format!("{kind}/{place}{name} {what}{message}{mark}")
    }
}

/// Reports results, or with `dry_run` what they would be.
pub(super) struct Told<'a> {
    pub(super) out: &'a mut dyn Write,
    pub(super) output: Output,
    pub(super) dry_run: bool,
    /// Objects that are left.
    pub(super) left: usize,
}

impl Told<'_> {
    pub(super) fn done(&mut self, object: Object<'_>, action: Action) -> Result<()> {
        self.line(object, action, "")
    }

    pub(super) fn failed(&mut self, object: Object<'_>, error: &dyn std::fmt::Display) -> Result<()> {
        self.left += 1;
        self.line(object, Action::Failed, &error.to_string())
    }

    /// Reports an object that was not tried, because of another one that is left.
    pub(super) fn left(&mut self, object: Object<'_>, why: &str) -> Result<()> {
        self.left += 1;
        self.line(object, Action::Left, why)
    }

    pub(super) fn line(&mut self, object: Object<'_>, action: Action, message: &str) -> Result<()> {
        let line = Line { object, action, dry_run: self.dry_run, message };
        let text = match self.output {
            Output::Text => line.text(),
            Output::Json => serde_json::to_string(&line)?,
        };
        writeln!(self.out, "{text}").context("cannot write to stdout")
    }
}
