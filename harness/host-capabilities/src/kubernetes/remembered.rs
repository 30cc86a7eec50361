//! Objects that were read some seconds ago. Pure: the time is the caller's.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::Get;

/// How long an object is remembered, as Kubewarden's hosts do.
const REMEMBERED: Duration = Duration::from_secs(5);
/// Objects at most, and their bytes.
const MOST_OBJECTS: usize = 2000;
const MOST_BYTES: usize = 8 << 20;

/// Answers by their questions.
#[derive(Default)]
pub(super) struct Remembered {
    objects: HashMap<Get, (Instant, Arc<Vec<u8>>)>,
    bytes: usize,
}

impl Remembered {
    pub(super) fn object(&self, get: &Get, now: Instant) -> Option<Arc<Vec<u8>>> {
        let (at, bytes) = self.objects.get(get)?;
        is_fresh(*at, now).then(|| bytes.clone())
    }

    /// Keeps an answer, unless there are too many that are not forgotten yet.
    pub(super) fn keep(&mut self, get: &Get, answer: &Arc<Vec<u8>>, now: Instant) {
        let is_full = |it: &Self| it.objects.len() >= MOST_OBJECTS || it.bytes + answer.len() > MOST_BYTES;
        if is_full(self) {
            self.objects.retain(|_, (at, _)| is_fresh(*at, now));
            self.bytes = self.objects.values().map(|(_, bytes)| bytes.len()).sum();
        }
        if !is_full(self) {
            let key = Get { disable_cache: false, ..get.clone() };
            self.bytes += answer.len();
            if let Some((_, before)) = self.objects.insert(key, (now, answer.clone())) {
                self.bytes -= before.len();
            }
        }
    }
}

fn is_fresh(at: Instant, now: Instant) -> bool {
    now.saturating_duration_since(at) < REMEMBERED
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FieldMasks;

    fn get(name: &str) -> Get {
        Get {
            api_version: "v1".into(),
            kind: "Namespace".into(),
            name: name.into(),
            namespace: None,
            disable_cache: true,
            field_masks: FieldMasks::everything(),
        }
    }

    fn asked(name: &str) -> Get {
        Get { disable_cache: false, ..get(name) }
    }

    #[test]
    fn an_object_is_remembered_for_five_seconds() {
        let (mut remembered, now) = (Remembered::default(), Instant::now());
        let answer = Arc::new(b"{}".to_vec());
        remembered.keep(&get("a"), &answer, now);
        assert_eq!(remembered.object(&asked("a"), now + REMEMBERED / 2), Some(answer));
        assert_eq!(remembered.object(&asked("a"), now + REMEMBERED), None);
        assert_eq!(remembered.object(&asked("b"), now), None);
    }

    #[test]
    fn what_is_remembered_is_bounded_in_bytes_and_in_number() {
        let (mut remembered, now) = (Remembered::default(), Instant::now());
        let large = Arc::new(vec![0; MOST_BYTES / 3]);
        for name in ["a", "b", "c", "d", "a"] {
            remembered.keep(&get(name), &large, now);
        }
        assert_eq!((remembered.objects.len(), remembered.bytes), (3, large.len() * 3));
        // Forgotten objects make room.
        remembered.keep(&get("e"), &large, now + REMEMBERED);
        assert_eq!((remembered.objects.len(), remembered.bytes), (1, large.len()));
        for number in 0..2 * MOST_OBJECTS {
            remembered.keep(&get(&number.to_string()), &Arc::new(Vec::new()), now + REMEMBERED);
        }
        assert_eq!(remembered.objects.len(), MOST_OBJECTS);
    }
}
