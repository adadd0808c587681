"""A cluster of three hosts with two buckets, apart from the lab, whose repository is a host and has no second.

They lie in molecule's network, with a server of the S3 protocol behind TLS, and are made anew at will. Three: the
platform takes one or at least three, and where backups are read from a replica into a bucket, hosts ask each other.
"""

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab import adhoc, aptcache, image, podman
from lab.paths import NETWORKS, ROOT, STATE
from lab.shell import run
from tests.host.environment import Environment
from tests.proofs.tools import MEMBERS, SITE, Run, healthy, leader_of, play, script, wait_for

NETWORK = "molecule"
DATABASES, STORE = ("drill-db1", "drill-db2", "drill-db3"), "drill-store"
BUCKETS = {"freelance-first": "cn-north-1", "freelance-second": "cn-northwest-1"}
FIRST = next(iter(BUCKETS))
KEY = "AKIAEXAMPLE"
SECONDS_MAX = 600.0
STREAM_SECONDS_MAX = 120
# Nobody looks after it for as long.
LEFT_OUT = "backup_cron_dump,maintenance_cron"
RELEASE = "schema_migrations"
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
KEEP_VERSIONS = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
PLACE = "<CreateBucketConfiguration><LocationConstraint>{}</LocationConstraint></CreateBucketConfiguration>"
# Asks as the owner: moto believes it.
ASK = (
    "curl --silent --fail --retry 10 --retry-delay 1 --retry-all-errors --cacert /root/ca.crt"
    " -H 'Content-Type: application/xml'"
    f" -H 'Authorization: AWS4-HMAC-SHA256 Credential={KEY}/20260101/{{region}}/s3/aws4_request' {{words}}"
    f" https://{STORE}:9443/{{path}}"
)
# Of a list of versions, and of what stands for deleted ones, what names each.
VERSIONS = r"tr -d '\n' | grep -oP '<Key>\K[^<]+</Key>\s*<VersionId>[^<]+' | sed 's|</Key>.*<VersionId>|?versionId=|'"
# What the server refuses where a region, a key or an account is gone.
REFUSAL = f"location /{FIRST} {{ return 403; }}"
CLOSE = f"sed -i 's|location / {{|{REFUSAL} &|' /etc/nginx/conf.d/s3.conf; systemctl reload nginx"
OPEN = f"sed -i 's|{REFUSAL} ||' /etc/nginx/conf.d/s3.conf; systemctl reload nginx"


def on_store(text: str) -> str:
    """Run a bash script on the buckets' host as root; each of its commands must succeed."""
    words = ["exec", f"{NETWORK}-{STORE}", "bash", "-euo", "pipefail", "-c", text]
    return podman.podman(*words, timeout=SECONDS_MAX).stdout.strip()


def make_store() -> str:
    """Make the buckets' host with two empty ones, of which the first keeps versions; its address."""
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
    on_store(ask_first(f"--request PUT --data '{KEEP_VERSIONS}'", f"'{FIRST}?versioning'"))
    return str(host["address"])


def ask_first(words: str, path: str) -> str:
    """The command that asks the first bucket's server."""
    return ASK.format(region=BUCKETS[FIRST], words=words, path=path)


def delete(names: Iterable[str]) -> None:
    """Delete files of the first repository; their versions stay in the bucket."""
    gone, listed = ask_first("--request DELETE", f"{FIRST}/main/@"), "\n".join(names)
    on_store(f"xargs -I@ {gone} <<< '{listed}'")


def purge(folder: str = "") -> None:
    """Delete for good all that lies in the first bucket, or in a folder of it, with its versions."""
    listed = ask_first("", f"'{FIRST}?versions&prefix={folder}'")
    gone = ask_first("--request DELETE", f"{FIRST}/@")
    on_store(f"""
    while true; do
      found=$({listed})
      keys=$(echo "$found" | {VERSIONS}) || break
      xargs -I@ {gone} <<< "$keys"
    done
    if [[ $found == *'<Key>'* ]]; then echo "not deleted: $found" >&2; exit 1; fi
    """)


def lab_contract() -> dict[str, Any]:
    return dict(json.loads((STATE / "contract.json").read_text(encoding="utf-8")))


def make_databases() -> dict[str, str]:
    """Make the cluster's hosts without any data, whatever there was before; their addresses by name."""
    volumes = lab_contract()["clusters"]["main"]["hosts"][0]["volumes"]
    adhoc.destroy(NETWORK, [*DATABASES])
    sizes = {volume["purpose"]: volume["size_gib"] for volume in volumes}
    made = adhoc.create(NETWORK, [adhoc.Wish(name=name, volumes=sizes) for name in DATABASES])
    return {host["name"]: host["address"] for host in made}


def contract(of_lab: Mapping[str, Any], addresses: Mapping[str, str]) -> dict[str, Any]:
    """The lab's contract with these hosts in the place of its own, and with two buckets."""
    main = of_lab["clusters"]["main"]
    network = str(NETWORKS[NETWORK])
    buckets = [
        {"bucket": name, "region": region, "kms_key_arn": f"arn:aws-cn:kms:{region}:123456789012:key/0a1b"}
        for name, region in BUCKETS.items()
    ]
    hosts = [
        json.loads(json.dumps(host).replace(host["address"], address).replace(host["name"], name))
        for host, (name, address) in zip(main["hosts"], addresses.items(), strict=True)
    ]
    ports = {kind: places[0].rpartition(":")[2] for kind, places in main["endpoints"].items() if kind != "names"}
    apart = main | {
        "hosts": hosts,
        "clients": [network],
        "endpoints": main["endpoints"]
        | {kind: [f"{address}:{port}" for address in addresses.values()] for kind, port in ports.items()},
        "repository": {"type": "s3", "retention_days": 30, **buckets[0], "second": buckets[1]},
    }
    return {**of_lab, "network": network, "services": [], "clusters": {"main": apart}}


@dataclass(frozen=True)
class Apart:
    """The cluster, and how it is played."""

    addresses: Mapping[str, str]
    inventory: Path
    extra: Path
    environment: Environment

    def lose(self) -> None:
        """Take the hosts away with their volumes; empty ones are in their place."""
        assert make_databases() == self.addresses, "another took the address of one of the cluster's hosts meanwhile"

    def attempt(self, playbook: str, *, release: bool = False, **said: object) -> Run:
        """Play, with what is said by `-e` and, where asked for, the application's release, whatever comes of it."""
        left_out = LEFT_OUT if release else f"{RELEASE},{LEFT_OUT}"
        inventory = ("-i", str(self.inventory), "-e", f"@{self.extra}", "--skip-tags", left_out)
        return play(*inventory, "-e", json.dumps(said), playbook)

    def play(self, playbook: str, *, release: bool = False, **said: object) -> Run:
        """Play; it must succeed, and all members lead or stream afterwards."""
        done = self.attempt(playbook, release=release, **said)
        assert done.code == 0, done.output[-4000:]
        wait_for(f"all members stream after {playbook}", self.settled, STREAM_SECONDS_MAX)
        return done

    def on(self, host: str, text: str) -> str:
        """Run a script on a host as root; each of its commands must succeed."""
        return script(self.environment, host, text)

    # ---- the members
    def members(self) -> dict[str, dict[str, Any]]:
        """What Patroni says of each."""
        return {member["Member"]: member for member in json.loads(self.on(DATABASES[0], MEMBERS))}

    def settled(self) -> bool:
        """Whether one leads and all others acknowledge commits."""
        return healthy(self.members(), len(DATABASES))

    @property
    def leader(self) -> str:
        """Name the host that leads now."""
        return leader_of(self.members())

    @property
    def acting(self) -> str:
        """Name the host whose jobs act: the first replica."""
        leader = self.leader
        return next(name for name in DATABASES if name != leader)

    # ---- the repositories
    def pgbackrest(self, words: str) -> Any:
        """What pgBackRest says as JSON, on a host that holds the buckets as all of them do."""
        run_as = "runuser -u postgres -- env -C / pgbackrest --stanza=main --output=json"
        return json.loads(self.on(DATABASES[0], f"{run_as} {words}"))

    def info(self) -> dict[str, Any]:
        """What pgBackRest says of the repositories."""
        [found] = self.pgbackrest("info")
        return dict(found)

    def files(self, folder: str) -> list[str]:
        """Name the files that lie in a folder of the first repository, as paths in it."""
        listed = self.pgbackrest(f"--repo=1 --recurse repo-ls {folder}")
        return sorted(f"{folder}/{name}" for name, entry in listed.items() if entry["type"] == "file")

    def job(self, host: str, name: str) -> str:
        """Run a job of a host as cron does; it must succeed. What it said."""
        return self.on(host, f"runuser -u postgres -- env -C / freelance-backup {name} --here 2>&1")


def write_inventory(folder: Path, databases: Mapping[str, str], store: str) -> Apart:
    """Write the cluster's inventory, and what is said by `-e` because no contract has it."""
    inventory, saved, extra = folder / "inventory", folder / "contract.json", folder / "extra.json"
    shutil.copytree(ROOT / "inventories/lab", inventory)
    saved.write_text(json.dumps(contract(lab_contract(), databases)), encoding="utf-8")
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
        # What a rehearsal asks of the release, which most plays leave out.
        "backup_cron_drill_application_command": [],
        "backup_cron_drill_compare_query": "",
        "host_baseline_hosts": f"{{{{ __database_endpoint_names | default([]) + platform_names + {known} }}}}",
    }
    extra.write_text(json.dumps(said), encoding="utf-8")
    return Apart(databases, inventory, extra, Environment(str(inventory)))


@contextmanager
def cluster(folder: Path) -> Iterator[Apart]:
    """Make the cluster with a backup in each bucket; its hosts are gone afterwards."""
    aptcache.up()
    image.build_packages_layer()  # `make up` needs none
    every = [*DATABASES, STORE]
    adhoc.destroy(NETWORK, every)  # of a run that was killed: addresses are given in this order
    try:
        made = write_inventory(folder, make_databases(), make_store())
        made.play(SITE, release=True)
        yield made
    finally:
        adhoc.destroy(NETWORK, every)
