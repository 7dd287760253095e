"""--exposure: which network reaches which internal URLs, for people, scripts and auditors."""
import html.parser
import json
import subprocess

import pytest
from harness import configuration
from harness.configuration import PUBLIC_NAME, SITE, allow, deny
from harness.proxy import binary

VERSION = subprocess.run([binary(), "--version"], capture_output=True, text=True, timeout=60,
                         check=True).stdout.split()[-1]
TRICKY = "<script>alert(\"x\")</script> & 'more'"


@pytest.fixture(name="conf")
def fixture_conf(folder):
    settings = configuration.configuration(
        [configuration.listener("127.0.0.1", http=8080, networks=["External", "Branch"])],
        [deny("/abs/int/*"),
         allow(9, TRICKY, bridging="http", paths=[{"external": "/book/*", "internal": "/abs/*"}],
               methods=["GET"], except_from=["203.0.113.0/24"]),
         allow(9, "Inside", bridging="http", **{"from": ["Branch"]})],
        networks={"Branch": ["10.1.0.0/16"], "Other": ["10.2.0.0/16"]})
    configuration.write(folder / "conf", settings)
    return folder / "conf"


def exposure(conf, *words):
    done = subprocess.run([binary(), "--exposure", str(conf), *words], capture_output=True,
                          text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_json_has_each_network_with_what_it_reaches_through_mappings(conf):
    networks = {one["network"]: one["reaches"]
                for one in json.loads(exposure(conf, "--format", "json"))["networks"]}
    assert networks["Other"] == []
    [external] = networks["External"]
    assert external["paths"] == ["/abs/*"] and external["methods"] == "GET"
    assert external["names"] == PUBLIC_NAME and external["rule"] == TRICKY
    assert external["site"] == f"http://{SITE}:9 at 127.0.0.1"
    assert external["example"]["path"] == "/book" and external["example"]["name"] == PUBLIC_NAME
    assert external["from"] == "External (but not 203.0.113.0/24)"
    [branch] = networks["Branch"]
    assert (branch["paths"], branch["from"]) == (["/* but not /abs/int/*"], "Branch")


def test_text_says_the_same(conf):
    text = exposure(conf)
    assert "Other reaches nothing" in text
    assert "paths     /* but not /abs/int/*" in text
    assert f"example   GET http://{PUBLIC_NAME}/x from 10.1.0.1" in text


class Page(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.text, self.attributes = [], "", []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.text += data


def test_the_page_is_complete_in_itself_and_escapes_what_comes_from_the_configuration(conf):
    text = exposure(conf, "--format", "html")
    page = Page()
    page.feed(text)
    assert "script" not in page.tags and "link" not in page.tags and "img" not in page.tags
    assert not [value for name, value in page.attributes if name in ("src", "href")]
    assert TRICKY in page.text and "/* but not /abs/int/*" in page.text
    assert text.startswith("<!DOCTYPE html>") and text.endswith("</html>\n")


def test_the_page_says_all_that_an_auditor_needs_to_read_it(conf):
    page = Page()
    page.feed(exposure(conf, "--format", "html"))
    for words in (f"Exposure of {conf}", f"Made by ocsproxy {VERSION} at 20", "/dir/* is /dir and all below it",
                  "127.0.0.1", "http 8080", "External, Branch",  # the listener
                  "External: every address that is in no other network", "Branch: 10.1.0.0/16",
                  f"for example GET http://{PUBLIC_NAME}/x from 10.1.0.1"):
        assert words in page.text, words


def test_what_a_regex_decides_is_said_with_the_regex(folder):
    settings = configuration.configuration(
        [configuration.listener("127.0.0.1", http=8080)],
        [deny("/abs/int/*"), allow(9, bridging="http", paths=[{"regex": "/files/[0-9]+"}])])
    configuration.write(folder / "conf", settings)
    conf = folder / "conf"
    [external] = [one["reaches"] for one in json.loads(exposure(conf, "--format", "json"))["networks"]
                  if one["network"] == "External"]
    assert external[0]["certain"] is False and external[0]["regexes"] == ["/files/[0-9]+"]
    assert len(external) == 1 and external[0]["paths"] == ["/files/* but not /files"]
    said = 'the regex "/files/[0-9]+" decides which of these'
    assert f"but       {said}" in exposure(conf)
    page = Page()
    page.feed(exposure(conf, "--format", "html"))
    assert said in page.text
