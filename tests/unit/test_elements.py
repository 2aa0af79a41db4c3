"""The module of the custom elements: an address for ever, a stable one, and small."""

import gzip
import re

from tests.unit.conftest import ROOT, Service

from vignette import settings

SOURCE = (ROOT / "functions/elements/vignette.js").read_bytes()


def _address(service: Service) -> str:
    answer = service.call("GET", "/elements/vignette.js")
    assert answer.status == 302
    return f"/elements/{answer.headers['location']}"


def test_the_stable_address_leads_to_one_that_is_cached_for_ever(service: Service) -> None:
    answer = service.call("GET", _address(service))
    assert (answer.status, answer.content) == (200, SOURCE)
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"


def test_the_stable_address_itself_is_kept_for_minutes_only(service: Service) -> None:
    answer = service.call("GET", "/elements/vignette.js")
    assert answer.headers["cache-control"] == "public, max-age=300"


def test_the_module_is_sent_compressed_to_who_understands_it(service: Service) -> None:
    headers = {"accept-encoding": "gzip, deflate, br, zstd"}
    answer = service.call("GET", _address(service), headers=headers)
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["vary"] == "accept-encoding"
    assert gzip.decompress(answer.content) == SOURCE


def test_a_page_from_before_a_deployment_gets_the_module_of_now(service: Service) -> None:
    answer = service.call("GET", "/elements/0123456789abcdef/vignette.js")
    assert (answer.status, answer.headers["cache-control"]) == (302, "no-store")
    latest = service.call("GET", "/elements/vignette.js").headers["location"]
    assert answer.headers["location"] == f"../{latest}"


def test_the_module_is_at_most_ten_kilobytes_and_needs_no_other() -> None:
    assert len(gzip.compress(SOURCE, 9)) <= 10 * 1024
    assert not re.search(rb"^import |\bimport\(|\beval\(|innerHTML", SOURCE, re.MULTILINE)


def test_the_avatar_asks_for_the_renditions_that_there_are() -> None:
    [sizes] = re.findall(rb"const SIZES = \[([\d, ]+)\]", SOURCE)
    assert tuple(map(int, sizes.split(b","))) == settings.RENDITION_SIZES
