use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;

fn entry(ip: &str, domain: &str) -> HostsEntry {
    HostsEntry::new(domain, ip, false).unwrap()
}

fn demo() -> Vec<HostsEntry> {
    vec![entry("10.0.0.2", "demo.tencentcloudcr.com"), entry("fd00::2", "demo-vpc.tencentcloudcr.com")]
}

fn merged(old: &[u8], entries: &[HostsEntry]) -> Vec<u8> {
    let entries: Vec<_> = entries.iter().collect();
    let new = merge(old, &entries);
    assert_eq!(Found::new(old).merge(&entries).is_change(), new != old);
    // Wherever what is read at a time ends.
    for window in [1, 16, 1 << 16] {
        let mut copied = Vec::new();
        copy::in_windows(window, &mut &*old, &mut copied, &entries).unwrap();
        assert_eq!(copied, new, "{window} bytes at a time");
    }
    new
}

fn removed(old: &[u8]) -> Vec<u8> {
    merged(old, &[])
}

/// What becomes of a file, with the state of the old one; bytes that do not print are escaped.
fn check(old: &[u8], expect: Expect) {
    let state = match state(old) {
        State::Intact(entries) => format!("Intact({})", entries.len()),
        other => format!("{other:?}"),
    };
    let new = merged(old, &[entry("10.0.0.2", "a.com")]);
    let shown: String = new
        .split_inclusive(|byte| *byte == b'\n')
        .map(|line| match line.strip_suffix(b"\n") {
            Some(line) => format!("{}\n", line.escape_ascii()),
            None => format!("{} (no newline)", line.escape_ascii()),
        })
        .collect();
    expect.assert_eq(&format!("{state}\n{shown}"));
    assert_eq!(merged(&new, &[entry("10.0.0.2", "a.com")]), new, "the second time nothing changes");
}

#[test]
fn a_new_block_comes_last() {
    check(
        b"127.0.0.1 localhost\n",
        expect![[r#"
        Absent
        127.0.0.1 localhost
        # BEGIN tcr-assistant hosts-updater checksum=f245885c81326e04
        10.0.0.2 a.com # tcr-assistant hosts-updater
        # END tcr-assistant hosts-updater
    "#]],
    );
    check(
        b"",
        expect![[r#"
        Absent
        # BEGIN tcr-assistant hosts-updater checksum=f245885c81326e04
        10.0.0.2 a.com # tcr-assistant hosts-updater
        # END tcr-assistant hosts-updater
    "#]],
    );
}

#[test]
fn a_file_without_a_final_newline_gets_it_for_as_long_as_the_block_is_there() {
    check(
        b"127.0.0.1 localhost",
        expect![[r#"
        Absent
        127.0.0.1 localhost
        # BEGIN tcr-assistant hosts-updater checksum=64c52b5026ab4773 newline=added
        10.0.0.2 a.com # tcr-assistant hosts-updater
        # END tcr-assistant hosts-updater
    "#]],
    );
    let with_block = merged(b"127.0.0.1 localhost", &demo());
    assert_eq!(removed(&with_block), b"127.0.0.1 localhost");
    let and_more = [with_block.as_slice(), b"10.1.1.1 more\n"].concat();
    assert_eq!(removed(&and_more), b"127.0.0.1 localhost\n10.1.1.1 more\n");
}

#[test]
fn crlf_nul_and_invalid_utf8_stay() {
    check(
        b"127.0.0.1 localhost\r\n\x00\xff\xfe\r\n",
        expect![[r#"
        Absent
        127.0.0.1 localhost\r
        \x00\xff\xfe\r
        # BEGIN tcr-assistant hosts-updater checksum=f245885c81326e04
        10.0.0.2 a.com # tcr-assistant hosts-updater
        # END tcr-assistant hosts-updater
    "#]],
    );
}

#[test]
fn the_block_stays_where_it_is() {
    let old = [merged(b"1.1.1.1 before\n", &demo()).as_slice(), b"2.2.2.2 after\n"].concat();
    check(
        &old,
        expect![[r#"
        Intact(2)
        1.1.1.1 before
        # BEGIN tcr-assistant hosts-updater checksum=f245885c81326e04
        10.0.0.2 a.com # tcr-assistant hosts-updater
        # END tcr-assistant hosts-updater
        2.2.2.2 after
    "#]],
    );
}

#[test]
fn a_begin_without_an_end_swallows_nothing() {
    check(
        b"1.1.1.1 a\n# BEGIN tcr-assistant hosts-updater checksum=0000000000000000\n2.2.2.2 b\n3.3.3.3 c\n",
        expect![[r#"
            Damaged
            1.1.1.1 a
            # BEGIN tcr-assistant hosts-updater checksum=f245885c81326e04
            10.0.0.2 a.com # tcr-assistant hosts-updater
            # END tcr-assistant hosts-updater
            2.2.2.2 b
            3.3.3.3 c
        "#]],
    );
}

#[test]
fn a_torn_block_swallows_nothing() {
    let whole = merged(b"1.1.1.1 a\n", &demo());
    for cut in 0..whole.len() {
        let torn = [&whole[..cut], b"\n2.2.2.2 b\n"].concat();
        let new = removed(&torn);
        assert!(new.starts_with(&whole[..cut.min(10)]), "{}", new.escape_ascii());
        assert!(new.ends_with(b"2.2.2.2 b\n"), "{}", new.escape_ascii());
        assert_eq!(state(&merged(&torn, &demo())), State::Intact(demo()));
    }
}

#[test]
fn copies_nests_and_stray_ends_become_one_block() {
    let block = merged(b"", &demo());
    let line = |text: &str| text.as_bytes().to_vec();
    check(
        &[
            line("# END tcr-assistant hosts-updater\n"),
            line("1.1.1.1 a\n"),
            block.clone(),
            line("2.2.2.2 b\n"),
            line("# BEGIN tcr-assistant hosts-updater checksum=1\n"),
            block.clone(),
            line("3.3.3.3 c\n"),
            line("# END tcr-assistant hosts-updater\n"),
        ]
        .concat(),
        expect![[r#"
            Damaged
            # BEGIN tcr-assistant hosts-updater checksum=f245885c81326e04
            10.0.0.2 a.com # tcr-assistant hosts-updater
            # END tcr-assistant hosts-updater
            1.1.1.1 a
            2.2.2.2 b
            3.3.3.3 c
        "#]],
    );
}

#[test]
fn what_others_write_into_the_block_is_theirs() {
    let text = String::from_utf8(merged(b"1.1.1.1 a\n", &demo())).unwrap();
    let edited = text
        .replace("demo.tencentcloudcr.com #", "demo.tencentcloudcr.com mine #")
        .replace("# END", "2.2.2.2 b\n# END");
    check(
        edited.as_bytes(),
        expect![[r#"
        Damaged
        1.1.1.1 a
        # BEGIN tcr-assistant hosts-updater checksum=f245885c81326e04
        10.0.0.2 a.com # tcr-assistant hosts-updater
        # END tcr-assistant hosts-updater
        10.0.0.2 demo.tencentcloudcr.com mine # tcr-assistant hosts-updater
        2.2.2.2 b
    "#]],
    );
}

#[test]
fn another_address_in_our_line_is_found_by_the_checksum_and_undone() {
    let text = String::from_utf8(merged(b"1.1.1.1 a\n", &[entry("10.0.0.2", "a.com")])).unwrap();
    let edited = text.replace("10.0.0.2", "10.9.9.9");
    assert_eq!(state(edited.as_bytes()), State::Damaged);
    assert_eq!(merged(edited.as_bytes(), &[entry("10.0.0.2", "a.com")]), text.as_bytes());
}

#[test]
fn a_block_that_somebody_converted_to_crlf_is_still_ours() {
    let text = String::from_utf8(merged(b"1.1.1.1 a\n", &demo())).unwrap().replace('\n', "\r\n");
    assert_eq!(state(text.as_bytes()), State::Damaged);
    assert_eq!(removed(text.as_bytes()), b"1.1.1.1 a\r\n");
}

#[test]
fn lines_that_only_resemble_ours_are_others() {
    for line in [
        "# BEGIN tcr-assistant hosts-updaters",
        " # BEGIN tcr-assistant hosts-updater",
        "# END tcr-assistant hosts-updater.",
        "10.0.0.2 a.com b.com # tcr-assistant hosts-updater",
        "10.0.0.2 # tcr-assistant hosts-updater",
        "127.0.0.1 localhost # tcr-assistant hosts-updater",
        "a.com # tcr-assistant hosts-updater",
        "# 10.0.0.2 a.com # tcr-assistant hosts-updater",
        "10.0.0.2 a.com # tcr-assistant hosts-updater 2",
    ] {
        assert!(!is_owned(line.as_bytes()), "{line}");
        assert_eq!(removed(format!("{line}\n").as_bytes()), format!("{line}\n").as_bytes());
    }
}

#[test]
fn ten_megabytes_come_back() {
    let line = b"10.1.2.3 some-host.example.com some-host # a comment\n";
    let old: Vec<u8> = line.iter().copied().cycle().take(10 << 20).collect();
    let new = merged(&old, &demo());
    assert!(new.starts_with(&old));
    assert_eq!(removed(&new), old);
}

/// Files of others: anything at all, lines of a hosts file, and lines that resemble ours.
fn foreign() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40),
        "[0-9]{1,3}\\.0\\.0\\.1 [a-z]{1,8}(\\.com)?( #.*)?\r?\n?".prop_map(String::into_bytes),
        "(# )?(BEGIN|END) tcr-assistant hosts-updater[a-z]\n".prop_map(String::into_bytes),
        Just(b"10.0.0.2 a.com other # tcr-assistant hosts-updater\n".to_vec()),
    ];
    prop::collection::vec(line, 0..8)
        .prop_map(|lines| lines.concat())
        .prop_filter("has lines of ours", |file| state(file) == State::Absent)
}

/// Any pieces of blocks among any lines of others.
fn wild() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        foreign(),
        list().prop_map(|entries| merged(b"", &entries)),
        list().prop_map(|entries| merged(b"x", &entries)),
        (list(), any::<prop::sample::Index>(), any::<prop::sample::Index>()).prop_map(|(entries, a, b)| {
            let block = merged(b"", &entries);
            let (a, b) = (a.index(block.len()), b.index(block.len()));
            block[a.min(b)..a.max(b)].to_vec()
        }),
        Just(b"\n".to_vec()),
        Just(format!("{BEGIN} checksum=0123456789abcdef newline=added\n").into_bytes()),
        Just(format!("{END}\r\n").into_bytes()),
    ];
    prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

fn list() -> impl Strategy<Value = Vec<HostsEntry>> {
    let entry = ("[a-z]{1,6}(-[a-z]{1,3})?\\.com", 1..=254_u8).prop_map(|(domain, last)| {
        entry(&if last % 2 == 0 { format!("10.0.0.{last}") } else { format!("fd00::{last:x}") }, &domain)
    });
    prop::collection::vec(entry, 1..5)
}

/// The lines that are not ours, by the plainest reading of the rule.
fn foreign_lines(file: &[u8]) -> Vec<&[u8]> {
    file.split(|byte| *byte == b'\n').filter(|line| !line.is_empty() && !is_owned(line)).collect()
}

proptest! {
    #[test]
    fn removing_gives_back_every_byte(old in foreign(), a in list(), b in list()) {
        prop_assert_eq!(removed(&merged(&old, &a)), old.clone());
        prop_assert_eq!(removed(&merged(&merged(&old, &a), &b)), old);
    }

    #[test]
    fn the_last_list_wins_whatever_was_there(old in wild(), a in list(), b in list()) {
        prop_assert_eq!(merged(&merged(&old, &a), &b), merged(&old, &b));
        prop_assert_eq!(removed(&removed(&old)), removed(&old));
    }

    #[test]
    fn the_result_has_one_intact_block_with_the_list(old in wild(), entries in list()) {
        let new = merged(&old, &entries);
        prop_assert_eq!(state(&new), State::Intact(entries));
        prop_assert_eq!(state(&removed(&new)), State::Absent);
    }

    #[test]
    fn lines_of_others_keep_their_bytes_and_their_order(old in wild(), entries in list()) {
        for new in [merged(&old, &entries), removed(&old)] {
            prop_assert_eq!(foreign_lines(&new), foreign_lines(&old));
        }
    }

    #[test]
    fn what_others_add_around_the_block_survives(before in foreign(), after in foreign(), a in list(), b in list()) {
        let old = [merged(&before, &a), after.clone()].concat();
        let new = merged(&old, &b);
        prop_assert!(new.starts_with(&before));
        prop_assert!(new.ends_with(&after));
    }
}
