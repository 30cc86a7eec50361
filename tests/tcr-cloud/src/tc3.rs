//! TC3-HMAC-SHA256, the checking side: what a request must say, and whether its signature fits.
//!
//! Pure: a request, the account's key and the time go in, a refusal may come out.

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::{account::Account, clock::utc_day, envelope::ApiError, http::Request, random::hex};

/// How far a request's time may be from ours, either way: five minutes, by the documentation.
const GREATEST_SKEW: i64 = 300;

const ALGORITHM: &str = "TC3-HMAC-SHA256";

/// The parts of an Authorization header.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Authorization<'a> {
    pub(crate) secret_id: &'a str,
    pub(crate) date: &'a str,
    pub(crate) service: &'a str,
    pub(crate) signed_headers: &'a str,
    pub(crate) signature: &'a str,
}

impl<'a> Authorization<'a> {
    /// Reads `TC3-HMAC-SHA256 Credential=<id>/<date>/<service>/tc3_request, SignedHeaders=<a;b>,
    /// Signature=<hex>`.
    pub(crate) fn parse(value: &'a str) -> Result<Self, ApiError> {
        let fields = value
            .strip_prefix(ALGORITHM)
            .and_then(|rest| rest.strip_prefix(' '))
            .ok_or_else(|| malformed("it does not begin with `TC3-HMAC-SHA256 `"))?;
        let mut credential = None;
        let mut signed_headers = None;
        let mut signature = None;
        for field in fields.split(',') {
            let (name, value) =
                field.trim().split_once('=').ok_or_else(|| malformed("a field is no NAME=VALUE"))?;
            let slot = match name {
                "Credential" => &mut credential,
                "SignedHeaders" => &mut signed_headers,
                "Signature" => &mut signature,
                _ => return Err(malformed("it has a field that is not known")),
            };
            if value.is_empty() || slot.replace(value).is_some() {
                return Err(malformed(&format!("its {name} is empty or repeated")));
            }
        }
        let credential = credential.ok_or_else(|| malformed("it has no Credential"))?;
        let signed_headers = signed_headers.ok_or_else(|| malformed("it has no SignedHeaders"))?;
        let signature = signature.ok_or_else(|| malformed("it has no Signature"))?;
        let scope: Vec<&str> = credential.split('/').collect();
        let [secret_id, date, service, "tc3_request"] = scope[..] else {
            return Err(malformed("its Credential is not ID/DATE/SERVICE/tc3_request"));
        };
        let names: Vec<&str> = signed_headers.split(';').collect();
        if !names.is_sorted_by(|before, after| before < after)
            || signed_headers != signed_headers.to_lowercase()
        {
            return Err(malformed("its SignedHeaders are not lower-case, sorted and unique"));
        }
        for mandatory in ["content-type", "host"] {
            if !names.contains(&mandatory) {
                return Err(malformed(&format!("its SignedHeaders lack `{mandatory}`")));
            }
        }
        Ok(Self { secret_id, date, service, signed_headers, signature })
    }
}

/// Who signed `request` for `service`, or why it does not count.
pub(crate) fn authenticate<'a>(
    accounts: &'a [Account],
    request: &Request,
    service: &str,
    now: Timestamp,
) -> Result<&'a Account, ApiError> {
    let authorization = Authorization::parse(
        request.header("authorization")?.ok_or_else(|| malformed("the request has none"))?,
    )?;
    let timestamp =
        request.header("x-tc-timestamp")?.ok_or_else(|| ApiError::missing_parameter("X-TC-Timestamp"))?;
    let time =
        timestamp.parse().ok().and_then(|seconds| Timestamp::from_second(seconds).ok()).ok_or_else(|| {
            ApiError::invalid_parameter("The value of `X-TC-Timestamp` is not a Unix time in seconds.")
        })?;
    if now.duration_since(time).abs().as_millis_f64() > (GREATEST_SKEW * 1000) as f64 {
        return Err(ApiError::new(
            "AuthFailure.SignatureExpire",
            "The signature has expired. Please ensure the local time and standard time difference does not exceed \
             five minutes.",
        ));
    }
    let account =
        accounts.iter().find(|account| account.secret_id == authorization.secret_id).ok_or_else(|| {
            ApiError::new(
                "AuthFailure.SecretIdNotFound",
                "The SecretId is not found, please ensure that your SecretId is correct.",
            )
        })?;
    if request.header("x-tc-token")? != account.token.as_ref().map(|token| token.expose()) {
        return Err(ApiError::new(
            "AuthFailure.TokenFailure",
            "The token of this SecretId is wrong or missing.",
        ));
    }
    if account.expires_at.is_some_and(|end| end <= now) {
        return Err(ApiError::new("AuthFailure.TokenFailure", "The token of this SecretId has expired."));
    }
    if authorization.date != utc_day(time) {
        return Err(mismatch("the credential's date is not the UTC day of X-TC-Timestamp"));
    }
    if authorization.service != service {
        return Err(mismatch(&format!("the credential's service is not `{service}`")));
    }
    let canonical = canonical_request(request, authorization.signed_headers)?;
    let scope = format!("{}/{}/tc3_request", authorization.date, authorization.service);
    let expected = sign(account.secret_key.expose(), timestamp, &scope, &canonical);
    if authorization.signature != expected {
        return Err(mismatch("the signature does not fit the request and the SecretKey"));
    }
    Ok(account)
}

/// The text whose hash is signed.
pub(crate) fn canonical_request(request: &Request, signed_headers: &str) -> Result<String, ApiError> {
    let mut headers = String::new();
    for name in signed_headers.split(';') {
        let value = request
            .header(name)?
            .ok_or_else(|| mismatch(&format!("the signed header `{name}` is not in the request")))?;
        headers.push_str(&format!("{name}:{}\n", value.trim().to_lowercase()));
    }
    let method = &request.method;
    let body = hex(&Sha256::digest(&request.body));
    // The path is `/` whatever was asked for, and a POST has no query.
    Ok(format!("{method}\n/\n\n{headers}\n{signed_headers}\n{body}"))
}

/// The signature, in hexadecimal, over `canonical` under `scope` (`<date>/<service>/tc3_request`).
pub(crate) fn sign(secret_key: &str, timestamp: &str, scope: &str, canonical: &str) -> String {
    let key =
        scope.split('/').fold(format!("TC3{secret_key}").into_bytes(), |key, part| hmac(&key, part).to_vec());
    let hash = hex(&Sha256::digest(canonical));
    hex(&hmac(&key, &format!("{ALGORITHM}\n{timestamp}\n{scope}\n{hash}")))
}

fn hmac(key: &[u8], text: &str) -> [u8; 32] {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(key).unwrap_or_else(|_| unreachable!("HMAC takes keys of any length"));
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().into()
}

fn malformed(reason: &str) -> ApiError {
    ApiError::new(
        "AuthFailure.InvalidAuthorization",
        format!("The Authorization header is not valid: {reason}."),
    )
}

fn mismatch(reason: &str) -> ApiError {
    ApiError::new(
        "AuthFailure.SignatureFailure",
        format!(
            "The provided credentials could not be validated. Please check your signature is correct: {reason}."
        ),
    )
}

#[cfg(test)]
mod tests;
