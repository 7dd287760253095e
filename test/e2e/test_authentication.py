"""A connection that authenticated as one client never serves another, whatever happens around it.

The sites are Apache with gss-ntlmssp, which binds NTLM to its connection as IIS does, the stand-in
pool, which counts, and scripted ones.
"""
import collections
import contextlib
import json
import random
import signal
import threading
import time

import pytest
from harness import apache, configuration, lab_pool
from harness.addresses import free_port, own_address
from harness.client import Client, trusting
from harness.configuration import PUBLIC_NAME, allow, listener
from harness.curl import Curl
from harness.ntlm import Login, negotiate
from harness.origin import Origin
from harness.proxy import Proxy
from harness.waiting import PATIENCE, until

# The pool knows these users, and any password but this one is wrong.
USERS = {f"user{number}": "password" for number in range(12)}
CHALLENGES = ["WWW-Authenticate: Negotiate", "WWW-Authenticate: NTLM"]


class Site:
    """A proxy in front of Apache (/ntlm, /basic, /open) and of scripted sites (/script-N)."""

    def __init__(self, folder, pki, stack, *serves):
        self.address, self.root = own_address(), pki.root
        self.port = free_port(self.address)
        self.context = trusting(pki.root)
        port = stack.enter_context(apache.serving(folder, USERS, leaf=pki.pool))
        context = pki.pool.server_context()
        self.origins = [stack.enter_context(Origin(serve, context)) for serve in serves]
        self.proxy = stack.enter_context(Proxy(folder, configuration.configuration(
            [listener(self.address, https=self.port, certificates=[pki.public])],
            [*(allow(origin.port, f"Script {number}", paths=[f"/script-{number}/*"])
               for number, origin in enumerate(self.origins)),
             allow(port, "Apache")], roots=[pki.root])))
        self.curl = Curl((self.address, self.port), pki.root)

    def client(self):
        return Client((self.address, self.port), self.context, PUBLIC_NAME, timeout=20)


@contextlib.contextmanager
def site(folder, pki, *serves):
    with contextlib.ExitStack() as stack:
        yield Site(folder, pki, stack, *serves)


@pytest.fixture(scope="module")
def shared(pki, module_folder):
    with site(module_folder, pki) as made:
        yield made


def asking(client, target):
    return lambda fields: client.get(target, fields=fields)


def login(client, user, target="/ntlm/page.txt"):
    return Login(asking(client, target), user, USERS[user]).run()


# What an NTLM client needs


def test_curl_logs_in_and_stays_logged_in_on_its_connection(shared):
    answer = shared.curl("--ntlm", "-u", "CONTOSO\\user1:password", "/ntlm/page.txt")
    assert (answer.status, answer.body) == (200, b"ntlm page\n"), answer
    assert answer.get("x-user") == "CONTOSO\\user1"
    assert [head.status for head in answer.responses] == [401, 200]


def test_curl_logs_in_with_a_body_that_it_sends_in_the_last_leg(shared):
    answer = shared.curl("--ntlm", "-u", "CONTOSO\\user1:password", "-d", "x" * 100_000,
                         "/ntlm/page.txt")
    assert answer.status == 200 and answer.get("x-user") == "CONTOSO\\user1", answer


def test_a_wrong_password_is_refused_by_the_site_after_one_handshake(shared):
    answer = shared.curl("--ntlm", "-u", "CONTOSO\\user1:wrong", "/ntlm/page.txt")
    assert [head.status for head in answer.responses] == [401, 401]
    # A challenge, so it was the password that was refused and not curl's message.
    assert answer.responses[0].get("www-authenticate").startswith("NTLM TlRM"), answer
    assert answer.get("server").startswith("Apache")  # no answer of our own


def test_later_requests_of_the_connection_need_no_credentials(shared):
    with shared.client() as client:
        first = login(client, "user2")
        assert first.status == 200
        for _ in range(5):
            response = client.get("/ntlm/page.txt")
            assert (response.status, response.get("x-user")) == (200, "CONTOSO\\user2")
            assert response.get("x-peer-port") == first.get("x-peer-port")


def test_the_two_challenges_of_the_site_reach_the_client(shared):
    offers = shared.curl("/ntlm/page.txt").responses[-1].all("www-authenticate")
    assert sorted(offers) == ["NTLM", "Negotiate"]


# What nobody else may get


def test_another_connection_gets_nothing_of_a_login(shared):
    with shared.client() as client:
        assert login(client, "user3").status == 200
        for _ in range(40):  # as many as it takes to meet each worker and each pooled connection
            with shared.client() as stranger:
                response = stranger.get("/ntlm/page.txt")
                assert (response.status, response.get("x-user")) == (401, "")
        assert client.get("/ntlm/page.txt").status == 200


def test_a_connection_to_the_site_ends_with_the_client_that_logged_in_on_it(shared):
    with shared.client() as client:
        port = login(client, "user4").get("x-peer-port")
    for _ in range(20):
        with shared.client() as stranger:
            response = stranger.get("/open/page.txt")
            assert response.get("x-peer-port") != port


def test_basic_credentials_belong_to_the_request_and_share_connections(shared):
    ports = collections.defaultdict(set)
    for number in range(16):
        user = f"user{number % 4}"
        answer = shared.curl("-u", f"{user}:{USERS[user]}", "/basic/page.txt")
        assert answer.get("x-user") == user
        ports[answer.get("x-peer-port")].add(user)
    assert len(ports) < 16, "no connection was reused"


def test_the_log_says_which_requests_ran_on_a_connection_of_their_own(shared):
    with shared.client() as client:
        assert login(client, "user5", "/ntlm/page.txt?pinned-log").status == 200

    def lines():
        return [line for line in shared.proxy.entries() if "pinned-log" in line["cs-uri"]]
    until(lambda: len(lines()) == 2, "the two lines are not there")
    assert [line["sc-status"] for line in lines()] == ["401", "200"]
    assert {line["cs-username"] for line in lines()} == {"-"}  # NTLM's user is not for us to know


# Scripted sites: the moments that matter


def challenging(connection):
    """Offers NTLM on every request that has no credentials, and else answers; never closes."""
    while request := connection.read_request():
        if request.get("authorization"):
            connection.respond(str(connection.number).encode())
        else:
            connection.respond(b"who?", "401 Unauthorized", CHALLENGES)


def test_a_connection_that_offered_ntlm_is_not_given_to_the_next_client(folder, pki):
    with site(folder, pki, challenging) as made:
        for _ in range(10):
            with made.client() as client:
                assert client.get("/script-0/x").status == 401
        seen = [connection for connection in made.origins[0].connections if connection.requests]
        assert [len(connection.requests) for connection in seen] == [1] * 10


def test_a_first_request_with_credentials_goes_on_a_fresh_connection(folder, pki):
    def serve(connection):
        while connection.read_request():
            connection.respond(str(connection.number).encode())
    with site(folder, pki, serve) as made:
        pooled = set()
        for _ in range(6):
            with made.client() as client:
                pooled.add(client.get("/script-0/x").body)
        with made.client() as client:
            first = client.get("/script-0/x", fields=[f"Authorization: NTLM {negotiate()}"]).body
            assert first not in pooled
            assert client.get("/script-0/x").body == first, "the pin was left"
        until(lambda: made.origins[0].connections[int(first)].peer_left,
              "the connection outlives its client")


@pytest.mark.parametrize("scheme", ["NTLM", "Negotiate", "ntlm", "NEGOTIATE", "Kerberos", "Bogus",
                                    "NTLM\tx", "\"quoted\""])
def test_an_unknown_scheme_pins_like_a_known_one(folder, pki, scheme):
    def serve(connection):
        while connection.read_request():
            connection.respond(str(connection.number).encode())
    with site(folder, pki, serve) as made:
        with made.client() as client:
            response = client.get("/script-0/x", fields=[f"Authorization: {scheme} abcd"])
            if response.status == 400:
                return  # refused altogether
            mine = response.body
            with made.client() as stranger:
                assert stranger.get("/script-0/x").body != mine
        with made.client() as stranger:
            assert stranger.get("/script-0/x").body != mine


@pytest.mark.parametrize("credentials", [
    "Basic abcd", "Bearer abcd", "basic abcd",
    'Digest username="a", realm="b", nonce="c", uri="/script-0/x", response="d"'])
def test_schemes_of_the_request_alone_do_not_pin(folder, pki, credentials):
    def serve(connection):
        while connection.read_request():
            connection.respond(str(connection.number).encode())
    with site(folder, pki, serve) as made:
        numbers = set()
        for _ in range(8):
            with made.client() as client:
                answer = client.get("/script-0/x", fields=[f"Authorization: {credentials}"])
                numbers.add(answer.body)
        assert len(numbers) < 8


def test_the_client_connection_ends_when_its_pinned_one_dies(folder, pki):
    def serve(connection):
        while connection.read_request():
            connection.respond(b"in")
            return  # ends the connection without having said so
    with site(folder, pki, serve) as made, made.client() as client:
        assert client.get("/script-0/x", fields=["Authorization: NTLM abcd"]).status == 200
        # Its next request would meet a connection that never heard of it.
        assert client.is_closed() and client.stream.ended == "clean"
        assert len(made.origins[0].connections) == 1


def test_a_site_that_closes_between_the_legs_costs_the_client_its_connection(folder, pki):
    def serve(connection):
        connection.read_request()
        connection.respond(b"", "401 Unauthorized", ["WWW-Authenticate: NTLM TlRMTVNTUAACAAAA",
                                                     "Connection: close"])
    with site(folder, pki, serve) as made, made.client() as client:
        response = client.get("/script-0/x", fields=[f"Authorization: NTLM {negotiate()}"])
        assert response.status == 401
        assert client.is_closed()


def test_a_pinned_request_is_never_sent_a_second_time(folder, pki):
    def serve(connection):
        if connection.read_request():
            connection.respond(b"in")
        connection.read_request()
        connection.stream.reset()
    with site(folder, pki, serve) as made, made.client() as client:
        assert client.get("/script-0/x", fields=["Authorization: NTLM abcd"]).status == 200
        client.request("/script-0/x")
        response = client.response()
        assert response is None or response.status == 502
        # What the client believes of its connection is no longer so.
        assert client.is_closed()
        assert len(made.origins[0].requests) == 2


def test_bytes_that_nobody_asked_for_are_never_a_clients_next_response(folder, pki):
    unasked = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstale"

    sent = threading.Semaphore(0)

    def serve(connection):
        connection.read_request()
        if connection.requests[0].target.endswith("/together"):
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nin" + unasked)
        else:
            connection.respond(b"in")
            connection.send(unasked)
        sent.release()
        while connection.read_request():
            connection.respond(b"answer")
    with site(folder, pki, serve) as made:
        for target in ["/script-0/together", *["/script-0/apart"] * 30]:
            with made.client() as client:
                first = client.get(target, fields=["Authorization: NTLM abcd"])
                assert (first.status, first.body) == (200, b"in")
                assert sent.acquire(timeout=20)
                with contextlib.suppress(OSError):  # it may have been closed by now
                    client.request("/script-0/next")
                response = client.response()
                assert response is None or response.status == 502


def test_a_body_that_looks_like_a_login_pins_nothing_and_smuggles_nothing(folder, pki):
    def serve(connection):
        while request := connection.read_request():
            connection.respond(json.dumps([connection.number, request.method]).encode())
    hidden = f"GET /script-0/y HTTP/1.1\r\nHost: x\r\nAuthorization: NTLM {negotiate()}\r\n\r\n"
    with site(folder, pki, serve) as made, made.client() as client:
        assert client.get("/script-0/x", method="POST", body=hidden.encode()).status == 200
        assert [request.method for request in made.origins[0].requests] == ["POST"]


# The attack


class Attack:
    """Many clients at once, each as one user or as nobody, that come, go, break off and mix legs.

    It lasts `seconds`, and on a busy machine longer, until enough logins prove something.
    """
    ENOUGH = 50

    def __init__(self, made, target, seconds):
        self.made, self.target = made, target
        self.end = time.monotonic() + seconds
        self.latest = self.end + 60 * PATIENCE
        self.logins = 0
        self.crossed = []  # (who asked, whom the site took it for)
        self.outcomes = collections.Counter()
        self.faults = []  # of the test itself, or answers that are no HTTP
        self.owners = collections.defaultdict(set)  # connection of the site -> who logged in on it
        self._lock = threading.Lock()

    def goes_on(self):
        now = time.monotonic()
        return not self.faults and (now < self.end or
                                    self.logins <= self.ENOUGH and now < self.latest)

    def run(self, clients):
        threads = [threading.Thread(target=self._one, args=(number,)) for number in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _one(self, number):
        chance = random.Random(number)
        while self.goes_on():
            try:
                with self.made.client() as client:
                    self._connection(client, chance, (number, chance.random()))
            except (OSError, AssertionError) as error:
                self.outcomes[type(error).__name__] += 1
            except Exception as error:  # a thread must not end without a word
                self.faults.append(repr(error))
                return

    def _connection(self, client, chance, identity):
        if chance.random() < 0.3:
            self._judge(client.get(self.target), "", identity)
            return
        user = chance.choice(sorted(USERS))
        attempt = Login(asking(client, self.target), user, USERS[user])
        challenge = attempt.begin()
        if (fate := chance.random()) < 0.15:
            client.reset()  # between the legs
            self.outcomes["broke off"] += 1
            return
        if fate < 0.25:  # the last leg is sent, its answer not awaited
            client.request(self.target, fields=[f"Authorization: NTLM {challenge}"])
            client.reset()
            self.outcomes["broke off"] += 1
            return
        response = attempt.finish(challenge)
        self._judge(response, user, identity)
        if response is not None and response.status == 200:
            with self._lock:
                self.logins += 1
        for _ in range(chance.randrange(4)):
            self._judge(client.get(self.target), user, identity)

    def _judge(self, response, user, identity):
        if response is None:
            self.outcomes["closed"] += 1
            return
        taken_for = (response.get("x-user") or response.get("x-lab-user") or "").split("\\")[-1]
        with self._lock:
            self.outcomes[response.status] += 1
            if response.status == 200:
                connection = response.get("x-lab-connection") or response.get("x-peer-port")
                self.owners[connection].add((identity, user))
            if taken_for not in ("", user) or response.status == 200 and not user:
                self.crossed.append((user, taken_for))


def reloading(proxy, attack):
    """A reload now and then, as long as the attack lasts."""
    def run():
        while attack.goes_on():
            proxy.process.signal(signal.SIGHUP)
            time.sleep(0.3)
    thread = threading.Thread(target=run)
    thread.start()
    return thread


@pytest.mark.concurrency
def test_no_client_is_ever_taken_for_another_by_apache(folder, pki):
    with site(folder, pki) as made:
        before = len(made.proxy.descriptors())
        attack = Attack(made, "/ntlm/page.txt", seconds=6)
        reloads = reloading(made.proxy, attack)
        attack.run(clients=24)
        reloads.join()
        assert (attack.crossed, attack.faults) == ([], [])
        assert attack.logins > attack.ENOUGH, attack.outcomes  # the attack did log in
        made.proxy.until_descriptors(before + 16)  # what may stay in the pool


@pytest.mark.concurrency
def test_no_connection_of_the_pool_ever_knows_two_clients(folder, pki):
    with contextlib.ExitStack() as stack:
        pool = stack.enter_context(lab_pool.serving(folder, pki.pool))
        address = own_address()
        port = free_port(address)
        proxy = stack.enter_context(Proxy(folder, configuration.configuration(
            [listener(address, https=port, certificates=[pki.public])], [allow(pool.port)],
            roots=[pki.root])))

        class Made:
            @staticmethod
            def client():
                return Client((address, port), trusting(pki.root), PUBLIC_NAME, timeout=20)
        attack = Attack(Made, "/ABS/Ext/Handler", seconds=6)
        reloads = reloading(proxy, attack)
        attack.run(clients=24)
        reloads.join()
        assert (attack.crossed, attack.faults) == ([], [])
        assert {connection: owners for connection, owners in attack.owners.items()
                if len(owners) > 1} == {}
        counters = pool.counters()
        assert counters["connections_with_two_users"] == 0, counters
        assert counters["logins"] > attack.ENOUGH, (counters, attack.outcomes)


def test_the_checker_sees_a_proxy_that_mixes_clients_up():
    """The attack's judge, fed with what a pool without pinning would give."""
    class Response:
        def __init__(self, status, **fields):
            self.status, self._fields = status, fields

        def get(self, name):
            return self._fields.get(name.replace("-", "_"))
    attack = Attack(None, "/", seconds=0)
    attack._judge(Response(200, x_user="CONTOSO\\user1", x_peer_port="1"), "user2", (1, 0))
    attack._judge(Response(200, x_user="CONTOSO\\user1", x_peer_port="1"), "", (2, 0))
    assert attack.crossed == [("user2", "user1"), ("", "user1")]
    assert len(attack.owners["1"]) == 2
