//! The wanted state: manifests or the chart's values, applied to the present one.

use std::path::PathBuf;

use anyhow::{Result, bail};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use serde_json::{Value, json};
use tcr::rules;

use super::known::Settings;
use super::report::Note;
use super::values::Values;
use crate::render::input::{self, Document};
use reconcile::object::Object;

/// The annotation with the helm release of an object.
const RELEASE_ANNOTATION: &str = "meta.helm.sh/release-name";

/// The options of the command.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// Files with ImagePullSecrets to apply.
    pub files: Vec<PathBuf>,
    /// The chart's values to install.
    pub values: Option<PathBuf>,
    /// ImagePullSecrets to delete.
    pub delete: Vec<String>,
}

/// An ImagePullSecret of the cluster as it was read.
#[derive(Clone)]
pub(super) struct Live {
    pub(super) metadata: ObjectMeta,
    /// Its spec and status.
    pub(super) data: Value,
}

/// The state after the changes.
#[derive(Debug, Default)]
pub(super) struct Overlaid {
    pub(super) after: Vec<Object>,
    pub(super) refused: Vec<Note>,
    pub(super) notes: Vec<Note>,
}

/// The wanted state, as it was read.
pub(super) enum Wanted {
    Nothing,
    Manifests(Vec<Document>),
    Values(Values),
}

impl Asked {
    /// Reads the files.
    ///
    /// # Errors
    /// One cannot be read, or none contains an ImagePullSecret.
    pub(super) fn read(&self) -> Result<Wanted> {
        if let Some(path) = &self.values {
            return Ok(Wanted::Values(Values::read(path)?));
        }
        if self.files.is_empty() {
            return Ok(Wanted::Nothing);
        }
        let documents = input::read(&self.files)?;
        if documents.iter().all(|document| document.not_an_image_pull_secret().is_some()) {
            bail!("there is no ImagePullSecret in the manifests");
        }
        Ok(Wanted::Manifests(documents))
    }
}

/// Applies the wanted changes to the present state.
///
/// # Errors
/// An object to be deleted does not exist.
pub(super) fn overlay(
    live: &[Live],
    wanted: Wanted,
    delete: &[String],
    settings: &Settings,
    now: Timestamp,
) -> Result<Overlaid> {
    let mut overlaid = Overlaid::default();
    let mut all: Vec<Live> = live.to_vec();
    match wanted {
        Wanted::Nothing => {}
        Wanted::Manifests(documents) => {
            let (others, documents): (Vec<_>, Vec<_>) =
                documents.into_iter().partition(|document| document.not_an_image_pull_secret().is_some());
            if !others.is_empty() {
                let message = format!("{} objects of other kinds are not looked at", others.len());
                overlaid.notes.push(Note::new("manifests", message));
            }
            for document in documents {
                let place = document.place();
                apply(&mut all, &place, document.value, settings, &mut overlaid);
            }
        }
        Wanted::Values(values) => {
            let manifests = values.image_pull_secrets();
            let names: Vec<&str> =
                manifests.iter().filter_map(|it| it["metadata"]["name"].as_str()).collect();
            let is_of_release = |live: &Live| {
                live.metadata.annotations.as_ref().is_some_and(|all| all.contains_key(RELEASE_ANNOTATION))
            };
            for live in all.iter_mut().filter(|live| is_of_release(live)) {
                if !live.metadata.name.as_deref().is_some_and(|name| names.contains(&name)) {
                    end(&mut live.metadata, now);
                }
            }
            for manifest in manifests {
                let place = format!("values: ImagePullSecret {}", manifest["metadata"]["name"]);
                apply(&mut all, &place, manifest, settings, &mut overlaid);
            }
        }
    }
    for name in delete {
        match all.iter_mut().find(|live| live.metadata.name.as_ref() == Some(name)) {
            Some(live) => end(&mut live.metadata, now),
            None => bail!("--delete {name}: there is no such ImagePullSecret"),
        }
    }
    let rules = settings.rules();
    overlaid.after = all.into_iter().map(|live| Object::read(live.metadata, live.data, &rules)).collect();
    overlaid.after.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(overlaid)
}

/// Marks the object as being deleted.
fn end(metadata: &mut ObjectMeta, now: Timestamp) {
    metadata.deletion_timestamp.get_or_insert(Time(now));
}

/// Replaces an object by a manifest, unless admission would refuse that.
fn apply(all: &mut Vec<Live>, place: &str, manifest: Value, settings: &Settings, overlaid: &mut Overlaid) {
    let findings = match rules::read(&manifest) {
        Ok((name, spec)) => rules::check(&name, &spec, &settings.rules()),
        Err(findings) => findings,
    };
    overlaid.notes.extend(findings.warnings.iter().map(|finding| Note::new(place, finding.to_string())));
    if !findings.is_ok() {
        overlaid.refused.extend(findings.errors.iter().map(|finding| Note::new(place, finding.to_string())));
        return;
    }
    let spec = manifest["spec"].clone();
    let name = manifest["metadata"]["name"].as_str().unwrap_or_default();
    match all.iter_mut().find(|live| live.metadata.name.as_deref() == Some(name)) {
        Some(live) => {
            live.data["spec"] = spec;
        }
        None => {
            let metadata = ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
            all.push(Live { metadata, data: json!({"spec": spec}) });
        }
    }
}

/// The present ImagePullSecrets.
pub(super) fn as_they_are(live: &[Live], settings: &Settings) -> Vec<Object> {
    let rules = settings.rules();
    live.iter().map(|live| Object::read(live.metadata.clone(), live.data.clone(), &rules)).collect()
}
