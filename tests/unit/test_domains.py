"""Names of one's own for the API and the CDN: certificates, records, and addresses in answers."""

import pytest
from tests.template import Deployment, resource, template

DOMAIN = {
    "DomainName": "api.example.com",
    "CertificateArn": "arn:aws:acm:eu-west-1:1:certificate/a",
}
CDN = {"PicturesCdn": "true"}
PICTURES = {
    **CDN,
    "PicturesDomainName": "pictures.example.com",
    "PicturesCertificateArn": "arn:aws:acm:us-east-1:1:certificate/b",
}
ZONE = {"HostedZoneId": "Z1"}
NAMES = {
    "DomainName",
    "CertificateArn",
    "PicturesDomainName",
    "PicturesCertificateArn",
    "HostedZoneId",
}
# Each name and type of record, by its resource.
RECORDS = {
    "DomainRecord": ("api.example.com", "A"),
    "DomainRecordForIpv6": ("api.example.com", "AAAA"),
    "CdnRecord": ("pictures.example.com", "A"),
    "CdnRecordForIpv6": ("pictures.example.com", "AAAA"),
}


@pytest.mark.parametrize(
    ("values", "api", "pictures"),
    [
        ({}, "", ""),
        (DOMAIN, "https://api.example.com", ""),
        (
            {**DOMAIN, "PublicOrigin": "https://front.example.com"},
            "https://front.example.com",
            "",
        ),
        (CDN, "", "https://${PicturesDistribution.DomainName}"),
        (PICTURES, "", "https://pictures.example.com"),
        (
            {**DOMAIN, **PICTURES, **ZONE},
            "https://api.example.com",
            "https://pictures.example.com",
        ),
    ],
    ids=["none", "API", "origin before domain", "CDN", "pictures", "both"],
)
def test_addresses_in_answers_follow_the_names(
    values: dict[str, str], api: str, pictures: str
) -> None:
    deployment = Deployment(values)
    variables = template()["Globals"]["Function"]["Environment"]["Variables"]
    assert deployment.value(variables["PUBLIC_ORIGIN"]) == api
    assert deployment.value(variables["PICTURES_ORIGIN"]) == pictures
    assert deployment.refused() == []


def test_without_names_nothing_is_made_for_them() -> None:
    assert all(template()["Parameters"][name]["Default"] == "" for name in NAMES)
    for values in ({}, CDN, ZONE):
        deployment = Deployment(values)
        for name in ("Domain", "DomainMapping", *RECORDS):
            assert not deployment.has(name)
        config = deployment.value(resource("PicturesDistribution")["DistributionConfig"])
        assert config["Aliases"] == config["ViewerCertificate"] == "${AWS::NoValue}"


def test_the_name_of_the_api_has_its_certificate_and_leads_to_it() -> None:
    deployment = Deployment(DOMAIN)
    domain = deployment.value(resource("Domain"))
    [config] = domain["DomainNameConfigurations"]
    assert deployment.has("Domain")
    assert deployment.has("DomainMapping")
    assert domain["DomainName"] == DOMAIN["DomainName"]
    assert config["CertificateArn"] == DOMAIN["CertificateArn"]
    assert (config["EndpointType"], config["SecurityPolicy"]) == ("REGIONAL", "TLS_1_2")
    assert deployment.value(resource("DomainMapping"))["ApiId"] == "${Api}"
    assert deployment.value(template()["Outputs"]["BaseUrl"]["Value"]) == "https://api.example.com"


def test_the_name_of_the_cdn_has_its_certificate() -> None:
    config = Deployment(PICTURES).value(resource("PicturesDistribution")["DistributionConfig"])
    assert config["Aliases"] == [PICTURES["PicturesDomainName"]]
    assert config["ViewerCertificate"] == {
        "AcmCertificateArn": PICTURES["PicturesCertificateArn"],
        "MinimumProtocolVersion": "TLSv1.2_2021",
        "SslSupportMethod": "sni-only",
    }
    output = template()["Outputs"]["PicturesOrigin"]["Value"]
    assert Deployment(PICTURES).value(output) == "https://pictures.example.com"


@pytest.mark.parametrize("name", RECORDS)
def test_records_are_made_in_the_zone_that_is_given_and_in_none_otherwise(name: str) -> None:
    assert not Deployment({**DOMAIN, **PICTURES}).has(name)
    deployment = Deployment({**DOMAIN, **PICTURES, **ZONE})
    assert deployment.has(name)
    record = deployment.value(resource(name))
    assert (record["Name"], record["Type"]) == RECORDS[name]
    assert record["HostedZoneId"] == "Z1"


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"DomainName": "api.example.com"}, "CertificateArn"),
        ({**CDN, "PicturesDomainName": "pictures.example.com"}, "PicturesCertificateArn"),
        ({**PICTURES, "PicturesCdn": "false"}, "PicturesCdn"),
        ({**PICTURES, "PublicPictures": "false"}, "PicturesCdn"),
    ],
    ids=["no certificate", "no certificate of pictures", "no CDN", "no public pictures"],
)
def test_a_name_that_could_not_work_is_refused_at_deployment(
    values: dict[str, str], named: str
) -> None:
    [said] = Deployment(values).refused()
    assert named in said
