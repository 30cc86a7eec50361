use super::*;

const LOG: &str = r#"{"verb":"list","requestURI":"/api/v1/secrets","user":{"username":"a"},"responseStatus":{"code":403,"message":"no"}}
{"verb":"get","requestURI":"/api/v1/pods","user":{"username":"a"},"responseStatus":{"metadata":{},"code":200}}
{"verb":"watch","requestURI":"/api/v1/pods","user":{"username":"b"},"responseStatus":{"code":403,"message":"nor you"}}
{"verb":"get","requestURI":"/x","user":{"username":"admin"},"impersonatedUser":{"username":"a"},"responseStatus":{"code":403,"message":"as a"}}
{"verb":"get","requestU"#;

#[test]
fn denied_calls_are_those_of_the_user_however_it_acts() {
    let found: Vec<_> = denied(LOG, "a").iter().map(Denied::to_string).collect();
    assert_eq!(found, ["list /api/v1/secrets: no", "get /x: as a"]);
    assert_eq!(denied(LOG, "admin"), []);
}
