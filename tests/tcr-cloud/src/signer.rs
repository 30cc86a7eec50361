//! The key of the token service: made here, never written, known to registries by its certificate.

use std::sync::LazyLock;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use getrandom::SysRng;
use rcgen::{CertificateParams, DnType, KeyPair, PublicKeyData, SigningKey};
use rsa::{PrivateKey, pkcs8::EncodePrivateKey};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{random, token_service::ISSUER};

/// The least that ring signs with.
const BITS: usize = 2048;

/// Why the token service cannot sign.
#[derive(Clone, Debug, thiserror::Error)]
#[error("cannot make the token service's key: {0}")]
pub struct KeyError(String);

impl KeyError {
    fn of(error: impl ToString) -> Self {
        Self(error.to_string())
    }
}

/// An RSA key and what tells others of it.
pub(crate) struct Signer {
    key: KeyPair,
    key_id: String,
    certificate: String,
}

/// One for the process: making it takes longer than everything else that starts a cloud.
static SIGNER: LazyLock<Result<Signer, KeyError>> = LazyLock::new(Signer::make);

/// The process's signer, made by the first who asks.
pub(crate) fn get() -> Result<&'static Signer, KeyError> {
    SIGNER.as_ref().map_err(Clone::clone)
}

impl Signer {
    fn make() -> Result<Self, KeyError> {
        let key = PrivateKey::new(&mut SysRng, BITS).map_err(KeyError::of)?;
        let der = key.to_pkcs8_der().map_err(KeyError::of)?;
        let key = KeyPair::try_from(der.as_bytes()).map_err(KeyError::of)?;
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, ISSUER);
        let certificate = params.self_signed(&key).map_err(KeyError::of)?.pem();
        let hash = Sha256::digest(key.subject_public_key_info());
        let key_id = random::key_id(hash.first_chunk().ok_or_else(|| KeyError::of("a hash is too short"))?);
        Ok(Self { key, key_id, certificate })
    }

    /// In PEM.
    pub(crate) fn certificate(&self) -> &str {
        &self.certificate
    }

    /// A JWT with RS256 and the key's id, by which registries find the certificate.
    pub(crate) fn sign(&self, claims: &Value) -> Result<String, KeyError> {
        let header = json!({"typ": "JWT", "alg": "RS256", "kid": self.key_id});
        let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let signed = format!("{}.{}", encode(&header), encode(claims));
        let signature = self.key.sign(signed.as_bytes()).map_err(KeyError::of)?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}
