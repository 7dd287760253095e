// Peers that go on shaking hands.
#include "tls/post_handshake.h"

#include "handshake.h"

namespace ocsproxy {
namespace {

using testing::HasSubstr;

// A connection of the proxy's as server, and one as client.
class PostHandshake : public testing::Test {
 protected:
  void join_client(int version) {
    client_.set_version(version);
    ServerPolicy policy;
    policy.listener = "OCS";
    policy.certificates = {parsed(library_, leaf_)};
    auto made_context = ServerContext::make(library_, policy, TicketKeys::make(library_));
    ASSERT_TRUE(made_context);
    context_ = std::move(*made_context);
    peer_ = client_.new_ssl("ocsweb.contoso.com");
    ours_ = context_->new_ssl();
    ASSERT_TRUE(handshake(peer_.get(), ours_.get()).both_done());
  }
  void join_site(int version) {
    LooseServer server(library_, leaf_);
    server.set_version(version);
    UpstreamPolicy policy;
    policy.roots = roots_of(library_, {root_});
    const auto upstream = UpstreamContext::make(library_, policy);
    ASSERT_TRUE(upstream);
    auto ssl = (*upstream)->new_ssl("ocsweb.contoso.com");
    ASSERT_TRUE(ssl);
    ours_ = std::move(*ssl);
    peer_ = server.new_ssl();
    ASSERT_TRUE(handshake(ours_.get(), peer_.get()).both_done());
  }
  // The peer asks for new handshakes or keys; we read what comes.
  void renegotiate() {
    ASSERT_EQ(SSL_renegotiate(peer_.get()), 1);
    SSL_do_handshake(peer_.get());
    char byte = 0;
    SSL_read(ours_.get(), &byte, 1);
  }
  void update_keys(unsigned times) {
    for (unsigned i = 0; i < times; ++i) {
      ASSERT_EQ(SSL_key_update(peer_.get(), SSL_KEY_UPDATE_NOT_REQUESTED), 1);
      ASSERT_EQ(pass_on(peer_.get(), ours_.get(), "x"), "x");
    }
  }

  Library library_;
  MadeCertificate root_ = made(library_, authority_request("Root"));
  MadeCertificate leaf_ = made(library_, server_request({"ocsweb.contoso.com"}), &root_);
  LooseClient client_{library_};
  std::unique_ptr<ServerContext> context_;
  SslPtr peer_;
  SslPtr ours_;
};

TEST_F(PostHandshake, DataIsNoMisconduct) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    join_client(version);
    EXPECT_EQ(pass_on(peer_.get(), ours_.get(), "GET"), "GET");
    EXPECT_EQ(misconduct(ours_.get()), "");
    join_site(version);
    EXPECT_EQ(pass_on(peer_.get(), ours_.get(), "200"), "200");
    EXPECT_EQ(misconduct(ours_.get()), "");
  }
}

TEST_F(PostHandshake, AClientThatRenegotiatesIsNoticed) {
  join_client(TLS1_2_VERSION);
  renegotiate();
  EXPECT_THAT(std::string(misconduct(ours_.get())), HasSubstr("the client tried to renegotiate"));
}

TEST_F(PostHandshake, ASiteThatRenegotiatesIsNoticed) {
  join_site(TLS1_2_VERSION);
  renegotiate();
  EXPECT_THAT(std::string(misconduct(ours_.get())), HasSubstr("the site tried to renegotiate"));
}

TEST_F(PostHandshake, AFewKeyUpdatesAreFineAndTooManyAreNot) {
  join_client(TLS1_3_VERSION);
  update_keys(kMostKeyUpdates);
  EXPECT_EQ(misconduct(ours_.get()), "");
  update_keys(1);
  EXPECT_THAT(std::string(misconduct(ours_.get())), HasSubstr("too often"));

  join_site(TLS1_3_VERSION);
  update_keys(kMostKeyUpdates);
  EXPECT_EQ(misconduct(ours_.get()), "");
  update_keys(1);
  EXPECT_THAT(std::string(misconduct(ours_.get())), HasSubstr("too often"));
}

}  // namespace
}  // namespace ocsproxy
