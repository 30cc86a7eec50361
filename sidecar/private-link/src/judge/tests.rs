use expect_test::{Expect, expect};

use super::*;

fn known<'a>(fact: &'a Fact, hosts: &'a [RegistryHost], resolves: bool) -> Known<'a> {
    Known {
        instance_id: "tcr-demo0001",
        vpc_id: Some("vpc-a"),
        resolves,
        fact,
        hosts,
        changed_from: None,
        private_dns: PrivateDns::DoesNot,
        unusable: &[],
    }
}

/// Each state that a link may be in.
#[track_caller]
fn check(resolves: bool, expected: Expect) {
    let up = Fact::Up([10, 0, 0, 2].into());
    let hosts: [RegistryHost; 1] = ["demo.tencentcloudcr.com".parse().unwrap()];
    let known = |fact| known(fact, &hosts, resolves);
    let creating = [("img.tencentcloudcr.com".to_owned(), Some("CREATING".to_owned()))];
    let missing = [("img.tencentcloudcr.com".to_owned(), None)];
    let said: Vec<String> = [
        known(&Fact::Down(None)),
        known(&Fact::Down(Some("Creating".to_owned()))),
        known(&up),
        Known { changed_from: Some([10, 0, 0, 1].into()), ..known(&up) },
        Known { private_dns: PrivateDns::Serves, ..known(&up) },
        Known { private_dns: PrivateDns::Unknown("nobody answers"), ..known(&up) },
        Known { unusable: &creating, ..known(&up) },
        Known { unusable: &missing, ..known(&up) },
    ]
    .iter()
    .map(judge)
    .map(|(is_up, reason, message)| format!("{is_up} {reason}: {message}"))
    .collect();
    expected.assert_eq(&said.join("\n"));
}

#[test]
fn each_state_of_a_link_that_nodes_resolve_to_has_its_word_and_says_what_to_do() {
    check(
        true,
        expect![[r#"
            false NoLink: there is no private link from vpc-a to tcr-demo0001: connect the VPC in the TCR console, under Access Control > Private Network Access of the instance
            false Pending: the private link from vpc-a to tcr-demo0001 is "Creating", and not Running yet
            true Running: nodes resolve demo.tencentcloudcr.com to 10.0.0.2; these domains can no longer be reached over the public network from the cluster
            true AddressChanged: nodes resolve demo.tencentcloudcr.com to 10.0.0.2, and no longer to 10.0.0.1; these domains can no longer be reached over the public network from the cluster
            true PrivateDNSAlreadyServes: TCR's private DNS already resolves demo.tencentcloudcr.com to 10.0.0.2 in vpc-a: entries in hosts files are not needed; set spec.tcr.privateNetwork.resolve to false
            true Running: nodes resolve demo.tencentcloudcr.com to 10.0.0.2; these domains can no longer be reached over the public network from the cluster
            false DomainUnusable: the domain img.tencentcloudcr.com of tcr-demo0001 is "CREATING", and not usable yet
            false DomainUnusable: tcr-demo0001 has no custom domain img.tencentcloudcr.com: add it in the TCR console, or take it out of spec.tcr.privateNetwork.domains"#]],
    );
}

#[test]
fn an_address_that_the_spec_gives_is_no_link_that_anybody_looked_at() {
    let up = Fact::Up([10, 0, 0, 2].into());
    let hosts: [RegistryHost; 1] = ["demo.tencentcloudcr.com".parse().unwrap()];
    let (is_up, reason, message) = judge(&Known { vpc_id: None, ..known(&up, &hosts, true) });
    expect!["true FixedAddress: nodes resolve demo.tencentcloudcr.com to 10.0.0.2; these domains can no longer be reached over the public network from the cluster"].assert_eq(&format!("{is_up} {reason}: {message}"));
}

#[test]
fn a_link_that_nodes_do_not_resolve_to_has_the_same_words_and_needs_no_domain() {
    check(
        false,
        expect![[r#"
            false NoLink: there is no private link from vpc-a to tcr-demo0001: connect the VPC in the TCR console, under Access Control > Private Network Access of the instance
            false Pending: the private link from vpc-a to tcr-demo0001 is "Creating", and not Running yet
            true Running: the private link from vpc-a to tcr-demo0001 runs at 10.0.0.2; spec.tcr.privateNetwork.resolve is false, so that nodes have no entries for it
            true AddressChanged: the private link from vpc-a to tcr-demo0001 has the address 10.0.0.2, and no longer 10.0.0.1: hosts files and name servers that were set by hand have to follow
            true PrivateDNSAlreadyServes: the private link from vpc-a to tcr-demo0001 runs at 10.0.0.2, and TCR's private DNS resolves demo.tencentcloudcr.com to it
            true Running: the private link from vpc-a to tcr-demo0001 runs at 10.0.0.2; spec.tcr.privateNetwork.resolve is false, so that nodes have no entries for it; whether TCR's private DNS serves it is not known: nobody answers
            true Running: the private link from vpc-a to tcr-demo0001 runs at 10.0.0.2; spec.tcr.privateNetwork.resolve is false, so that nodes have no entries for it
            true Running: the private link from vpc-a to tcr-demo0001 runs at 10.0.0.2; spec.tcr.privateNetwork.resolve is false, so that nodes have no entries for it"#]],
    );
}
