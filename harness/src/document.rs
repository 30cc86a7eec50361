//! Texts that people write, YAML or JSON, one or several documents, as JSON with the order kept.
//!
//! JSON is taken as it is written. YAML is read as `kubectl` reads it (YAML 1.1: `0644` is octal).

use std::fmt;

use serde::de::{DeserializeOwned, MapAccess, SeqAccess, Visitor};
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// Why a text is neither YAML nor JSON.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// It begins as JSON does, and goes wrong.
    #[error("not JSON: {0}")]
    NotJson(String),
    /// The text is not YAML.
    #[error("not YAML: {0}")]
    NotYaml(String),
}

/// A YAML document, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    json: String,
    is_yaml: bool,
}

impl Document {
    /// The document as JSON; byte for byte the author's when it was JSON.
    pub fn json(&self) -> &str {
        &self.json
    }

    /// Whether its author wrote YAML.
    pub fn is_yaml(&self) -> bool {
        self.is_yaml
    }
}

/// Reads all documents of a text; empty ones are left out.
///
/// # Errors
/// When the text is neither YAML nor JSON.
pub fn read(text: &str) -> Result<Vec<Document>, DocumentError> {
    if text.trim_start().starts_with(['{', '[']) {
        let documents = serde_json::Deserializer::from_str(text).into_iter::<&RawValue>();
        return documents
            .map(|document| {
                let json = document.map_err(|error| DocumentError::NotJson(error.to_string()))?;
                Ok(Document { json: json.get().to_owned(), is_yaml: false })
            })
            .collect();
    }
    let trees: Vec<Tree> = serde_saphyr::from_str_multiple_with_options(text, options())
        .map_err(|error| DocumentError::NotYaml(reason(&error)))?;
    trees
        .iter()
        .map(|tree| {
            let json = serde_json::to_string(tree);
            let json = json.map_err(|error| DocumentError::NotYaml(error.to_string()))?;
            Ok(Document { json, is_yaml: true })
        })
        .collect()
}

/// Reads YAML of a form that is known beforehand.
pub(crate) fn from_yaml<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_saphyr::from_str_with_options(text, options()).map_err(|error| reason(&error))
}

/// A field that is written with nothing behind it (`rules:`) is as if it were not there.
pub(crate) fn null_is_empty<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Default + Deserialize<'de>,
    D: Deserializer<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

fn options() -> serde_saphyr::Options {
    serde_saphyr::options! { with_snippet: false, legacy_octal_numbers: true }
}

fn reason(error: &serde_saphyr::Error) -> String {
    error.render_with_formatter(&serde_saphyr::UserMessageFormatter)
}

/// The kind of a JSON value, in words.
pub fn kind_of(json: &str) -> &'static str {
    match json.trim_start().as_bytes().first() {
        Some(b'{') => "a map",
        Some(b'[') => "a list",
        Some(b'"') => "a text",
        Some(b't' | b'f') => "true or false",
        Some(b'n') => "null",
        Some(_) => "a number",
        None => "nothing",
    }
}

/// Renders JSON for people, its members in their order: YAML, or JSON on several lines.
pub fn render(json: &str, as_yaml: bool) -> String {
    // A value that no tree can hold (a number such as 1e400) is shown unchanged.
    let rendered = serde_json::from_str::<Tree>(json).ok().and_then(|tree| match as_yaml {
        true => serde_saphyr::to_string(&tree).ok(),
        false => serde_json::to_string_pretty(&tree).ok().map(|text| text + "\n"),
    });
    rendered.unwrap_or_else(|| format!("{json}\n"))
}

/// A value whose maps keep their order.
enum Tree {
    Null,
    Bool(bool),
    Number(serde_json::Number),
    Text(String),
    List(Vec<Tree>),
    Map(Vec<(String, Tree)>),
}

impl Serialize for Tree {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Number(value) => value.serialize(serializer),
            Self::Text(value) => serializer.serialize_str(value),
            Self::List(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                items.iter().try_for_each(|item| list.serialize_element(item))?;
                list.end()
            }
            Self::Map(members) => {
                let mut map = serializer.serialize_map(Some(members.len()))?;
                members.iter().try_for_each(|(key, value)| map.serialize_entry(key, value))?;
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value that JSON can hold")
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_none<E>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Tree, D::Error> {
        Tree::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Tree, E> {
        Ok(Tree::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Tree, E> {
        let number = serde_json::Number::from_f64(value);
        number.map(Tree::Number).ok_or_else(|| E::custom("JSON has no such number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Tree, E> {
        Ok(Tree::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Tree, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Tree::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Tree::Map(members))
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn json(text: &str) -> Vec<String> {
        read(text).unwrap().into_iter().map(|document| document.json).collect()
    }

    #[test]
    fn several_documents_keep_their_order_and_that_of_their_members() {
        assert_eq!(
            json("---\nz: 1\na: {y: null, b: [x, 1.5, true]}\n---\n# empty\n---\nmode: 0644\n"),
            [r#"{"z":1,"a":{"y":null,"b":["x",1.5,true]}}"#, r#"{"mode":420}"#]
        );
    }

    #[test]
    fn json_is_taken_as_it_is_written() {
        assert_eq!(json("{\"a\": 1e400}\n {\"b\":[ ]}"), ["{\"a\": 1e400}", "{\"b\":[ ]}"]);
    }

    #[test]
    fn says_where_a_text_goes_wrong() {
        expect!["not JSON: expected `,` or `}` at line 1 column 8"]
            .assert_eq(&read("{\"a\":1 2}").unwrap_err().to_string());
        assert!(read("a: [1\nb: 2").unwrap_err().to_string().starts_with("not YAML: "));
        assert_eq!(json("just words"), [r#""just words""#]);
    }

    #[test]
    fn renders_for_people() {
        expect![[r#"
            z: 1
            a:
            - b: x
        "#]]
        .assert_eq(&render(r#"{"z":1,"a":[{"b":"x"}]}"#, true));
        expect![[r#"
            {
              "z": 1
            }
        "#]]
        .assert_eq(&render(r#"{"z":1}"#, false));
        assert_eq!(render("{\"z\":1e400}", true), "{\"z\":1e400}\n");
    }
}
