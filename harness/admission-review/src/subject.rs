//! The subject of a review, for the log, the metrics, and an answer without a verdict; also from the
//! beginning of a review that has not been read in full.

use std::borrow::Cow;
use std::ops::ControlFlow;

use crate::json::{Scanner, unescape};
use crate::request::Request;

/// The part of a review that is searched for its subject, which API servers write before the object.
const BEGINNING: usize = 16 << 10;
/// The longest text of it that is repeated: a name's, or an identifier's.
const LONGEST_TEXT: usize = 253;

/// The subject of a review; a missing member is empty.
#[derive(Debug, Default)]
pub struct Subject<'a> {
    /// The request's identifier.
    pub uid: Cow<'a, str>,
    /// The object's kind, such as `Pod`.
    pub kind: Cow<'a, str>,
    /// The object's name.
    pub name: Cow<'a, str>,
    /// The object's namespace.
    pub namespace: Cow<'a, str>,
    /// `CREATE`, `UPDATE`, `DELETE` or `CONNECT`.
    pub operation: Cow<'a, str>,
}

impl<'a> Subject<'a> {
    /// The subject of a request that was read.
    pub fn of(request: &'a Request<'_>) -> Self {
        Self {
            uid: request.uid().into(),
            kind: request.kind().into(),
            name: request.name().into(),
            namespace: request.namespace().into(),
            operation: request.operation().into(),
        }
    }

    /// The subject in the first 16 KiB, of which only the length was checked: at most 253 bytes for each
    /// member.
    pub fn of_beginning(body: &'a [u8]) -> Self {
        let mut subject = Self::default();
        members(body, |key, value| {
            let place = match key {
                "kind" => {
                    let _ = Scanner::new(value).object(|key, kind| {
                        let value = kind.value()?;
                        if key == "kind" {
                            subject.kind = short_text(value);
                        }
                        Ok(())
                    });
                    return ControlFlow::Continue(());
                }
                "uid" => &mut subject.uid,
                "name" => &mut subject.name,
                "namespace" => &mut subject.namespace,
                "operation" => &mut subject.operation,
                _ => return ControlFlow::Continue(()),
            };
            *place = short_text(value);
            ControlFlow::Continue(())
        });
        subject
    }
}

/// The namespace that a review's first 16 KiB say, for whose turn it is.
pub fn namespace_of_beginning(body: &[u8]) -> Option<Cow<'_, str>> {
    let mut namespace = None;
    members(body, |key, value| match key {
        "namespace" => {
            namespace = text(value);
            ControlFlow::Break(())
        }
        _ => ControlFlow::Continue(()),
    });
    namespace
}

fn text(value: &str) -> Option<Cow<'_, str>> {
    value.starts_with('"').then(|| unescape(value).ok()).flatten()
}

fn short_text(value: &str) -> Cow<'_, str> {
    text(value).filter(|text| text.len() <= LONGEST_TEXT).unwrap_or_default()
}

/// Goes through the members of a review's request that are in its beginning: reading all of it is a worker's task.
fn members<'a>(body: &'a [u8], mut member: impl FnMut(&str, &'a str) -> ControlFlow<()>) {
    let beginning = body.get(..BEGINNING.min(body.len())).unwrap_or_default();
    let Some(beginning) = beginning.utf8_chunks().next() else { return };
    let mut scanner = Scanner::new(beginning.valid());
    // It stops at the first member that is cut off.
    let _ = scanner.object(|key, review| match key {
        "request" => review.object(|key, request| {
            let value = request.value()?;
            match member(key, value) {
                ControlFlow::Continue(()) => Ok(()),
                ControlFlow::Break(()) => Err(request.error("no more")),
            }
        }),
        _ => review.value().map(drop),
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_namespace_is_found_before_the_object_and_not_behind_it() {
        let of = |text: &str| namespace_of_beginning(text.as_bytes()).map(Cow::into_owned);
        let shop = Some("shop".to_owned());
        assert_eq!(
            of(r#"{"kind":"AdmissionReview","request":{"uid":"u","namespace":"sh\u006fp","object":{"#),
            shop
        );
        assert_eq!(of(r#"{"request":{"object":{"namespace":"other"},"namespace":"shop"}}"#), shop);
        let large = format!(r#"{{"request":{{"object":"{}","namespace":"shop"}}}}"#, "ä".repeat(BEGINNING));
        for none in
            [&large, "", "{", r#"{"request":{"namespace":null}}"#, "[]", r#"{"request":{"namespace":"a"#]
        {
            assert_eq!(of(none), None, "{none:.80}");
        }
        assert_eq!(namespace_of_beginning(b"\xff"), None);
    }

    #[test]
    fn a_review_that_has_no_turn_is_named_by_its_beginning() {
        let of = |text: &str| format!("{:?}", Subject::of_beginning(text.as_bytes()));
        let expected = Subject {
            uid: "u".into(),
            name: "web".into(),
            namespace: "shop".into(),
            operation: "CREATE".into(),
            kind: "Pod".into(),
        };
        let text = r#"{"request":{"uid":"u","kind":{"group":"","kind":"Pod"},"name":"web","namespace":"shop","operation":"CREATE","object":{"#;
        assert_eq!(of(text), format!("{expected:?}"));
        let long = "u".repeat(LONGEST_TEXT + 1);
        for none in ["", "[]", r#"{"request":{"uid":1}}"#, &format!(r#"{{"request":{{"uid":"{long}"}}}}"#)] {
            assert_eq!(of(none), format!("{:?}", Subject::default()), "{none:.80}");
        }
    }
}
