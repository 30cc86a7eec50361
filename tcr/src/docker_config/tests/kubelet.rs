//! What Kubernetes' own packages answered, against what is read here.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::super::keyring::credentials;
use super::*;
use crate::image_name::{ImageName, InvalidImageName};

#[derive(Deserialize)]
struct Case {
    name: String,
    image: String,
    #[serde(default)]
    secrets: Vec<Secret>,
    kubelet: Answer,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Secret {
    name: String,
    /// The content; `bytes` instead where it is not UTF-8, in base64.
    data: String,
    bytes: Option<String>,
    /// Of type `kubernetes.io/dockercfg`.
    legacy: bool,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
struct Answer {
    /// Why the kubelet says `InvalidImageName`.
    invalid: String,
    /// Every pull fails by the Secrets.
    broken: bool,
    domain: String,
    name: String,
    /// Secret, user name and password, in the order tried.
    shown: Vec<(String, String, String)>,
}

fn cases() -> Vec<Case> {
    let lines = include_str!("kubelet.jsonl").lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn answer(case: &Case) -> Answer {
    let image: ImageName = match case.image.parse() {
        Ok(image) => image,
        Err(error) => return Answer { invalid: error.to_string(), ..Answer::default() },
    };
    let mut secrets: Vec<(&str, BTreeMap<String, Login>)> = Vec::new();
    for Secret { name, data, bytes, legacy } in &case.secrets {
        let bytes = bytes.as_ref().map_or(data.clone().into_bytes(), |it| STANDARD.decode(it).unwrap());
        let logins = if *legacy { DockerConfig::legacy_logins(&bytes) } else { DockerConfig::logins(&bytes) };
        match logins {
            Ok(logins) => secrets.push((name, logins)),
            Err(_) => return Answer { broken: true, ..Answer::default() },
        }
    }
    let shown = credentials(secrets.iter().map(|(name, logins)| (*name, logins)), &image);
    let shown = shown
        .into_iter()
        .map(|it| (it.secret.to_owned(), it.login.username.clone(), it.login.password.expose().to_owned()));
    Answer {
        domain: image.domain().to_owned(),
        name: image.as_str().to_owned(),
        shown: shown.collect(),
        ..Answer::default()
    }
}

/// The reason alone, of the kubelet's sentence: it begins with the image, and some reasons repeat the name.
fn reason(kubelet: &str) -> String {
    let reasons = [
        InvalidImageName::Identifier,
        InvalidImageName::UpperCase,
        InvalidImageName::Long,
        InvalidImageName::Algorithm,
        InvalidImageName::DigestLength,
        InvalidImageName::Digest,
        InvalidImageName::Format,
    ];
    let is_it = |reason: &&InvalidImageName| {
        let words = match reason {
            InvalidImageName::Identifier => "cannot specify 64-byte hexadecimal strings".to_owned(),
            InvalidImageName::UpperCase => "must be lowercase".to_owned(),
            other => other.to_string(),
        };
        kubelet.ends_with(&words)
    };
    reasons.iter().find(is_it).map_or_else(|| kubelet.to_owned(), ToString::to_string)
}

#[test]
fn configurations_and_images_are_read_as_kubelets_read_them() {
    let (mut matched, mut several, mut refused) = (0, 0, 0);
    let cases = cases();
    let mut wrong = Vec::new();
    for case in &cases {
        let kubelet = &case.kubelet;
        let invalid = if kubelet.invalid.is_empty() { String::new() } else { reason(&kubelet.invalid) };
        let expected = Answer { invalid, ..kubelet.clone() };
        matched += usize::from(!kubelet.shown.is_empty());
        several += usize::from(kubelet.shown.len() > 1);
        refused += usize::from(kubelet.broken || !kubelet.invalid.is_empty());
        let found = answer(case);
        if found != expected {
            wrong.push(format!("{}: kubelet {expected:?}\n    here {found:?}", case.name));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    // Otherwise the table would prove little.
    assert!(matched * 10 > cases.len() * 3 && several * 10 > cases.len() && refused * 10 > cases.len());
}
