// What a listener shows to whom, and which tickets it takes back.
#include "tls/server_context.h"

#include <string>
#include <vector>

#include "handshake.h"

namespace ocsproxy {
namespace {

using testing::HasSubstr;

const std::string kHttp11 = "\x08http/1.1";

// Two workers of one proxy, and the client's own OpenSSL.
class Server : public testing::Test {
 protected:
  std::unique_ptr<ServerContext> context(const Library& worker,
                                         const std::string& listener = "OCS") {
    ServerPolicy policy;
    policy.listener = listener;
    policy.minimum_version = minimum_;
    policy.certificates = certificates_;
    auto result = ServerContext::make(worker, policy, keys_);
    EXPECT_TRUE(result) << result.error().detail;
    return std::move(*result);
  }

  // The connection of a client that asks for `server_name` and offers `session`, if any.
  struct Connection {
    SslPtr client;
    SslPtr server;
    Outcome outcome;
    bool resumed() const { return SSL_session_reused(client.get()) == 1; }
  };
  Connection connect(const ServerContext& to, const std::string& server_name,
                     SSL_SESSION* session = nullptr) {
    Connection made_connection{client_.new_ssl(server_name), to.new_ssl(), {}};
    if (session != nullptr) SSL_set_session(made_connection.client.get(), session);
    made_connection.outcome = handshake(made_connection.client.get(), made_connection.server.get());
    return made_connection;
  }

  Library outside_;
  Library worker1_;
  Library worker2_;
  LooseClient client_{outside_};
  settings::TlsVersion minimum_ = settings::TlsVersion::tls1_2;
  std::shared_ptr<const TicketKeys> keys_ = TicketKeys::make(outside_);
  MadeCertificate ca_ = made(outside_, authority_request("Public CA"));
  std::vector<std::shared_ptr<const Certificate>> certificates_ = {
      parsed(outside_,
             made(outside_, server_request({"ocsweb.contoso.com", "meet.contoso.com"}), &ca_)),
      parsed(outside_, made(outside_, server_request({"*.fabrikam.com"}), &ca_)),
      parsed(outside_, made(outside_, server_request({"owa.fabrikam.com"}), &ca_)),
      parsed(outside_, made(outside_, server_request({"*.contoso.com", "meet.contoso.com"}), &ca_)),
  };
};

TEST_F(Server, SniChoosesTheCertificate) {
  const auto to = context(worker1_);
  const std::vector<std::pair<std::string, std::string>> rows = {
      {"", "ocsweb.contoso.com"},                    // no SNI: the first
      {"ocsweb.contoso.com", "ocsweb.contoso.com"},  // the very name
      {"OCSWEB.Contoso.COM", "ocsweb.contoso.com"},
      {"meet.contoso.com", "ocsweb.contoso.com"},  // of two with the very name the first
      {"dialin.contoso.com", "*.contoso.com"},
      {"owa.fabrikam.com", "owa.fabrikam.com"},  // the very name before a wildcard
      {"www.fabrikam.com", "*.fabrikam.com"},
      {"www.fabrikam.com.", "*.fabrikam.com"},
      {"a.www.fabrikam.com", "ocsweb.contoso.com"},  // a wildcard is one label
      {"fabrikam.com", "ocsweb.contoso.com"},
      {"nobody.example", "ocsweb.contoso.com"},
      {"com", "ocsweb.contoso.com"},
  };
  for (const auto& [name, shown] : rows) {
    const Connection made_connection = connect(*to, name);
    ASSERT_TRUE(made_connection.outcome.both_done()) << name;
    EXPECT_EQ(shown_to(made_connection.client.get()), shown) << name;
    EXPECT_EQ(to->certificate_of(made_connection.server.get()).subject(), shown) << name;
  }
}

TEST_F(Server, RequestsForANameOfAnotherCertificateAreMisdirected) {
  const auto to = context(worker1_);
  struct Row {
    std::string server_name;
    std::string public_name;
    bool misdirected;
  };
  const std::vector<Row> rows = {
      {"ocsweb.contoso.com", "ocsweb.contoso.com", false},
      {"ocsweb.contoso.com", "meet.contoso.com", false},  // same certificate
      {"ocsweb.contoso.com", "owa.fabrikam.com", true},   // another one's
      {"ocsweb.contoso.com", "www.fabrikam.com", true},   // another one's wildcard
      {"ocsweb.contoso.com", "OWA.Fabrikam.com", true},   // case does not hide it
      {"ocsweb.contoso.com", "nobody.example", false},    // nobody's: the rules decide
      {"owa.fabrikam.com", "www.fabrikam.com", true},
      {"www.fabrikam.com", "owa.fabrikam.com", false},  // the chosen one covers it too
      {"nobody.example", "owa.fabrikam.com", true},     // SNI fell back to the first
      {"nobody.example", "ocsweb.contoso.com", false},
      {"", "owa.fabrikam.com", false},  // no SNI, no choice to be at odds with
  };
  for (const Row& row : rows) {
    const Connection made_connection = connect(*to, row.server_name);
    ASSERT_TRUE(made_connection.outcome.both_done());
    EXPECT_EQ(
        to->misdirected(ServerContext::choice_of(made_connection.server.get()), row.public_name),
        row.misdirected)
        << row.server_name << " asked for " << row.public_name;
  }
}

TEST_F(Server, AResumedConnectionIsMisdirectedLikeAFullOne) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    client_.set_version(version);
    const auto to = context(worker1_);
    const Connection first = connect(*to, "ocsweb.contoso.com");
    const SslSessionPtr session = session_of(first.client.get());
    const Connection second = connect(*to, "ocsweb.contoso.com", session.get());
    ASSERT_TRUE(second.resumed());
    EXPECT_TRUE(to->misdirected(ServerContext::choice_of(second.server.get()), "owa.fabrikam.com"));
    EXPECT_FALSE(
        to->misdirected(ServerContext::choice_of(second.server.get()), "meet.contoso.com"));
  }
}

class Tickets : public Server, public testing::WithParamInterface<int> {
 protected:
  Tickets() { client_.set_version(GetParam()); }
  SslSessionPtr ticket(const ServerContext& of, const std::string& name = "ocsweb.contoso.com") {
    const Connection first = connect(of, name);
    EXPECT_TRUE(first.outcome.both_done());
    EXPECT_FALSE(first.resumed());
    SslSessionPtr session = session_of(first.client.get());
    EXPECT_NE(session, nullptr);
    return session;
  }
  bool resumes(const ServerContext& at, SSL_SESSION* session,
               const std::string& name = "ocsweb.contoso.com") {
    const Connection second = connect(at, name, session);
    EXPECT_TRUE(second.outcome.both_done());
    return second.resumed();
  }
};

INSTANTIATE_TEST_SUITE_P(Versions, Tickets, testing::Values(TLS1_2_VERSION, TLS1_3_VERSION),
                         [](const auto& tested) {
                           return tested.param == TLS1_2_VERSION ? "tls12" : "tls13";
                         });

TEST_P(Tickets, ResumeAtTheWorkerThatMadeThem) {
  const auto worker = context(worker1_);
  EXPECT_TRUE(resumes(*worker, ticket(*worker).get()));
}

TEST_P(Tickets, ResumeAtAnotherWorker) {
  const auto first = context(worker1_);
  const auto second = context(worker2_);
  EXPECT_TRUE(resumes(*second, ticket(*first).get()));
}

TEST_P(Tickets, ResumeAfterAReloadThatKeepsTheKeys) {
  const SslSessionPtr kept = ticket(*context(worker1_));
  EXPECT_TRUE(resumes(*context(worker1_), kept.get()));
}

TEST_P(Tickets, ResumeUnderAnotherNameOfTheSameCertificate) {
  const auto worker = context(worker1_);
  EXPECT_TRUE(resumes(*worker, ticket(*worker).get(), "meet.contoso.com"));
}

TEST_P(Tickets, AreWorthNothingAtAnotherListener) {
  const auto here = context(worker1_, "OCS");
  const auto there = context(worker1_, "OWA");
  EXPECT_FALSE(resumes(*there, ticket(*here).get()));
}

TEST_P(Tickets, AreWorthNothingUnderAnotherCertificate) {
  const auto worker = context(worker1_);
  const SslSessionPtr kept = ticket(*worker);
  const Connection second = connect(*worker, "owa.fabrikam.com", kept.get());
  ASSERT_TRUE(second.outcome.both_done());
  EXPECT_FALSE(second.resumed());
  EXPECT_EQ(shown_to(second.client.get()), "owa.fabrikam.com");
}

TEST_P(Tickets, AreWorthNothingAfterTheCertificateWasReplaced) {
  const SslSessionPtr kept = ticket(*context(worker1_));
  certificates_[0] = parsed(
      outside_, made(outside_, server_request({"ocsweb.contoso.com", "meet.contoso.com"}), &ca_));
  EXPECT_FALSE(resumes(*context(worker1_), kept.get()));
}

TEST_P(Tickets, OutliveTwoRotationsOfTheKeysAndNotAThird) {
  const auto worker = context(worker1_);
  std::vector<SslSessionPtr> kept;
  for (int i = 0; i < 3; ++i) kept.push_back(ticket(*worker));
  for (int rotation = 0; rotation < 3; ++rotation) {
    keys_ = keys_->rotated(outside_);
    worker->set_ticket_keys(keys_);
    EXPECT_EQ(resumes(*worker, kept[static_cast<std::size_t>(rotation)].get()), rotation < 2)
        << rotation;
  }
}

TEST_P(Tickets, OfAnOlderKeyAreReplacedByOnesOfTheNewest) {
  const auto worker = context(worker1_);
  SslSessionPtr kept = ticket(*worker);
  for (int rotation = 0; rotation < 6; ++rotation) {
    keys_ = keys_->rotated(outside_);
    worker->set_ticket_keys(keys_);
    const Connection again = connect(*worker, "ocsweb.contoso.com", kept.get());
    ASSERT_TRUE(again.resumed()) << rotation;
    kept = session_of(again.client.get());
  }
}

TEST_P(Tickets, OfOtherKeysLeadToAFullHandshake) {
  const auto worker = context(worker1_);
  const SslSessionPtr kept = ticket(*worker);
  worker->set_ticket_keys(TicketKeys::make(outside_));
  EXPECT_FALSE(resumes(*worker, kept.get()));
}

TEST_P(Tickets, AllowNoEarlyData) {
  const auto worker = context(worker1_);
  EXPECT_EQ(SSL_SESSION_get_max_early_data(ticket(*worker).get()), 0U);
}

int count_session(SSL* ssl, SSL_SESSION*) {
  ++*static_cast<int*>(SSL_get_app_data(ssl));
  return 0;
}

TEST_P(Tickets, ComeOneAtAHandshake) {
  const auto worker = context(worker1_);
  SSL_CTX_set_session_cache_mode(client_.context(), SSL_SESS_CACHE_CLIENT);
  SSL_CTX_sess_set_new_cb(client_.context(), count_session);
  int count = 0;
  const SslPtr client = client_.new_ssl("ocsweb.contoso.com");
  SSL_set_app_data(client.get(), &count);
  const SslPtr server = worker->new_ssl();
  ASSERT_TRUE(handshake(client.get(), server.get()).both_done());
  EXPECT_EQ(count, 1);
}

TEST_F(Server, VersionsBelowTheMinimumAreRefused) {
  using settings::TlsVersion;
  struct Row {
    TlsVersion minimum;
    int client;
    bool served;
  };
  const Row rows[] = {
      {TlsVersion::tls1_2, TLS1_VERSION, false},   {TlsVersion::tls1_2, TLS1_1_VERSION, false},
      {TlsVersion::tls1_2, TLS1_2_VERSION, true},  {TlsVersion::tls1_2, TLS1_3_VERSION, true},
      {TlsVersion::tls1_3, TLS1_2_VERSION, false}, {TlsVersion::tls1_3, TLS1_3_VERSION, true},
  };
  for (const Row& row : rows) {
    minimum_ = row.minimum;
    client_.set_version(row.client);
    const auto to = context(worker1_);
    const Connection made_connection = connect(*to, "ocsweb.contoso.com");
    EXPECT_EQ(made_connection.outcome.server.done, row.served) << row.client;
    if (row.served) continue;
    EXPECT_EQ(made_connection.outcome.server.error.side, Side::client);
    EXPECT_EQ(made_connection.outcome.server.error.phase, Phase::handshake);
    EXPECT_THAT(made_connection.outcome.server.error.detail, HasSubstr("below the listener's"));
  }
}

TEST_F(Server, CiphersWithoutForwardSecrecyOrAeadAreRefused) {
  auto request = server_request({"ocsweb.contoso.com"});
  request.key = CertificateRequest::Key::rsa2048;
  certificates_ = {parsed(outside_, made(outside_, request, &ca_))};
  const auto to = context(worker1_);
  client_.set_version(TLS1_2_VERSION);
  const std::vector<std::pair<const char*, bool>> rows = {
      {"ECDHE-RSA-AES128-GCM-SHA256", true},
      {"ECDHE-RSA-AES256-GCM-SHA384", true},
      {"ECDHE-RSA-CHACHA20-POLY1305", true},
      {"ECDHE-RSA-AES128-SHA", false},
      {"ECDHE-RSA-AES256-SHA384", false},
      {"AES128-GCM-SHA256", false},
      {"AES128-SHA", false},
      {"DHE-RSA-AES128-GCM-SHA256", false},
      {"AECDH-AES128-SHA", false},
      {"ECDHE-RSA-NULL-SHA", false},
  };
  for (const auto& [cipher, served] : rows) {
    ASSERT_EQ(SSL_CTX_set_cipher_list(client_.context(), cipher), 1) << cipher;
    const Connection made_connection = connect(*to, "ocsweb.contoso.com");
    EXPECT_EQ(made_connection.outcome.server.done, served) << cipher;
    if (!served) {
      EXPECT_EQ(made_connection.outcome.server.error.detail.substr(0, 19), "no cipher in common")
          << cipher;
    }
  }
}

TEST_F(Server, OnlyHttp11IsChosenByAlpn) {
  const auto to = context(worker1_);
  struct Row {
    std::string offered;
    bool served;
  };
  const std::vector<Row> rows = {
      {"", true},
      {kHttp11, true},
      {std::string("\x02h2") + kHttp11, true},
      {kHttp11 + std::string("\x02h2"), true},
      {"\x02h2", false},
      {"\x08http/1.0", false},
      {"\x08HTTP/1.1", false},
      {"\x09http/1.1x", false},
      {"\x02h2\x08spdy/3.1", false},
  };
  for (const Row& row : rows) {
    LooseClient client(outside_);
    if (!row.offered.empty()) client.set_protocols(row.offered);
    const SslPtr ssl = client.new_ssl("ocsweb.contoso.com");
    const SslPtr peer = to->new_ssl();
    const Outcome outcome = handshake(ssl.get(), peer.get());
    EXPECT_EQ(outcome.server.done, row.served) << row.offered;
    const unsigned char* chosen = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(ssl.get(), &chosen, &size);
    const std::string text(chosen, chosen + size);
    EXPECT_EQ(text, row.served && !row.offered.empty() ? "http/1.1" : "") << row.offered;
    if (!row.served) {
      EXPECT_THAT(outcome.server.error.detail, HasSubstr("ALPN without http/1.1"));
      EXPECT_THAT(outcome.client.error.detail, HasSubstr("no application protocol"));
    }
  }
}

TEST_F(Server, AClientThatDoesNotTrustUsIsReportedAsSuch) {
  UpstreamPolicy policy;
  policy.roots = std::make_shared<TrustedRoots>();
  const auto strict = UpstreamContext::make(outside_, policy);
  ASSERT_TRUE(strict);
  const auto client = (*strict)->new_ssl("ocsweb.contoso.com");
  ASSERT_TRUE(client);
  const auto to = context(worker1_);
  const SslPtr server = to->new_ssl();
  const Outcome outcome = handshake(client->get(), server.get());
  ASSERT_FALSE(outcome.server.done);
  EXPECT_EQ(outcome.server.error.detail,
            "client does not accept our certificate: alert unknown CA (SNI ocsweb.contoso.com)");
}

TEST_F(Server, PlainHttpIsReportedAsSuch) {
  const auto to = context(worker1_);
  const std::vector<std::pair<std::string, std::string>> rows = {
      {"GET / HTTP/1.1\r\nHost: ocsweb.contoso.com\r\n\r\n", "plain HTTP on the TLS port"},
      {"CONNECT a:443 HTTP/1.1\r\n\r\n", "plain CONNECT on the TLS port"},
      {"SSH-2.0-OpenSSH_9.2\r\n", "not TLS"},
  };
  for (const auto& [sent, reported] : rows) {
    const SslPtr server = to->new_ssl();
    const Ending ending = handshake_with_bytes(server.get(), sent);
    ASSERT_FALSE(ending.done);
    EXPECT_EQ(ending.error.detail, reported);
  }
}

TEST_F(Server, AListenerPresentsItsIntermediate) {
  const MadeCertificate issuing = made(outside_, authority_request("Issuing CA"), &ca_);
  certificates_ = {parsed(outside_,
                          made(outside_, server_request({"ocsweb.contoso.com"}), &issuing),
                          issuing.certificate)};
  UpstreamPolicy policy;
  policy.roots = roots_of(outside_, {ca_});
  const auto strict = UpstreamContext::make(outside_, policy);
  ASSERT_TRUE(strict);
  const auto client = (*strict)->new_ssl("ocsweb.contoso.com");
  const auto to = context(worker1_);
  const SslPtr server = to->new_ssl();
  EXPECT_TRUE(handshake(client->get(), server.get()).both_done());
}

}  // namespace
}  // namespace ocsproxy
