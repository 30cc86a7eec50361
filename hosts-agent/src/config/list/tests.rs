use proptest::prelude::*;

use super::*;

fn entry() -> impl Strategy<Value = HostsEntry> {
    let domain = "[a-z]{1,3}(\\.[a-z0-9]{1,3}){0,2}|no|1\\.5e3|r[0-9]\\.tencentcloudcr\\.com";
    let ip = "10\\.0\\.0\\.[0-9]|fd00::[0-9a-f]?";
    let when = prop_oneof![Just(None), Just(Some(WhenLinkDown::Keep)), Just(Some(WhenLinkDown::Remove))];
    let vpc_id = prop::option::of("vpc-[a-z0-9]{1,8}");
    let parts = (domain, ip, any::<bool>(), vpc_id, when);
    parts.prop_filter_map("a good entry", |(domain, ip, disabled, vpc_id, when)| {
        let mut entry = HostsEntry::new(&domain, &ip, disabled).ok()?;
        if let Some(vpc_id) = vpc_id {
            entry = entry.of_vpc(&vpc_id).ok()?;
        }
        Some(match when {
            None => entry,
            Some(when) => entry.of_link(when),
        })
    })
}

proptest! {
    #[test]
    fn what_the_controller_writes_is_read_alike_either_way(entries in prop::collection::vec(entry(), 1..5)) {
        let list = HostsList::new(entries).unwrap();
        let text = list.to_yaml();
        prop_assert_eq!(yaml(&text).ok(), Some(list.clone()));
        prop_assert_eq!(written_by_controller(&text), Some(list));
    }

    /// Also when somebody has changed a byte of it.
    #[test]
    fn no_text_is_read_in_two_ways(
        entries in prop::collection::vec(entry(), 1..4),
        place in any::<prop::sample::Index>(),
        by in prop_oneof!["[a-z0-9 #:.\"-]", Just("\n".to_owned()), Just("\r\n".to_owned()), Just(String::new())],
    ) {
        let mut text = HostsList::new(entries).unwrap().to_yaml();
        let place = place.index(text.len());
        text.replace_range(place..=place, &by);
        if let Some(list) = written_by_controller(&text) {
            prop_assert_eq!(yaml(&text).ok(), Some(list));
        }
    }
}
