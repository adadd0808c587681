"""Each step of the first proof: what it takes for held, and what it does not."""

import contextlib
import copy
import json
import re
import urllib.error
import urllib.request
from datetime import UTC, datetime
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
from botocore.auth import S3SigV4Auth  # type: ignore[import-untyped]  # it has no types
from botocore.awsrequest import AWSRequest  # type: ignore[import-untyped]  # the same
from botocore.credentials import Credentials  # type: ignore[import-untyped]  # the same
from smoke import checks, clean_up, on_host, preflight
from smoke.commands import Done, StepError, real

from tests.unit.smoke.recorded import (
    BALANCER,
    KEY,
    RIGHTS,
    SECRET,
    STATE,
    TAGGED,
    Recorded,
    gateways,
    instances,
    refusal,
    tagged,
)

REGION = "eu-central-1"
MD5_OF_SMOKE = "z4SyJu09cL143OxsvR/lMg=="  # printf 'smoke\n' | openssl md5 -binary | base64


EMPTY: dict[str, Any] = {"deployment": {"manifest": {}}}  # the record of a stack that has nothing
NOTHING = {
    "aws resourcegroupstaggingapi get-resources": tagged(),
    "aws ec2 describe-instances": instances(),
    "aws ec2 describe-nat-gateways": gateways(),
}


@pytest.fixture(autouse=True)
def waited(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """For how many seconds each time; nothing waits for AWS here."""
    seconds: list[float] = []
    monkeypatch.setattr("time.sleep", seconds.append)
    return seconds


def with_answers(answers: dict[str, Any]) -> Recorded:
    run = Recorded()
    run.answers |= answers
    return run


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ({"aws --version": Done(status=127, stdout="", stderr="aws is not on PATH")}, "aws is needed on PATH"),
        ({"aws --version": "aws-cli/1.44.8 Python/3.11\n"}, r"aws-cli/1.44.8 .* 2.12 or later is needed for tunnels"),
        ({"aws --version": "aws-cli/2.9.19 Python/3.11\n"}, "2.12 or later"),
        ({"pulumi version": Done(status=127, stdout="", stderr="pulumi is not on PATH")}, "pulumi is needed"),
    ],
)
def test_a_missing_or_old_tool_is_named(answers: dict[str, Any], message: str) -> None:
    with pytest.raises(StepError, match=message):
        preflight.check_tools(with_answers(answers))


@pytest.mark.parametrize("url", ["", "file:///repo/.lab/state"])
def test_the_labs_state_is_no_place_for_what_an_account_holds(url: str) -> None:
    with pytest.raises(StepError, match="PULUMI_BACKEND_URL"):
        preflight.check_backend({"PULUMI_BACKEND_URL": url})
    preflight.check_backend({"PULUMI_BACKEND_URL": "s3://bucket?region=eu-central-1"})


def test_the_engine_that_the_lab_builds_is_refused() -> None:
    with pytest.raises(StepError, match="official release is needed"):
        preflight.check_engine({"PULUMI_IGNORE_AMBIENT_PLUGINS": "1"})
    preflight.check_engine({})


def test_without_credentials_the_remedy_is_named() -> None:
    run = with_answers(
        {"aws sts get-caller-identity": Done(status=253, stdout="", stderr="Unable to locate credentials")}
    )
    with pytest.raises(StepError, match=r"no credentials for AWS: log in(?s:.*)Unable to locate credentials"):
        preflight.account(run, REGION)


def test_a_program_that_is_not_there_is_no_traceback() -> None:
    assert real(["no-such-program-here"]) == Done(status=127, stdout="", stderr="no-such-program-here is not on PATH")


def test_host_keys_come_from_the_console_of_each_host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(checks, "ROOT", tmp_path)
    (tmp_path / checks.FOLDER).mkdir(parents=True)
    assert checks.knows_host_keys(Recorded(), REGION) == "1 host keys read from consoles"
    assert (tmp_path / checks.FOLDER / "known_hosts").read_text() == f"10.20.0.11 {KEY}\n"


@pytest.mark.parametrize("shown", ["booting\n", f"ci-info: {KEY[:-1]}"])
def test_a_console_without_a_whole_key_is_asked_again_and_then_reported(waited: list[float], shown: str) -> None:
    with pytest.raises(StepError, match="i-1 showed no host key"):
        checks.knows_host_keys(with_answers({"aws ec2 get-console-output": shown}), REGION)
    assert sum(waited) == checks.KEYS_SECONDS_MAX


def test_a_console_that_may_not_be_read_and_a_host_that_is_not_there_are_reported_at_once() -> None:
    with pytest.raises(StepError, match="UnauthorizedOperation"):
        checks.knows_host_keys(with_answers({"aws ec2 get-console-output": refusal("UnauthorizedOperation")}), REGION)
    with pytest.raises(StepError, match="no instance with the small stack's tags"):
        checks.knows_host_keys(with_answers({"aws ec2 describe-instances": instances()}), REGION)


def test_the_second_preview_asks_what_aws_has() -> None:
    run = Recorded()
    checks.has_no_changes(run)
    assert {"--refresh", "--expect-no-changes"} <= set(run.asked[0].split())


@pytest.mark.parametrize("name", sorted(RIGHTS))
def test_any_other_right_of_the_host_is_reported(name: str) -> None:
    assert "nothing else" in checks.profile_is_narrow(Recorded())
    wrong = {**RIGHTS, name: 403 if RIGHTS[name] == 200 else 200}
    with pytest.raises(StepError, match=f"'{name}': {wrong[name]}"):
        checks.profile_is_narrow(with_answers({"ansible db1": f"smoke-result={json.dumps(wrong)}"}))


def test_a_version_that_can_be_deleted_is_reported() -> None:
    assert "nobody without s3:BypassGovernanceRetention" in checks.lock_holds(Recorded(), REGION)
    with pytest.raises(StepError, match="the lock does not hold"):
        checks.lock_holds(with_answers({"aws s3api delete-object": ""}), REGION)
    with pytest.raises(StepError, match=r"another reason.*NoSuchBucket"):
        checks.lock_holds(with_answers({"aws s3api delete-object": refusal("NoSuchBucket")}), REGION)
    own_right = Done(status=254, stdout="", stderr="(AccessDenied) eve is not authorized to perform: s3:DeleteObject")
    with pytest.raises(StepError, match=r"another reason.*not authorized"):
        checks.lock_holds(with_answers({"aws s3api delete-object": own_right}), REGION)
    for versions in ("", {"DeleteMarkers": [{"Key": "other", "VersionId": "v2"}]}):
        with pytest.raises(StepError, match="no version"):
            checks.lock_holds(with_answers({"aws s3api list-object-versions": versions}), REGION)


def test_a_target_that_the_balancer_does_not_use_is_reported() -> None:
    assert checks.targets_are_registered(Recorded(), REGION) == "1 target groups know the host"
    of_host = {"Target": {"Id": "i-1"}, "TargetHealth": {"State": "unused", "Reason": "Target.NotInUse"}}
    for health, message in (([of_host], r"pooled: .*Target.NotInUse"), ([], "pooled knows no host")):
        answers = {"aws elbv2 describe-target-health": {"TargetHealthDescriptions": health}}
        with pytest.raises(StepError, match=message):
            checks.targets_are_registered(with_answers(answers), REGION)
    with pytest.raises(StepError, match="no target group is in the record"):
        checks.targets_are_registered(with_answers({"pulumi stack export": EMPTY}), REGION)


def test_the_record_loses_its_marks_and_what_outlives_a_deletion_and_nothing_else() -> None:
    run = Recorded()
    assert clean_up.unprotect_state(run) == "1 resources lost their protection"
    (written,) = map(json.loads, run.given)
    wanted = {
        "vol-1": {"finalSnapshot": False, "size": 10},  # no snapshots that cost
        "i-1": {"disableApiStop": False, "disableApiTermination": False},
        SECRET: {"recoveryWindowInDays": 0},  # gone for good: the next run finds its name free
    }
    before = copy.deepcopy(STATE)["deployment"]["resources"]
    for resource in before:
        for flag in ("protect", "retainOnDelete"):
            resource.pop(flag, None)
        for part in {"inputs", "outputs"} & resource.keys():
            resource[part] = wanted.get(resource["id"], resource[part])
    assert written == {"deployment": {"resources": before}}


def test_what_others_have_under_the_same_name_or_project_is_neither_touched_nor_called_left(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("smoke.settings.file", lambda: tmp_path / "Pulumi.smoke.yaml")
    gone = {"aws resourcegroupstaggingapi get-resources": tagged(), "aws ec2 describe-instances": instances()}
    for answers in ({}, {"pulumi stack export": EMPTY}):
        run = with_answers(answers)
        for name, step in clean_up.steps(run, REGION).items():
            if name == "look for what is left":
                run.answers |= gone
            with contextlib.suppress(StepError):
                step()
        assert "nothing that costs is left" in clean_up.nothing_is_left(run, REGION)
        assert not [line for line in run.asked if "foreign" in line]
        changed = {name for name in ("b-1", BALANCER, "i-1") if [line for line in run.asked if f" {name}" in line]}
        assert changed == (set() if answers else {"b-1", BALANCER, "i-1"})


def test_what_the_lock_still_holds_is_named_with_what_frees_it() -> None:
    with pytest.raises(StepError, match=r"2 versions .*b-1/main/smoke: .*AccessDenied.*`make smoke-aws-clean` again"):
        clean_up.empty_buckets(Recorded(), REGION)


def test_the_lock_is_bypassed_where_there_is_one_and_s3_would_refuse_it_elsewhere() -> None:
    run = with_answers({"aws s3api delete-object": ""})
    assert clean_up.empty_buckets(run, REGION) == "buckets are empty"
    deleted = [line for line in run.asked if "delete-object" in line]
    assert [("--bucket b-1 " in line, "--bypass-governance-retention" in line) for line in deleted] == [
        (True, True),
        (False, False),
    ]


def test_a_bucket_that_got_access_logs_meanwhile_is_emptied_before_the_second_try_to_destroy() -> None:
    class Filled(Recorded):
        """Destroy fails while something is in the bucket; a locked version stays in it."""

        def __call__(self, argv: Any, **options: Any) -> Done:
            if argv[:2] == ["pulumi", "destroy"] and not any("delete-object" in line for line in self.asked):
                self.asked.append(" ".join(argv))
                return Done(status=255, stdout="", stderr="BucketNotEmpty")
            return super().__call__(argv, **options)

    run = Filled()
    assert clean_up.destroy(run, REGION) == "destroyed at the second try"
    assert len([line for line in run.asked if line.startswith("pulumi destroy")]) == 2
    with pytest.raises(StepError, match="BucketNotEmpty"):
        clean_up.destroy(with_answers({"pulumi destroy": Done(status=255, stdout="", stderr="BucketNotEmpty")}), REGION)


def test_what_aws_lists_for_a_while_after_its_deletion_is_not_called_left(waited: list[float]) -> None:
    class Fading(Recorded):
        def __call__(self, argv: Any, **options: Any) -> Done:
            if len(waited) == 2:
                self.answers |= NOTHING
            return super().__call__(argv, **options)

    assert "nothing that costs is left" in clean_up.nothing_is_left(Fading(), REGION)
    assert waited == [clean_up.LEFT_AGAIN_SECONDS] * 2


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ({"aws resourcegroupstaggingapi get-resources": tagged(*TAGGED)}, r"arn:aws:s3:::b-1, .*loadbalancer"),
        ({"aws ec2 describe-instances": instances("i-1")}, "i-1"),
        ({"aws ec2 describe-nat-gateways": gateways("nat-1")}, "nat-1"),
    ],
)
def test_what_is_left_is_reported(answers: dict[str, Any], message: str) -> None:
    with pytest.raises(StepError, match=f"still there: {message}"):
        clean_up.nothing_is_left(with_answers(NOTHING | answers), REGION)


def test_what_aws_lists_for_an_hour_or_until_its_day_is_not_called_left() -> None:
    listed = tagged(*(f"arn:aws:ec2:x:1:{kind}/z" for kind in ("instance", "natgateway")), TAGGED[2])
    run = with_answers(NOTHING | {"aws resourcegroupstaggingapi get-resources": listed})
    assert "nothing that costs is left" in clean_up.nothing_is_left(run, REGION)


@pytest.mark.parametrize(
    ("method", "path", "query", "body"),
    [
        ("GET", "/main/smoke", "", b""),
        ("PUT", "/main/a b", "", b"x"),
        ("GET", "/", "list-type=2&prefix=elsewhere%2F", b""),
    ],
)
def test_the_host_signs_as_the_sdk_does(method: str, path: str, query: str, body: bytes) -> None:
    keys = {"AccessKeyId": "AKIDEXAMPLE", "SecretAccessKey": "secret", "Token": "token"}
    host = "b-1.s3.eu-central-1.amazonaws.com"
    request = on_host.Request(method, host, path, query, body)
    ours = on_host.signed(request, keys, REGION, datetime.now(tz=UTC))
    url = f"https://{host}{path.replace(' ', '%20')}?{query}"
    theirs = AWSRequest(method=method, url=url, data=body)
    theirs.context["timestamp"] = ours["x-amz-date"]
    auth = S3SigV4Auth(Credentials("AKIDEXAMPLE", "secret", "token"), "s3", REGION)
    for name in ours.keys() - {"authorization", "host"}:
        theirs.headers[name] = ours[name]
    canonical = auth.canonical_request(theirs)
    signature = auth.signature(auth.string_to_sign(theirs, canonical), theirs)
    assert ours["authorization"].endswith(f"Signature={signature}")


def test_what_the_host_puts_has_a_signed_checksum_and_no_header_that_is_not_signed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sent: list[urllib.request.Request] = []

    def refuse(request: urllib.request.Request, **_: Any) -> None:
        sent.append(request)
        raise urllib.error.HTTPError(request.full_url, 403, "no", Message(), None)

    monkeypatch.setattr(on_host, "credentials", lambda: {"AccessKeyId": "a", "SecretAccessKey": "b", "Token": "c"})
    monkeypatch.setattr("urllib.request.urlopen", refuse)
    on_host.main("b-1", REGION, "arn:aws:kms:x", "main")
    assert json.loads(capsys.readouterr().out.removeprefix("smoke-result=")) == dict.fromkeys(RIGHTS, 403)
    puts = [request for request in sent if request.get_method() == "PUT"]
    assert len(puts) == 2
    for request in puts:
        assert request.get_header("Content-md5") == MD5_OF_SMOKE
        assert request.has_header("Content-type")  # else urllib adds one
    for request in sent:
        (signed,) = re.findall(r"SignedHeaders=([^,]+),", str(request.get_header("Authorization")))
        assert {name.lower() for name in request.headers} - {"authorization"} == set(signed.split(";"))
