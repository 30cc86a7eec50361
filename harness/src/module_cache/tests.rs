use super::*;

#[test]
fn a_kept_module_is_found_and_a_damaged_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let cache = ModuleCache::at(&folder.path().join("modules")).unwrap();
    let engine = Engine::default();
    let module = Module::new(&engine, "(module (memory (export \"memory\") 1))").unwrap();
    let digest = "sha256:00";
    assert!(cache.load(&engine, digest).is_none());
    cache.store(&engine, digest, &module);
    assert!(cache.load(&engine, digest).unwrap().get_export("memory").is_some());

    let path = cache.path(&engine, digest);
    let mut bytes = fs::read(&path).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&path, &bytes).unwrap();
    assert!(cache.load(&engine, digest).is_none());
    fs::write(&path, b"short").unwrap();
    assert!(cache.load(&engine, digest).is_none());
}

#[test]
fn another_configuration_has_files_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let cache = ModuleCache::at(folder.path()).unwrap();
    let mut config = wasmtime::Config::new();
    config.epoch_interruption(true);
    let other = Engine::new(&config).unwrap();
    assert_ne!(cache.path(&Engine::default(), "sha256:00"), cache.path(&other, "sha256:00"));
}

#[test]
fn the_folder_is_its_owners_alone() {
    let folder = tempfile::tempdir().unwrap();
    let at = |mode| {
        let path = folder.path().join(format!("{mode:o}"));
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        ModuleCache::at(&path).map(|_| fs::metadata(&path).unwrap().permissions().mode() & 0o777)
    };
    assert_eq!(at(0o755).unwrap(), 0o700);
    assert_eq!(at(0o777).unwrap_err().to_string(), "others may write to it: give it mode 0700 and empty it");
}
