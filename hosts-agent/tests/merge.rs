//! The merge on odd hosts files: those of the fuzzer's corpus, and what becomes of them when somebody
//! cuts, repeats and inserts. `tests/fuzz` looks for more.

use std::fs;
use std::path::Path;

use hosts_agent::block::{State, state};
use proptest::prelude::*;
use proptest::sample::Index;

#[path = "../../tests/fuzz/src/merge_oracle.rs"]
mod merge_oracle;

use merge_oracle::{check, entries, foreign, merged};

fn corpus() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fuzz/corpus/merge");
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())
        })
        .collect();
    files.sort();
    assert!(files.len() > 20, "the corpus is in the repository");
    files
}

#[test]
#[expect(clippy::print_stdout, reason = "a check that fails says for which file")]
fn every_file_of_the_corpus_keeps_what_is_not_ours() {
    for (name, file) in corpus() {
        println!("{name}");
        check(&file);
    }
}

#[test]
fn ten_megabytes_are_no_exception() {
    let mut file = Vec::new();
    for (_, part) in corpus().iter().cycle() {
        file.extend_from_slice(part);
        file.push(b'\n');
        if file.len() > 10 << 20 {
            break;
        }
    }
    let list = entries(2);
    let new = merged(&file, &list);
    assert_eq!(state(&new), State::Intact(list.clone()));
    assert_eq!(merged(&new, &list), new);
    assert_eq!(foreign(&merged(&new, &[])), foreign(&file));
}

/// What somebody does to a file.
#[derive(Clone, Debug)]
enum Edit {
    Cut(Index, Index),
    Repeat(Index, Index, Index),
    Insert(Index, Vec<u8>),
    Merge(usize),
}

fn edit() -> impl Strategy<Value = Edit> {
    let pieces = prop::sample::select(vec![
        b"\n".to_vec(),
        b"\r\n".to_vec(),
        b"\0".to_vec(),
        b"# BEGIN tcr-assistant hosts-updater".to_vec(),
        b"# END tcr-assistant hosts-updater\n".to_vec(),
        b" # tcr-assistant hosts-updater\n".to_vec(),
        b"10.0.0.5 r0.tencentcloudcr.com # tcr-assistant hosts-updater\n".to_vec(),
        b"10.0.0.6 theirs\n".to_vec(),
        b" newline=added\n".to_vec(),
    ]);
    prop_oneof![
        any::<(Index, Index)>().prop_map(|(from, to)| Edit::Cut(from, to)),
        any::<(Index, Index, Index)>().prop_map(|(from, to, at)| Edit::Repeat(from, to, at)),
        (any::<Index>(), prop_oneof![pieces, prop::collection::vec(any::<u8>(), 0..12)])
            .prop_map(|(at, bytes)| Edit::Insert(at, bytes)),
        (0..4usize).prop_map(Edit::Merge),
    ]
}

fn apply(file: &mut Vec<u8>, edit: &Edit) {
    let place = |index: &Index, file: &[u8]| index.index(file.len() + 1);
    match edit {
        Edit::Cut(from, to) => {
            let (from, to) = (place(from, file), place(to, file));
            file.drain(from.min(to)..from.max(to));
        }
        Edit::Repeat(from, to, at) => {
            let (from, to, at) = (place(from, file), place(to, file), place(at, file));
            let part = file[from.min(to)..from.max(to)].to_vec();
            file.splice(at..at, part);
        }
        Edit::Insert(at, bytes) => {
            let at = place(at, file);
            file.splice(at..at, bytes.iter().copied());
        }
        Edit::Merge(count) => *file = merged(file, &entries(*count)),
    }
}

proptest! {
    #[test]
    fn whatever_somebody_does_to_a_file(start in any::<Index>(), edits in prop::collection::vec(edit(), 0..8)) {
        let corpus = corpus();
        let (_, mut file) = corpus[start.index(corpus.len())].clone();
        for edit in &edits {
            apply(&mut file, edit);
        }
        check(&file);
    }
}
