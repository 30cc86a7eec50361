use expect_test::{Expect, expect};

use super::*;

const IMAGE: &str = "demo.tencentcloudcr.com/team/app:v1";

#[test]
fn each_wording_of_a_condition_leads_to_it() {
    let mut wrong = Vec::new();
    let mut words = std::collections::BTreeSet::new();
    for condition in conditions::all() {
        for wording in condition.wordings {
            let lower = wording.example.to_ascii_lowercase();
            if !wording.is_in(&lower) || wording.words != wording.words.to_ascii_lowercase() {
                wrong.push(format!("{} is not in its example: {}", wording.words, wording.example));
            }
            if !words.insert(wording.words) {
                wrong.push(format!("{} is there twice", wording.words));
            }
            let found = parse(wording.example, "").condition().map(|it| it.reason);
            if found != Some(condition.reason) {
                wrong.push(format!("{}: {found:?}, not {}", wording.example, condition.reason));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(words.len() > 58, "{} ways", words.len());
}

#[test]
fn each_condition_names_who_mends_it_and_how() {
    for condition in conditions::all() {
        let told = condition.who.asks(condition.to_do);
        assert!(!condition.wordings.is_empty() && !condition.cause.is_empty(), "{}", condition.reason);
        assert!(!told.ends_with('.') && !condition.cause.ends_with('.'), "{}", condition.reason);
        // The host is named where the cause is one of its answers.
        let marks =
            told.replace("{host}", "").replace("{registry}", "") + &condition.cause.replace("{host}", "");
        assert!(!marks.contains('{'), "{}", condition.reason);
    }
}

#[test]
fn words_that_are_not_known_are_not_taken_for_others() {
    for message in [
        "rpc error: code = Unknown desc = the moon is full",
        "ErrImagePull: moon: not found here",
        "ErrImagePull: 418 I'm a teapot",
    ] {
        assert_eq!(parse(message, IMAGE).error, PullError::Unknown, "{message}");
    }
    for message in ["ImagePullBackOff: Back-off pulling image \"a\"", "ImagePullBackOff: ", "ErrImagePull: "]
    {
        assert_eq!(parse(message, IMAGE).error, PullError::BackOff, "{message}");
    }
}

#[test]
fn an_image_that_is_named_like_an_error_is_none() {
    let image = "demo.tencentcloudcr.com/team/unauthorized-proxyconnect:v1";
    let message = format!("failed to pull and unpack image \"{image}\": the moon is full");
    assert_eq!(parse(&message, image).error, PullError::Unknown);
    let url = "https://demo.tencentcloudcr.com/v2/team/unauthorized-proxyconnect/manifests/v1";
    let message = format!("failed to do request: Head \"{url}\": dial tcp 10.0.0.2:443: i/o timeout");
    assert_eq!(parse(&message, image).condition().map(|it| it.reason), Some("AddressSilent"));
}

#[track_caller]
fn check(message: &str, expected: Expect) {
    let PullFailure { words, host, dialled, .. } = parse(message, IMAGE);
    expected.assert_eq(&format!(
        "{}\n{}\n{words}",
        host.unwrap_or_default(),
        dialled.map(|it| it.to_string()).unwrap_or_default()
    ));
}

#[test]
fn the_host_and_the_address_are_those_that_were_asked_last() {
    check(
        "failed to do request: Get \"https://b.cos.ap-guangzhou.myqcloud.com/x?sign=p-secret&a=b\": dial tcp 43.1.2.3:443: i/o timeout",
        expect![[r#"
            b.cos.ap-guangzhou.myqcloud.com
            43.1.2.3:443
            failed to do request: Get "https://b.cos.ap-guangzhou.myqcloud.com/x?...": dial tcp 43.1.2.3:443: i/o timeout"#]],
    );
    check(
        "unexpected status code https://b.myqcloud.com/x?sign=p-secret: 403 Forbidden",
        expect![[r#"
            b.myqcloud.com

            unexpected status code https://b.myqcloud.com/x?...: 403 Forbidden"#]],
    );
    check(
        "Head \"https://mirror.example.com:5000/v2/team/app/manifests/v1?ns=demo.tencentcloudcr.com\": dial tcp [2402:4e00::1]:5000: connect: no route to host",
        expect![[r#"
            mirror.example.com:5000
            [2402:4e00::1]:5000
            Head "https://mirror.example.com:5000/v2/team/app/manifests/v1?ns=demo.tencentcloudcr.com": dial tcp [2402:4e00::1]:5000: connect: no route to host"#]],
    );
    // A name server is not what the registry was dialled at.
    check(
        "dial tcp: lookup demo.tencentcloudcr.com on 10.0.0.10:53: read udp 10.1.1.1:4444->10.0.0.10:53: i/o timeout",
        expect![[r#"
            demo.tencentcloudcr.com

            dial tcp: lookup demo.tencentcloudcr.com on 10.0.0.10:53: read udp 10.1.1.1:4444->10.0.0.10:53: i/o timeout"#]],
    );
    check(
        "parse proxy http://user:p-secret@proxy.example.com:3128/: EOF",
        expect![[r#"
            proxy.example.com:3128

            parse proxy http://proxy.example.com:3128/: EOF"#]],
    );
}

#[test]
fn a_long_message_keeps_its_end_where_the_cause_is() {
    let message = format!("{}: no space left", "moon ".repeat(1000));
    let words = parse(&message, IMAGE).words;
    assert!(words.len() < 400 && words.ends_with("no space left"), "{words}");
}

proptest::proptest! {
    #[test]
    fn any_message_about_any_image_is_heard_and_shortened(message in ".{0,400}", image in ".{0,40}") {
        proptest::prop_assert!(parse(&message, &image).words.chars().count() <= 400);
        let url = format!("a https://{message}");
        let _ = parse(&url, &image);
    }
}
