//! Ids that Tencent Cloud gives: `tcr-dg284imq` to an instance, `vpc-12345678` to a VPC.

/// Longest part after the prefix: ids have eight characters, and nothing promises that.
const LONGEST: usize = 32;

/// Whether it is an id: the prefix, and lower-case letters and digits. Plain YAML, and one word.
pub fn is_id(prefix: &str, text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    text.strip_prefix(prefix).is_some_and(|id| (1..=LONGEST).contains(&id.len()) && id.bytes().all(is_part))
}

/// Whether it is the id of a VPC.
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
