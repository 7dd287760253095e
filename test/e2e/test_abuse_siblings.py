"""Siblings of every message of test/abuse/http1.json: what they mean is the same, and so must be what
becomes of them. A sample of them always, all of them among the slow tests.
"""
import pytest
from harness import abuse, siblings
from harness.abuse import CASES

LANES = 24
ONE_IN = 8
# Refusals of a message: where it ends is not known, and nothing may be read behind it. (A denial by
# the rules is of a sound message, and the next is welcome.)
ENDING = {400, 408, 413, 414, 417, 431, 501, 505}


@pytest.fixture(scope="module", params=["http", "https"])
def lanes(request, pki, module_folder):
    with abuse.lanes(LANES, pki, module_folder / request.param, request.param == "https") as run:
        yield request.param, run


def before(kind):
    return 1 if kind == "pipelined" else 0


def judge(kind, case, outcome, scheme):
    if kind != "followed":
        abuse.judge(case, outcome, scheme, before(kind))
        return
    finals = [status for status in outcome.statuses if status >= 200]
    ended = [number for number, status in enumerate(finals) if status in ENDING]
    if ended:
        assert b"/after" not in outcome.seen, f"the site got what follows a refused message: {outcome}"
        assert ended == [len(finals) - 1], f"something follows a refusal: {outcome}"
    assert len(finals) <= 2, f"more answers than requests: {outcome}"
    assert outcome.complete <= 1, f"what was refused reached the site: {outcome}"


def run_and_judge(lanes, kinds, wanted=lambda kind, case: True):
    scheme, run = lanes
    made = [(kind, case, siblings.make(kind, case, scheme == "https"))
            for kind in kinds for case in CASES.values() if wanted(kind, case)]
    made = [one for one in made if one[2]]
    outcomes = run([(case, portions, None, 1 + before(kind)) for kind, case, portions in made])
    wrong = []
    for (kind, case, _), outcome in zip(made, outcomes):
        try:
            judge(kind, case, outcome, scheme)
        except AssertionError as error:
            wrong.append(f"{kind} of {case['name']}: {error}")
    assert not wrong, f"{len(wrong)} of {len(made)}:\n" + "\n".join(wrong)
    return len(made)


def test_a_sample_of_siblings_has_the_verdict_of_its_case(lanes):
    judged = run_and_judge(lanes, {**siblings.KINDS, **siblings.CUTS},
                           lambda kind, case: siblings.in_sample(kind, case, ONE_IN))
    assert judged > 300


@pytest.mark.slow
@pytest.mark.parametrize("kind", siblings.KINDS)
def test_every_sibling_has_the_verdict_of_its_case(lanes, kind):
    assert run_and_judge(lanes, [kind]) > 80


@pytest.mark.slow
def test_a_message_cut_anywhere_has_the_verdict_of_the_whole(lanes):
    assert run_and_judge(lanes, siblings.CUTS) > 2000


def test_what_no_client_may_send_no_site_may_answer(lanes):
    scheme, run = lanes
    request = {"name": "plain", "bytes": "GET /a HTTP/1.1\\r\\nHost: www.example.test\\r\\n\\r\\n"}
    made = [(case, answer) for case in CASES.values()
            if (answer := siblings.as_response(case, scheme == "https"))]
    assert len(made) > 60
    for (case, answer), outcome in zip(made, run([(request, None, answer) for _, answer in made])):
        why = f"{case['name']}: {answer[:300]!r}\n{outcome}"
        if case.get("phase") != "body":
            assert outcome.statuses == [502], why
        elif outcome.statuses != [502]:  # its head was on its way
            assert outcome.statuses == [200], why
            assert not outcome.received.endswith(b"0\r\n\r\n"), f"the client takes it for whole: {why}"
            assert outcome.ended != "open", why
