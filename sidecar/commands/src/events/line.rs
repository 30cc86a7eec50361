//! One Event.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Event;
use schemars::JsonSchema;
use serde::Serialize;
use tcr::names::{IMAGE_PULL_SECRET_KIND, derived_secret_name};

use crate::age::age;

/// An Event. With `-o json` each is one document, in a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// When it happened last, as RFC 3339.
    pub last_seen: Option<String>,
    /// `Normal` or `Warning`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Why, in one word.
    pub reason: String,
    /// The kind of the object.
    pub object_kind: String,
    /// The object's namespace; none where it has none.
    pub namespace: Option<String>,
    /// The object's name.
    pub name: String,
    /// What happened, and what to do.
    pub message: String,
    /// How often.
    pub count: i32,
}

impl Line {
    /// The printed part of an Event.
    pub fn of(event: Event) -> Self {
        let series = event.series.as_ref();
        let last_seen = series
            .and_then(|series| Some(series.last_observed_time.as_ref()?.0))
            .or(event.last_timestamp.map(|it| it.0))
            .or(event.event_time.map(|it| it.0))
            .or(event.metadata.creation_timestamp.map(|it| it.0));
        let object = event.involved_object;
        Self {
            last_seen: last_seen.map(|at| at.to_string()),
            kind: event.type_.unwrap_or_default(),
            reason: event.reason.unwrap_or_default(),
            object_kind: object.kind.unwrap_or_default(),
            namespace: object.namespace.filter(|it| !it.is_empty()),
            name: object.name.unwrap_or_default(),
            message: event.message.unwrap_or_default(),
            count: event.series.and_then(|it| it.count).or(event.count).unwrap_or(1),
        }
    }

    /// Whether it is about the ImagePullSecret, or names it or its Secret.
    pub fn is_about(&self, image_pull_secret: Option<&str>) -> bool {
        let Some(wanted) = image_pull_secret else { return true };
        let is_it = self.object_kind == IMAGE_PULL_SECRET_KIND && self.name == wanted;
        let words = || self.message.split(|c: char| !(c.is_alphanumeric() || matches!(c, '-' | '.')));
        let secret = derived_secret_name(wanted);
        is_it
            || (self.object_kind != IMAGE_PULL_SECRET_KIND
                && words().any(|word| word == wanted || word == secret))
    }

    /// The line for people, with its age at this time.
    pub fn text(&self, now: Timestamp) -> String {
        let at = self.last_seen.as_deref().and_then(|at| at.parse::<Timestamp>().ok());
        let age = at.map_or_else(|| "?".to_owned(), |at| age(at, now));
        let place = self.namespace.as_ref().map(|it| format!("{it}/")).unwrap_or_default();
        let object = format!("{} {place}{}", self.object_kind, self.name);
        let times = if self.count > 1 { format!(" ({} times)", self.count) } else { String::new() };
        format!("{age:<6} {:<8} {:<22} {object}: {}{times}", self.kind, self.reason, self.message)
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use serde_json::{Value, json};

    use super::*;

    fn event(extra: Value) -> Line {
        let mut whole = json!({
            "metadata": {"name": "x", "namespace": "default"}, "type": "Warning", "reason": "Conflict",
            "involvedObject": {"kind": "ImagePullSecret", "name": "demo"}, "message": "it is somebody else's",
            "eventTime": "2026-01-01T00:00:00.000000Z",
        });
        whole.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        Line::of(serde_json::from_value(whole).unwrap())
    }

    #[track_caller]
    fn check(extra: Value, expected: Expect) {
        let now = "2026-01-01T03:00:00Z".parse().unwrap();
        expected.assert_eq(&event(extra).text(now));
    }

    #[test]
    fn an_event_is_a_line_with_its_last_time() {
        check(
            json!({}),
            expect!["3h     Warning  Conflict               ImagePullSecret demo: it is somebody else's"],
        );
        let series = json!({"count": 7, "lastObservedTime": "2026-01-01T02:59:00.000000Z"});
        let pod = json!({"kind": "Pod", "namespace": "shop", "name": "web"});
        check(
            json!({"series": series, "involvedObject": pod}),
            expect!["60s    Warning  Conflict               Pod shop/web: it is somebody else's (7 times)"],
        );
    }

    #[test]
    fn of_one_image_pull_secret_there_is_what_names_it_and_nothing_else() {
        assert!(event(json!({})).is_about(Some("demo")));
        assert!(!event(json!({})).is_about(Some("other")));
        assert!(!event(json!({"message": "as other"})).is_about(Some("other")), "it is about demo");
        let pod = json!({"kind": "Pod", "namespace": "shop", "name": "web"});
        let of_pod = |message: &str| event(json!({"involvedObject": pod, "message": message}));
        assert!(of_pod("it lacks tcr.ipsdemo: delete it").is_about(Some("demo")));
        assert!(of_pod("ImagePullSecret demo excludes it").is_about(Some("demo")));
        assert!(!of_pod("it lacks tcr.ipsdemo-2: delete it").is_about(Some("demo")));
    }
}
