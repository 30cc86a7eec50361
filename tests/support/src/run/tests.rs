use super::*;

/// The processes that carry the mark of the run in `folder`.
fn marked(folder: &Path) -> Vec<String> {
    let mark = format!("{MARK}={}", folder.display()).into_bytes();
    fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter(|entry| {
            let environ = fs::read(entry.path().join("environ")).unwrap_or_default();
            environ.split(|&byte| byte == 0).any(|variable| variable == mark)
        })
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

fn sh(run: &Run, name: &str, script: &str) -> Process {
    let mut command = run.command("sh");
    command.args(["-c", script]);
    run.start(name, command).unwrap()
}

fn wait(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(10), "timed out waiting for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_dropped_run_leaves_no_file_and_no_process_even_of_another_session() {
    let run = Run::new().unwrap();
    let folder = run.folder().to_owned();
    // The first ends at once and leaves one in a session of its own, as containerd leaves its shims.
    let left = sh(&run, "left", "setsid sleep 1000 & setsid sleep 1000 &");
    let _running = sh(&run, "running", "exec sleep 1000");
    wait("the first to end", || left.ended().is_some());
    wait("the three to run", || marked(&folder).len() == 3);
    drop(run);
    assert_eq!(marked(&folder), [""; 0]);
    assert!(!folder.exists());
}

#[test]
fn a_program_that_hides_its_environment_ends_with_the_run_too() {
    let run = Run::new().unwrap();
    let hidden = sh(&run, "hidden", "echo ready; exec env -u TCR_ASSISTANT_RUN sleep 1000");
    wait("it to be ready", || hidden.log().unwrap() == "ready\n");
    wait("its mark to be gone", || marked(run.folder()).is_empty());
    assert!(hidden.ended().is_none());
    drop(run);
    wait("it to end", || hidden.ended().is_some());
}

#[test]
fn a_run_that_was_killed_together_with_its_watchdog_is_removed_by_the_next() {
    let parent = tempfile::tempdir().unwrap();
    let abandoned = parent.path().join(format!("{PREFIX}abandoned"));
    fs::create_dir(&abandoned).unwrap();
    fs::write(abandoned.join("lock"), "").unwrap();
    let mut left = Command::new("sleep").arg("1000").env(MARK, &abandoned).spawn().unwrap();

    let run = Run::under(parent.path()).unwrap();
    assert!(!abandoned.exists());
    left.wait().unwrap();

    // One that is in use stays.
    let _other = Run::under(parent.path()).unwrap();
    assert!(run.folder().exists());
}

/// Gives `test` a run with one log, and says whether the log was kept.
fn keeps_its_logs(test: impl FnOnce(&Run) + Send + 'static) -> bool {
    let run = Run::new().unwrap();
    let (folder, kept) = (run.folder().to_owned(), run.kept_logs().unwrap());
    let tested = std::thread::spawn(move || {
        let talks = sh(&run, "talks", "echo the last words");
        wait("it to end", || talks.ended().is_some());
        assert!(run.log_tails().contains("talks.log\nthe last words\n"));
        test(&run);
    });
    let _ = tested.join();
    assert!(!folder.exists());
    if kept.exists() {
        assert_eq!(fs::read_to_string(kept.join("talks.log")).unwrap(), "the last words\n");
        fs::remove_dir_all(kept).unwrap();
        return true;
    }
    false
}

#[test]
fn a_run_keeps_its_logs_when_the_test_fails_and_only_then() {
    assert!(keeps_its_logs(|_| panic!("a failed test")));
    assert!(keeps_its_logs(Run::failed));
    assert!(!keeps_its_logs(|_| ()));
}

#[test]
fn a_process_can_be_killed_and_started_again_and_its_log_goes_on() {
    let run = Run::new().unwrap();
    let process = sh(&run, "process", "echo started; exec sleep 1000");
    let started =
        |times: usize| move |process: &Process| process.log().unwrap().matches("started").count() == times;
    wait("the first start", || started(1)(&process));
    assert!(process.start().unwrap_err().to_string().contains("it is running"));
    process.kill();
    assert_eq!(process.id(), None);
    process.start().unwrap();
    wait("the second start", || started(2)(&process));
}

#[tokio::test]
async fn a_process_that_ignores_the_request_to_stop_is_killed() {
    let run = Run::new().unwrap();
    let polite = sh(&run, "polite", "trap 'exit 3' TERM; echo ready; while :; do sleep 0.01; done");
    let stubborn = sh(&run, "stubborn", "trap '' TERM; echo ready; while :; do sleep 0.01; done");
    wait("both", || [&polite, &stubborn].iter().all(|process| process.log().unwrap() == "ready\n"));
    let status = polite.stop(Duration::from_secs(10)).await;
    assert_eq!(status.and_then(|status| status.code()), Some(3));
    assert_eq!(stubborn.stop(Duration::from_millis(100)).await, None);
    assert_eq!(stubborn.id(), None);
}
