//! What Kubernetes' own packages answered, against what is read here.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::super::keyring::credentials;
use super::*;
use crate::image_name::{ImageName, InvalidImageName};
use answer::Answer;

mod answer;

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

fn cases() -> Vec<Case> {
    let lines = include_str!("kubelet.jsonl").lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn here(case: &Case) -> Answer {
    let content = |Secret { name, data, bytes, legacy }: &'_ Secret| -> (String, Vec<u8>, bool) {
        let bytes = bytes.as_ref().map_or(data.clone().into_bytes(), |it| STANDARD.decode(it).unwrap());
        (name.clone(), bytes, *legacy)
    };
    let secrets: Vec<_> = case.secrets.iter().map(content).collect();
    Answer::here(
        &case.image,
        secrets.iter().map(|(name, bytes, legacy)| (name.as_str(), bytes.clone(), *legacy)),
    )
}

#[test]
fn configurations_and_images_are_read_as_kubelets_read_them() {
    let (mut matched, mut several, mut refused) = (0, 0, 0);
    let cases = cases();
    let mut wrong = Vec::new();
    for case in &cases {
        let kubelet = &case.kubelet;
        let expected = kubelet.expected();
        matched += usize::from(!kubelet.shown.is_empty());
        several += usize::from(kubelet.shown.len() > 1);
        refused += usize::from(kubelet.broken || !kubelet.invalid.is_empty());
        let found = here(case);
        if found != expected {
            wrong.push(format!("{}: kubelet {expected:?}\n    here {found:?}", case.name));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    // Otherwise the table would prove little.
    assert!(matched * 10 > cases.len() * 3 && several * 10 > cases.len() && refused * 10 > cases.len());
}
