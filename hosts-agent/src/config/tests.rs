use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;

fn check(text: &[u8], expect: Expect) {
    expect.assert_eq(&result(text));
}

fn result(text: &[u8]) -> String {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join(HOSTS_KEY), text).unwrap();
    let bounds = Bounds {
        roots: vec!["tencentcloudcr.com".to_owned()],
        names: Vec::new(),
        ranges: vec!["10.0.0.0/8".parse().unwrap()],
        own_names: Vec::new(),
    };
    match ListFile::new(directory.path()).read(&bounds) {
        Ok(list) => list.to_yaml(),
        Err(error) => error.to_string().replace(&directory.path().display().to_string(), "DIR"),
    }
}

#[test]
fn the_originals_format_is_read() {
    check(
        b"- domain: demo.tencentcloudcr.com\n  ip: 10.0.0.2\n  disabled: false\n- {domain: B.tencentcloudcr.com, ip: \"10.0.0.3\", disabled: true}\n",
        expect![[r#"
            - domain: demo.tencentcloudcr.com
              ip: 10.0.0.2
              disabled: false
            - domain: b.tencentcloudcr.com
              ip: 10.0.0.3
              disabled: true
        "#]],
    );
    check(
        b"[]",
        expect![[r#"
        []
    "#]],
    );
    check(
        b"# nothing\n--- []\n",
        expect![[r#"
        []
    "#]],
    );
}

#[test]
fn what_is_no_list_is_named() {
    let good = "domain: a.tencentcloudcr.com, ip: 10.0.0.2";
    let texts = [
        String::new(),
        "---\n# only a comment\n".to_owned(),
        "null\n".to_owned(),
        "hosts: []\n".to_owned(),
        "- [a, b]\n".to_owned(),
        "- a\n".to_owned(),
        format!("- {{{good}}}\n- domain: [a]\n"),
        "- domain: a.tencentcloudcr.com\n".to_owned(),
        "- {domain: null, ip: 10.0.0.2}\n".to_owned(),
        format!("- {{{good}, disable: true}}\n"),
        format!("- {{{good}, domain: b}}\n"),
        format!("- {{{good}, disabled: yes}}\n"),
        format!("- {{{good}, disabled: \"true\"}}\n"),
        format!("- {{{good}, vpcId: }}\n"),
        format!("- {{{good}, vpcId: vpc-A}}\n"),
        format!("- {{{good}, vpcId: vpc-a, vpcId: vpc-b}}\n"),
        format!("- &a {{{good}}}\n- *a\n"),
        "- {<<: {}, ip: 10.0.0.2}\n".to_owned(),
        format!("- {{{good}}}\n- domain: localhost\n  ip: 10.0.0.2\n"),
        "- {domain: a.tencentcloudcr.com, ip: 8.8.8.8}\n".to_owned(),
        "- domain: [\n".to_owned(),
        "- domain: a\n bad\n".to_owned(),
        "[]\n---\n[]\n".to_owned(),
        format!("- {{{good}}}\n").repeat(257),
        "#".repeat((1 << 20) + 1),
    ];
    let errors: String = texts.iter().map(|text| result(text.as_bytes()) + "\n").collect();
    expect![[r#"
        cannot read DIR/hosts.yaml: it is empty: write [] for no entries
        cannot read DIR/hosts.yaml: line 1: a list of entries is expected here, or [] for none
        cannot read DIR/hosts.yaml: line 1: a list of entries is expected here, or [] for none
        cannot read DIR/hosts.yaml: line 1: a list of entries is expected here, or [] for none
        cannot read DIR/hosts.yaml: line 1: an entry with the fields domain and ip is expected here
        cannot read DIR/hosts.yaml: line 1: an entry with the fields domain and ip is expected here
        cannot read DIR/hosts.yaml: line 2: a field's text is expected here
        cannot read DIR/hosts.yaml: entry 1: ip is missing (line 1)
        cannot read DIR/hosts.yaml: entry 1: domain is missing (line 1)
        cannot read DIR/hosts.yaml: entry 1: "disable" is no field: the fields are domain, ip, disabled, vpcId and whenLinkDown (line 1)
        cannot read DIR/hosts.yaml: entry 1: domain stands there twice (line 1)
        cannot read DIR/hosts.yaml: entry 1: disabled: "yes" is not true or false (line 1)
        cannot read DIR/hosts.yaml: entry 1: disabled: "true" is not true or false (line 1)
        cannot read DIR/hosts.yaml: entry 1: vpcId: "~" is not the id of a VPC, such as vpc-12345678 (line 1)
        cannot read DIR/hosts.yaml: entry 1: vpcId: "vpc-A" is not the id of a VPC, such as vpc-12345678 (line 1)
        cannot read DIR/hosts.yaml: entry 1: vpcId stands there twice (line 1)
        cannot read DIR/hosts.yaml: line 2: an entry with the fields domain and ip is expected here
        cannot read DIR/hosts.yaml: entry 1: "<<" is no field: the fields are domain, ip, disabled, vpcId and whenLinkDown (line 1)
        cannot read DIR/hosts.yaml: entry 2: domain: "localhost" is the machine's own: it must keep its loopback address (line 2)
        refused DIR/hosts.yaml: entry 1: ip: "8.8.8.8" of "a.tencentcloudcr.com" is not in 10.0.0.0/8: allow it with --allowed-range
        cannot read DIR/hosts.yaml: line 1: a field's text is expected here
        cannot read DIR/hosts.yaml: entry 1: ip is missing (line 1)
        cannot read DIR/hosts.yaml: line 3: one list is expected, and here is a second document
        cannot read DIR/hosts.yaml: the list has more than 256 entries
        cannot read DIR/hosts.yaml: it has more than 1048576 bytes
    "#]].assert_eq(&errors);
    expect!["cannot read DIR/hosts.yaml: invalid utf-8 sequence of 1 bytes from index 0"]
        .assert_eq(&result(b"\xff\xfe"));
}

#[test]
fn a_missing_file_is_named() {
    let bounds = Bounds { roots: Vec::new(), names: Vec::new(), ranges: Vec::new(), own_names: Vec::new() };
    let error = ListFile::new(Path::new("/nonexistent")).read(&bounds).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot open the directory of /nonexistent/hosts.yaml: No such file or directory (os error 2)"
    );
    assert!(!error.is_absence());
    let directory = tempfile::tempdir().unwrap();
    let error = ListFile::new(directory.path()).read(&bounds).unwrap_err();
    assert!(error.is_absence() && error.to_string().ends_with("/hosts.yaml: it is not there"), "{error}");
}

#[test]
fn what_the_controller_writes_is_read_back() {
    let entry = |domain, ip, disabled| tcr::hosts_entry::HostsEntry::new(domain, ip, disabled).unwrap();
    let list = HostsList::new(vec![
        entry("no", "10.0.0.2", false),
        entry("1.5e3", "fd00::", true),
        entry("0x1f.e1", "fd00::2", false),
        entry("null", "10.0.0.2", false),
        entry("demo.tencentcloudcr.com", "10.0.0.2", true),
    ])
    .unwrap();
    assert_eq!(parse(list.to_yaml().as_bytes()), Ok(list));
    assert_eq!(parse(HostsList::default().to_yaml().as_bytes()), Ok(HostsList::default()));
}

/// Texts that are nearly lists.
fn nearly_a_list() -> impl Strategy<Value = String> {
    let value = prop_oneof![
        "a\\.com|b\\.com|\"a\\.com\"|'b\\.com'|localhost",
        "10\\.0\\.0\\.[0-9]{1,3}|\"fd00::1\"|fd00::1|fd00::",
        "true|false|True|yes|\"true\"|null|~|1|1\\.5|",
        "vpc-a|\"vpc-b\"|vpc-B|vpc-",
    ];
    let field = ("domain|ip|disabled|\"ip\"|disable|vpcId", value)
        .prop_map(|(name, value)| format!("{name}: {value}"));
    let entry = (prop::collection::vec(field, 1..4), any::<bool>()).prop_map(|(fields, is_flow)| {
        if is_flow {
            format!("- {{{}}}\n", fields.join(", "))
        } else {
            format!("- {}\n", fields.join("\n  "))
        }
    });
    let noise = prop_oneof![
        Just("# x\n".to_owned()),
        Just("\n".to_owned()),
        Just("---\n".to_owned()),
        Just("[]\n".to_owned())
    ];
    let usual = "a|b".prop_map(|name| format!("- domain: {name}.com\n  ip: 10.0.0.2 # x\n"));
    prop::collection::vec(prop_oneof![2 => usual, 2 => entry, 1 => noise], 0..4)
        .prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn a_reader_through_serde_reads_the_same_entries(text in nearly_a_list()) {
        // What this reader takes, serde takes alike; it takes less, such as no empty text.
        if let Ok(list) = parse(text.as_bytes()) {
            prop_assert_eq!(serde_saphyr::from_str::<HostsList>(&text).map_err(|error| error.to_string()), Ok(list));
        }
    }

    #[test]
    fn any_text_is_a_list_or_an_error(text in any::<Vec<u8>>()) {
        let _ = parse(&text);
    }
}
