//! What is put to the policy: AdmissionReviews, bare requests, or manifests.

use std::path::Path;

use anyhow::{Context as _, anyhow, bail};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::Request;
use crate::document::{self, Document};
use crate::manifest::{self, Manifested, Operation};

/// One request, and where it came from.
pub(super) struct Input {
    /// The request as JSON, as its author wrote it.
    pub(super) request: String,
    /// Whether its author wrote YAML.
    pub(super) is_yaml: bool,
}

/// How inputs are read.
pub(super) struct Reading<'a> {
    pub(super) raw: bool,
    pub(super) operation: Operation,
    pub(super) username: &'a str,
}

/// The members that tell what a document is.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Outline<'a> {
    #[serde(borrow)]
    api_version: Option<&'a RawValue>,
    #[serde(borrow)]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    request: Option<&'a RawValue>,
    #[serde(borrow)]
    uid: Option<&'a RawValue>,
    #[serde(borrow)]
    operation: Option<&'a RawValue>,
}

impl Reading<'_> {
    /// Reads all inputs of a file.
    pub(super) fn read(&self, path: &Path) -> anyhow::Result<Vec<Input>> {
        let failed = || format!("cannot read request {}", path.display());
        let text = super::files::read_text(path)?;
        let documents = document::read(&text).with_context(failed)?;
        if documents.is_empty() {
            bail!("cannot read request {}: it is empty", path.display());
        }
        let several = documents.len() > 1;
        let mut inputs = Vec::new();
        for (at, document) in documents.iter().enumerate() {
            let requests = self.requests(document);
            let requests = match several {
                true => requests.with_context(|| format!("document {}", at + 1)),
                false => requests,
            };
            for request in requests.with_context(failed)? {
                inputs.push(Input { request, is_yaml: document.is_yaml() });
            }
        }
        Ok(inputs)
    }

    fn requests(&self, document: &Document) -> anyhow::Result<Vec<String>> {
        let json = document.json();
        if self.raw {
            Request::raw(json.as_bytes())?;
            return Ok(vec![json.to_owned()]);
        }
        let kind = document::kind_of(json);
        if kind != "a map" {
            bail!("it is {kind}, not an AdmissionReview, a request or a manifest");
        }
        let outline: Outline<'_> = serde_json::from_str(json)?;
        let text = |value: Option<&RawValue>| value.is_some_and(|value| value.get().starts_with('"'));
        let is_review = outline.kind.is_some_and(|kind| kind.get() == "\"AdmissionReview\"");
        if is_review || (outline.request.is_some() && !text(outline.kind)) {
            let request = Request::from_review(json.as_bytes())?;
            return Ok(vec![request.text().to_owned()]);
        }
        if text(outline.api_version) && text(outline.kind) {
            let Self { operation, username, .. } = *self;
            return Ok(manifest::requests(
                json,
                &Manifested { operation, username, ..Manifested::default() },
            )?);
        }
        if outline.uid.is_some() || outline.operation.is_some() {
            Request::from_request(json.as_bytes())?;
            return Ok(vec![json.to_owned()]);
        }
        Err(anyhow!(
            "it is not an AdmissionReview (no \"request\"), not a request (no \"uid\", no \"operation\") and not a \
             manifest (no \"apiVersion\" and \"kind\")"
        ))
    }
}
