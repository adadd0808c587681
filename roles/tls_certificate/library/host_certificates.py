#!/usr/bin/python3
"""Keys, signing requests and certificates of one host, all in one call."""

from __future__ import annotations

import ipaddress
import os
import pwd
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

try:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    HAS_CRYPTOGRAPHY = True
except ImportError:
    HAS_CRYPTOGRAPHY = False

DOCUMENTATION = """
module: host_certificates
short_description: Make keys, say what needs a signature, write what was signed
options:
  directory: {type: path, required: true, description: Folder of the files.}
  authority: {type: str, required: true, description: PEM certificate of the authority.}
  certificates: {type: list, elements: dict, required: true, description: Certificates of this host.}
  renewal_days: {type: int, required: true, description: Fewer days left and the certificate is renewed.}
  signed: {type: dict, default: {}, description: Certificates by name that the authority has just signed.}
"""
RETURN = """
requests: {type: list, description: Name and PEM request of each certificate that needs a signature., returned: always}
changed_names: {type: list, description: Certificates whose files changed., returned: always}
"""

CERTIFICATE_SPEC = {
    "name": {"type": "str", "required": True},
    "owner": {"type": "str", "required": True},
    "common_name": {"type": "str", "required": True},
    "dns_names": {"type": "list", "elements": "str", "required": True},
    "addresses": {"type": "list", "elements": "str", "default": []},
    "combined": {"type": "bool", "default": False},
}
PUBLIC, SECRET = 0o644, 0o600
# One empty file for each certificate whose users have not been reloaded yet: a run that was broken off between writing
# and reloading is made good by the next one. A reboot empties the folder, and starts every service anew.
PENDING = Path("/run/host_certificates")
# Each use of a key that a certificate of ours does not allow: all but signing the handshake.
OTHER_USAGES = (
    *("content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
    *("key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
)


class Files:
    """Whole files with owner and mode, written only where they differ and never in check mode."""

    def __init__(self, check_mode: bool) -> None:
        self.check_mode = check_mode
        self.changed: list[str] = []

    def ensure(self, path: Path, content: bytes | None, uid: int, mode: int) -> bool:
        """Make the file so; `content` None leaves what is in it. Tells whether anything differs."""
        try:
            state = path.stat()
            same = content is None or path.read_bytes() == content
            if same and (state.st_uid, state.st_gid, state.st_mode & 0o7777) == (uid, gid_of(uid), mode):
                return False
        except FileNotFoundError:
            same = content is None
        self.changed.append(str(path))
        if self.check_mode:
            return True
        if not same and content is not None:
            # A new file beside it, renamed over it: a reader sees the old one or the new one, a key is never open.
            fresh = path.with_name(f".{path.name}.new")
            fresh.unlink(missing_ok=True)
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, SECRET)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                os.fsync(file.fileno())
            os.chown(fresh, uid, gid_of(uid))
            fresh.chmod(mode)
            fresh.rename(path)
        else:
            os.chown(path, uid, gid_of(uid))
            path.chmod(mode)
        return True


def gid_of(uid: int) -> int:
    """Return the user's own group."""
    return pwd.getpwuid(uid).pw_gid


def load_key(path: Path) -> Any:
    """Return the private key in the file, None when there is none that can be read."""
    try:
        return serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError):
        return None


def names_of(wanted: dict[str, Any]) -> list[Any]:
    """Return the subject alternative names that are declared."""
    addresses = [x509.IPAddress(ipaddress.ip_address(address)) for address in wanted["addresses"]]
    return [*(x509.DNSName(name) for name in wanted["dns_names"]), *addresses]


def request_for(wanted: dict[str, Any], key: Any) -> str:
    """Return a signing request for a server and client certificate, as PEM."""
    usages = [x509.oid.ExtendedKeyUsageOID.SERVER_AUTH, x509.oid.ExtendedKeyUsageOID.CLIENT_AUTH]
    usage = dict.fromkeys(OTHER_USAGES, False)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, wanted["common_name"])])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    builder = builder.add_extension(x509.SubjectAlternativeName(names_of(wanted)), critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(x509.KeyUsage(digital_signature=True, **usage), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    return str(builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode())


def reason_to_renew(pem: bytes, wanted: dict[str, Any], key: Any, authority: Any, renewal_days: int) -> str | None:
    """Say why this certificate won't do, None when it will."""
    try:
        found = x509.load_pem_x509_certificate(pem)
        found.verify_directly_issued_by(authority)
        names = set(found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except Exception as error:
        # InvalidSignature, ValueError, TypeError, ExtensionNotFound: each means that a new one is needed.
        return f"it is not signed by this authority or can't be read ({type(error).__name__})"
    if found.public_key() != key.public_key():
        return "it belongs to another key"
    common_names = [item.value for item in found.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)]
    if names != set(names_of(wanted)) or common_names != [wanted["common_name"]]:
        return "it has other names"
    if found.not_valid_after_utc < datetime.now(UTC) + timedelta(days=renewal_days):
        return f"it ends on {found.not_valid_after_utc:%Y-%m-%d}"
    return None


def uid_of(module: AnsibleModule, owner: str) -> int:
    """Return the user's id; a dry run on an empty host takes root for a user who will be there."""
    try:
        return pwd.getpwnam(owner).pw_uid
    except KeyError:
        if module.check_mode:
            return 0
        module.fail_json(msg=f"owner {owner!r}: no such user on this host; declare it before its certificate")
    raise AssertionError  # fail_json does not return


def key_for(path: Path, files: Files, uid: int) -> Any:
    """Return the key of the file, made now if there is none."""
    key = load_key(path)
    content = None
    if key is None:
        key = ec.generate_private_key(ec.SECP256R1())
        plain = serialization.NoEncryption()
        content = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    files.ensure(path, content, uid, SECRET)
    return key


def run(module: AnsibleModule) -> dict[str, Any]:
    """Do it and return the module's answer."""
    given = module.params
    files, directory = Files(module.check_mode), Path(given["directory"])
    authority = x509.load_pem_x509_certificate(given["authority"].encode())
    if not directory.is_dir():
        files.changed.append(str(directory))
        if not module.check_mode:
            directory.mkdir(mode=0o755, parents=True)
    authority_changed = files.ensure(directory / "ca.crt", given["authority"].encode(), 0, PUBLIC)
    requests, reasons, names = [], {}, []
    for wanted in given["certificates"]:
        name, uid, before = wanted["name"], uid_of(module, wanted["owner"]), len(files.changed)
        path = directory / f"{name}.crt"
        key = key_for(directory / f"{name}.key", files, uid)
        pem = given["signed"].get(name, "").encode() or (path.read_bytes() if path.exists() else b"")
        reason = reason_to_renew(pem, wanted, key, authority, given["renewal_days"]) if pem else "there is none"
        if reason is None:
            files.ensure(path, pem, 0, PUBLIC)
            if wanted["combined"]:
                files.ensure(directory / f"{name}.pem", pem + (directory / f"{name}.key").read_bytes(), uid, SECRET)
        elif name in given["signed"]:
            module.fail_json(msg=f"certificate {name}: the one just signed won't do: {reason}; run the play again")
        else:
            requests.append({"name": name, "request": request_for(wanted, key)})
            reasons[name] = reason
        if authority_changed or len(files.changed) > before:
            names.append(name)
    if names and not module.check_mode:
        PENDING.mkdir(mode=0o755, exist_ok=True)
        for name in names:
            (PENDING / name).touch()
    names = [
        item["name"] for item in given["certificates"] if item["name"] in names or (PENDING / item["name"]).exists()
    ]
    changed = bool(files.changed or requests or names)
    return {
        "changed": changed,
        "files": files.changed,
        "requests": requests,
        "reasons": reasons,
        "changed_names": names,
    }


def main() -> None:
    """Run as an Ansible module."""
    module = AnsibleModule(
        argument_spec={
            "directory": {"type": "path", "required": True},
            "authority": {"type": "str", "required": True},
            "certificates": {"type": "list", "elements": "dict", "required": True, "options": CERTIFICATE_SPEC},
            "renewal_days": {"type": "int", "required": True},
            "signed": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    if not HAS_CRYPTOGRAPHY:
        if module.check_mode:  # a dry run on an empty host: the package is not installed yet
            names = [item["name"] for item in module.params["certificates"]]
            module.exit_json(
                changed=bool(names), requests=[], reasons=dict.fromkeys(names, "there is none"), changed_names=[]
            )
        module.fail_json(msg="python3-cryptography is missing on this host; run the role's install step")
    try:
        module.exit_json(**run(module))
    except (OSError, ValueError) as error:
        module.fail_json(msg=f"certificates in {module.params['directory']}: {error}")


if __name__ == "__main__":
    main()
