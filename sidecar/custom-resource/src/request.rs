//! What people ask of the controller, by an annotation on an ImagePullSecret, and how it is answered in the status.
//!
//! The annotation is `rotate ID`, `revoke ID TOKEN`, or `instances ID REGION` (`*`: every region). An id is the time of
//! the asking and a number: `2026-01-31T12:00:00Z/0123456789abcdef`. Each is carried out once, and none that is older
//! than the last one, so that an annotation that some tool puts back does nothing.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tcr::shortened::shortened;

use crate::condition::RequestState;

/// Instances that an answer has at most: an object must stay small.
pub const MOST_INSTANCES: usize = 50;
/// Longest annotation that is looked at, in bytes.
const LONGEST: usize = 200;
/// Longest id of a credential; those of TCR have 20 characters.
const LONGEST_TOKEN_ID: usize = 64;
/// Longest part of an annotation that an answer repeats.
const SHOWN: usize = 60;

/// By which a request is known, and which of two is the newer one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RequestId {
    at: Timestamp,
    number: u64,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Another credential in the place of the one in use, which is deleted after its last copy.
    Rotate,
    /// A credential is to be deleted at once.
    Revoke {
        /// Its id at the registry.
        token_id: String,
    },
    /// Which instances the API credential can see.
    Instances {
        /// In this region; none for every region.
        region: Option<String>,
    },
}

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Which one.
    pub id: RequestId,
    /// What for.
    pub request: Request,
}

/// An annotation that is no request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// What stands where the id should be, or the beginning of the whole.
    pub id: String,
    /// What is wrong with it, and what to write.
    pub problem: String,
}

/// What came of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RequestStatus {
    /// The request's id, as in the annotation.
    pub id: String,
    /// `rotate`, `revoke` or `instances`; empty where the annotation cannot be read.
    pub action: String,
    /// Accepted, Making, Replacing, Revoking, and in the end Done, Failed or Refused.
    pub state: String,
    /// What happened, and what to do.
    pub message: String,
    /// The instances that the API credential can see, at most 50.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub instances: Vec<VisibleInstance>,
    /// How many more there are than are listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub more_instances: Option<i64>,
}

/// An instance that the API credential can see.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct VisibleInstance {
    /// `tcr-...`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The region it is in.
    pub region: String,
    /// `Running` when it can be used.
    pub status: String,
    /// Its default domain.
    pub domain: String,
}

impl RequestId {
    /// A request of this time, to the second.
    pub fn new(at: Timestamp, number: u64) -> Self {
        Self { at: Timestamp::from_second(at.as_second()).unwrap_or(at), number }
    }

    /// This one, or the next one after another that is not older: two may be of one second.
    #[must_use]
    pub fn after(self, other: Option<Self>) -> Self {
        match other.filter(|other| *other >= self) {
            Some(Self { at, number }) => Self { at, number: number.saturating_add(1) },
            None => self,
        }
    }

    /// When it was asked.
    pub fn at(self) -> Timestamp {
        self.at
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{:016x}", self.at, self.number)
    }
}

impl FromStr for RequestId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let form = "an id is TIME/NUMBER, such as 2026-01-31T12:00:00Z/0123456789abcdef";
        let (at, number) = text.split_once('/').ok_or(form)?;
        let id = Self {
            at: at.parse().map_err(|_| form)?,
            number: u64::from_str_radix(number, 16).map_err(|_| form)?,
        };
        // One text for one id, so that texts can be compared.
        if id.to_string() == text { Ok(id) } else { Err(form) }
    }
}

impl TryFrom<String> for RequestId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<RequestId> for String {
    fn from(id: RequestId) -> Self {
        id.to_string()
    }
}

impl Request {
    /// The word for it.
    pub fn action(&self) -> &'static str {
        match self {
            Self::Rotate => "rotate",
            Self::Revoke { .. } => "revoke",
            Self::Instances { .. } => "instances",
        }
    }

    /// Whether who keeps a credential carries it out.
    pub fn is_of_a_credential(&self) -> bool {
        matches!(self, Self::Rotate | Self::Revoke { .. })
    }
}

impl Asked {
    /// Reads an annotation.
    ///
    /// # Errors
    /// It is none of the three, or has something in it that no request has.
    pub fn parse(annotation: &str) -> Result<Self, Unreadable> {
        let words: Vec<&str> = annotation.split(' ').collect();
        let named = words.get(1).filter(|_| annotation.len() <= LONGEST).copied().unwrap_or(annotation);
        let unreadable = |problem: &str| Unreadable {
            id: shortened(named.replace(|c: char| c.is_control(), "?"), SHOWN),
            problem: format!("the annotation {}: {problem}", tcr::names::REQUEST_ANNOTATION),
        };
        if annotation.len() > LONGEST {
            return Err(unreadable("it is longer than any request"));
        }
        let (request, id) = match words[..] {
            ["rotate", id] => (Request::Rotate, id),
            ["revoke", id, token] => {
                token_id(token).map_err(unreadable)?;
                (Request::Revoke { token_id: token.to_owned() }, id)
            }
            ["instances", id, "*"] => (Request::Instances { region: None }, id),
            ["instances", id, name] => {
                region(name).map_err(unreadable)?;
                (Request::Instances { region: Some(name.to_owned()) }, id)
            }
            _ => {
                return Err(unreadable(
                    "it is none of \"rotate ID\", \"revoke ID TOKEN\", \"instances ID REGION\"",
                ));
            }
        };
        Ok(Self { id: id.parse().map_err(unreadable)?, request })
    }

    /// A status that says this much about it.
    pub fn status(&self, state: RequestState, message: impl Into<String>) -> RequestStatus {
        RequestStatus {
            id: self.id.to_string(),
            action: self.request.action().to_owned(),
            state: state.as_str().to_owned(),
            message: message.into(),
            ..RequestStatus::default()
        }
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.request.action(), self.id)?;
        match &self.request {
            Request::Rotate => Ok(()),
            Request::Revoke { token_id } => write!(f, " {token_id}"),
            Request::Instances { region } => write!(f, " {}", region.as_deref().unwrap_or("*")),
        }
    }
}

impl RequestStatus {
    /// Its state; none where another release wrote a word that this one does not know.
    pub fn state(&self) -> Option<RequestState> {
        RequestState::of(&self.state)
    }

    /// Whether nothing more will come of it.
    pub fn is_final(&self) -> bool {
        self.state().is_some_and(RequestState::is_final)
    }

    /// The answer with these instances, as many as a status holds.
    #[must_use]
    pub fn with_instances(mut self, mut instances: Vec<VisibleInstance>) -> Self {
        let more = instances.len().saturating_sub(MOST_INSTANCES);
        instances.truncate(MOST_INSTANCES);
        self.more_instances = i64::try_from(more).ok().filter(|more| *more > 0);
        self.instances = instances;
        self
    }
}

/// Whether it can be the id of a credential.
///
/// # Errors
/// What such an id looks like.
pub fn token_id(text: &str) -> Result<(), &'static str> {
    // The id of a token, or the name of a service account, `tcr$...`.
    let is_id = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '$');
    match (1..=LONGEST_TOKEN_ID).contains(&text.len()) && text.chars().all(is_id) {
        true => Ok(()),
        false => Err("the id of a credential has up to 64 letters, digits, and - _ . $ between them"),
    }
}

/// Whether it can be a region.
///
/// # Errors
/// What a region looks like.
pub fn region(text: &str) -> Result<(), &'static str> {
    match tcr::region::is_region(text) {
        true => Ok(()),
        false => Err("a region is a name such as ap-guangzhou"),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    #[track_caller]
    fn check(annotation: &str, expected: Expect) {
        expected.assert_eq(&match Asked::parse(annotation) {
            Ok(asked) => {
                assert_eq!(asked.to_string(), annotation, "it is written as it is read");
                format!("{:?}", asked.request)
            }
            Err(Unreadable { id, problem }) => format!("{id}: {problem}"),
        });
    }

    #[test]
    fn what_is_asked_is_read_and_nothing_else() {
        let id = "2026-01-31T12:00:00Z/0123456789abcdef";
        check(&format!("rotate {id}"), expect!["Rotate"]);
        check(
            &format!("revoke {id} ctrm3g86h7cp1kb7el2g"),
            expect![[r#"Revoke { token_id: "ctrm3g86h7cp1kb7el2g" }"#]],
        );
        check(
            &format!("instances {id} ap-guangzhou"),
            expect![[r#"Instances { region: Some("ap-guangzhou") }"#]],
        );
        check(&format!("instances {id} *"), expect!["Instances { region: None }"]);
        check(
            "",
            expect![[
                r#": the annotation tcr.tencentcloudcr.com/request: it is none of "rotate ID", "revoke ID TOKEN", "instances ID REGION""#
            ]],
        );
        check(
            "rotate",
            expect![[
                r#"rotate: the annotation tcr.tencentcloudcr.com/request: it is none of "rotate ID", "revoke ID TOKEN", "instances ID REGION""#
            ]],
        );
        check(
            &format!("destroy {id}"),
            expect![[
                r#"2026-01-31T12:00:00Z/0123456789abcdef: the annotation tcr.tencentcloudcr.com/request: it is none of "rotate ID", "revoke ID TOKEN", "instances ID REGION""#
            ]],
        );
        check(
            &format!("rotate {id} now"),
            expect![[
                r#"2026-01-31T12:00:00Z/0123456789abcdef: the annotation tcr.tencentcloudcr.com/request: it is none of "rotate ID", "revoke ID TOKEN", "instances ID REGION""#
            ]],
        );
        check(
            &format!("revoke {id} a/b"),
            expect![
                "2026-01-31T12:00:00Z/0123456789abcdef: the annotation tcr.tencentcloudcr.com/request: the id of a credential has up to 64 letters, digits, and - _ . $ between them"
            ],
        );
        check(
            &format!("instances {id} Guangzhou"),
            expect![
                "2026-01-31T12:00:00Z/0123456789abcdef: the annotation tcr.tencentcloudcr.com/request: a region is a name such as ap-guangzhou"
            ],
        );
        check(
            "rotate 2026-01-31T12:00:00Z/abc",
            expect![
                "2026-01-31T12:00:00Z/abc: the annotation tcr.tencentcloudcr.com/request: an id is TIME/NUMBER, such as 2026-01-31T12:00:00Z/0123456789abcdef"
            ],
        );
        check(
            "rotate yesterday",
            expect![
                "yesterday: the annotation tcr.tencentcloudcr.com/request: an id is TIME/NUMBER, such as 2026-01-31T12:00:00Z/0123456789abcdef"
            ],
        );
        check(
            &format!("rotate {}", "x".repeat(5000)),
            expect![
                "rotate xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...: the annotation tcr.tencentcloudcr.com/request: it is longer than any request"
            ],
        );
    }

    #[test]
    fn the_newer_of_two_requests_is_known_by_its_time() {
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        assert!(RequestId::new(at(2), 1) > RequestId::new(at(1), 9));
        assert!(RequestId::new(at(1), 2) > RequestId::new(at(1), 1));
        for (number, before) in [(1, Some(9)), (9, Some(9)), (10, Some(9)), (1, None)] {
            let before = before.map(|number| RequestId::new(at(1), number));
            assert!(Some(RequestId::new(at(1), number).after(before)) > before);
        }
    }

    #[test]
    fn an_answer_holds_no_more_instances_than_an_object_may() {
        let many = vec![VisibleInstance::default(); MOST_INSTANCES + 3];
        let answer = RequestStatus::default().with_instances(many);
        assert_eq!((answer.instances.len(), answer.more_instances), (MOST_INSTANCES, Some(3)));
        let few = RequestStatus::default().with_instances(vec![VisibleInstance::default()]);
        assert_eq!((few.instances.len(), few.more_instances), (1, None));
    }
}
