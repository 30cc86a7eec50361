use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;

fn check(texts: &[&str], expect: Expect) {
    let lines = texts.iter().map(|text| match parse(text) {
        Ok(duration) => format!("{text} = {duration:?}\n"),
        Err(error) => format!("{error}\n"),
    });
    expect.assert_eq(&lines.collect::<String>());
}

#[test]
fn numbers_with_units_add_up() {
    check(
        &[
            "2160h",
            "1h30m",
            "1.5h",
            "+90s",
            "0",
            "-0",
            "1h0m0.5s",
            ".5m",
            "5.s",
            "3ms2us1ns",
            "7\u{b5}s",
            "2562047h47m16.854775807s",
            "0000000000000000000000001h",
        ],
        expect![[r#"
            2160h = 7776000s
            1h30m = 5400s
            1.5h = 5400s
            +90s = 90s
            0 = 0ns
            -0 = 0ns
            1h0m0.5s = 3600.5s
            .5m = 30s
            5.s = 5s
            3ms2us1ns = 3.002001ms
            7µs = 7µs
            2562047h47m16.854775807s = 9223372036.854775807s
            0000000000000000000000001h = 3600s
        "#]],
    );
}

#[test]
fn what_go_refuses_is_refused_with_the_reason() {
    check(
        &[
            "",
            "h",
            "90",
            "90d",
            "2w",
            "1y",
            "1H",
            "1 h",
            "-1h",
            "--1h",
            "1h-30m",
            ".h",
            "1..5h",
            "abc",
            "+",
            "2562048h",
            "99999999999999999999h",
            "1é",
        ],
        expect![[r#"
            "" is not a duration: write numbers with units, such as 2160h or 1h30m
            "h" is not a duration: write numbers with units, such as 2160h or 1h30m
            "90" is not a duration: a unit is missing, such as h in 90h
            "90d" is not a duration: it has no days or longer units; write 2160h
            "2w" is not a duration: it has no days or longer units; write 336h
            "1y" is not a duration: it has no days or longer units; write 8760h
            "1H" is not a duration: the unit "H" is none of h, m, s, ms, us, ns
            "1 h" is not a duration: the unit " h" is none of h, m, s, ms, us, ns
            "-1h" is not a duration: it is negative
            "--1h" is not a duration: it is negative
            "1h-30m" is not a duration: the unit "h-" is none of h, m, s, ms, us, ns
            ".h" is not a duration: write numbers with units, such as 2160h or 1h30m
            "1..5h" is not a duration: a unit is missing, such as h in 1h
            "abc" is not a duration: write numbers with units, such as 2160h or 1h30m
            "+" is not a duration: write numbers with units, such as 2160h or 1h30m
            "2562048h" is not a duration: it is longer than 2562047h
            "99999999999999999999h" is not a duration: it is longer than 2562047h
            "1é" is not a duration: the unit "é" is none of h, m, s, ms, us, ns
        "#]],
    );
}

proptest! {
    #[test]
    fn any_text_is_a_duration_or_an_error(text in any::<String>()) {
        let _ = parse(&text).map_err(|error| error.to_string());
    }

    #[test]
    fn text_of_the_grammars_characters_never_overflows(text in "[0-9]{0,25}[.]?[0-9]{0,25}(h|m|s|d|ns|y)[0-9]{0,25}h?") {
        let _ = parse(&text).map_err(|error| error.to_string());
    }

    #[test]
    fn whole_hours_are_hours(hours in 0_u64..2_562_047) {
        prop_assert_eq!(parse(&format!("{hours}h")).unwrap(), Duration::from_secs(hours * 3600));
    }
}
