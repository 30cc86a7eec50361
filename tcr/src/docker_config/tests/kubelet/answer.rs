//! What a kubelet does with an image and pull secrets, and what is read here of the same: for the table beside this file,
//! and for the generated configurations of the control-plane level, whose module names this file.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{DockerConfig, ImageName, InvalidImageName, Login, credentials};

/// What a kubelet does.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
pub(super) struct Answer {
    /// Why the kubelet says `InvalidImageName`.
    pub(super) invalid: String,
    /// Every pull fails by the Secrets.
    pub(super) broken: bool,
    domain: String,
    name: String,
    /// Secret, user name and password, in the order tried.
    pub(super) shown: Vec<(String, String, String)>,
}

impl Answer {
    /// What is read here of an image and Secrets: of each its name, its content, and whether it is of type
    /// `kubernetes.io/dockercfg`.
    pub(super) fn here<'a>(image: &str, secrets: impl IntoIterator<Item = (&'a str, Vec<u8>, bool)>) -> Self {
        let image: ImageName = match image.parse() {
            Ok(image) => image,
            Err(error) => return Self { invalid: error.to_string(), ..Self::default() },
        };
        let mut read: Vec<(&str, BTreeMap<String, Login>)> = Vec::new();
        for (name, bytes, is_legacy) in secrets {
            let logins =
                if is_legacy { DockerConfig::legacy_logins(&bytes) } else { DockerConfig::logins(&bytes) };
            match logins {
                Ok(logins) => read.push((name, logins)),
                Err(_) => return Self { broken: true, ..Self::default() },
            }
        }
        let shown =
            credentials(read.iter().map(|(name, logins)| (*name, logins)), &image).into_iter().map(|it| {
                (it.secret.to_owned(), it.login.username.clone(), it.login.password.expose().to_owned())
            });
        Self {
            domain: image.domain().to_owned(),
            name: image.as_str().to_owned(),
            shown: shown.collect(),
            ..Self::default()
        }
    }

    /// A kubelet's answer with the reason alone of its sentence, which begins with the image, and of which some reasons
    /// repeat the name.
    pub(super) fn expected(&self) -> Self {
        let reasons = [
            (InvalidImageName::Identifier, "cannot specify 64-byte hexadecimal strings"),
            (InvalidImageName::UpperCase, "must be lowercase"),
            (InvalidImageName::Long, "must not be more than 255 characters"),
            (InvalidImageName::Algorithm, "unsupported digest algorithm"),
            (InvalidImageName::DigestLength, "invalid checksum digest length"),
            (InvalidImageName::Digest, "invalid checksum digest format"),
            (InvalidImageName::Format, "invalid reference format"),
        ];
        let found = reasons.iter().find(|(_, words)| self.invalid.ends_with(words));
        let invalid = found.map_or_else(|| self.invalid.clone(), |(reason, _)| reason.to_string());
        Self { invalid, ..self.clone() }
    }
}
