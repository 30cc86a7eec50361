//! What holds of the merge for every hosts file, whatever happened to it. The fuzzer looks for one for which it does
//! not; the agent's tests put the committed corpus to it, and what becomes of it when somebody cuts and repeats.

use hosts_agent::block::{State, is_owned, merge, state};
use tcr::hosts_entry::HostsEntry;

/// So many names of one registry's address.
pub(crate) fn entries(count: usize) -> Vec<HostsEntry> {
    let entry =
        |number| HostsEntry::new(&format!("r{number}.tencentcloudcr.com"), "10.0.0.5", false).unwrap();
    (0..count).map(entry).collect()
}

pub(crate) fn merged(old: &[u8], entries: &[HostsEntry]) -> Vec<u8> {
    merge(old, &entries.iter().collect::<Vec<_>>())
}

/// The lines of others, with their newlines.
pub(crate) fn foreign(file: &[u8]) -> Vec<&[u8]> {
    let own = |line: &[u8]| is_owned(line.strip_suffix(b"\n").unwrap_or(line));
    file.split_inclusive(|byte| *byte == b'\n').filter(|line| !own(line)).collect()
}

/// Panics where a rule does not hold.
pub(crate) fn check(old: &[u8]) {
    let six = HostsEntry::new("six.tencentcloudcr.com", "fd00::5", false).unwrap();
    let lists = [entries(1), entries(3), vec![six]];
    let removed = merged(old, &[]);
    assert_eq!(state(&removed), State::Absent, "something of ours is left");
    assert_eq!(merged(&removed, &[]), removed, "removing twice");
    for list in &lists {
        let new = merged(old, list);
        assert_eq!(state(&new), State::Intact(list.clone()), "the block is not whole");
        assert_eq!(merged(&new, list), new, "merging twice");
        assert_eq!(merged(&merged(old, &lists[0]), list), new, "by way of another list");
        assert_eq!(merged(&new, &[]), removed, "removing gives another file back");
        // A final newline may be ours; every other byte of others is there, in its order.
        let (theirs, kept) = (foreign(old).concat(), foreign(&new).concat());
        assert!(kept == theirs || trimmed(&kept) == trimmed(&theirs), "others' bytes");
    }
    if state(old) == State::Absent {
        assert_eq!(removed, old, "a file without our lines changes");
    }
}

fn trimmed(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|byte| *byte != b'\n').map_or(0, |last| last + 1);
    &bytes[..end]
}
