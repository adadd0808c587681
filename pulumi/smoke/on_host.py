"""Runs on a host: which requests to the bucket does the instance profile allow? Standard library alone.

    python3 on_host.py BUCKET REGION KMS_KEY_ARN PREFIX

Signature: "Authenticating Requests (AWS Signature Version 4)", Amazon S3 API reference.
"""

import hashlib
import hmac
import json
import sys
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import quote

METADATA = "http://169.254.169.254/latest"
CONTENT = b"smoke\n"


def metadata(path: str, token: str) -> str:
    """Ask the instance's own service (IMDSv2)."""
    request = urllib.request.Request(f"{METADATA}/{path}", headers={"X-aws-ec2-metadata-token": token})  # noqa: S310 - a fixed address
    with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310 - the same
        return str(answer.read().decode())


def credentials() -> Mapping[str, str]:
    """Return the keys that the instance profile gives."""
    asked = urllib.request.Request(  # noqa: S310 - a fixed address
        f"{METADATA}/api/token", method="PUT", headers={"X-aws-ec2-metadata-token-ttl-seconds": "60"}
    )
    with urllib.request.urlopen(asked, timeout=5) as answer:  # noqa: S310 - the same
        token = answer.read().decode()
    role = metadata("meta-data/iam/security-credentials/", token)
    found: Mapping[str, str] = json.loads(metadata(f"meta-data/iam/security-credentials/{role}", token))
    return found


@dataclass(frozen=True)
class Request:
    """One request to S3. `extra` are headers beside those of the signature."""

    method: str
    host: str
    path: str
    query: str = ""
    body: bytes = b""
    extra: Mapping[str, str] = field(default_factory=dict)


def signed(request: Request, keys: Mapping[str, str], region: str, now: datetime) -> dict[str, str]:
    """Return the headers of a request with its signature."""
    stamp, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
    digest = hashlib.sha256(request.body).hexdigest()
    headers = {
        **request.extra,
        "host": request.host,
        "x-amz-content-sha256": digest,
        "x-amz-date": stamp,
        "x-amz-security-token": keys["Token"],
    }
    if request.body:
        # Without it S3 takes nothing into a bucket with a default retention (API reference, PutObject, Content-MD5).
        checksum = hashlib.md5(request.body, usedforsecurity=False).digest()
        headers["content-md5"] = b64encode(checksum).decode()
        headers["content-type"] = "text/plain"  # urllib would add another one, which nobody signed
    names = ";".join(sorted(headers))
    lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    canonical = "\n".join([request.method, quote(request.path), request.query, lines, names, digest])
    scope = f"{day}/{region}/s3/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = f"AWS4{keys['SecretAccessKey']}".encode()
    for part in (day, region, "s3", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    credential = f"{keys['AccessKeyId']}/{scope}"
    headers["authorization"] = f"AWS4-HMAC-SHA256 Credential={credential},SignedHeaders={names},Signature={signature}"
    return headers


def status(request: Request, keys: Mapping[str, str], region: str) -> int:
    """Send it; return the status of the answer."""
    sent = urllib.request.Request(
        f"https://{request.host}{quote(request.path)}?{request.query}",
        data=request.body or None,
        method=request.method,
        headers=signed(request, keys, region, datetime.now(tz=UTC)),
    )
    try:
        with urllib.request.urlopen(sent, timeout=30) as answer:  # noqa: S310 - the same
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def main(bucket: str, region: str, key_arn: str, prefix: str) -> None:
    """Print the status of each request."""
    host = f"{bucket}.s3.{region}.amazonaws.com{'.cn' if region.startswith('cn-') else ''}"
    keys = credentials()
    encrypted = {"x-amz-server-side-encryption": "aws:kms", "x-amz-server-side-encryption-aws-kms-key-id": key_arn}
    requests = {
        "write": Request("PUT", host, f"/{prefix}/smoke", body=CONTENT, extra=encrypted),
        "read": Request("GET", host, f"/{prefix}/smoke"),
        "write_elsewhere": Request("PUT", host, "/elsewhere/smoke", body=CONTENT, extra=encrypted),
        "read_elsewhere": Request("GET", host, "/elsewhere/smoke"),
        "list_elsewhere": Request("GET", host, "/", query="list-type=2&prefix=elsewhere%2F"),
    }
    print("smoke-result=" + json.dumps({name: status(request, keys, region) for name, request in requests.items()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
