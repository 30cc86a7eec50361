use expect_test::expect;

use super::*;

const WASM: &[u8] = b"\0asm\x01\0\0\0";

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::at(&folder.path().join("store"));
    (folder, store)
}

#[test]
fn a_policy_lies_where_its_uri_says() {
    let (_folder, store) = store();
    assert_eq!(store.list().unwrap(), Vec::<String>::new());
    let path = store.write("registry://r.example:5000/a/b:v1", WASM).unwrap();
    assert!(path.ends_with("store/registry/r.example:5000/a/b:v1"), "{path:?}");
    store.write("registry://r.example:5000/a/c", WASM).unwrap();
    store.write("https://h.example/p.wasm?token=x", WASM).unwrap();
    expect![[r#"
        [
            "https://h.example/p.wasm",
            "registry://r.example:5000/a/b:v1",
            "registry://r.example:5000/a/c:latest",
        ]
    "#]]
    .assert_debug_eq(&store.list().unwrap());
    assert_eq!(store.read("registry://r.example:5000/a/c").unwrap().as_deref(), Some(WASM));
    assert_eq!(store.read("registry://r.example:5000/a/d").unwrap(), None);
}

#[test]
fn what_is_removed_leaves_no_empty_folder() {
    let (_folder, store) = store();
    store.write("registry://r.example/a/b:v1", WASM).unwrap();
    store.write("registry://r.example/c:v1", WASM).unwrap();
    store.remove("registry://r.example/a/b:v1").unwrap();
    assert!(!store.root.join("registry/r.example/a").exists());
    store.remove("registry://r.example/c:v1").unwrap();
    assert!(!store.root.join("registry").exists());
    let unknown = store.remove("registry://r.example/c:v1").unwrap_err().to_string();
    assert!(unknown.starts_with("Cannot find policy"), "{unknown}");
}

#[test]
fn no_uri_leaves_the_store() {
    let (_folder, store) = store();
    for uri in [
        "registry://../../x:v1",
        "registry://h/../../x",
        "registry://h//x",
        "https://h/.",
        "https://h",
        "file:///etc/passwd",
        "/etc/passwd",
        "registry://h/a\0b",
    ] {
        assert!(matches!(store.write(uri, WASM), Err(StoreError::Uri { .. })), "{uri}");
    }
}

#[test]
fn a_digests_beginning_names_one_policy() {
    let (_folder, store) = store();
    store.write("registry://h/a:v1", WASM).unwrap();
    store.write("registry://h/b:v1", b"\0asm\x01\0\0\0\0\x02\x01x").unwrap();
    let digest = hex::encode(&Sha256::digest(WASM));
    assert_eq!(store.by_digest(&digest[..6]).unwrap(), "registry://h/a:v1");
    assert!(matches!(store.by_digest("zz"), Err(StoreError::Unknown(_))));
    assert!(matches!(store.by_digest(""), Err(StoreError::Several { .. })));
}

#[test]
fn what_is_saved_is_loaded_into_another_store() {
    let (_folder, one) = store();
    let (_other_folder, other) = store();
    let uris = ["https://h/a.wasm".to_owned(), "registry://h:1/b/c:v1".to_owned()];
    uris.iter().for_each(|uri| drop(one.write(uri, WASM).unwrap()));
    let mut archive = Vec::new();
    one.save(&uris, &mut archive).unwrap();
    assert_eq!(other.load(&archive[..]).unwrap(), uris);
    assert_eq!(other.list().unwrap(), uris);
    let gone = one.save(&["https://h/none.wasm".to_owned()], Vec::new()).unwrap_err().to_string();
    assert!(gone.contains("Cannot find policy \"https://h/none.wasm\""), "{gone}");
}

/// An archive with one entry of that name, which no builder would write.
fn with_entry(name: &str, kind: tar::EntryType, content: &[u8]) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(kind);
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    header.set_cksum();
    let gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut builder = tar::Builder::new(gzip);
    builder.append(&header, content).unwrap();
    builder.into_inner().unwrap().finish().unwrap()
}

#[test]
fn an_archive_puts_nothing_elsewhere() {
    let (_folder, store) = store();
    let file = tar::EntryType::Regular;
    for (name, kind, content) in [
        ("../escaped", file, WASM),
        ("registry/../../escaped", file, WASM),
        ("/registry/h/a", file, WASM),
        ("other/h/a", file, WASM),
        ("registry/h/a", tar::EntryType::Symlink, &b""[..]),
        ("registry/h/a", file, b"text"),
    ] {
        let refused = store.load(&with_entry(name, kind, content)[..]);
        assert!(matches!(refused, Err(ArchiveError::Entry { .. })), "{name}: {refused:?}");
    }
    assert!(store.load(&b"no archive"[..]).is_err());
    assert!(!store.root.exists());
    assert_eq!(store.load(&with_entry("registry/h/a:v1", file, WASM)[..]).unwrap(), ["registry://h/a:v1"]);
}
