//! Cases: a request to a policy, and the expected answer. They are data, so that a person who runs a policy
//! can add cases without writing a program.
//!
//! A file is a map with the list `cases`; `settings` and `cluster` beside it apply to every case that has
//! none of its own:
//!
//! ```yaml
//! settings: {registries: [{name: demo, hosts: [demo.tencentcloudcr.com]}]}
//! cases:
//!   - name: an image of the registry gets its Secret
//!     object: ../samples/pods/tcr-image.yaml      # a path, or the object itself
//!     expect:
//!       patch:
//!         - {op: add, path: /spec/imagePullSecrets, value: [{name: tcr.ipsdemo}]}
//! ```
//!
//! `object` alone is a CREATE, with `oldObject` an UPDATE, `oldObject` alone a DELETE; `request` is a whole
//! admission request instead. An answer must not contain more than `expect` names, except for audit
//! annotations. Pure: files are read by the caller's function.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::document::{self, DocumentError};
use crate::manifest::{self, Manifested, Operation};
use crate::{AdmissionResponse, Request, Settings, SettingsFormatError};

mod judgement;
#[cfg(test)]
mod tests;
pub mod update;

pub use judgement::Difference;

/// A request, and what shall come of it.
#[derive(Debug, Clone)]
pub struct Case {
    /// What it shows, in words; unique in its file.
    pub name: String,
    /// The settings that the policy is given.
    pub settings: Settings,
    /// The objects that the policy may read; `None` is a cluster that cannot be asked.
    pub cluster: Option<Vec<Value>>,
    /// The request as JSON; `None` where only the settings are put to the policy.
    pub request: Option<String>,
    expected: Expected,
}

/// Why a text is not a file of cases.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CasesError {
    /// Neither YAML nor JSON.
    #[error(transparent)]
    Unreadable(#[from] DocumentError),
    /// Another form than that of a file of cases.
    #[error("not a file of cases: {0}")]
    Form(String),
    /// Something is wrong with one case.
    #[error("case {number} ({name:?}): {field}: {reason}")]
    Case {
        /// The case's number, counted from 1.
        number: usize,
        /// The name of the case.
        name: String,
        /// The field that is wrong.
        field: &'static str,
        /// The fault.
        reason: String,
    },
}

/// The expected answer.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Expected {
    #[serde(default = "yes")]
    allowed: bool,
    #[serde(default)]
    patch: Vec<Value>,
    message: Option<Text>,
    code: Option<u16>,
    #[serde(default)]
    warnings: Vec<Text>,
    audit_annotations: Option<BTreeMap<String, Text>>,
    /// The settings must be refused, for this reason.
    settings_refused: Option<Text>,
}

/// A text, whole or in part: `some text`, or `{contains: some text}`.
#[derive(Debug, Clone, PartialEq)]
enum Text {
    Whole(String),
    Part(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct File<'a> {
    #[serde(borrow)]
    settings: Option<&'a RawValue>,
    cluster: Option<Vec<Value>>,
    #[serde(borrow)]
    cases: Vec<Written<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Written<'a> {
    name: String,
    #[serde(borrow)]
    settings: Option<&'a RawValue>,
    cluster: Option<Vec<Value>>,
    #[serde(borrow)]
    request: Option<&'a RawValue>,
    #[serde(borrow)]
    object: Option<&'a RawValue>,
    #[serde(borrow)]
    old_object: Option<&'a RawValue>,
    username: Option<String>,
    sub_resource: Option<String>,
    expect: Expected,
}

/// Reads a file of cases; `file` reads those that it names by their path.
///
/// # Errors
/// What is wrong with the text, or with the first bad case.
pub fn parse(text: &str, file: &dyn Fn(&str) -> Result<String, String>) -> Result<Vec<Case>, CasesError> {
    let documents = document::read(text)?;
    let [document] = &documents[..] else {
        return Err(CasesError::Form(format!("{} documents where one was expected", documents.len())));
    };
    let form = |error: serde_json::Error| CasesError::Form(error.to_string());
    let written: File<'_> = serde_json::from_str(document.json()).map_err(form)?;
    if written.cases.is_empty() {
        return Err(CasesError::Form("it has no cases".to_owned()));
    }
    let mut cases: Vec<Case> = Vec::with_capacity(written.cases.len());
    for (index, case) in written.cases.iter().enumerate() {
        let failed =
            |(field, reason)| CasesError::Case { number: index + 1, name: case.name.clone(), field, reason };
        if cases.iter().any(|earlier| earlier.name == case.name) {
            return Err(failed(("name", "an earlier case has the same".to_owned())));
        }
        cases.push(case.complete(&written, file).map_err(failed)?);
    }
    Ok(cases)
}

impl Written<'_> {
    fn complete(
        &self,
        shared: &File<'_>,
        file: &dyn Fn(&str) -> Result<String, String>,
    ) -> Result<Case, (&'static str, String)> {
        let settings = match self.settings.or(shared.settings) {
            None => Settings::default(),
            Some(settings) => Settings::parse(settings.get())
                .map_err(|error: SettingsFormatError| ("settings", error.to_string()))?,
        };
        let request = self.request(file)?;
        if request.is_none() && self.expect.settings_refused.is_none() {
            let reason =
                "one of \"object\", \"oldObject\" and \"request\" is needed, or \"expect.settingsRefused\"";
            return Err(("object", reason.to_owned()));
        }
        if request.is_some() && self.expect.settings_refused.is_some() {
            return Err(("expect.settingsRefused", "refused settings answer no request".to_owned()));
        }
        Ok(Case {
            name: self.name.clone(),
            settings,
            cluster: self.cluster.clone().or_else(|| shared.cluster.clone()),
            request,
            expected: self.expect.clone(),
        })
    }

    fn request(
        &self,
        file: &dyn Fn(&str) -> Result<String, String>,
    ) -> Result<Option<String>, (&'static str, String)> {
        if let Some(request) = self.request {
            let beside = [
                ("object", self.object.is_some()),
                ("oldObject", self.old_object.is_some()),
                ("username", self.username.is_some()),
                ("subResource", self.sub_resource.is_some()),
            ];
            if let Some((field, _)) = beside.into_iter().find(|(_, is_there)| *is_there) {
                return Err((field, "a whole \"request\" says it".to_owned()));
            }
            let json = inline_or_file("request", request, file)?;
            let request =
                Request::from_review(json.as_bytes()).or_else(|_| Request::from_request(json.as_bytes()));
            let request = request.map_err(|error| ("request", error.to_string()))?;
            return Ok(Some(request.text().to_owned()));
        }
        let object = self.object.map(|it| inline_or_file("object", it, file)).transpose()?;
        let old = self.old_object.map(|it| inline_or_file("oldObject", it, file)).transpose()?;
        let (operation, json) = match (&object, &old) {
            (None, None) => return Ok(None),
            (Some(object), None) => (Operation::Create, object),
            (Some(object), Some(_)) => (Operation::Update, object),
            (None, Some(old)) => (Operation::Delete, old),
        };
        let manifested = Manifested {
            operation,
            username: self.username.as_deref().unwrap_or("kubernetes-admin"),
            sub_resource: self.sub_resource.as_deref().unwrap_or_default(),
            old: old.as_deref(),
        };
        let requests =
            manifest::requests(json, &manifested).map_err(|error| ("object", error.to_string()))?;
        match <[String; 1]>::try_from(requests) {
            Ok([request]) => Ok(Some(request)),
            Err(several) => Err(("object", format!("{} objects where one was expected", several.len()))),
        }
    }
}

/// The value itself, or the content of the file that a text names.
fn inline_or_file(
    field: &'static str,
    value: &RawValue,
    file: &dyn Fn(&str) -> Result<String, String>,
) -> Result<String, (&'static str, String)> {
    if !value.get().starts_with('"') {
        return Ok(value.get().to_owned());
    }
    let failed = |reason: String| (field, reason);
    let path: String = serde_json::from_str(value.get()).map_err(|error| failed(error.to_string()))?;
    let text = file(&path).map_err(failed)?;
    let documents = document::read(&text).map_err(|error| failed(format!("{path}: {error}")))?;
    match &documents[..] {
        [document] => Ok(document.json().to_owned()),
        several => Err(failed(format!("{path}: {} documents where one was expected", several.len()))),
    }
}

impl Case {
    /// Differences from the expected answer, of a policy that accepted the settings.
    pub fn differences(&self, response: &AdmissionResponse) -> Vec<Difference> {
        judgement::of_answer(&self.expected, response)
    }

    /// The expectation that this answer would meet.
    pub fn expectation(&self, response: &AdmissionResponse) -> Value {
        judgement::expectation(response, self.expected.audit_annotations.is_some())
    }

    /// Differences as far as the settings go: `refused` is why the policy refused them.
    pub fn settings_differences(&self, refused: Option<&str>) -> Vec<Difference> {
        judgement::of_settings(&self.expected, refused)
    }
}

fn yes() -> bool {
    true
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Whole(String),
            Part(Part),
        }
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Part {
            contains: String,
        }
        match Form::deserialize(deserializer) {
            Ok(Form::Whole(text)) => Ok(Self::Whole(text)),
            Ok(Form::Part(Part { contains })) => Ok(Self::Part(contains)),
            Err(_) => Err(serde::de::Error::custom("a text, or {contains: a text}, was expected")),
        }
    }
}
