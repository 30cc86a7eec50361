use super::*;

const LOG: &str = r#"{"verb":"list","requestURI":"/api/v1/secrets","user":{"username":"a"},"responseStatus":{"code":403,"message":"no"}}
{"verb":"get","requestURI":"/api/v1/pods","user":{"username":"a"},"objectRef":{"resource":"pods","subresource":"log"},"responseStatus":{"metadata":{},"code":200}}
{"verb":"watch","requestURI":"/api/v1/pods","user":{"username":"b"},"responseStatus":{"code":403,"message":"nor you"}}
{"verb":"get","requestURI":"/x","user":{"username":"admin"},"impersonatedUser":{"username":"a"},"responseStatus":{"code":403,"message":"as a"}}
{"verb":"create","requestURI":"/api/v1/namespaces/n/secrets","user":{"username":"a"},"responseStatus":{"code":403,"message":"secrets \"s\" is forbidden: unable to create new content in namespace n because it is being terminated"}}
{"verb":"get","requestU"#;

#[test]
fn denied_calls_are_those_of_the_user_however_it_acts_and_not_those_about_a_namespace_that_ends() {
    let found: Vec<_> = denied(LOG, "a").iter().map(Denied::to_string).collect();
    assert_eq!(found, ["list /api/v1/secrets: no", "get /x: as a"]);
    assert_eq!(denied(LOG, "admin"), []);
}

#[test]
fn what_was_allowed_is_told_by_verb_and_resource() {
    assert_eq!(allowed(LOG, "a"), [("get".to_owned(), "pods/log".to_owned())].into());
}

#[test]
fn what_was_written_is_told_by_object_without_dry_runs_and_refusals() {
    let write = |verb: &str, uri: &str, subresource: &str, code: u16| {
        format!(
            "{{\"verb\":\"{verb}\",\"requestURI\":\"{uri}\",\"user\":{{\"username\":\"a\"}},\"objectRef\":{{\"resource\":\
             \"secrets\",\"namespace\":\"n\",\"name\":\"s\",\"subresource\":\"{subresource}\"}},\"responseStatus\":{{\"code\":{code}}}}}\n"
        )
    };
    let log = [
        write("create", "/x", "", 201),
        write("patch", "/x", "", 200),
        write("patch", "/x", "", 200),
        write("delete", "/x?dryRun=All", "", 200),
        write("delete", "/x", "", 409),
        write("patch", "/x", "status", 200),
        write("get", "/x", "", 200),
    ];
    assert_eq!(
        written(&log.concat(), "a"),
        ["create secrets n/s".to_owned(), "patch secrets n/s".to_owned()].into()
    );
}
