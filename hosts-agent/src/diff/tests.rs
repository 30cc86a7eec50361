use std::io::Write as _;
use std::process::{Command, Stdio};

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;

fn check(old: &str, new: &str, expect: Expect) {
    expect.assert_eq(&String::from_utf8(unified("hosts", old.as_bytes(), new.as_bytes())).unwrap());
}

#[test]
fn a_change_has_three_lines_around_it() {
    check(
        "a\nb\nc\nd\ne\n",
        "a\nb\nc\nd\nx\ne\n",
        expect![[r#"
        --- hosts
        +++ hosts
        @@ -2,4 +2,5 @@
         b
         c
         d
        +x
         e
    "#]],
    );
    check(
        "a\nb\n",
        "a\n",
        expect![[r#"
        --- hosts
        +++ hosts
        @@ -1,2 +1,1 @@
         a
        -b
    "#]],
    );
    check(
        "",
        "a\n",
        expect![[r#"
        --- hosts
        +++ hosts
        @@ -0,0 +1,1 @@
        +a
    "#]],
    );
    check(
        "a",
        "a\nb",
        expect![[r#"
        --- hosts
        +++ hosts
        @@ -1,1 +1,2 @@
        -a
        \ No newline at end of file
        +a
        +b
        \ No newline at end of file
    "#]],
    );
    check("a\n", "a\n", expect![[r#""#]]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn patch_makes_the_new_file_of_the_old_one(old in "([a-c]{0,2}\n){0,12}[a-c]?", new in "([a-c]{0,2}\n){0,12}[a-c]?") {
        prop_assume!(old != new && !old.is_empty() && !new.is_empty());
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("hosts");
        std::fs::write(&file, &old).unwrap();
        let mut patch = Command::new("patch").args(["-s", "-p0"]).current_dir(&directory).stdin(Stdio::piped()).spawn()
            .expect("this test needs the program patch: apt-get install patch");
        patch.stdin.take().unwrap().write_all(&unified("hosts", old.as_bytes(), new.as_bytes())).unwrap();
        prop_assert!(patch.wait().unwrap().success());
        prop_assert_eq!(std::fs::read_to_string(&file).unwrap(), new);
    }
}
