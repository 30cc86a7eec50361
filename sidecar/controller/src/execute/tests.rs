use super::*;

#[test]
fn a_refusal_is_kept_in_few_bytes_and_whole_characters() {
    assert_eq!(shortened("denied".to_owned()), "denied");
    let long = shortened("拒".repeat(LONGEST_MESSAGE));
    assert!(long.len() <= LONGEST_MESSAGE && long.chars().all(|it| it == '拒'), "{long}");
}
