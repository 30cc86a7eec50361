use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;

/// What each list selects of a few names.
fn check(lists: &[&str], expect: Expect) {
    let names = ["default", "kube-system", "team-a", "team-b", "team-a.ci"];
    let lines = lists.iter().map(|text| match text.parse::<NameList>() {
        Ok(list) => {
            let selected: Vec<_> =
                names.iter().filter(|name| list.selects(name)).map(|name| format!(" {name}")).collect();
            let marks =
                [(list.is_all(), " (all)"), (list.is_none(), " (none)"), (list.uses_underscore(), " (_)")];
            let marks: String = marks.iter().filter(|(is, _)| *is).map(|(_, mark)| *mark).collect();
            format!("{text:?} ={}{marks}\n", selected.concat())
        }
        Err(error) => format!("{error}\n"),
    });
    expect.assert_eq(&lines.collect::<String>());
}

#[test]
fn the_originals_lists_mean_what_they_meant() {
    check(
        &["*", "", "  ", "_", "default", "default,team-a", " default , team-a ", "default,", "nowhere"],
        expect![[r#"
            "*" = default kube-system team-a team-b team-a.ci (all)
            "" = default kube-system team-a team-b team-a.ci (all)
            "  " = default kube-system team-a team-b team-a.ci (all)
            "_" = default kube-system team-a team-b team-a.ci (all) (_)
            "default" = default
            "default,team-a" = default team-a
            " default , team-a " = default team-a
            "default," = default
            "nowhere" =
        "#]],
    );
}

#[test]
fn globs_and_exclusions_combine_in_any_order() {
    check(
        &[
            "team-*",
            "*-?",
            "team-?",
            "t*m-*",
            "**",
            "*,!kube-*",
            "!kube-*",
            "!kube-system, !default",
            "!team-b,team-*",
            "team-*,!*b",
            "! team-a",
            "*,default",
            "_,!default",
            "!_",
            "!*",
            "*.ci",
        ],
        expect![[r#"
            "team-*" = team-a team-b team-a.ci
            "*-?" = team-a team-b
            "team-?" = team-a team-b
            "t*m-*" = team-a team-b team-a.ci
            "**" = default kube-system team-a team-b team-a.ci (all)
            "*,!kube-*" = default team-a team-b team-a.ci
            "!kube-*" = default team-a team-b team-a.ci
            "!kube-system, !default" = team-a team-b team-a.ci
            "!team-b,team-*" = team-a team-a.ci
            "team-*,!*b" = team-a team-a.ci
            "! team-a" = default kube-system team-b team-a.ci
            "*,default" = default kube-system team-a team-b team-a.ci (all)
            "_,!default" = kube-system team-a team-b team-a.ci (_)
            "!_" = (none) (_)
            "!*" = (none)
            "*.ci" = team-a.ci
        "#]],
    );
}

#[test]
fn a_bad_element_is_named_with_the_reason() {
    check(
        &[
            ",",
            " , ",
            "default,Team-A",
            "default,team_a",
            "a b",
            "a;b",
            "!",
            "!!a",
            "!,a",
            "-a",
            "a-",
            "a-*,-*",
            ".a",
            "a.",
            "a..b",
            "a.-b",
            "team-[ab]",
            "team-.*",
            "^team$",
            "ä",
            &"a".repeat(254),
        ],
        expect![[r#"
            "," is not a name, a glob or an exclusion: there is nothing between the commas; write "*" for all
            " , " is not a name, a glob or an exclusion: there is nothing between the commas; write "*" for all
            "Team-A" is not a name, a glob or an exclusion: names are lower case
            "team_a" is not a name, a glob or an exclusion: '_' is not allowed; names have lower-case letters, digits, hyphens and dots
            "a b" is not a name, a glob or an exclusion: it contains a blank; separate names with commas
            "a;b" is not a name, a glob or an exclusion: ';' is not allowed; names have lower-case letters, digits, hyphens and dots
            "!" is not a name, a glob or an exclusion: a name or a glob follows the !
            "!!a" is not a name, a glob or an exclusion: '!' is not allowed; names have lower-case letters, digits, hyphens and dots
            "!" is not a name, a glob or an exclusion: a name or a glob follows the !
            "-a" is not a name, a glob or an exclusion: names and the parts between their dots begin and end with a letter or a digit
            "a-" is not a name, a glob or an exclusion: names and the parts between their dots begin and end with a letter or a digit
            "-*" is not a name, a glob or an exclusion: names and the parts between their dots begin and end with a letter or a digit
            ".a" is not a name, a glob or an exclusion: names and the parts between their dots begin and end with a letter or a digit
            "a." is not a name, a glob or an exclusion: names and the parts between their dots begin and end with a letter or a digit
            "a..b" is not a name, a glob or an exclusion: names and the parts between their dots begin and end with a letter or a digit
            "a.-b" is not a name, a glob or an exclusion: names and the parts between their dots begin and end with a letter or a digit
            "team-[ab]" is not a name, a glob or an exclusion: '[' is not allowed; names have lower-case letters, digits, hyphens and dots
            "team-.*" is not a name, a glob or an exclusion: names and the parts between their dots begin and end with a letter or a digit
            "^team$" is not a name, a glob or an exclusion: '^' is not allowed; names have lower-case letters, digits, hyphens and dots
            "ä" is not a name, a glob or an exclusion: 'ä' is not allowed; names have lower-case letters, digits, hyphens and dots
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa..." is not a name, a glob or an exclusion: names have at most 253 characters
        "#]],
    );
}

#[test]
fn exact_names_are_given_only_when_there_is_nothing_else() {
    let exact = |text: &str| {
        let list: NameList = text.parse().unwrap();
        list.exact_names().map(|names| names.join(" "))
    };
    assert_eq!(exact("a, b,c").as_deref(), Some("a b c"));
    assert_eq!(exact(""), None);
    assert_eq!(exact("*"), None);
    assert_eq!(exact("a,b*"), None);
    assert_eq!(exact("a,!b"), None);
}

#[test]
fn a_list_is_a_string_in_json_and_displays_as_written() {
    let list: NameList = serde_json::from_str("\" a , !b \"").unwrap();
    assert_eq!(list.to_string(), " a , !b ");
    assert_eq!(serde_json::to_string(&list).unwrap(), "\" a , !b \"");
    assert_eq!(NameList::default(), "".parse().unwrap());
    let error = serde_json::from_str::<NameList>("\"a,B\"").unwrap_err().to_string();
    expect![[r#""B" is not a name, a glob or an exclusion: names are lower case"#]].assert_eq(&error);
}

#[test]
fn a_pattern_of_many_stars_is_matched_without_backtracking_over_them() {
    // Each star doubles the time of a matcher that tries all of them: this would take centuries.
    let list: NameList = format!("{}b", "a*".repeat(100)).parse().unwrap();
    assert!(!list.selects(&"a".repeat(253)));
    assert!(list.selects(&format!("{}b", "a".repeat(252))));
}

/// Matching by its definition.
fn oracle_glob(pattern: &[u8], name: &[u8]) -> bool {
    match pattern.split_first() {
        None => name.is_empty(),
        Some((b'*', rest)) => (0..=name.len()).any(|taken| oracle_glob(rest, &name[taken..])),
        Some((byte, rest)) => name
            .split_first()
            .is_some_and(|(first, name)| (*byte == b'?' || byte == first) && oracle_glob(rest, name)),
    }
}

proptest! {
    #[test]
    fn selection_is_what_the_grammar_says(
        elements in prop::collection::vec("!?[ab*?]{1,5}", 0..4),
        name in "[ab]{0,6}",
    ) {
        let list: NameList = elements.join(" ,").parse().unwrap();
        let hit = |excluded: bool| elements.iter()
            .filter(|element| element.starts_with('!') == excluded)
            .any(|element| oracle_glob(element.trim_start_matches('!').as_bytes(), name.as_bytes()));
        let has_included = elements.iter().any(|element| !element.starts_with('!'));
        prop_assert_eq!(list.selects(&name), (!has_included || hit(false)) && !hit(true));
        if list.is_all() {
            prop_assert!(list.selects(&name));
        }
        if list.is_none() {
            prop_assert!(!list.selects(&name));
        }
        if let Some(names) = list.exact_names() {
            prop_assert_eq!(names.contains(&name.as_str()), list.selects(&name));
        }
    }

    #[test]
    fn any_text_is_a_list_or_an_error(text in any::<String>(), name in any::<String>()) {
        match text.parse::<NameList>() {
            Ok(list) => { list.selects(&name); }
            Err(error) => prop_assert!(text.contains(&error.element)),
        }
    }
}

#[test]
fn an_exclusion_is_told_from_not_being_listed() {
    let list: NameList = "shop-*,!shop-old".parse().unwrap();
    assert!(list.excludes("shop-old") && !list.selects("shop-old"));
    assert!(!list.excludes("team") && !list.selects("team"));
    assert!(!list.excludes("shop-new") && list.selects("shop-new"));
}
