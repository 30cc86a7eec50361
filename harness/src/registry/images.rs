//! Asks registries about images, which may be policies or not.

use oci_client::errors::{OciDistributionError, OciErrorCode};
use oci_client::{Reference, RegistryOperation};
use serde_json::Value;

use super::{Registry, RegistryError, operation};

const READ: &str = "read the manifest of";

impl Registry {
    /// The digest of the manifest that an image's reference leads to.
    ///
    /// # Errors
    /// When it is no reference, or the registry cannot be reached or has no such image.
    pub async fn manifest_digest(&self, image: &str) -> Result<String, RegistryError> {
        let reference = parse(image)?;
        let (client, auth) = self.connect(&reference, RegistryOperation::Pull).await?;
        let digest = client.fetch_manifest_digest(&reference, &auth).await;
        digest.map_err(|error| operation(READ, &reference, &error))
    }

    /// The manifest, of an image or an index.
    ///
    /// # Errors
    /// As for [`Registry::manifest_digest`].
    pub async fn manifest(&self, image: &str) -> Result<Value, RegistryError> {
        let reference = parse(image)?;
        let (client, auth) = self.connect(&reference, RegistryOperation::Pull).await?;
        let failed = |error: OciDistributionError| operation(READ, &reference, &error);
        let (manifest, _) = client.pull_manifest(&reference, &auth).await.map_err(failed)?;
        serde_json::to_value(manifest).map_err(|error| failed(error.into()))
    }

    /// The manifest of an image (of an index, that for Linux on this processor), its digest, and its configuration.
    ///
    /// # Errors
    /// As for [`Registry::manifest_digest`]; or the configuration is not JSON.
    pub async fn manifest_and_config(&self, image: &str) -> Result<(Value, String, Value), RegistryError> {
        let reference = parse(image)?;
        let (client, auth) = self.connect(&reference, RegistryOperation::Pull).await?;
        let failed = |error: OciDistributionError| operation(READ, &reference, &error);
        let answer = client.pull_manifest_and_config(&reference, &auth).await;
        let (manifest, digest, config) = answer.map_err(failed)?;
        let manifest = serde_json::to_value(manifest).map_err(|error| failed(error.into()))?;
        let config = serde_json::from_str(&config).map_err(|error| failed(error.into()))?;
        Ok((manifest, digest, config))
    }

    /// The manifest that has an image's signatures as its layers, as cosign lays them; `None` where it has none.
    ///
    /// # Errors
    /// As for [`Registry::manifest_digest`].
    pub async fn signatures(&self, image: &str) -> Result<Option<Value>, RegistryError> {
        let digest = self.manifest_digest(image).await?;
        let image = parse(image)?;
        let tag = format!("{}.sig", digest.replace(':', "-"));
        let reference = Reference::with_tag(image.registry().to_owned(), image.repository().to_owned(), tag);
        let (client, auth) = self.connect(&reference, RegistryOperation::Pull).await?;
        match client.pull_manifest(&reference, &auth).await {
            Ok((manifest, _)) => {
                let manifest = serde_json::to_value(manifest);
                Ok(Some(manifest.map_err(|error| operation(READ, &reference, &error.into()))?))
            }
            Err(error) if is_unknown(&error) => Ok(None),
            Err(error) => Err(operation(READ, &reference, &error)),
        }
    }
}

fn is_unknown(error: &OciDistributionError) -> bool {
    match error {
        OciDistributionError::ImageManifestNotFoundError(_) => true,
        OciDistributionError::RegistryError { envelope, .. } => {
            envelope.errors.iter().any(|error| error.code == OciErrorCode::ManifestUnknown)
        }
        OciDistributionError::ServerError { code, .. } => *code == 404,
        _ => false,
    }
}

/// A reference as container runtimes read it: `busybox` is `docker.io/library/busybox:latest`.
fn parse(image: &str) -> Result<Reference, RegistryError> {
    let image = image.strip_prefix("registry://").unwrap_or(image);
    image.parse().map_err(|error: oci_client::ParseError| RegistryError::Uri {
        uri: image.to_owned(),
        reason: error.to_string(),
    })
}
