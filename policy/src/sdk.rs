//! Answers in the forms of kubewarden-policy-sdk.
//!
//! Not in the browsers' wasm: the SDK brings the imports of a waPC guest, which only a waPC host provides.

use kubewarden_policy_sdk::settings::SettingsValidationResponse;
use serde::Serialize;
use tcr::sentence::joined;

use crate::settings::mistakes;

/// Checks settings as the host passes them (the bare object) and answers with every mistake.
pub fn validate_settings(payload: &[u8]) -> Vec<u8> {
    let mistakes = mistakes(payload);
    let message = (!mistakes.is_empty()).then(|| joined(&mistakes, "; "));
    text(&SettingsValidationResponse { valid: message.is_none(), message })
}

/// The text of an answer: fields of a known number, and no keys that are not text, so that nothing of it can be without
/// a form in JSON.
pub(crate) fn text<T: Serialize>(answer: &T) -> Vec<u8> {
    serde_json::to_vec(answer).unwrap_or_default()
}
