"""Tencent Cloud's own SDK as a caller of the double: where the vendor's client or its models differ, the double is wrong.

    judge.py SCENARIO < {"url": ..., "lateUrl": ..., "accounts": {NAME: {"secretId", "secretKey", "token"}}}

Prints a line for each thing that is wrong, and how many were looked at; exits with 1 where one is wrong. Who starts it, and
with which instances, is in tests/server/vendor.rs.
"""

import base64
import json
import re
import sys
import time
import traceback
import urllib.parse
import urllib.request
import warnings

from tencentcloud.common import credential
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tencentcloud.sts.v20180813 import errorcodes as sts_errorcodes
from tencentcloud.sts.v20180813 import models as sts_models
from tencentcloud.sts.v20180813.sts_client import StsClient
from tencentcloud.tcr.v20190924 import errorcodes as tcr_errorcodes
from tencentcloud.tcr.v20190924 import models as tcr_models
from tencentcloud.tcr.v20190924.tcr_client import TcrClient

# A field that the vendor's model does not have is worth only a warning to the SDK, and that is switched off.
warnings.filterwarnings("error", message=".*fileds are useless.*")

GIVEN = json.load(sys.stdin)
REGION, INSTANCE = "ap-guangzhou", "tcr-demo0001"
HOUR, DAY = 3600, 86400

# The codes that any action may answer with, by the API's common documentation. They are in no module of the SDK.
COMMON = """ActionOffline AuthFailure.InvalidAuthorization AuthFailure.InvalidSecretId AuthFailure.MFAFailure
AuthFailure.SecretIdNotFound AuthFailure.SignatureExpire AuthFailure.SignatureFailure AuthFailure.TokenFailure
AuthFailure.UnauthorizedOperation InternalError InvalidAction InvalidParameter InvalidParameterValue LimitExceeded
MissingParameter NoSuchVersion RequestLimitExceeded RequestSizeLimitExceeded ResponseSizeLimitExceeded ServiceUnavailable
UnauthorizedOperation UnknownParameter UnsupportedProtocol UnsupportedRegion""".split()

looked_at, wrong = 0, []


def check(what, is_right):
    """Counts a thing that was looked at, and keeps its words where it is wrong."""
    global looked_at
    looked_at += 1
    if not is_right:
        wrong.append(what)


def equal(what, seen, expected):
    check(f"{what}: {seen!r} instead of {expected!r}", seen == expected)


def admin(path, body=None):
    """What the double's own controls say."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{GIVEN['url']}/_admin/{path}", data, {"content-type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        text = answer.read()
    return json.loads(text) if text else None


def host(url):
    return url.removeprefix("http://")


# The vendor's models

PLAIN = {"str": str, "int": int, "bool": bool, "float": float}


def fields(model):
    """The fields of a model of the SDK: name, type, and whether its documentation says that it may be null."""
    for name, member in vars(model).items():
        if isinstance(member, property):
            text = member.fget.__doc__
            yield name, re.search(r":rtype: (.+)", text).group(1).strip(), "可能返回 null" in text


def model_of(kind, module):
    """The model that a type of the documentation names: :class:`tencentcloud.tcr.v20190924.models.Registry`, or Registry."""
    return getattr(module, kind.strip("`").split(".")[-1])


def differences(kind, value, module, path):
    """How a value differs from what the vendor's model says. A value is not shown: it may be a password."""
    if kind in PLAIN:
        if type(value) is not PLAIN[kind]:
            yield f"{path} is of {type(value).__name__} instead of {kind}"
    elif kind.startswith("list of "):
        if type(value) is not list:
            yield f"{path} is of {type(value).__name__} instead of list"
            return
        for index, item in enumerate(value):
            yield from differences(kind.removeprefix("list of "), item, module, f"{path}[{index}]")
    else:
        known = {name: (kind, nullable) for name, kind, nullable in fields(model_of(kind, module))}
        for name in value.keys() - known.keys():
            yield f"{path}.{name} is no field that the vendor's model has"
        for name, (kind, nullable) in known.items():
            if name not in value:
                yield f"{path}.{name} is not there"
            elif value[name] is not None:
                yield from differences(kind, value[name], module, f"{path}.{name}")
            elif not nullable:
                yield f"{path}.{name} is null, which its documentation does not say"


# The vendor's client


class Judge:
    """What is added to a client of the SDK: each answer is held against the vendor's model of it."""

    def __init__(self, account="owner", region=REGION, url=None, **changed):
        key = dict(GIVEN["accounts"][account], **changed) if isinstance(account, str) else account
        if isinstance(key, dict):
            key = credential.Credential(key["secretId"], key["secretKey"], key.get("token"))
        address = host(url or GIVEN["url"])
        profile = ClientProfile(httpProfile=HttpProfile(protocol="http", endpoint=address, reqTimeout=60))
        super().__init__(key, region, profile)

    def call(self, action, params, options=None, headers=None):
        body = super().call(action, params, options, headers)
        found = list(differences(f"{action}Response", json.loads(body)["Response"], self.models, action))
        check("; ".join(found), not found)
        return body

    def ask(self, action, **given):
        request = getattr(self.models, f"{action}Request")()
        request._deserialize(given)
        return getattr(self, action)(request)


class Tcr(Judge, TcrClient):
    models = tcr_models


class Sts(Judge, StsClient):
    models = sts_models

    def call(self, action, params, options=None, headers=None):
        # By the vendor's documentation nobody signs this one, but its method of that name does.
        options = {"SkipSign": True} if action == "AssumeRoleWithWebIdentity" else options
        return super().call(action, params, options, headers)


def client_of(action):
    return Sts() if hasattr(sts_models, f"{action}Request") else Tcr()


def refusal(call):
    """What a call is refused with, as the vendor's client raises it."""
    try:
        call()
    except TencentCloudSDKException as error:
        return error
    return None


# Scenarios


def forms():
    """Which fields an action takes: the vendor's, each of its type, and no others."""
    words = {"string": "str", "integer": "int", "boolean": "bool", "list of strings": "list of str"}

    def compare(form, model, module, path):
        known = {name: kind for name, kind, _ in fields(model)}
        equal(f"the fields of {path}", sorted(form), sorted(known))
        for name, field in form.items():
            kind = known.get(name, "")
            if field["type"] == "list of objects":
                check(f"{path}.{name} is no {kind}", kind.startswith("list of "))
                compare(field["fields"], model_of(kind.removeprefix("list of "), module), module, f"{path}.{name}")
            else:
                equal(f"the type of {path}.{name}", words[field["type"]], kind)

    for action, form in admin("actions").items():
        models = client_of(action).models
        compare(form, getattr(models, f"{action}Request"), models, action)


def answers():
    """Every action is called, and every field of its answer is one that the vendor's client reads."""
    tcr = Tcr()
    of = {"RegistryId": INSTANCE}
    now = time.time()

    temporary = tcr.ask("CreateInstanceToken", TokenType="temp", **of)
    equal("the id of a temporary token", temporary.TokenId, "")
    check("a temporary token lives an hour, in milliseconds", abs(temporary.ExpTime / 1000 - now - HOUR) < 300)
    equal("the kind without a TokenType", tcr.ask("CreateInstanceToken", **of).TokenId, "")
    token = tcr.ask("CreateInstanceToken", TokenType="longterm", Desc="judged", **of)
    check("a long-term token lives 3650 days, in milliseconds", abs(token.ExpTime / 1000 - now - 3650 * DAY) < 300)
    claims = json.loads(base64.urlsafe_b64decode(token.Token.split(".")[1] + "=="))
    equal("the claim of who made it", claims["operatorUin"], token.Username)
    equal("the claim of when it ends", claims["exp"], token.ExpTime // 1000)
    listed = tcr.ask("DescribeInstanceToken", Limit=100, Offset=0, **of)
    equal("long-term tokens are listed", [(it.Id, it.Enabled) for it in listed.Tokens], [(token.TokenId, True)])
    equal("a listed token ends when it was said to", listed.Tokens[0].ExpiredAt, token.ExpTime)
    tcr.ask("ModifyInstanceToken", TokenId=token.TokenId, Enable=False, **of)
    tcr.ask("ModifyInstanceToken", TokenId=token.TokenId, Desc="changed", ModifyFlag=1, **of)
    changed = tcr.ask("DescribeInstanceToken", **of).Tokens[0]
    equal("a call changes one thing", (changed.Enabled, changed.Desc), (False, "changed"))
    tcr.ask("DeleteInstanceToken", TokenId=token.TokenId, **of)
    equal("a deleted token is not listed", tcr.ask("DescribeInstanceToken", **of).TotalCount, 0)

    [instance] = tcr.ask("DescribeInstances", Registryids=[INSTANCE]).Registries
    equal("an instance runs in its region", (instance.Status, instance.RegionName), ("Running", REGION))
    equal("its tokens live that many hours", instance.TokenValidTime, 3650 * 24)
    elsewhere = Tcr(region="ap-hongkong")
    equal("another region does not have it", elsewhere.ask("DescribeInstances", Registryids=[INSTANCE]).TotalCount, 0)
    found = elsewhere.ask("DescribeInstances", Registryids=[INSTANCE], AllRegion=True)
    equal("all regions do", [it.RegistryId for it in found.Registries], [INSTANCE])
    tcr.ask("DescribeInstanceStatus", RegistryIds=[INSTANCE])
    tcr.ask("DescribeRegions")
    [domain] = tcr.ask("DescribeInstanceCustomizedDomain", **of).DomainInfoList
    equal("a custom domain", domain.DomainName, "images.example.com")

    building, ready = tcr.ask("DescribeInternalEndpoints", **of), tcr.ask("DescribeInternalEndpoints", **of)
    equal("a link that is built has no address", [it.AccessIp for it in building.AccessVpcSet][0], "")
    equal("and has one when it runs", [(it.Status, it.AccessIp) for it in ready.AccessVpcSet][0], ("Running", "10.0.0.2"))
    unlinked = tcr.ask("DescribeInternalEndpoints", RegistryId="tcr-full0001")
    equal("without links there is no list", unlinked.AccessVpcSet, None)
    for vpc, region, address in [("vpc-demo0001", REGION, "10.0.0.2"), ("vpc-hongkong", "ap-hongkong", "10.1.0.2")]:
        link = {"InstanceId": INSTANCE, "VpcId": vpc, "EniLBIp": address, "UsePublicDomain": True, "RegionName": region}
        [state] = tcr.ask("DescribeInternalEndpointDnsStatus", VpcSet=[link]).VpcSet
        equal("private DNS is asked with the VPC's region", (state.VpcId, state.Region), (vpc, region))

    names = [tcr.ask("DescribeNamespaces", Limit=3, Offset=page, **of) for page in (1, 2)]
    equal("Offset is a page's number", [[it.Name for it in page.NamespaceList] for page in names],
          [["team", "team-a", "team-b"], ["base"]])
    equal("All is all of them", len(tcr.ask("DescribeNamespaces", All=True, **of).NamespaceList), 4)

    pull = [{"Resource": "team-a", "Actions": ["tcr:PullRepository"]}]
    account = tcr.ask("CreateServiceAccount", Name="judge", Permissions=pull, Description="d", Duration=30, ExpiresAt=1, **of)
    equal("the server adds the prefix", account.Name, "tcr$judge")
    equal("the length of a password", len(account.Password), 32)
    check("Duration is in days, wins, and ends in milliseconds", abs(account.ExpiresAt / 1000 - now - 30 * DAY) < 300)
    end = int((now + 90 * DAY) * 1000)
    tcr.ask("ModifyServiceAccount", Name=account.Name, ExpiresAt=end, Disable=True, **of)
    asked = {"EmbedPermission": True, "Limit": 1000, "Filters": [{"Name": "ServiceAccountName", "Values": [account.Name]}]}
    [seen] = tcr.ask("DescribeServiceAccounts", **asked, **of).ServiceAccounts
    equal("what is not given stays", (seen.Description, seen.ExpiresAt, seen.Disable), ("d", end, True))
    equal("its rights", [(it.Resource, it.Actions) for it in seen.Permissions], [("team-a", ["tcr:PullRepository"])])
    tcr.ask("DescribeServiceAccounts", All=True, **of)
    own = tcr.ask("ModifyServiceAccountPassword", Name="judge", Random=False, Password="Own4ccount", **of)
    equal("a password of one's own", own.Password, "Own4ccount")
    drawn = tcr.ask("ModifyServiceAccountPassword", Name=account.Name, Random=True, **of)
    check("a password that was drawn is another one", drawn.Password not in (own.Password, account.Password))
    tcr.ask("DeleteServiceAccount", Name=account.Name, **of)
    equal("a deleted account is not listed", tcr.ask("DescribeServiceAccounts", **of).TotalCount, 0)

    Sts().ask("AssumeRoleWithWebIdentity", **identity())
    session = Sts().ask("AssumeRole", **lending())
    check("a session ends in two hours, in seconds", abs(session.ExpiredTime - now - 2 * HOUR) < 300)
    own = Sts().ask("GetCallerIdentity")
    equal("the account of who signs", (own.AccountId, own.Type), (GIVEN["ownerUin"], "CAMUser"))
    # What was added to the double since: a refusal is an answer too, when its code is one of the vendor's.
    for action in admin("actions").keys() - {call["action"] for call in admin("calls")}:
        client = client_of(action)
        given = sample(getattr(client.models, f"{action}Request"), client.models)
        error = refusal(lambda: client.ask(action, **given))
        check(f"{action}: {error}", error is None or error.get_request_id())


def identity():
    """A call of AssumeRoleWithWebIdentity that is granted."""
    return {"ProviderId": "cls-demo0001", "WebIdentityToken": "signed-by-the-provider", "RoleSessionName": "judge",
            "RoleArn": GIVEN["roleArn"], "DurationSeconds": 7200}


def lending():
    """A call of AssumeRole that is granted."""
    policy = {"version": "2.0", "statement": [
        {"effect": "allow", "action": ["tcr:CreateInstanceToken"], "resource": [f"qcs::tcr:::instance/{INSTANCE}"]}]}
    return {"RoleArn": GIVEN["lentArn"], "RoleSessionName": "judge", "DurationSeconds": 7200, "ExternalId": "cluster-1",
            "Policy": urllib.parse.quote(json.dumps(policy))}


def sample(model, module):
    """Something for each field of a request."""
    known = {"RegistryId": INSTANCE, "InstanceId": INSTANCE, "RegionName": REGION, "VpcId": "vpc-demo0001",
             "EniLBIp": "10.0.0.2", "RoleArn": GIVEN["roleArn"], "DurationSeconds": 7200}
    plain = {"str": "some", "int": 1, "bool": False, "float": 1.0}

    def of(name, kind):
        if name in known or kind in plain:
            return known.get(name, plain.get(kind))
        item = kind.removeprefix("list of ")
        value = plain[item] if item in plain else sample(model_of(item, module), module)
        return [value] if kind.startswith("list of ") else value

    return {name: of(name, kind) for name, kind, _ in fields(model)}


def refusals():
    """Every refusal that the product tells from others reaches the vendor's client with its code, as one that it knows."""
    tcr, of = Tcr(), {"RegistryId": INSTANCE}
    pull = [{"Resource": "team-a", "Actions": ["tcr:PullRepository"]}]
    of_version = Tcr()
    of_version._apiVersion = "2000-01-01"

    def account(registry=INSTANCE, permissions=pull):
        return lambda: tcr.ask("CreateServiceAccount", RegistryId=registry, Name="refused", Permissions=permissions)

    def identity_with(**changed):
        return lambda: Sts().ask("AssumeRoleWithWebIdentity", **dict(identity(), **changed))

    def lending_with(**changed):
        return lambda: Sts().ask("AssumeRole", **dict(lending(), **changed))

    def often():
        for _ in range(100):
            tcr.ask("DescribeInstanceStatus", RegistryIds=[INSTANCE])

    brought_about = [
        ("AuthFailure.SecretIdNotFound", lambda: Tcr(secretId="AKIDnobody").ask("DescribeRegions")),
        ("AuthFailure.SignatureFailure", lambda: Tcr(secretKey="wrong").ask("DescribeRegions")),
        ("AuthFailure.SignatureExpire", lambda: Tcr(url=GIVEN["lateUrl"]).ask("DescribeRegions")),
        ("AuthFailure.TokenFailure", lambda: Tcr("session", token=None).ask("DescribeRegions")),
        ("UnauthorizedOperation", lambda: Tcr("stranger").ask("DescribeRegions")),
        ("UnsupportedRegion", lambda: Tcr(region="ap-nowhere").ask("DescribeRegions")),
        ("InvalidAction", lambda: super(Judge, tcr).call("DescribeNothing", {})),
        ("NoSuchVersion", lambda: of_version.ask("DescribeRegions")),
        ("MissingParameter", lambda: tcr.ask("DescribeInternalEndpoints")),
        ("UnknownParameter", lambda: tcr.call("DescribeRegions", {"Nothing": 1})),
        ("InvalidParameter", lambda: tcr.ask("CreateInstanceToken", TokenType="forever", **of)),
        ("RequestLimitExceeded", often),
        ("ResourceNotFound.TcrResourceNotFound", lambda: tcr.ask("CreateInstanceToken", RegistryId="tcr-nothere1")),
        ("ResourceNotFound.TcrResourceNotFound", lambda: tcr.ask("CreateInstanceToken", RegistryId=f"{INSTANCE}-5")),
        ("ResourceNotFound.TcrResourceNotFound", lambda: tcr.ask("DescribeNamespaces", RegistryId="tcr-nothere1")),
        ("ResourceInsufficient.ErrorInstanceNotRunning", lambda: tcr.ask("CreateInstanceToken", RegistryId="tcr-leaving1")),
        ("InternalError", lambda: tcr.ask("DescribeInternalEndpoints", RegistryId="tcr-nothere1")),
        ("InternalError.Unknown", lambda: tcr.ask("DeleteInstanceToken", TokenId="gone", **of)),
        ("UnsupportedOperation", account("tcr-without1")),
        ("OperationDenied.QuotaOverLimit", account("tcr-full0001")),
        ("OperationDenied", lambda: tcr.ask("DeleteServiceAccount", Name="tcr$gone", **of)),
        # Of a service account's rights: none, on everything, on what is not there, and to do what there is not.
        ("InvalidParameter", account(permissions=[])),
        ("InvalidParameter", account(permissions=[{"Resource": "*", "Actions": ["tcr:PullRepository"]}])),
        ("InvalidParameter", account(permissions=[{"Resource": "nowhere", "Actions": ["tcr:PullRepository"]}])),
        ("InvalidParameter", account(permissions=[{"Resource": "team-a", "Actions": ["tcr:DeleteRepository"]}])),
        ("InvalidParameter", lambda: tcr.ask("ModifyServiceAccountPassword", Name="gone", Random=False, Password="short", **of)),
        ("ResourceNotFound.RoleNotFound", identity_with(RoleArn="qcs::cam::uin/1:roleName/nobody")),
        ("InvalidParameter.WebIdentityTokenError", identity_with(WebIdentityToken="of-somebody-else")),
        ("InvalidParameter.ParamError", identity_with(ProviderId="cls-unknown1")),
        ("InvalidParameter.ParamError", identity_with(DurationSeconds=43_201)),
        ("ResourceNotFound.RoleNotFound", lending_with(RoleArn="qcs::cam::uin/1:roleName/nobody")),
        ("UnauthorizedOperation", lending_with(ExternalId="cluster-2")),
        ("InvalidParameter.ParamError", lending_with(ExternalId="a b")),
        ("InvalidParameter.StrategyFormatError", lending_with(Policy="{}")),
        ("InvalidParameter.PolicyTooLong", lending_with(Policy="a" * 10_000)),
    ]
    # What the double cannot be brought to by itself, so that it is told to.
    scripted = ["ActionOffline", "AuthFailure.InvalidSecretId", "AuthFailure.MFAFailure", "AuthFailure.UnauthorizedOperation",
                "FailedOperation.DbError", "FailedOperation.DependenceError", "InternalError.DbError", "LimitExceeded",
                "ServiceUnavailable"]
    for code, call in brought_about:
        tell(code, refusal(call))
    for code in scripted:
        admin("faults", {"action": "DescribeRegions", "times": 1, "kind": {"error": {"code": code}}})
        tell(code, refusal(lambda: tcr.ask("DescribeRegions")))
    for call in admin("calls"):
        check(f"{call['action']} is refused with {call['code']}, which the vendor does not know", is_known(call["code"]))


def tell(code, error):
    """Holds what the vendor's client raised against the code that is expected."""
    equal(f"the refusal {code}", error and error.get_code(), code)
    check(f"{code} has words and the id of its request", error and error.get_message() and error.get_request_id())
    check(f"the vendor does not know {code}", is_known(code))


def is_known(code):
    modules = [vars(module).values() for module in (tcr_errorcodes, sts_errorcodes)]
    return code is None or code in COMMON or any(code in codes for codes in modules)


def credentials():
    """The vendor's own ways to a temporary key lead to one that signs."""
    address = host(GIVEN["url"])
    # They know no other way than by HTTPS to the real service, and metadata at its own name.
    credential.HttpProfile = lambda: HttpProfile(protocol="http")
    pod = credential.OIDCRoleArnCredential(REGION, "cls-demo0001", "signed-by-the-provider", GIVEN["roleArn"], "judge",
                                           7200, address)
    machine = credential.CVMRoleCredential()
    machine._role_endpoint = f"{GIVEN['url']}/latest/meta-data/cam/security-credentials/"
    owner = GIVEN["accounts"]["owner"]
    # It knows no external id.
    lent = credential.STSAssumeRoleCredential(owner["secretId"], owner["secretKey"], GIVEN["openArn"], "judge", 7200, address)
    for name, key in [("a Pod's identity", pod), ("a machine's role", machine), ("a role that is lent", lent)]:
        check(f"{name} mints a token", bool(Tcr(key).ask("CreateInstanceToken", RegistryId=INSTANCE).Token))
    for name, end in [("a Pod's key", pod._expired_time), ("a machine's key", machine._expired_ts)]:
        check(f"{name} ends within half a day, in seconds", 0 < end - time.time() <= 43_200)
    equal("the machine's role", machine.role, "tcr-reader")


SCENARIOS = {scenario.__name__: scenario for scenario in (forms, answers, refusals, credentials)}
try:
    SCENARIOS[sys.argv[1]]()
except Exception:
    wrong.append(f"it ended early:\n{traceback.format_exc()}")
for words in wrong:
    print(f"wrong: {words}")
print(f"{looked_at} looked at, {len(wrong)} wrong")
sys.exit(1 if wrong or not looked_at else 0)
