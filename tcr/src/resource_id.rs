//! Ids that Tencent Cloud gives: `tcr-dg284imq` to an instance, `vpc-12345678` to a VPC.

/// Longest part after the prefix: ids have eight characters, and nothing promises that.
const LONGEST: usize = 32;
/// Longest number of a replica's region: the largest one that is known has two digits.
const LONGEST_NUMBER: usize = 4;
/// An instance's id is the value of a label.
const LONGEST_LABEL: usize = 63;

/// Whether the text is an id: the prefix, and lower-case letters and digits. As plain YAML it is one word.
fn is_id(prefix: &str, text: &str) -> bool {
    text.strip_prefix(prefix).is_some_and(is_part)
}

fn is_part(text: &str) -> bool {
    let is_of_ids = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (1..=LONGEST).contains(&text.len()) && text.bytes().all(is_of_ids)
}

/// Whether the text is the id of an instance, or of a replica: the instance's id, the number of the replica's
/// region (`tcr-06d62e1r-5`), and in newer ones some more letters (`tcr-dg284imq-5-os5gcu`).
pub fn is_instance_id(text: &str) -> bool {
    let Some(id) = text.strip_prefix("tcr-") else { return false };
    text.len() <= LONGEST_LABEL
        && match id.split_once('-') {
            None => is_part(id),
            Some((main, replica)) => is_part(main) && is_replica(replica),
        }
}

/// Whether the text may follow an instance's id in a replica's id.
fn is_replica(text: &str) -> bool {
    let (region, is_fine) = match text.split_once('-') {
        None => (text, true),
        Some((region, rest)) => (region, is_part(rest)),
    };
    is_fine && is_part(region) && region.len() <= LONGEST_NUMBER && region.parse::<u16>().is_ok()
}

/// The instance of a replica: `tcr-06d62e1r` for `tcr-06d62e1r-5`; none for an instance that is no replica.
pub fn main_instance_id(replica: &str) -> Option<&str> {
    let (main, _) = replica.strip_prefix("tcr-")?.split_once('-')?;
    replica.get(.."tcr-".len() + main.len())
}

/// Whether the text is the id of a VPC.
pub fn is_vpc_id(text: &str) -> bool {
    is_id("vpc-", text)
}

/// The id of a VPC as the value of a flag.
///
/// # Errors
/// What such an id looks like.
pub fn vpc_id(text: &str) -> Result<String, &'static str> {
    match is_vpc_id(text) {
        true => Ok(text.to_owned()),
        false => Err("use the id of a VPC, such as vpc-12345678"),
    }
}
