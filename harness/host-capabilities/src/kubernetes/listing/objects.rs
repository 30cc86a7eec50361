//! The kept part of a list.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::api_server::Failure;
use super::super::room::{Room, Share};
use crate::FieldMasks;

/// The most bytes of JSON that are kept of a list: a guest has room for no more.
const MOST_OF_A_LIST: usize = 32 << 20;
/// The bytes that an object takes besides its text: its name, and its entry.
const AN_OBJECT: usize = 100;

/// Objects in the order of their namespaces and names, pruned, as JSON.
pub(super) struct Objects {
    of_key: BTreeMap<(String, String), Box<str>>,
    share: Share,
}

impl Objects {
    pub(super) fn new(room: &Room) -> Self {
        Self { of_key: BTreeMap::new(), share: room.share() }
    }

    /// Whether that changes anything.
    pub(super) fn put(&mut self, object: Value, masks: &FieldMasks) -> Result<bool, Failure> {
        let key = key(&object);
        let pruned = masks.prune(object).to_string().into_boxed_str();
        let before = self.of_key.get(&key);
        if before == Some(&pruned) {
            return Ok(false);
        }
        let cost = |text: &str| text.len() + AN_OBJECT;
        let bytes = self.share.bytes() + cost(&pruned) - before.map_or(0, |before| cost(before));
        if bytes > MOST_OF_A_LIST {
            return Err(Failure::TooLarge(MOST_OF_A_LIST));
        }
        self.share.resize(bytes)?;
        self.of_key.insert(key, pruned);
        Ok(true)
    }

    pub(super) fn remove(&mut self, object: &Value) -> bool {
        let Some(removed) = self.of_key.remove(&key(object)) else { return false };
        // Less always fits.
        let _ = self.share.resize(self.share.bytes() - removed.len() - AN_OBJECT);
        true
    }

    pub(super) fn text(&self, kind: &str) -> Vec<u8> {
        let mut text = Vec::with_capacity(self.share.bytes() + 100);
        text.extend_from_slice(br#"{"apiVersion":"v1","kind":"#);
        text.extend_from_slice(Value::from(format!("{kind}List")).to_string().as_bytes());
        text.extend_from_slice(br#","metadata":{},"items":["#);
        for (index, object) in self.of_key.values().enumerate() {
            if index > 0 {
                text.push(b',');
            }
            text.extend_from_slice(object.as_bytes());
        }
        text.extend_from_slice(b"]}");
        text
    }
}

fn key(object: &Value) -> (String, String) {
    let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
    (text("namespace"), text("name"))
}
