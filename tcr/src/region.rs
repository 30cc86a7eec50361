//! Names of Tencent Cloud's regions, such as `ap-guangzhou` or `ap-shanghai-fsi`.

/// The longest name that is taken for one.
const LONGEST: usize = 32;

/// Whether the text has the form of a region's name: two letters, and words after hyphens.
pub fn is_region(text: &str) -> bool {
    let mut parts = text.split('-');
    let is_word = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase());
    text.len() <= LONGEST
        && parts.next().is_some_and(|area| area.len() == 2 && is_word(area))
        && parts.clone().next().is_some()
        && parts.all(is_word)
}

/// The region of an availability zone, whose name is the region's, a hyphen and a number; none for any other
/// text.
pub fn region_of_zone(text: &str) -> Option<&str> {
    let (region, number) = text.rsplit_once('-')?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    (is_number && is_region(region)).then_some(region)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_is_two_letters_and_words() {
        for region in ["ap-guangzhou", "ap-shanghai-fsi", "na-siliconvalley"] {
            assert!(is_region(region), "{region}");
        }
        for other in ["", "ap", "ap-", "gz", "Ap-guangzhou", "ap-guangzhou-3", "ap-guang zhou", "<html>"] {
            assert!(!is_region(other), "{other}");
        }
    }

    #[test]
    fn a_zone_is_a_region_and_a_number() {
        assert_eq!(region_of_zone("ap-guangzhou-3"), Some("ap-guangzhou"));
        assert_eq!(region_of_zone("ap-guangzhou"), None);
        assert_eq!(region_of_zone("guangzhou-3"), None);
    }
}
