"""Every message of test/abuse/http1.json against the real program, plain and over TLS.

All cases run first, some at once; then each is judged by name.
"""
import pytest
from harness import abuse, readers
from harness.abuse import CASES
from harness.configuration import SITE

LANES = 6


@pytest.fixture(scope="module", params=["http", "https"])
def outcomes(request, pki, module_folder):
    with abuse.lanes(LANES, pki, module_folder / request.param, request.param == "https") as run:
        found = dict(zip(CASES, run([(case,) for case in CASES.values()])))
    yield request.param, found


@pytest.mark.parametrize("name", CASES)
def test_case(outcomes, name):
    scheme, found = outcomes
    abuse.judge(CASES[name], found[name], scheme)


def test_a_request_that_was_accepted_reaches_the_site_by_its_internal_name(outcomes):
    _, found = outcomes
    assert f"host: {SITE}".encode() in found["cl_valid"].seen.lower()


@pytest.fixture(scope="module")
def parsers(module_folder):
    with readers.running(module_folder) as all_of_them:
        yield all_of_them


# What is refused as a whole, though everybody sees where it ends, and by whom.
REFUSED = {
    "method_lowercase": {"node", "nginx", "haproxy", "apache"},  # Node knows a list of methods; the
    "method_unknown_token": {"node", "nginx", "haproxy", "apache"},  # others pass them on to it
    "max_forwards_zero_options": {"apache"},  # being a proxy it answers itself
    "max_forwards_bad": {"apache"},
}


@pytest.mark.parametrize("name", CASES)
def test_every_parser_finds_the_same_requests_in_what_reached_the_site(outcomes, parsers, name):
    _, found = outcomes
    for data, expected in zip(found[name].connections, found[name].read):
        for parser in parsers:
            wanted = [] if parser.name in REFUSED.get(name, ()) else expected
            requests, given = parser.read(data, len(wanted))
            assert requests == wanted, f"{parser.name} answered {given} to {data[:4000]!r}"


GOOD = b"GET /one HTTP/1.1\r\nHost: www.example.test\r\n\r\n"


def test_the_parsers_count_and_would_disagree_about_an_ambiguous_message(parsers):
    """Else nothing would be proven by their finding the same."""
    ambiguous = (b"POST /a HTTP/1.1\r\nHost: www.example.test\r\nContent-Length: 50\r\n"
                 b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + GOOD)
    opinions = set()
    for parser in parsers:
        assert parser.read(GOOD * 2, 2)[0] == [("GET", "/one", 0)] * 2, parser.name
        assert parser.read(GOOD[:-2], 0)[0] == [], parser.name
        opinions.add(len(parser.read(ambiguous, 0)[0]))
    assert len(opinions) > 1
