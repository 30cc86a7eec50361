//! Claims of tokens: the two claims of a TCR token that help to check the answer with it. The signature is
//! not verified: that is the registry's task.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::{Map, Value};
use tcr::sensitive::Sensitive;

/// The claims of a token that are present.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Claims {
    /// `exp`: when the token ends.
    pub(crate) expires_at: Option<Timestamp>,
    /// `tokenId`: the id of a long-term token.
    pub(crate) token_id: Option<String>,
}

fn payload(token: &Sensitive) -> Option<Map<String, Value>> {
    let part = token.expose().split('.').nth(1)?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

/// Reads the claims; a token that is not a JWT has none.
pub(crate) fn claims(token: &Sensitive) -> Claims {
    let Some(payload) = payload(token) else { return Claims::default() };
    Claims {
        expires_at: payload
            .get("exp")
            .and_then(Value::as_i64)
            .and_then(|seconds| Timestamp::from_second(seconds).ok()),
        token_id: payload.get("tokenId").and_then(Value::as_str).map(str::to_owned),
    }
}

/// The audience of a token, `aud`; empty for a token that is not a JWT.
pub(crate) fn audience(token: &Sensitive) -> Vec<String> {
    match payload(token).as_mut().and_then(|payload| payload.remove("aud")) {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(many)) => {
            many.into_iter().filter_map(|it| it.as_str().map(str::to_owned)).collect()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(payload: &str) -> Sensitive {
        Sensitive::new(format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(payload)))
    }

    #[test]
    fn claims_of_the_documented_long_term_token() {
        let claims =
            claims(&token(r#"{"ownerUin":"3321337994","exp":2051237057,"tokenId":"ctrm3g86h7cp1kb7el2g"}"#));
        assert_eq!(claims.expires_at, Timestamp::from_second(2051237057).ok());
        assert_eq!(claims.token_id.as_deref(), Some("ctrm3g86h7cp1kb7el2g"));
    }

    #[test]
    fn what_is_not_a_jwt_has_no_claims() {
        for text in ["", "abc", "a.b.c", "a.bnVsbA.c", ".."] {
            assert_eq!(claims(&Sensitive::new(text)), Claims::default(), "{text:?}");
        }
    }
}
