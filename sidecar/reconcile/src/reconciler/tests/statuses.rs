//! When a status is written, and what it says of failures.

use super::*;

#[test]
fn a_status_is_written_at_most_once_a_second_while_there_is_work() {
    let mut world = World::new(false);
    let names: Vec<String> = (0..40).map(|index| format!("ns-{index:02}")).collect();
    world.step(names.iter().map(|name| namespace(name)).chain([applied(docker("demo", "a"))]));
    let (mut written, mut effects) = (Vec::new(), world.effects(lists()));
    while let Some(next) = effects.pop() {
        world.pass(Duration::from_millis(100));
        let input = match next {
            Effect::RunJob(job) => {
                let secret = world.secret("demo");
                report(&job.namespace, vec![secret], Ended::Done)
            }
            Effect::WriteStatus { name, status } => {
                written.push(world.now.monotonic - world.started);
                Input::StatusWritten { name, status, result: Ok(()) }
            }
            _ => continue,
        };
        let more = world.effects([input]);
        effects.extend(more);
    }
    // The last one tells that all is done, and waits for nothing.
    written.pop();
    let is_often = written.windows(2).any(|pair| pair[1] - pair[0] < Duration::from_millis(900));
    assert!(written.len() > 1 && !is_often, "{written:?}");
}

#[test]
fn a_status_that_failed_is_written_again_later_and_not_at_once() {
    for refused in [Refused::Failed, Refused::NotFound, Refused::Conflict] {
        let mut world = World::ready(false, docker("demo", "a"));
        let secret = world.secret("demo");
        world.step([report("shop", vec![secret], Ended::Done)]);
        let status = Arc::default();
        let failed = Input::StatusWritten { name: "demo".to_owned(), status, result: Err(refused) };
        assert_eq!(world.step([failed]), Vec::<String>::new());
        world.pass(Duration::from_secs(5));
        assert!(world.wake.is_some_and(|at| at <= world.now.monotonic));
        assert_eq!(world.step([]), ["status of demo: Ready True Ready"]);
    }
}

#[test]
fn a_failed_write_is_in_the_status_until_one_succeeds() {
    let mut world = World::ready(false, docker("demo", "a"));
    let failed = FailedWrite {
        kind: TargetKind::Secret,
        name: "tcr.ipsdemo".to_owned(),
        image_pull_secrets: vec!["demo".to_owned()],
        message: "exceeded quota".to_owned(),
        is_quota: true,
    };
    let (looked, written, took) = (Vec::new(), Vec::new(), Duration::ZERO);
    let (namespace, failed, ended) = ("shop".into(), vec![failed], Ended::Done);
    world.check(
        [Input::JobEnded(Report { namespace, looked, written, failed, ended, took })],
        expect![[r#"
            log Secret shop/tcr.ipsdemo: exceeded quota, new: true
            Event on demo: WritesFailed cannot write Secret shop/tcr.ipsdemo: exceeded quota; trying again, everything else goes on
            list stored credentials"#]],
    );
    world.pass(Duration::from_secs(2));
    let status = Arc::default();
    let effects = world.effects([Input::StatusWritten { name: "demo".to_owned(), status, result: Ok(()) }]);
    let failures = effects.iter().find_map(|effect| match effect {
        Effect::WriteStatus { status, .. } => Some(status.failures.clone()),
        _ => None,
    });
    assert_eq!(failures.unwrap()[0].namespaced_name, "shop/tcr.ipsdemo");
}
