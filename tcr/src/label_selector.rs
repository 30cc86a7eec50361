//! Label selectors, with the semantics of `k8s.io/apimachinery`.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::object_name::{label_key_problem, label_value_problem};
use crate::quoted::quoted;

/// Selects objects by their labels: all of `matchLabels` and all of `matchExpressions` must hold.
/// An empty selector selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(transform = crate::schema::object, extend("x-kubernetes-map-type" = "atomic")))]
pub struct LabelSelector {
    /// Labels that the object must have, with these values.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub match_labels: BTreeMap<String, String>,
    /// Conditions that the object's labels must meet.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub match_expressions: Vec<Requirement>,
}

/// A condition on one label.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(transform = crate::schema::object, extend("required" = ["key", "operator"])))]
pub struct Requirement {
    /// The label's key.
    pub key: String,
    /// How the label relates to `values`.
    pub operator: Operator,
    /// Some values for In and NotIn, none for Exists and DoesNotExist.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
}

/// How a label relates to the values of a [`Requirement`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Operator {
    /// The label is there, with one of the values.
    In,
    /// The label has none of the values, or is not there.
    NotIn,
    /// The label is there.
    Exists,
    /// The label is not there.
    DoesNotExist,
    /// Something else, as it was given: it selects nothing, and [`LabelSelector::check`] says so.
    Unknown(String),
}

impl LabelSelector {
    /// Whether an object with these labels is selected. A requirement that Kubernetes would refuse
    /// (see [`LabelSelector::check`]) selects nothing.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.matches_values(|key| labels.get(key).map(String::as_str))
    }

    /// The same of an object whose labels are kept in another form; `value` gives the value of a key.
    pub fn matches_values<'a>(&self, value: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.match_labels.iter().all(|(key, wanted)| value(key) == Some(wanted))
            && self.match_expressions.iter().all(|requirement| requirement.matches(value(&requirement.key)))
    }

    /// Whether everything is selected, whatever its labels.
    pub fn is_empty(&self) -> bool {
        self.match_labels.is_empty() && self.match_expressions.is_empty()
    }

    /// Everything that Kubernetes would refuse, each with its field and value; empty when the
    /// selector is valid.
    pub fn check(&self) -> Vec<String> {
        self.problems().into_iter().map(|(field, message)| format!("{field}: {message}")).collect()
    }

    /// As [`LabelSelector::check`], the field (relative to the selector) apart from the message.
    pub(crate) fn problems(&self) -> Vec<(String, String)> {
        let mut problems = Vec::new();
        for (key, value) in &self.match_labels {
            if let Some(problem) = label_key_problem(key) {
                problems.push(("matchLabels".to_owned(), format!("the key {} {problem}", quoted(key))));
            }
            if let Some(problem) = label_value_problem(value) {
                let message = format!("{}, the value of {}, {problem}", quoted(value), quoted(key));
                problems.push(("matchLabels".to_owned(), message));
            }
        }
        for (index, requirement) in self.match_expressions.iter().enumerate() {
            requirement.problems(&format!("matchExpressions[{index}]"), &mut problems);
        }
        problems
    }
}

impl Requirement {
    fn matches(&self, value: Option<&str>) -> bool {
        let is_one_of_values = || value.is_some_and(|value| self.values.iter().any(|it| it == value));
        match self.operator {
            Operator::In => is_one_of_values(),
            Operator::NotIn => !self.values.is_empty() && !is_one_of_values(),
            Operator::Exists => self.values.is_empty() && value.is_some(),
            Operator::DoesNotExist => self.values.is_empty() && value.is_none(),
            Operator::Unknown(_) => false,
        }
    }

    fn problems(&self, field: &str, problems: &mut Vec<(String, String)>) {
        if let Some(problem) = label_key_problem(&self.key) {
            problems.push((format!("{field}.key"), format!("{} {problem}", quoted(&self.key))));
        }
        match (&self.operator, self.values.is_empty()) {
            (Operator::In | Operator::NotIn, true) => {
                let message = format!("is empty, and {} needs at least one value", self.operator);
                problems.push((format!("{field}.values"), message));
            }
            (Operator::Exists | Operator::DoesNotExist, false) => {
                let message = format!("must be left out, {} takes no values", self.operator);
                problems.push((format!("{field}.values"), message));
            }
            (Operator::Unknown(unknown), _) => {
                let message = format!("{} is not one of In, NotIn, Exists, DoesNotExist", quoted(unknown));
                problems.push((format!("{field}.operator"), message));
            }
            _ => {}
        }
        for (index, value) in self.values.iter().enumerate() {
            if let Some(problem) = label_value_problem(value) {
                problems.push((format!("{field}.values[{index}]"), format!("{} {problem}", quoted(value))));
            }
        }
    }
}

impl Default for Operator {
    /// What an absent operator reads as: unknown, because Kubernetes requires one.
    fn default() -> Self {
        Self::Unknown(String::new())
    }
}

impl From<String> for Operator {
    fn from(name: String) -> Self {
        match name.as_str() {
            "In" => Self::In,
            "NotIn" => Self::NotIn,
            "Exists" => Self::Exists,
            "DoesNotExist" => Self::DoesNotExist,
            _ => Self::Unknown(name),
        }
    }
}

impl From<Operator> for String {
    fn from(operator: Operator) -> String {
        operator.to_string()
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::In => "In",
            Self::NotIn => "NotIn",
            Self::Exists => "Exists",
            Self::DoesNotExist => "DoesNotExist",
            Self::Unknown(name) => name,
        })
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Operator {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Operator".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "enum": ["In", "NotIn", "Exists", "DoesNotExist"] })
    }
}

#[cfg(test)]
mod tests;
