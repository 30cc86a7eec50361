use expect_test::{Expect, expect};
use serde_json::json;

use super::*;

/// An agent's Pod on the node `node-NAME`, whose annotation says `told`.
fn pod(name: &str, told: Option<&str>) -> Pod {
    serde_json::from_value(json!({
        "metadata": {"name": name, "annotations": told.map(|told| json!({tcr::names::HOSTS_GENERATION_ANNOTATION: told}))},
        "spec": {"nodeName": format!("node-{name}"), "containers": [{"name": "a", "ports": [{"name": "metrics", "containerPort": 19617}]}]},
        "status": {"podIP": "10.0.0.1", "containerStatuses": [{"name": "a", "image": "", "imageID": "", "ready": true, "restartCount": 0, "state": {"running": {}}}]},
    }))
    .unwrap()
}

fn answer(generation: &str) -> Answer {
    let confinement = Confinement::Landlock;
    Answer {
        generation: generation.to_owned(),
        withheld: 0,
        confinement,
        vpc_id: None,
        faults: BTreeSet::new(),
    }
}

struct Story {
    agents: Agents,
    start: Instant,
    now: Instant,
}

impl Story {
    /// Agents of these names, none of which was told anything.
    fn of(names: &[&str]) -> Self {
        let now = Instant::now();
        let mut agents = Agents::new(now);
        agents.pod_changed(Event::Init, now);
        for name in names {
            agents.pod_changed(Event::InitApply(pod(name, None)), now);
        }
        agents.pod_changed(Event::InitDone, now);
        Self { agents, start: now, now }
    }

    fn list(&mut self, generation: &str) -> String {
        shown(self.agents.list_changed(Some(generation.to_owned()), self.now))
    }

    /// Waits until a round is due, in which these agents answer.
    fn round(&mut self, answers: &[(&str, &str)]) -> String {
        self.now = self.agents.due();
        let at = self.now.duration_since(self.start).as_millis();
        let Some(asked) = self.agents.begin(self.now) else { return format!("{at} ms: nobody is asked") };
        let answers =
            answers.iter().map(|(name, generation)| ((*name).to_owned(), answer(generation))).collect();
        let mut round = self.agents.answered(&asked, &answers, None);
        let nudges = shown(std::mem::take(&mut round.nudges));
        let ready: Vec<&str> = round.ready.iter().map(|(_, node)| node.as_str()).collect();
        let ready = ready.join(",");
        let released = round.ready.iter().map(|(agent, _)| agent.clone()).collect();
        let told = match self.agents.finish(round, Some(released), self.now) {
            Some(nodes) => format!("{} of {}, {} silent", nodes.current, nodes.desired, nodes.silent),
            None => "nothing new".to_owned(),
        };
        format!("{at} ms: nudge [{nudges}], ready [{ready}], {told}")
    }
}

fn shown(nudges: impl IntoIterator<Item = Nudge>) -> String {
    let nudges = nudges.into_iter().map(|it| format!("{} with {}", it.pods.join(","), it.annotation));
    nudges.collect::<Vec<_>>().join("; ")
}

#[track_caller]
fn check(told: &[String], expected: Expect) {
    expected.assert_eq(&told.join("\n"));
}

#[test]
fn nobody_is_asked_before_it_is_known_which_list_there_is() {
    let mut story = Story::of(&["a"]);
    let rounds = [story.round(&[]), story.round(&[])];
    check(
        &rounds,
        expect![[r#"
        500 ms: nobody is asked
        120500 ms: nobody is asked"#]],
    );
}

#[test]
fn all_are_nudged_at_once_and_asked_until_they_have_the_list() {
    let mut story = Story::of(&["a", "b"]);
    let told = [
        story.list("11"),
        story.round(&[("a", "11")]),
        story.round(&[("a", "11"), ("b", "11")]),
        story.round(&[("a", "11"), ("b", "11")]),
    ];
    check(
        &told,
        expect![[r#"
        a,b with 11
        0 ms: nudge [b with 11], ready [node-a], 1 of 2, 1 silent
        500 ms: nudge [], ready [node-b], 2 of 2, 0 silent
        120500 ms: nudge [], ready [], nothing new"#]],
    );
}

#[test]
fn those_that_stay_behind_are_nudged_again_in_three_rounds_and_asked_ever_later() {
    let mut story = Story::of(&["a"]);
    let mut told = vec![story.list("22")];
    story.agents.pod_changed(Event::Apply(pod("a", Some("22"))), story.now);
    told.extend((0..7).map(|_| story.round(&[("a", "11")])));
    check(
        &told,
        expect![[r#"
        a with 22
        0 ms: nudge [], ready [], 0 of 1, 0 silent
        500 ms: nudge [], ready [], nothing new
        1500 ms: nudge [a with 22.3], ready [], nothing new
        3500 ms: nudge [a with 22.4], ready [], nothing new
        7500 ms: nudge [a with 22.5], ready [], nothing new
        15500 ms: nudge [], ready [], nothing new
        31500 ms: nudge [], ready [], nothing new"#]],
    );
}

#[test]
fn without_a_list_a_node_is_ready_once_its_agent_answers() {
    let mut story = Story::of(&["a"]);
    let told = [story.list(""), story.round(&[]), story.round(&[("a", "")])];
    check(
        &told,
        expect![[r#"

        0 ms: nudge [], ready [], nothing new
        500 ms: nudge [], ready [node-a], nothing new"#]],
    );
}

#[test]
fn a_new_agent_is_asked_soon_and_its_node_is_ready_for_itself() {
    let mut story = Story::of(&["a"]);
    let mut told = vec![story.list("11"), story.round(&[("a", "11")])];
    story.agents.pod_changed(Event::Apply(pod("b", None)), story.now);
    told.push(story.round(&[("a", "11")]));
    story.agents.pod_changed(Event::Delete(pod("b", None)), story.now);
    story.agents.pod_changed(Event::Apply(pod("b", None)), story.now);
    told.push(story.round(&[("a", "11"), ("b", "11")]));
    check(
        &told,
        expect![[r#"
        a with 11
        0 ms: nudge [], ready [node-a], 1 of 1, 0 silent
        500 ms: nudge [b with 11], ready [], 1 of 2, 1 silent
        1000 ms: nudge [], ready [node-b], 2 of 2, 0 silent"#]],
    );
}

#[test]
fn a_taint_that_could_not_be_taken_off_is_tried_again_soon() {
    let mut story = Story::of(&["a"]);
    story.list("11");
    let asked = story.agents.begin(story.now).unwrap();
    let answers = BTreeMap::from([("a".to_owned(), answer("11"))]);
    let round = story.agents.answered(&asked, &answers, Some(1));
    assert_eq!(round.ready, [("a".to_owned(), "node-a".to_owned())]);
    story.agents.finish(round, Some(Vec::new()), story.now);
    assert_eq!(story.agents.due() - story.now, BEHIND.wait(0));
    let round = story.agents.answered(&asked, &answers, Some(1));
    assert_eq!(round.ready.len(), 1);
    // Nothing is to be taken off where the controller may not.
    story.agents.finish(round, None, story.now);
    assert_eq!(story.agents.due() - story.now, SETTLED);
}

#[test]
fn nodes_that_do_not_resolve_are_counted_by_why_and_named_in_order() {
    let agents: Vec<String> = (0..7).rev().map(|number| format!("pod-{number}")).collect();
    let names: Vec<&str> = agents.iter().map(String::as_str).collect();
    let mut story = Story::of(&names);
    story.list("aa");
    let asked = story.agents.begin(story.now).unwrap();
    let faulty = |faults: &[Fault]| Answer { faults: faults.iter().copied().collect(), ..answer("aa") };
    let mut answers: BTreeMap<String, Answer> =
        agents.iter().map(|name| (name.clone(), faulty(&[Fault::Shadowed]))).collect();
    answers.insert("pod-3".to_owned(), faulty(&[Fault::NotAsked, Fault::Shadowed]));
    answers.insert("pod-4".to_owned(), faulty(&[]));
    answers.remove("pod-5");
    let round = story.agents.answered(&asked, &answers, None);
    let told: Vec<String> = round
        .nodes
        .faults
        .iter()
        .map(|(fault, Affected { count, named })| format!("{fault:?} {count}: {}", named.join(",")))
        .collect();
    check(
        &told,
        expect![[r#"
            NotAsked 1: node-pod-3
            Shadowed 5: node-pod-0,node-pod-1,node-pod-2,node-pod-3,node-pod-6"#]],
    );
    let told = story.agents.finish(round, None, story.now).unwrap();
    assert_eq!(told.faults.len(), 2);
}

#[test]
fn the_vpcs_of_nodes_are_all_known_once_every_agent_has_told_its_own() {
    let mut story = Story::of(&["a", "b"]);
    let mut told = |answers: &[(&str, Option<&str>)]| {
        let answers = answers.iter().map(|(name, vpc_id)| {
            ((*name).to_owned(), Answer { vpc_id: vpc_id.map(str::to_owned), ..answer("") })
        });
        let NodeVpcs { vpc_ids, is_complete } = story.agents.vpcs(&answers.collect());
        format!("{vpc_ids:?} {is_complete}")
    };
    assert_eq!(told(&[]), "{} false");
    assert_eq!(told(&[("a", Some("vpc-a")), ("b", None), ("gone", Some("vpc-c"))]), r#"{"vpc-a"} false"#);
    assert_eq!(told(&[("b", Some("vpc-b"))]), r#"{"vpc-a", "vpc-b"} true"#);
    // Who is silent has not moved.
    assert_eq!(told(&[]), r#"{"vpc-a", "vpc-b"} true"#);
    story.agents.pod_changed(Event::Delete(pod("b", None)), story.now);
    let NodeVpcs { vpc_ids, is_complete } = story.agents.vpcs(&BTreeMap::new());
    assert_eq!((vpc_ids.into_iter().collect::<Vec<_>>(), is_complete), (vec!["vpc-a".to_owned()], true));
}
