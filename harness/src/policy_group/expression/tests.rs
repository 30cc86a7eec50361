use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;

#[track_caller]
fn check(text: &str, expected: Expect) {
    let read = Expression::parse(text);
    expected.assert_eq(&read.map_or_else(|error| format!("error: {error}"), |it| it.to_string()));
}

#[test]
fn operators_bind_as_in_cel_and_rhai() {
    check("a()", expect!["a()"]);
    check(" a ( ) ", expect!["a()"]);
    check("a() || b() && c()", expect!["(a() || (b() && c()))"]);
    check("(a() || b()) && !c()", expect!["((a() || b()) && !c())"]);
    check("a() == b() && c() != true", expect!["((a() == b()) && (c() != true))"]);
    check("!!false || pod_privileged()\n  && x1()", expect!["(!!false || (pod_privileged() && x1()))"]);
    check("a() && b() && c()", expect!["((a() && b()) && c())"]);
}

#[test]
fn what_is_no_expression_is_told_with_its_place() {
    check(
        "",
        expect!["error: at character 1: a call of a policy, true, false, ! or ( was expected, not the end"],
    );
    check(
        "a() &&",
        expect!["error: at character 7: a call of a policy, true, false, ! or ( was expected, not the end"],
    );
    check("a", expect!["error: at character 2: '(' was expected, not the end"]);
    check("a(1)", expect!["error: at character 3: ')' was expected, not '1'"]);
    check("(a()", expect!["error: at character 5: ')' was expected, not the end"]);
    check("a() b()", expect!["error: at character 5: an operator was expected, not 'b'"]);
    check("a() & b()", expect!["error: at character 5: an operator was expected, not '&'"]);
    check(
        "ä() && 1",
        expect!["error: at character 1: a call of a policy, true, false, ! or ( was expected, not 'ä'"],
    );
    check(
        "1 < 2",
        expect!["error: at character 1: a call of a policy, true, false, ! or ( was expected, not '1'"],
    );
    check(&"(".repeat(100), expect!["error: at character 65: it nests deeper than 64"]);
    check(&"!".repeat(5000), expect!["error: at character 1: it has more than 4096 bytes"]);
}

/// `t` is true, `f` false, `u` unknown.
#[track_caller]
fn comes_to(text: &str, asked: &str, expected: Option<bool>) {
    let mut order = String::new();
    let value = Expression::parse(text).unwrap().evaluate(&mut |name| {
        order += name;
        match name {
            "t" => Some(true),
            "f" => Some(false),
            _ => None,
        }
    });
    assert_eq!((value, order.as_str()), (expected, asked), "{text}");
}

#[test]
fn whom_nothing_depends_on_is_not_asked() {
    comes_to("t() || f()", "t", Some(true));
    comes_to("f() && t()", "f", Some(false));
    comes_to("f() || t()", "ft", Some(true));
    comes_to("t() == f()", "tf", Some(false));
    comes_to("t() != f()", "tf", Some(true));
}

#[test]
fn an_unknown_verdict_is_neither_true_nor_false() {
    comes_to("!u()", "u", None);
    comes_to("u() || t()", "ut", Some(true));
    comes_to("u() || f()", "uf", None);
    comes_to("u() && f()", "uf", Some(false));
    comes_to("u() && t()", "ut", None);
    comes_to("t() && u()", "tu", None);
    comes_to("u() == u()", "uu", None);
}

fn expressions() -> impl Strategy<Value = Expression> {
    let leaf =
        prop_oneof![any::<bool>().prop_map(Expression::Literal), "[a-c]".prop_map(Expression::Policy),];
    leaf.prop_recursive(5, 24, 2, |inner| {
        let operators = prop_oneof![
            Just(Operator::And),
            Just(Operator::Or),
            Just(Operator::Equal),
            Just(Operator::NotEqual)
        ];
        prop_oneof![
            inner.clone().prop_map(|it| Expression::Not(Box::new(it))),
            (inner.clone(), operators, inner).prop_map(|(left, operator, right)| Expression::Both(
                Box::new(left),
                operator,
                Box::new(right)
            )),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_shown_is_read_as_the_same(expression in expressions()) {
        prop_assert_eq!(Expression::parse(&expression.to_string()), Ok(expression));
    }

    #[test]
    fn no_text_makes_it_panic(text in "[a-b()!&|= \\PC]{0,80}") {
        let _ = Expression::parse(&text);
    }

    /// What an unknown verdict leads to is what both of its values would lead to, or unknown.
    #[test]
    fn what_is_decided_without_a_verdict_is_right_whatever_it_would_be(expression in expressions(), b: bool, c: bool) {
        let with = |a: Option<bool>| expression.evaluate(&mut |name| match name {
            "a" => a,
            "b" => Some(b),
            _ => Some(c),
        });
        if let Some(decided) = with(None) {
            prop_assert_eq!((with(Some(true)), with(Some(false))), (Some(decided), Some(decided)));
        }
        prop_assert!(with(Some(true)).is_some());
    }
}
