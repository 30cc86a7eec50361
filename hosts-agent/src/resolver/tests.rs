use super::*;

fn entry(ip: &str, domain: &str) -> HostsEntry {
    HostsEntry::new(domain, ip, false).unwrap()
}

#[test]
fn every_entry_of_a_merged_file_is_found() {
    let entries = [entry("10.0.0.2", "a.com"), entry("fd00::2", "a.com"), entry("10.0.0.3", "b.com")];
    let entries: Vec<_> = entries.iter().collect();
    let file = block::merge(b"127.0.0.1 localhost\r\n\xff\x00 x", &entries);
    assert_eq!(view(&file, &entries), View::default());
}

#[test]
fn comments_fragments_and_other_addresses_do_not_count() {
    let wanted = entry("10.0.0.2", "a.com");
    for (file, found) in [
        ("10.0.0.2 a.com", true),
        ("\t10.0.0.2\tx  A.Com # y\r\n", true),
        ("10.0.0.2 b.com a.com", true),
        ("#10.0.0.2 a.com", false),
        ("10.0.0.2 #a.com", false),
        ("10.0.0.2 a.co", false),
        ("10.0.0.20 a.com", false),
        ("a.com 10.0.0.2", false),
        ("10.0.0.2", false),
    ] {
        assert_eq!(view(file.as_bytes(), &[&wanted]).missing.is_empty(), found, "{file}");
    }
}

#[test]
fn an_own_line_with_another_address_is_a_conflict() {
    let entries = [entry("10.0.0.2", "a.com"), entry("10.0.0.3", "b.com")];
    let entries: Vec<_> = entries.iter().collect();
    let file =
        block::merge(b"127.0.0.1 localhost\n# 1.1.1.1 a.com\n9.9.9.9 x A.com\n10.0.0.3 b.com\n", &entries);
    let expected = [Conflict { line: 3, ip: "9.9.9.9".parse().unwrap(), domain: "a.com".to_owned() }];
    assert_eq!(view(&file, &entries).conflicts.first, expected);
}

#[test]
fn a_line_of_others_shadows_where_it_comes_before_the_lists() {
    let entries = [entry("10.0.0.2", "a.com"), entry("10.0.0.3", "b.com"), entry("10.0.0.4", "c.com")];
    let entries: Vec<_> = entries.iter().collect();
    let before = b"9.9.9.9 a.com\n8.8.8.8 a.com\n10.0.0.3 b.com\n9.9.9.9 b.com\n";
    let file = [&block::merge(before, &entries)[..], b"9.9.9.9 c.com\n"].concat();
    let View { conflicts, shadows, .. } = view(&file, &entries);
    assert_eq!(shadows, [Conflict { line: 1, ip: "9.9.9.9".parse().unwrap(), domain: "a.com".to_owned() }]);
    assert_eq!(conflicts.count, 4);
}

#[test]
fn a_file_full_of_conflicts_costs_no_memory() {
    let wanted = entry("10.0.0.2", "a.com");
    let file = "9.9.9.9 a.com\n".repeat(100_000);
    let Conflicts { first, count } = view(file.as_bytes(), &[&wanted]).conflicts;
    assert_eq!((first.len(), count), (TOLD, 100_000));
}
