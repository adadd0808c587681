"""A cluster of one host with two buckets, apart from the lab, whose repository is a host and has no second.

Both hosts lie in molecule's network: the cluster's, made anew at will, and a server of the S3 protocol behind TLS.
"""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab import adhoc, podman
from lab.paths import NETWORKS, ROOT, STATE
from lab.shell import run
from tests.host.environment import Environment
from tests.proofs.tools import SITE, Run, play, script

NETWORK = "molecule"
DATABASE, STORE = "drill-db", "drill-store"
BUCKETS = {"freelance-first": "cn-north-1", "freelance-second": "cn-northwest-1"}
FIRST = next(iter(BUCKETS))
KEY = "AKIAEXAMPLE"
SECONDS_MAX = 600.0
# The application's release and its data are not what comes back here.
LEFT_OUT = "schema_migrations,backup_cron_dump"
SERVE = """
export DEBIAN_FRONTEND=noninteractive
apt-get --quiet --quiet update
packages='python3-moto python3-flask-cors nginx-light curl openssl'
apt-get --quiet --quiet --yes --no-install-recommends install $packages > /dev/null
cat > /etc/systemd/system/moto.service <<'END'
[Service]
ExecStart=/usr/bin/python3 -m moto.server --host 127.0.0.1 --port 5000
DynamicUser=true
END
cat > /etc/nginx/conf.d/s3.conf <<'END'
server {
  listen 9443 ssl;
  ssl_certificate /root/s3.crt;
  ssl_certificate_key /root/s3.key;
  client_max_body_size 0;
  location / {
    proxy_pass http://127.0.0.1:5000;
    proxy_set_header Host $http_host;
  }
}
END
systemctl daemon-reload
systemctl restart moto.service
"""
REQUEST = (
    "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout /root/s3.key"
    f" -subj /CN={STORE} -addext subjectAltName=DNS:{STORE} 2> /dev/null"
)
PLACE = "<CreateBucketConfiguration><LocationConstraint>{}</LocationConstraint></CreateBucketConfiguration>"
# Asks as the owner: moto believes it.
ASK = (
    "curl --silent --fail --retry 10 --retry-delay 1 --retry-all-errors --cacert /root/ca.crt"
    " -H 'Content-Type: application/xml'"
    f" -H 'Authorization: AWS4-HMAC-SHA256 Credential={KEY}/20260101/{{region}}/s3/aws4_request' {{words}}"
    f" https://{STORE}:9443/{{path}}"
)
# What the server refuses where a region, a key or an account is gone.
REFUSAL = f"location /{FIRST} {{ return 403; }}"
CLOSE = f"sed -i 's|location / {{|{REFUSAL} &|' /etc/nginx/conf.d/s3.conf; systemctl reload nginx"
OPEN = f"sed -i 's|{REFUSAL} ||' /etc/nginx/conf.d/s3.conf; systemctl reload nginx"


def on_store(text: str) -> str:
    """Run a bash script on the buckets' host as root; each of its commands must succeed."""
    words = ["exec", f"{NETWORK}-{STORE}", "bash", "-euo", "pipefail", "-c", text]
    return podman.podman(*words, timeout=SECONDS_MAX).stdout.strip()


def make_store() -> str:
    """Make the buckets' host with two empty ones; its address."""
    adhoc.destroy(NETWORK, [STORE])
    [host] = adhoc.create(NETWORK, [adhoc.Wish(name=STORE, volumes={})])
    authority, key = STATE / "ca/ca.crt", STATE / "ca/ca.key"
    request = on_store(f"{SERVE}\n{REQUEST}")
    signed = ["openssl", "x509", "-req", "-CA", str(authority), "-CAkey", str(key), "-copy_extensions", "copy"]
    made = run([*signed, "-days", "2"], stdin=f"{request}\n").stdout
    for file, content in {"s3.crt": made, "ca.crt": authority.read_text(encoding="utf-8")}.items():
        on_store(f"cat > /root/{file} <<'END'\n{content}END")
    on_store(f"echo '127.0.0.1 {STORE}' >> /etc/hosts; systemctl restart nginx.service")
    for bucket, region in BUCKETS.items():
        on_store(ASK.format(region=region, words=f"--request PUT --data '{PLACE.format(region)}'", path=bucket))
    return str(host["address"])


def empty_first() -> None:
    """Delete all that lies in the first bucket."""
    region = BUCKETS[FIRST]
    listed = ASK.format(region=region, words="", path=f"'{FIRST}?list-type=2'")
    gone = ASK.format(region=region, words="--request DELETE", path=f"{FIRST}/@")
    on_store(f"""
    while keys=$({listed} | grep -o '<Key>[^<]*' | cut -c 6-); do xargs -I@ {gone} <<< "$keys"; done
    """)


def lab_contract() -> dict[str, Any]:
    return dict(json.loads((STATE / "contract.json").read_text(encoding="utf-8")))


def make_database() -> str:
    """Make the cluster's host without any data, whatever there was before; its address."""
    volumes = lab_contract()["clusters"]["main"]["hosts"][0]["volumes"]
    adhoc.destroy(NETWORK, [DATABASE])
    sizes = {volume["purpose"]: volume["size_gib"] for volume in volumes}
    [host] = adhoc.create(NETWORK, [adhoc.Wish(name=DATABASE, volumes=sizes)])
    return str(host["address"])


def contract(of_lab: Mapping[str, Any], address: str) -> dict[str, Any]:
    """The lab's contract with this one host in the place of all, and with two buckets."""
    main = of_lab["clusters"]["main"]
    first = main["hosts"][0]
    network = str(NETWORKS[NETWORK])
    buckets = [
        {"bucket": name, "region": region, "kms_key_arn": f"arn:aws-cn:kms:{region}:123456789012:key/0a1b"}
        for name, region in BUCKETS.items()
    ]
    text = json.dumps(first).replace(first["address"], address).replace(first["name"], DATABASE)
    ports = {kind: places[0].rpartition(":")[2] for kind, places in main["endpoints"].items() if kind != "names"}
    apart = main | {
        "hosts": [json.loads(text)],
        "clients": [network],
        "endpoints": {**main["endpoints"], **{kind: [f"{address}:{port}"] for kind, port in ports.items()}},
        "repository": {"type": "s3", "retention_days": 30, **buckets[0], "second": buckets[1]},
    }
    return {**of_lab, "network": network, "services": [], "clusters": {"main": apart}}


@dataclass(frozen=True)
class Apart:
    """The cluster, and how it is played."""

    address: str
    inventory: Path
    extra: Path
    environment: Environment

    def lose(self) -> None:
        """Take the host away with its volumes; an empty one is in its place."""
        assert make_database() == self.address, "another took the address of the cluster's host meanwhile"

    def play(self, playbook: str, **said: object) -> Run:
        """Play, with what is said by `-e`; it must succeed."""
        inventory = ("-i", str(self.inventory), "-e", f"@{self.extra}", "--skip-tags", LEFT_OUT)
        done = play(*inventory, "-e", json.dumps(said), playbook)
        assert done.code == 0, done.output[-4000:]
        return done

    def on(self, text: str) -> str:
        """Run a script on the cluster's host as root."""
        return script(self.environment, DATABASE, text)

    def info(self) -> dict[str, Any]:
        """What pgBackRest says of the repositories."""
        [found] = json.loads(self.on("runuser -u postgres -- env -C / pgbackrest --stanza=main --output=json info"))
        return dict(found)


def write_inventory(folder: Path, database: str, store: str) -> Apart:
    """Write the cluster's inventory, and what is said by `-e` because no contract has it."""
    inventory, saved, extra = folder / "inventory", folder / "contract.json", folder / "extra.json"
    shutil.copytree(ROOT / "inventories/lab", inventory)
    saved.write_text(json.dumps(contract(lab_contract(), database)), encoding="utf-8")
    lines = (inventory / "pulumi_stack.yml").read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if not line.startswith(("state_file:", "contract_file:"))]
    (inventory / "pulumi_stack.yml").write_text("\n".join([*kept, f"contract_file: {saved}", ""]), encoding="utf-8")
    server = {"endpoint": STORE, "port": 9443, "uri_style": "path", "ca_file": "/etc/ssl/platform/ca.crt"}
    known = f"[{{'address': '{store}', 'names': ['{STORE}']}}]"
    said = {
        # What the contract's become; which of them counts is still the platform's to say.
        "__repositories": [
            {"type": "s3", "bucket": name, "region": region, "kms_key_arn": "arn:aws-cn:kms:key", "key_type": "shared"}
            | server
            for name, region in BUCKETS.items()
        ],
        "wal_archive_s3_key": KEY,
        "wal_archive_s3_key_secret": "of-no-worth",
        "host_baseline_hosts": f"{{{{ __database_endpoint_names | default([]) + platform_names + {known} }}}}",
    }
    extra.write_text(json.dumps(said), encoding="utf-8")
    return Apart(database, inventory, extra, Environment(str(inventory)))


@contextmanager
def cluster(folder: Path) -> Iterator[Apart]:
    """Make the cluster with a backup in each bucket; its hosts are gone afterwards."""
    try:
        made = write_inventory(folder, make_database(), make_store())
        made.play(SITE)
        yield made
    finally:
        adhoc.destroy(NETWORK, [DATABASE, STORE])
