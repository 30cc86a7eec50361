use super::*;

const ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2));

fn links(is_written: bool, now: Instant) -> Links {
    let mut links = Links::new(Duration::from_secs(60));
    links.follow(&[(ADDRESS, is_written)].into(), now);
    links
}

/// Plays answers (`+`, `-`), each when it is due, and shows after each the second and the standing.
fn play(is_written: bool, answers: &str) -> String {
    let start = Instant::now();
    let mut links = links(is_written, start);
    let mut shown = Vec::new();
    for answer in answers.chars() {
        let now = links.next().unwrap();
        assert_eq!(links.due(now), [ADDRESS]);
        links.answered(ADDRESS, answer == '+', now);
        let second = (now - start).as_secs();
        shown.push(format!("{second}{answer}{:?}", links.standing(ADDRESS)));
    }
    shown.join(" ")
}

#[test]
fn a_new_address_is_taken_with_its_first_answer() {
    assert_eq!(play(false, "--+"), "0-Untried 5-Untried 10+Up");
    assert_eq!(play(true, "+"), "0+Up");
}

#[test]
fn one_that_is_written_goes_down_only_after_failing_three_times_in_a_row() {
    assert_eq!(play(true, "--+--"), "0-Up 5-Up 10+Up 70-Up 75-Up");
    assert_eq!(play(true, "---+"), "0-Up 5-Up 10-Down 15+Up");
}

#[test]
fn looks_become_rarer_while_it_is_away_and_never_than_the_interval() {
    assert_eq!(play(true, "--------"), "0-Up 5-Up 10-Down 15-Down 25-Down 45-Down 85-Down 145-Down");
}

#[test]
fn each_fall_asks_for_a_longer_time_of_answers() {
    let second = "---+---";
    assert_eq!(
        play(true, &format!("{second}+++")),
        "0-Up 5-Up 10-Down 15+Up 75-Up 80-Up 85-Down 90+Down 95+Down 100+Up"
    );
    assert_eq!(hold(3), Duration::from_secs(20));
    assert_eq!(hold(4), Duration::from_secs(40));
    assert_eq!(hold(1000), LONGEST_HOLD);
}

#[test]
fn an_answer_too_few_does_not_count() {
    let shown = play(true, "---+---+-+");
    assert!(shown.ends_with("90+Down 95-Down 100+Down"), "{shown}");
}

#[test]
fn a_link_that_was_steady_begins_anew() {
    let answers = format!("---+---+++{}---+", "+".repeat(31));
    let shown = play(true, &answers);
    assert!(shown.ends_with("Down 2035+Up"), "{shown}");
}

#[test]
fn addresses_that_are_no_longer_listed_are_forgotten() {
    let now = Instant::now();
    let mut links = links(true, now);
    links.follow(&BTreeMap::new(), now);
    assert_eq!(links.next(), None);
    links.answered(ADDRESS, true, now);
    assert_eq!(links.standing(ADDRESS), Standing::Untried);
}

#[test]
fn only_a_link_that_is_down_is_a_matter_of_choice() {
    use Standing::{Down, Untried, Up};
    use WhenLinkDown::{Keep, Remove};
    for (standing, keep, remove) in [(Untried, false, false), (Up, true, true), (Down, true, false)] {
        assert_eq!((is_carried(standing, Keep), is_carried(standing, Remove)), (keep, remove));
    }
}
