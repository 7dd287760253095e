// Sessions with sites: kept, offered where they belong, and nowhere else.
#include "tls/session_cache.h"

#include <ctime>
#include <string>
#include <vector>

#include "handshake.h"

namespace ocsproxy {
namespace {

const IpAddress kAddress = *IpAddress::parse("192.168.1.105");

class Sessions : public testing::TestWithParam<int> {
 protected:
  Sessions() { server_.set_version(GetParam()); }

  std::unique_ptr<UpstreamContext> context(const std::vector<MadeCertificate>& roots) {
    UpstreamPolicy policy;
    policy.roots = roots_of(library_, roots);
    auto result = UpstreamContext::make(library_, policy);
    EXPECT_TRUE(result);
    return std::move(*result);
  }
  // An SSL object attached to the cache.
  SslPtr attached(const UpstreamContext& from, std::string_view site = "a.contoso.local",
                  const IpAddress& address = kAddress, std::uint16_t port = 443) {
    auto ssl = from.new_ssl(site);
    EXPECT_TRUE(ssl);
    cache_.attach(ssl->get(), address, port);
    return std::move(*ssl);
  }
  static bool offers(const SslPtr& ssl) { return SSL_get0_session(ssl.get()) != nullptr; }
  // Connects; was the session resumed? Fails the test when the handshake does not end well.
  bool connect(SSL* client) {
    const SslPtr server = server_.new_ssl();
    EXPECT_TRUE(handshake(client, server.get()).both_done());
    EXPECT_TRUE(accept_upstream_handshake(client));
    return SSL_session_reused(client) == 1;
  }

  Library library_;
  MadeCertificate root_ = made(library_, authority_request("OCS-ROOTCA"));
  MadeCertificate other_root_ = made(library_, authority_request("NEW-ROOTCA"));
  // The server has the name of site a and of no other.
  LooseServer server_{library_, made(library_, server_request({"a.contoso.local"}), &root_)};
  Counter evicted_;
  SessionCache cache_{evicted_, 2};
};

INSTANTIATE_TEST_SUITE_P(Versions, Sessions, testing::Values(TLS1_2_VERSION, TLS1_3_VERSION),
                         [](const auto& tested) {
                           return tested.param == TLS1_2_VERSION ? "tls12" : "tls13";
                         });

TEST_P(Sessions, ResumeAgainAndAgain) {
  const auto from = context({root_});
  EXPECT_FALSE(connect(attached(*from).get()));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(connect(attached(*from).get())) << i;
  EXPECT_EQ(cache_.size(), 1U);
}

TEST_P(Sessions, AreOfferedToOneHandshake) {
  const auto from = context({root_});
  connect(attached(*from).get());
  const SslPtr first = attached(*from);
  const SslPtr second = attached(*from);
  EXPECT_TRUE(offers(first));
  EXPECT_FALSE(offers(second));
}

TEST_P(Sessions, AreNotOfferedAgainAfterAHandshakeThatFailed) {
  const auto from = context({root_});
  connect(attached(*from).get());
  const SslPtr failing = attached(*from);
  ASSERT_TRUE(offers(failing));
  ASSERT_FALSE(handshake_with_bytes(failing.get(), "no TLS").done);
  EXPECT_FALSE(offers(attached(*from)));
}

TEST_P(Sessions, SurviveAConnectionThatWasCut) {
  const auto from = context({root_});
  SslPtr cut = attached(*from);
  connect(cut.get());
  cut.reset();  // without close_notify
  EXPECT_TRUE(connect(attached(*from).get()));
}

TEST_P(Sessions, BelongToAddressPortAndSite) {
  const auto from = context({root_});
  connect(attached(*from).get());
  EXPECT_FALSE(offers(attached(*from, "b.contoso.local")));
  EXPECT_FALSE(offers(attached(*from, "a.contoso.local", *IpAddress::parse("192.168.1.106"))));
  EXPECT_FALSE(offers(attached(*from, "a.contoso.local", kAddress, 444)));
  EXPECT_TRUE(offers(attached(*from, "A.contoso.local.")));
}

TEST_P(Sessions, DoNotSkipTheNameCheckOfAnotherSiteAtTheSameAddress) {
  const auto from = context({root_});
  connect(attached(*from, "a.contoso.local").get());
  const SslPtr client = attached(*from, "b.contoso.local");
  const SslPtr server = server_.new_ssl();
  EXPECT_EQ(handshake(client.get(), server.get()).client.error.kind, ErrorKind::untrusted);
}

TEST_P(Sessions, DoNotEscapeChangedRoots) {
  const auto before = context({root_});
  connect(attached(*before).get());
  const auto after = context({other_root_});
  const SslPtr client = attached(*after);
  EXPECT_FALSE(offers(client));
  const SslPtr server = server_.new_ssl();
  EXPECT_EQ(handshake(client.get(), server.get()).client.error.kind, ErrorKind::untrusted);
}

TEST_P(Sessions, DieWithTheirPolicy) {
  const auto from = context({root_});
  connect(attached(*from).get());
  cache_.retain(std::vector<std::string>{from->identity()});
  EXPECT_EQ(cache_.size(), 1U);
  cache_.retain(std::vector<std::string>{context({other_root_})->identity()});
  EXPECT_EQ(cache_.size(), 0U);
  EXPECT_FALSE(offers(attached(*from)));
}

TEST_P(Sessions, AreForgottenLeastRecentlyUsedFirst) {
  const auto from = context({root_});
  for (const std::uint16_t port : {1, 2}) {
    connect(attached(*from, "a.contoso.local", kAddress, port).get());
  }
  connect(attached(*from, "a.contoso.local", kAddress, 1).get());
  connect(attached(*from, "a.contoso.local", kAddress, 3).get());
  EXPECT_EQ(cache_.size(), 2U);
  EXPECT_FALSE(offers(attached(*from, "a.contoso.local", kAddress, 2)));
  EXPECT_TRUE(offers(attached(*from, "a.contoso.local", kAddress, 1)));
  EXPECT_TRUE(offers(attached(*from, "a.contoso.local", kAddress, 3)));
}

TEST_P(Sessions, AreNotOfferedWhenTheyAreOld) {
  const auto from = context({root_});
  const SslPtr client = attached(*from);
  connect(client.get());
  const SessionCache::Key key{kAddress, 443, "a.contoso.local", from->identity()};
  const auto aged = [&](long age) {
    SslSessionPtr session(SSL_SESSION_dup(SSL_get0_session(client.get())));
    SSL_SESSION_set_timeout(session.get(), 7 * 24 * 3600);
    SSL_SESSION_set_time(session.get(), static_cast<long>(std::time(nullptr)) - age);
    cache_.put(key, session.get());
    return offers(attached(*from));
  };
  EXPECT_TRUE(aged(3000));
  EXPECT_FALSE(aged(3700));
  EXPECT_EQ(cache_.size(), 0U);
}

TEST_P(Sessions, AreNotKeptWhenTheHandshakeFails) {
  const auto from = context({other_root_});
  const SslPtr client = attached(*from);
  const SslPtr server = server_.new_ssl();
  ASSERT_FALSE(handshake(client.get(), server.get()).client.done);
  EXPECT_EQ(cache_.size(), 0U);
}

}  // namespace
}  // namespace ocsproxy
