"""Prices come from the price list; what it lacks is named and kept; after any other refusal the file is as it was."""

import re
from pathlib import Path

import pytest
from cost import price_file, refresh
from cost.catalogue import product
from cost.price_file import PriceError

from tests.unit.cost.price_list import PriceList, offer

REGION = "eu-central-1"
NAT, KEY, SPEED = (REGION, "nat.hour"), (REGION, "kms.key"), (REGION, "ebs.gp3.mibps")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A copy of the file that is shipped."""
    copy = tmp_path / "prices.json"
    copy.write_bytes(price_file.FILE.read_bytes())
    return copy


def served(price_list: PriceList) -> None:
    price_list.offers = {
        "AmazonEC2": [
            offer("EUC1-RegionalNatGateway-Hours", 9.0, regionCode=REGION),
            offer("EUC1-NatGateway-Bytes", 8.0, regionCode=REGION),
            offer("EUC1-NatGateway-Hours", 0.052, regionCode=REGION),
            offer("NatGateway-Hours", 0.045, regionCode="us-east-1"),
            offer("EUC1-EBS:VolumeP-Throughput.gp3", 49.152, regionCode=REGION),
        ],
        "awskms": [offer("eu-central-1-KMS-Keys", 1.0, free=2, regionCode=REGION)],
    }


def test_prices_are_read_and_the_file_says_from_where_and_when(price_list: PriceList, file: Path) -> None:
    served(price_list)
    said = refresh.of_stack("production", {NAT, KEY, SPEED}, file)
    block = price_file.read(file)[REGION]
    read = {key: row for key, row in block.rows.items() if not row.illustrative}
    assert {key: row.amount for key, row in read.items()} == {
        "nat.hour": 0.052,
        "kms.key": 1.0,  # the first step that costs something
        "ebs.gp3.mibps": pytest.approx(0.048),  # the list counts GiB/s
    }
    assert block.currency == "USD"
    assert read["nat.hour"].source == "AWS price list, AmazonEC2, NatGateway-Hours"
    assert f"prices of {read['nat.hour'].date}: 3 of {REGION}" in said
    assert [path.name for path in file.parent.iterdir()] == ["prices.json"]


def test_all_other_prices_are_kept(price_list: PriceList, file: Path) -> None:
    served(price_list)
    before = price_file.read(file)
    refresh.of_stack("production", {NAT}, file)
    after = price_file.read(file)
    assert after["eu-west-1"] == before["eu-west-1"]
    # Those of another stack in the same region, too.
    assert {**after[REGION].rows, "nat.hour": before[REGION].rows["nat.hour"]} == before[REGION].rows


def test_the_list_is_asked_for_the_region_and_all_its_pages_are_read(price_list: PriceList, file: Path) -> None:
    served(price_list)
    refresh.of_stack("production", {NAT}, file)
    assert price_list.asked[0]["Filters"] == [{"Type": "TERM_MATCH", "Field": "regionCode", "Value": REGION}]
    assert [question.get("NextToken") for question in price_list.asked] == [None, "2"]


def test_china_pays_in_its_own_currency(price_list: PriceList, file: Path) -> None:
    price_list.offers = {"AmazonEC2": [offer("CNN1-NatGateway-Hours", 0.4, currency="CNY", regionCode="cn-north-1")]}
    refresh.of_stack("production-cn", {("cn-north-1", "nat.hour")}, file)
    assert price_file.read(file)["cn-north-1"].currency == "CNY"


@pytest.mark.parametrize(
    ("region", "api"),
    [
        ("cn-north-1", "cn-northwest-1"),
        ("eu-west-3", "eu-central-1"),
        ("ap-east-1", "ap-south-1"),
        ("sa-east-1", "us-east-1"),
    ],
)
def test_the_nearest_api_is_asked(region: str, api: str) -> None:
    assert refresh.api_region(region) == api


@pytest.mark.parametrize(
    ("refusal", "message"),
    [
        ("AccessDeniedException", "allow pricing:GetProducts"),
        ("ExpiredTokenException", "log in again"),
        ("ThrottlingException", "the old prices are kept"),
    ],
)
def test_a_refusal_names_its_remedy_and_keeps_the_file(
    price_list: PriceList, file: Path, refusal: str, message: str
) -> None:
    served(price_list)
    price_list.refusal = refusal
    refused(file, {NAT}, message)


def test_without_credentials_nothing_is_asked(
    price_list: PriceList, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file.with_name("none")))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(file.with_name("none")))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    refused(file, {NAT}, "no credentials for AWS: log in")
    assert not price_list.asked


def test_a_product_that_is_not_there_is_named_and_keeps_its_price(price_list: PriceList, file: Path) -> None:
    served(price_list)
    before = price_file.read(file)[REGION].rows
    cluster, unheard = (REGION, "rds.cluster.db.m6id.2xlarge"), (REGION, "ec2.m7a.48xlarge")
    with pytest.raises(PriceError) as told:
        refresh.of_stack("production", {NAT, cluster, unheard, (REGION, "ipv4.hour")}, file)
    said = str(told.value)
    assert re.search(r"prices of 20[\d-]+: 1 of eu-central-1\.", said)
    kept = rf"; its price of {before['ipv4.hour'].date} is kept"
    assert re.search(rf"no public IPv4 address \(ipv4.hour: AmazonVPC, usage type PublicIPv4:InUse.*{kept}", said)
    assert re.search(rf"no RDS cluster db.m6id.2xlarge \(rds.cluster.*{kept}", said)
    assert re.search(r"no instance m7a.48xlarge \(ec2.m7a.48xlarge: .*; it has no price", said)
    after = price_file.read(file)[REGION].rows
    assert {key for key, row in after.items() if not row.illustrative} == {"nat.hour"}
    assert {**after, "nat.hour": before["nat.hour"]} == before


def test_a_list_in_another_currency_than_what_is_kept_is_refused(price_list: PriceList, file: Path) -> None:
    price_list.offers = {"AmazonEC2": [offer("EUC1-NatGateway-Hours", 0.4, currency="EUR", regionCode=REGION)]}
    refused(file, {NAT}, f"prices of {REGION} in EUR, the file in USD: .*; take {REGION} out of the file")


def test_a_list_that_has_nothing_keeps_the_file(price_list: PriceList, file: Path) -> None:
    served(price_list)
    refused(file, {(REGION, "ipv4.hour")}, r"the old prices are kept\n.*the price list has no public IPv4 address")


def test_two_currencies_are_refused_with_the_prices_of_the_rarer_one(price_list: PriceList, file: Path) -> None:
    served(price_list)
    price_list.offers["awskms"] = [offer("eu-central-1-KMS-Keys", 1.0, currency="EUR", regionCode=REGION)]
    refused(file, {NAT, SPEED, KEY}, r"prices of eu-central-1 in EUR and USD \(EUR: kms.key\): .* are kept")


def test_two_prices_for_one_product_are_no_answer(price_list: PriceList, file: Path) -> None:
    served(price_list)
    price_list.offers["AmazonEC2"].append(offer("EUC1-NatGateway-Hours", 0.06, regionCode=REGION))
    refused(file, {NAT}, "more than one NAT gateway .*0.052 USD, 0.06 USD")


def test_a_list_that_does_not_answer_keeps_the_file(price_list: PriceList, file: Path) -> None:
    price_list.__exit__()
    refused(file, {NAT}, "the price list did not answer")


def test_a_write_that_breaks_off_leaves_the_old_prices(
    price_list: PriceList, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served(price_list)
    before, whole = file.read_bytes(), Path.write_text

    def half(path: Path, text: str, **options: str) -> int:
        whole(path, text[: len(text) // 2], **options)
        raise OSError("no space left on device")

    monkeypatch.setattr(Path, "write_text", half)
    with pytest.raises(OSError, match="no space left"):
        refresh.of_stack("production", {NAT}, file)
    assert file.read_bytes() == before


def refused(file: Path, needed: set[tuple[str, str]], message: str) -> None:
    before = file.read_bytes()
    with pytest.raises(PriceError, match=message):
        refresh.of_stack("production", needed, file)
    assert file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir()] == ["prices.json"]


@pytest.mark.parametrize(
    "key", ["ec2.m7a.2xlarge", "rds.cluster.db.m6id.2xlarge", "region_traffic.eu-west-1", "nat.hour"]
)
def test_each_price_has_a_page_where_it_can_be_looked_up(key: str) -> None:
    assert product(key).page.startswith("https://aws.amazon.com/")
