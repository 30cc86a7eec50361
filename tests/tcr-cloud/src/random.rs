//! Identifiers in the API's forms.

use jiff::Timestamp;
use sha2::{Digest, Sha256};

/// A stream of bytes from one seed: the operating system is asked once, where failing is still possible.
pub(crate) struct Random {
    seed: [u8; 32],
    drawn: u64,
}

impl Random {
    pub(crate) fn new() -> Result<Self, getrandom::Error> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed)?;
        Ok(Self { seed, drawn: 0 })
    }

    /// `COUNT` bytes that no one can foretell without the seed.
    pub(crate) fn bytes<const COUNT: usize>(&mut self) -> [u8; COUNT] {
        let mut bytes = [0; COUNT];
        for chunk in bytes.chunks_mut(32) {
            self.drawn += 1;
            let block =
                Sha256::new().chain_update(self.seed).chain_update(self.drawn.to_be_bytes()).finalize();
            chunk.copy_from_slice(&block[..chunk.len()]);
        }
        bytes
    }

    /// A version 4 UUID: the form of `RequestId`.
    pub(crate) fn uuid(&mut self) -> String {
        let mut bytes = self.bytes::<16>();
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let hex = hex(&bytes);
        format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    }

    /// Twenty characters of base32hex over four bytes of time and eight of chance: the form of
    /// `TokenId` (an xid), `ctrm3g86h7cp1kb7el2g`.
    pub(crate) fn xid(&mut self, now: Timestamp) -> String {
        let seconds = u32::try_from(now.as_second()).unwrap_or(0);
        let mut id = [0; 12];
        id[..4].copy_from_slice(&seconds.to_be_bytes());
        id[4..].copy_from_slice(&self.bytes::<8>());
        base32(b"0123456789abcdefghijklmnopqrstuv", &id)
    }

    /// The id of a key that nobody has.
    pub(crate) fn key_id(&mut self) -> String {
        key_id(&self.bytes())
    }
}

/// Twelve groups of four: the form of libtrust's key ids, which stand in the header of TCR's tokens. Of a key, the
/// bytes are the first of its SHA-256.
pub(crate) fn key_id(bytes: &[u8; 30]) -> String {
    let text = base32(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", bytes);
    let groups: Vec<&str> = (0..12).map(|group| &text[group * 4..group * 4 + 4]).collect();
    groups.join(":")
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Base 32 without padding, most significant bit first.
fn base32(alphabet: &[u8; 32], bytes: &[u8]) -> String {
    (0..(bytes.len() * 8).div_ceil(5))
        .map(|digit| {
            let bit = digit * 5;
            let high = u16::from(bytes[bit / 8]) << 8;
            let low = bytes.get(bit / 8 + 1).copied().map_or(0, u16::from);
            let value = ((high | low) >> (11 - bit % 8)) & 31;
            char::from(alphabet[usize::from(value)])
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base32_takes_bits_from_the_left() {
        // The sample id of the xid library's own tests.
        let bytes = [0x4d, 0x88, 0xe1, 0x5b, 0x60, 0xf4, 0x86, 0xe4, 0x28, 0x41, 0x2d, 0xc9];
        assert_eq!(base32(b"0123456789abcdefghijklmnopqrstuv", &bytes), "9m4e2mr0ui3e8a215n4g");
    }

    #[test]
    fn identifiers_have_their_forms_and_differ() {
        let mut random = Random::new().unwrap();
        assert_eq!(random.xid(Timestamp::UNIX_EPOCH).len(), 20);
        assert!(random.xid(Timestamp::UNIX_EPOCH).starts_with("000000"));
        let uuid = random.uuid();
        assert_eq!(uuid.len(), 36);
        assert_eq!(uuid.as_bytes()[14], b'4');
        assert_ne!(uuid, random.uuid());
        assert_eq!(random.key_id().split(':').filter(|group| group.len() == 4).count(), 12);
    }
}
