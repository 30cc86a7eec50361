//! TC3-HMAC-SHA256, the signature of Tencent Cloud's API, for the one shape that TCR needs: POST
//! to `/`, no query, all parameters in the body.

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use tcr::hex;
use tcr::sensitive::{Sensitive, SensitiveBytes};

const ALGORITHM: &str = "TC3-HMAC-SHA256";
/// HMAC-SHA256 works on blocks of this many bytes.
const BLOCK: usize = 64;

/// The signed parts of a request.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The product, `tcr` or `sts`: the first label of its domain.
    pub service: &'a str,
    /// The headers to sign, in any order and case. The service demands `content-type` and `host`
    /// and compares them byte for byte with what arrives.
    pub headers: &'a [(&'a str, &'a str)],
    /// The body as sent.
    pub body: &'a [u8],
    /// The value of `X-TC-Timestamp`; its day in UTC is part of the key.
    pub timestamp: Timestamp,
}

/// A signature and its intermediate values, which the published examples state too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The credential scope, `<day>/<service>/tc3_request`.
    pub scope: String,
    /// Names of the signed headers, joined by `;`.
    pub signed_headers: String,
    /// SHA-256 of the canonical request, in hexadecimal.
    pub canonical_request_hash: String,
    /// The signature itself, in hexadecimal.
    pub hex: String,
}

impl Signature {
    /// The value of the `Authorization` header.
    pub fn authorization(&self, secret_id: &str) -> String {
        format!(
            "{ALGORITHM} Credential={secret_id}/{}, SignedHeaders={}, Signature={}",
            self.scope, self.signed_headers, self.hex
        )
    }
}

/// Signs `request` with the secret key of an API credential.
pub fn sign(request: &Request<'_>, secret_key: &Sensitive) -> Signature {
    let (canonical, signed_headers) = canonical_request(request);
    let canonical_request_hash = hex::encode(&Sha256::digest(canonical));
    let date = day(request.timestamp);
    let scope = format!("{date}/{}/tc3_request", request.service);
    let to_sign =
        format!("{ALGORITHM}\n{}\n{scope}\n{canonical_request_hash}", request.timestamp.as_second());
    let keys = SigningKeys::derive(secret_key, &date, request.service);
    Signature {
        hex: hex::encode(&hmac(&keys.signing, to_sign.as_bytes())),
        scope,
        signed_headers,
        canonical_request_hash,
    }
}

fn canonical_request(request: &Request<'_>) -> (String, String) {
    let mut headers: Vec<(String, String)> = request
        .headers
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_lowercase()))
        .collect();
    headers.sort();
    let block: String = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let names = headers.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(";");
    let canonical = format!("POST\n/\n\n{block}\n{names}\n{}", hex::encode(&Sha256::digest(request.body)));
    (canonical, names)
}

/// The chain of keys from the secret key to the one that signs. As secret as the secret key for
/// the day, hence without Debug.
struct SigningKeys {
    #[cfg_attr(not(test), expect(dead_code, reason = "a step that the published examples state"))]
    date: [u8; 32],
    #[cfg_attr(not(test), expect(dead_code, reason = "a step that the published examples state"))]
    service: [u8; 32],
    signing: [u8; 32],
}

impl SigningKeys {
    fn derive(secret_key: &Sensitive, day: &str, service: &str) -> Self {
        let mut first = SensitiveBytes::from(b"TC3".as_slice());
        first.extend_from_slice(secret_key.expose().as_bytes());
        let date = hmac(first.expose(), day.as_bytes());
        let service = hmac(&date, service.as_bytes());
        let signing = hmac(&service, b"tc3_request");
        Self { date, service, signing }
    }
}

/// The day in UTC: the local day would be refused for some hours of each day.
fn day(timestamp: Timestamp) -> String {
    timestamp.strftime("%Y-%m-%d").to_string()
}

fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    // HMAC pads a short key with zeros and hashes a long one; doing so here leaves no error case.
    let mut block = [0; BLOCK];
    if key.len() > BLOCK {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let mut mac = Hmac::<Sha256>::new(&block.into());
    mac.update(message);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests;
