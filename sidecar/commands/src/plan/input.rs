//! What is asked: manifests or the chart's values, laid over what there is.

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

/// Annotation by which helm says whose release an object is of.
const RELEASE_ANNOTATION: &str = "meta.helm.sh/release-name";

/// What would be done.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// Files with ImagePullSecrets that would be applied.
    pub files: Vec<PathBuf>,
    /// The chart's values that would be installed.
    pub values: Option<PathBuf>,
    /// ImagePullSecrets that would be deleted.
    pub delete: Vec<String>,
}

/// An ImagePullSecret of the cluster as it was read.
#[derive(Clone)]
pub(super) struct Live {
    pub(super) metadata: ObjectMeta,
    /// Its spec and status.
    pub(super) data: Value,
}

/// What there will be.
#[derive(Debug, Default)]
pub(super) struct Overlaid {
    pub(super) after: Vec<Object>,
    pub(super) refused: Vec<Note>,
    pub(super) notes: Vec<Note>,
}

/// What is wanted, as it was read.
pub(super) enum Wanted {
    Nothing,
    Manifests(Vec<Document>),
    Values(Values),
}

impl Asked {
    /// Reads the files.
    ///
    /// # Errors
    /// One cannot be read, or there is no ImagePullSecret in all of them.
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

/// Lays what is asked over what there is.
///
/// # Errors
/// What is to be deleted is not there.
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

/// Somebody deletes it.
fn end(metadata: &mut ObjectMeta, now: Timestamp) {
    metadata.deletion_timestamp.get_or_insert(Time(now));
}

/// Puts a manifest in the place of what there is, unless admission would refuse it.
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

/// ImagePullSecrets as they are.
pub(super) fn as_they_are(live: &[Live], settings: &Settings) -> Vec<Object> {
    let rules = settings.rules();
    live.iter().map(|live| Object::read(live.metadata.clone(), live.data.clone(), &rules)).collect()
}
