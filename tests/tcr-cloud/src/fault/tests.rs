//! Which call gets which fault.

use serde_json::json;

use super::*;

/// The faults that calls of `actions` get, in words.
fn fates(script: &mut Script, actions: &[&str]) -> Vec<Option<String>> {
    actions.iter().map(|action| script.take(action).fault.map(|fault| fault.to_string())).collect()
}

fn hits(script: &mut Script, action: &str, calls: usize) -> String {
    fates(script, &vec![action; calls]).iter().map(|hit| if hit.is_some() { 'x' } else { '.' }).collect()
}

#[test]
fn a_fault_without_a_number_strikes_for_ever() {
    let mut script = Script::default();
    script.add(Fault::dropped());
    assert_eq!(hits(&mut script, "A", 5), "xxxxx");
    script.clear();
    assert_eq!(hits(&mut script, "A", 5), ".....");
}

#[test]
fn skip_and_times_count_matching_calls_only() {
    let mut script = Script::default();
    script.add(Fault::dropped().on("A").skip(2).times(2));
    assert_eq!(hits(&mut script, "B", 3), "...");
    assert_eq!(hits(&mut script, "A", 6), "..xx..");
    assert!(script.faults().is_empty(), "what is used up is gone");
}

#[test]
fn a_call_takes_one_fault_and_the_next_call_the_next() {
    let mut script = Script::default();
    script.add(Fault::status(502).times(1));
    script.add(Fault::error("InternalError").times(1));
    assert_eq!(
        fates(&mut script, &["A", "A", "A"]),
        [
            Some("status 502 before the effect".to_owned()),
            Some("error InternalError before the effect".to_owned()),
            None
        ]
    );
}

#[test]
fn delays_add_up_and_join_any_fault() {
    let mut script = Script::default();
    script.add(Fault::delay(Duration::from_millis(20)).times(1));
    script.add(Fault::dropped().times(1));
    script.add(Fault::delay(Duration::from_millis(30)).times(1));
    let fate = script.take("A");
    assert_eq!(fate.delay_before, Duration::from_millis(50));
    assert!(!fate.lets_it_happen());
    assert!(script.faults().is_empty());
}

#[test]
fn faults_read_as_they_are_documented() {
    let read = |value| serde_json::from_value::<Fault>(value).unwrap();
    assert_eq!(
        read(json!({"action": "CreateInstanceToken", "times": 1, "when": "afterEffect", "kind": "drop"})),
        Fault::dropped().on("CreateInstanceToken").times(1).after_effect()
    );
    assert_eq!(read(json!({"kind": {"error": {"code": "InternalError"}}})), Fault::error("InternalError"));
    assert_eq!(read(json!({"kind": {"status": 502}})), Fault::status(502));
    assert_eq!(read(json!({"kind": {"delay": 5}})), Fault::delay(Duration::from_millis(5)));
    assert_eq!(
        read(json!({"action": "CreateInstanceToken", "kind": {"lie": {"field": "Token", "value": ""}}})),
        Fault::empty_token()
    );
}
