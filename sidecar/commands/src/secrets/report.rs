//! The report on the Secrets of an ImagePullSecret. Pure.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use distribution::Digest;

/// All facts.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    /// The ImagePullSecret.
    pub(super) name: String,
    /// The Secrets' name.
    pub(super) secret: String,
    /// Namespaces that are to have it, by the status.
    pub(super) desired: Option<i64>,
    /// The Secrets of this name.
    pub(super) found: Vec<Found>,
    /// What could not be read.
    pub(super) not_known: Vec<String>,
}

/// A Secret.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) namespace: String,
    pub(super) is_ours: bool,
    /// The digest of its content; none where it holds other keys than ours.
    pub(super) digest: Option<Digest>,
    pub(super) mark: Mark,
    pub(super) created: Option<Timestamp>,
    pub(super) written: Option<Timestamp>,
}

/// What a Secret's mark says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Mark {
    /// It holds what was written.
    AsWritten,
    /// Its content was changed since.
    Changed,
    /// There is none, or none of this installation and place.
    None,
    /// The key of the marks may not be read.
    Unknown,
}

/// Where the Secrets are. With `-o json` this is the document.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The ImagePullSecret.
    pub image_pull_secret: String,
    /// The Secrets' name.
    pub secret: String,
    /// All of them are ours and hold the same.
    pub all_the_same: bool,
    /// Namespaces that shall have it, as the status counts them.
    pub desired: Option<i64>,
    /// What they hold, most common first.
    pub contents: Vec<Content>,
    /// The Secrets, by namespace.
    pub secrets: Vec<Line>,
    /// What could not be read.
    pub not_known: Vec<String>,
}

/// What several Secrets hold. There is no digest of it: that of a short password would tell the password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Content {
    /// By which `secrets[].content` names it; 1 is the most common one.
    pub number: usize,
    /// Secrets that hold it.
    pub secrets: usize,
    /// When the first and the last of them were written, as RFC 3339.
    pub written: Option<(String, String)>,
}

/// A Secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// The namespace.
    pub namespace: String,
    /// It carries our labels or our mark; else it is somebody else's, and in the way.
    pub ours: bool,
    /// The number of what it holds; none where it holds something else than one docker configuration.
    pub content: Option<usize>,
    /// What its mark says.
    pub mark: Mark,
    /// When it was made, as RFC 3339.
    pub created: Option<String>,
    /// When it was written last, as far as the managed fields tell, as RFC 3339.
    pub written: Option<String>,
}

/// Makes the report.
pub(super) fn report(facts: Facts) -> Report {
    let Facts { name, secret, desired, mut found, not_known } = facts;
    found.sort_by(|a, b| a.namespace.cmp(&b.namespace));
    let mut groups: BTreeMap<Vec<u8>, Vec<&Found>> = BTreeMap::new();
    for one in found.iter().filter(|one| one.is_ours) {
        if let Some(digest) = one.digest {
            groups.entry(digest.as_bytes().to_vec()).or_default().push(one);
        }
    }
    let mut groups: Vec<(Vec<u8>, Vec<&Found>)> = groups.into_iter().collect();
    // Of two equally common ones the newer comes first; a digest must not affect the output.
    groups.sort_by_key(|(_, all)| {
        let newest = all.iter().filter_map(|one| one.written).max();
        (
            std::cmp::Reverse(all.len()),
            std::cmp::Reverse(newest),
            all.first().map(|one| one.namespace.clone()),
        )
    });
    let number =
        |digest: &Digest| groups.iter().position(|(known, _)| known == digest.as_bytes()).map(|it| it + 1);
    let contents = groups.iter().zip(1..).map(|((_, all), number)| {
        let written: BTreeSet<Timestamp> = all.iter().filter_map(|one| one.written).collect();
        let ends = written.first().zip(written.last());
        Content {
            number,
            secrets: all.len(),
            written: ends.map(|(first, last)| (first.to_string(), last.to_string())),
        }
    });
    let contents: Vec<Content> = contents.collect();
    let secrets: Vec<Line> = found
        .iter()
        .map(|one| Line {
            namespace: one.namespace.clone(),
            ours: one.is_ours,
            content: one.digest.filter(|_| one.is_ours).as_ref().and_then(number),
            mark: one.mark,
            created: one.created.map(|at| at.to_string()),
            written: one.written.map(|at| at.to_string()),
        })
        .collect();
    let all_the_same = secrets.iter().all(|line| line.ours && line.content == Some(1));
    Report { image_pull_secret: name, secret, all_the_same, desired, contents, secrets, not_known }
}
