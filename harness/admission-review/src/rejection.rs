//! The answer to a review that cannot be read: policy-server's own answer, from the same types read by the
//! same extractor, with the same status.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::http::{HeaderMap, StatusCode, header};
use host_capabilities::shortened;
use k8s_openapi::api::authentication::v1::UserInfo;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::origin::Origin;
use crate::request::RequestError;

/// How much of a reason is told, which repeats values of the review.
const LONGEST: usize = 1 << 10;

/// A status and a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// 400, 415 or 422.
    pub status: StatusCode,
    /// The error, at most a KiB of it.
    pub message: String,
}

#[derive(Deserialize)]
struct ReviewRequest {
    #[expect(dead_code, reason = "only whether it can be read counts")]
    request: AdmissionRequest,
}

#[derive(Deserialize)]
struct RawReviewRequest {
    #[expect(dead_code, reason = "only whether it can be read counts")]
    request: IgnoredAny,
}

/// The request as policy-server reads it; of objects no more than that they are there, which takes no memory.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "only whether it can be read counts")]
struct AdmissionRequest {
    uid: String,
    kind: GroupVersionKind,
    resource: GroupVersionResource,
    sub_resource: Option<String>,
    request_kind: Option<GroupVersionKind>,
    request_resource: Option<GroupVersionResource>,
    request_sub_resource: Option<String>,
    name: Option<String>,
    namespace: Option<String>,
    operation: String,
    user_info: UserInfo,
    object: Option<IgnoredAny>,
    old_object: Option<IgnoredAny>,
    dry_run: Option<bool>,
    options: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "only whether it can be read counts")]
struct GroupVersionKind {
    group: String,
    version: String,
    kind: String,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "only whether it can be read counts")]
struct GroupVersionResource {
    group: String,
    version: String,
    resource: String,
}

impl Rejection {
    /// The answer to a body that is no review for this reason.
    pub fn of_body(body: &[u8], origin: Origin, error: &RequestError) -> Self {
        // Bodies that only this host refuses, and objects of which only the end was looked for.
        Self::by_policy_server(body, origin).unwrap_or_else(|| Self {
            status: own_status(error),
            message: shortened(&format!("cannot read the review: {error}"), LONGEST),
        })
    }

    /// policy-server's own answer to a body; none where it accepts the body.
    pub fn by_policy_server(body: &[u8], origin: Origin) -> Option<Self> {
        let rejection: JsonRejection = match origin {
            Origin::Validate | Origin::Audit => Json::<ReviewRequest>::from_bytes(body).err(),
            Origin::Raw => Json::<RawReviewRequest>::from_bytes(body).err(),
        }?;
        Some(Self { status: rejection.status(), message: shortened(&rejection.body_text(), LONGEST) })
    }

    /// The answer to a body whose content type is not JSON.
    pub fn of_content_type(headers: &HeaderMap) -> Option<Self> {
        (!is_json(headers)).then(|| Self {
            status: StatusCode::UNSUPPORTED_MEDIA_TYPE,
            message: "Expected request with `Content-Type: application/json`".to_owned(),
        })
    }
}

fn own_status(error: &RequestError) -> StatusCode {
    match error {
        RequestError::NotUtf8(_) | RequestError::NotJson(_) => StatusCode::BAD_REQUEST,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    }
}

/// `application/json` or `application/*+json`, in any case and with any parameters.
fn is_json(headers: &HeaderMap) -> bool {
    let text = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence
        .strip_prefix("application/")
        .is_some_and(|subtype| subtype == "json" || subtype.ends_with("+json"))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use proptest::prelude::*;

    use super::*;
    use crate::Request;

    const REVIEW: &str = r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u-1","kind":{"group":"","version":"v1","kind":"Pod"},"resource":{"group":"","version":"v1","resource":"pods"},"subResource":null,"requestKind":{"group":"","version":"v1","kind":"Pod"},"name":"p","namespace":"shop","operation":"CREATE","userInfo":{"username":"bob","groups":["a"]},"object":{"kind":"Pod"},"oldObject":null,"dryRun":false,"options":{}}}"#;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        /// A body that policy-server refuses is never put to a policy here: pieces of a review are taken out, doubled and
        /// replaced.
        #[test]
        fn what_policy_server_refuses_is_refused(
            edits in proptest::collection::vec(
                (any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0..4_u8, r#"null|7|true|\{\}|\[\]|"x"|,|:|\}|\{|"|\\"#),
                0..4,
            ),
        ) {
            let mut body = REVIEW.to_owned();
            for (from, to, kind, text) in edits {
                // At structural characters, so that the rest is often still a review.
                let signs: Vec<usize> = body.char_indices().filter(|(_, c)| "{}[],:".contains(*c)).map(|(at, _)| at).collect();
                if signs.is_empty() {
                    break;
                }
                let (from, to) = (signs[from.index(signs.len())], signs[to.index(signs.len())]);
                let (from, to) = (from.min(to), from.max(to));
                let piece = body[from..to].to_owned();
                match kind {
                    0 => body.replace_range(from..to, ""),
                    1 => body.insert_str(to, &piece),
                    2 => body.replace_range(from + 1..to.max(from + 1), &text),
                    _ => body.insert_str(from, &text),
                }
            }
            let ours = Request::from_review(body.as_bytes());
            let theirs = Json::<ReviewRequest>::from_bytes(body.as_bytes());
            prop_assert!(ours.is_err() || theirs.is_ok(), "{}", body);
            if let Err(error) = ours {
                let Rejection { status, message } = Rejection::of_body(body.as_bytes(), Origin::Validate, &error);
                prop_assert!([400, 422].contains(&status.as_u16()), "{} {}", status, body);
                prop_assert!(!message.is_empty() && message.len() <= LONGEST + 64);
            }
            let raw = Request::raw_from_body(body.as_bytes());
            let theirs = Json::<RawReviewRequest>::from_bytes(body.as_bytes());
            prop_assert!(raw.is_err() || theirs.is_ok(), "{}", body);
        }
    }

    #[test]
    fn content_types_are_those_of_policy_server() {
        let is_json = |text: &'static str| {
            is_json(&HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(text))]))
        };
        for good in ["application/json", "Application/JSON; charset=utf-8", "application/admission+json"] {
            assert!(is_json(good), "{good}");
        }
        for bad in
            ["", "text/json", "application/jsonx", "application/json-patch", "json", "application/yaml"]
        {
            assert!(!is_json(bad), "{bad}");
        }
    }
}
