"""The module `host_certificates` and the filter that judges the authority: when a certificate is renewed or refused."""

import json
import pwd
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.loading import load

from .role_files import ROOT

ROLE = ROOT / "roles/tls_certificate"
OWNER = pwd.getpwuid(0).pw_name
WEB = {
    "name": "web",
    "owner": OWNER,
    "common_name": "db1",
    "dns_names": ["db1", "direct.lab"],
    "addresses": ["10.99.0.11"],
}
certificates = load(ROLE / "library/host_certificates.py")
authorities = load(ROLE / "filter_plugins/tls_authority.py")


class Authority:
    """A certificate authority for tests."""

    def __init__(self, name: str = "CA", days: int = 3650, *, ca: bool = True) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        start = datetime.now(UTC) - timedelta(days=4000)
        builder = self._builder(self.name, self.key.public_key(), start, datetime.now(UTC) + timedelta(days=days))
        builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        self.certificate = builder.sign(self.key, hashes.SHA256())
        self.pem = self.certificate.public_bytes(serialization.Encoding.PEM).decode()
        self.key_pem = self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()

    def _builder(self, subject: x509.Name, key: Any, start: datetime, end: datetime) -> x509.CertificateBuilder:
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self.name).public_key(key)
        return builder.serial_number(x509.random_serial_number()).not_valid_before(start).not_valid_after(end)

    def sign(self, request_pem: str, days: int = 90) -> str:
        request = x509.load_pem_x509_csr(request_pem.encode())
        now = datetime.now(UTC)
        start = now - timedelta(days=100)
        builder = self._builder(request.subject, request.public_key(), start, now + timedelta(days=days))
        for extension in request.extensions:
            builder = builder.add_extension(extension.value, extension.critical)
        return builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


class Module:
    """Stands in for AnsibleModule: parameters in, an exception for a failure."""

    def __init__(self, params: dict[str, Any], *, check_mode: bool = False) -> None:
        self.params, self.check_mode = params, check_mode

    def fail_json(self, msg: str) -> None:
        raise SystemExit(msg)


@pytest.fixture(autouse=True)
def pending(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of certificates whose users have not been reloaded yet."""
    folder = tmp_path_factory.mktemp("run") / "pending"
    monkeypatch.setattr(certificates, "PENDING", folder)
    return folder


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


def play(folder: Path, authority: Authority, *wanted: dict[str, Any], check_mode: bool = False, **more: Any) -> Any:
    params = {
        "directory": str(folder),
        "authority": authority.pem,
        "certificates": [{"combined": False, "addresses": [], **item} for item in (wanted or [WEB])],
        "renewal_days": 30,
        "signed": {},
        **more,
    }
    return certificates.run(Module(params, check_mode=check_mode))


def issue(folder: Path, authority: Authority, *wanted: dict[str, Any], days: int = 90) -> Any:
    asked = play(folder, authority, *wanted)
    signed = {item["name"]: authority.sign(item["request"], days) for item in asked["requests"]}
    return play(folder, authority, *wanted, signed=signed)


def reloaded(pending: Path) -> None:
    """What the role's handlers do at their end."""
    shutil.rmtree(pending)


def reasons(answer: Any) -> dict[str, str]:
    assert [item["name"] for item in answer["requests"]] == list(answer["reasons"])
    return dict(answer["reasons"])


def test_a_second_run_changes_nothing(tmp_path: Path, authority: Authority, pending: Path) -> None:
    issue(tmp_path, authority)
    reloaded(pending)
    again = play(tmp_path, authority)
    assert (again["changed"], again["requests"], again["changed_names"]) == (False, [], [])


def test_a_run_broken_off_before_the_reload_is_made_good(tmp_path: Path, authority: Authority, pending: Path) -> None:
    issue(tmp_path, authority)
    again = play(tmp_path, authority)
    assert (again["changed"], again["files"], again["changed_names"]) == (True, [], ["web"])
    reloaded(pending)
    assert not play(tmp_path, authority)["changed"]


def test_the_key_never_leaves_the_host(tmp_path: Path, authority: Authority) -> None:
    asked = play(tmp_path, authority)
    key = (tmp_path / "web.key").read_text()
    assert "PRIVATE KEY" in key
    assert "PRIVATE KEY" not in json.dumps(asked)


def test_a_dry_run_writes_nothing(tmp_path: Path, authority: Authority) -> None:
    answer = play(tmp_path / "none", authority, check_mode=True)
    assert answer["changed"]
    assert not (tmp_path / "none").exists()


def test_a_certificate_about_to_expire_is_renewed_with_the_same_key(tmp_path: Path, authority: Authority) -> None:
    asked = play(tmp_path, authority)["requests"][0]["request"]
    key = (tmp_path / "web.key").read_text()
    (tmp_path / "web.crt").write_text(authority.sign(asked, days=31))
    assert play(tmp_path, authority)["requests"] == []
    (tmp_path / "web.crt").write_text(authority.sign(asked, days=29))
    assert "it ends on" in reasons(play(tmp_path, authority))["web"]
    assert issue(tmp_path, authority)["changed_names"] == ["web"]
    assert (tmp_path / "web.key").read_text() == key


def test_an_expired_certificate_is_renewed(tmp_path: Path, authority: Authority) -> None:
    asked = play(tmp_path, authority)["requests"][0]["request"]
    (tmp_path / "web.crt").write_text(authority.sign(asked, days=-1))
    assert "it ends on" in reasons(play(tmp_path, authority))["web"]


def test_other_names_ask_for_a_new_certificate(tmp_path: Path, authority: Authority) -> None:
    issue(tmp_path, authority)
    changes: list[dict[str, Any]] = [{"dns_names": ["db1"]}, {"addresses": []}, {"common_name": "db2"}]
    for change in changes:
        assert reasons(play(tmp_path, authority, {**WEB, **change})) == {"web": "it has other names"}


def test_another_authority_ends_in_new_certificates_for_all(tmp_path: Path, authority: Authority) -> None:
    second = {**WEB, "name": "pair"}
    issue(tmp_path, authority, WEB, second)
    new = Authority()  # the same name, another key: only the signature tells
    asked = play(tmp_path, new, WEB, second)
    assert set(reasons(asked)) == {"web", "pair"}
    assert "not signed by this authority" in asked["reasons"]["web"]
    assert asked["changed_names"] == ["web", "pair"]
    assert (tmp_path / "ca.crt").read_text() == new.pem


def test_what_was_altered_is_mended(tmp_path: Path, authority: Authority) -> None:
    wanted = {**WEB, "combined": True}
    issue(tmp_path, authority, wanted)
    pem = (tmp_path / "web.pem").read_text()
    (tmp_path / "web.key").chmod(0o644)
    (tmp_path / "web.pem").write_text("junk")
    (tmp_path / "ca.crt").write_text("junk")
    mended = play(tmp_path, authority, wanted)
    assert sorted(Path(name).name for name in mended["files"]) == ["ca.crt", "web.key", "web.pem"]
    assert (tmp_path / "web.key").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "web.pem").read_text() == pem


def test_a_lost_key_ends_in_a_new_key_and_certificate(tmp_path: Path, authority: Authority) -> None:
    issue(tmp_path, authority)
    (tmp_path / "web.key").unlink()
    assert reasons(play(tmp_path, authority)) == {"web": "it belongs to another key"}
    assert issue(tmp_path, authority)["changed_names"] == ["web"]


def test_a_certificate_that_somebody_else_signed_is_not_written(tmp_path: Path, authority: Authority) -> None:
    asked = play(tmp_path, authority)["requests"][0]["request"]
    with pytest.raises(SystemExit, match="the one just signed won't do"):
        play(tmp_path, authority, signed={"web": Authority().sign(asked)})
    assert not (tmp_path / "web.crt").exists()


def test_an_owner_who_does_not_exist_is_named(tmp_path: Path, authority: Authority) -> None:
    with pytest.raises(SystemExit, match="owner 'nobody-here'"):
        play(tmp_path, authority, {**WEB, "owner": "nobody-here"})


def test_a_good_authority_has_no_problems(authority: Authority) -> None:
    assert authorities.tls_authority_problems(authority.pem, authority.key_pem, 90) == []


@pytest.mark.parametrize(
    ("certificate", "key", "words"),
    [
        (Authority(days=-1), None, "expired on"),
        (Authority(days=60), None, "before one of 90 days"),
        (Authority(), Authority(), "belongs to another certificate"),
        (Authority(ca=False), None, "CA:FALSE"),
    ],
)
def test_a_wrong_authority_is_refused(certificate: Authority, key: Authority | None, words: str) -> None:
    problems = authorities.tls_authority_problems(certificate.pem, (key or certificate).key_pem, 90)
    assert len(problems) == 1
    assert words in problems[0]


def test_an_authority_that_is_no_pem_is_refused(authority: Authority) -> None:
    assert authorities.tls_authority_problems("junk", authority.key_pem, 90) == [
        "its certificate is no PEM certificate"
    ]
    assert authorities.tls_authority_problems(authority.pem, "junk", 90) == [
        "its private key is no unencrypted PEM key"
    ]
