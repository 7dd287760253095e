// What an internal site must show before a byte of a request goes to it.
#include "tls/upstream_context.h"

#include <functional>
#include <string>
#include <vector>

#include "handshake.h"

namespace ocsproxy {
namespace {

using std::chrono::hours;
using std::chrono::system_clock;
using testing::HasSubstr;
using Key = CertificateRequest::Key;
using Usage = CertificateRequest::Usage;

constexpr const char* kSite = "ocspool.contoso.local";

// The CAs of an enterprise, made once.
struct Pki {
  Library library;
  MadeCertificate root = made(library, authority_request("OCS-ROOTCA"));
  MadeCertificate intermediate = made(library, authority_request("OCS Issuing CA"), &root);
  MadeCertificate stranger = made(library, authority_request("Somebody Else"));
  MadeCertificate namesake = made(library, authority_request("OCS-ROOTCA"));
  MadeCertificate rsa_root = [this] {
    auto request = authority_request("RSA CA");
    request.key = Key::rsa2048;
    return made(library, request);
  }();
  MadeCertificate md5_root = [this] {
    auto request = authority_request("MD5 CA");
    request.key = Key::rsa2048;
    request.digest = CertificateRequest::Digest::md5;
    return made(library, request);
  }();
  MadeCertificate weak_root = [this] {
    auto request = authority_request("Weak CA");
    request.key = Key::rsa1024;
    return made(library, request);
  }();
};

Pki& pki() {
  static Pki all;
  return all;
}

CertificateRequest with(CertificateRequest request,
                        const std::function<void(CertificateRequest&)>& change) {
  change(request);
  return request;
}

struct Case {
  std::string name;
  std::function<CertificateRequest()> request;
  std::string site = kSite;
  MadeCertificate Pki::*issuer = &Pki::root;      // null: self-signed
  std::vector<MadeCertificate Pki::*> sent = {};  // sent along by the site
  MadeCertificate Pki::*trusted = &Pki::root;
  bool legacy = false;
  std::string refused = {};  // part of the sentence; "": accepted
};

void PrintTo(const Case& row, std::ostream* out) { *out << row.name; }

CertificateRequest good() { return server_request({kSite}); }

class UpstreamVerification : public testing::TestWithParam<Case> {};

TEST_P(UpstreamVerification, DecidesAsTheRowSays) {
  const Case& row = GetParam();
  Pki& all = pki();
  const MadeCertificate leaf =
      made(all.library, row.request(), row.issuer != nullptr ? &(all.*row.issuer) : nullptr);
  std::string chain;
  for (const auto member : row.sent) chain += (all.*member).certificate;
  const LooseServer server(all.library, leaf, chain);
  UpstreamPolicy policy;
  policy.roots = roots_of(all.library, {all.*row.trusted});
  policy.legacy = row.legacy;
  const auto context = UpstreamContext::make(all.library, policy);
  ASSERT_TRUE(context) << context.error().detail;
  const auto client = (*context)->new_ssl(row.site);
  ASSERT_TRUE(client) << client.error().detail;
  const SslPtr accepted = server.new_ssl();

  const Outcome outcome = handshake(client->get(), accepted.get());

  EXPECT_EQ(outcome.client.done, row.refused.empty()) << outcome.client.error.detail;
  if (row.refused.empty()) {
    EXPECT_TRUE(accept_upstream_handshake(client->get()));
    EXPECT_EQ(pass_on(client->get(), accepted.get(), "GET"), "GET");
  } else {
    EXPECT_EQ(outcome.client.error.kind, ErrorKind::untrusted);
    EXPECT_EQ(outcome.client.error.side, Side::upstream);
    EXPECT_EQ(outcome.client.error.phase, Phase::upstream_handshake);
    EXPECT_THAT(outcome.client.error.detail, HasSubstr(row.refused));
    EXPECT_FALSE(accept_upstream_handshake(client->get()));
  }
}

const Case kCases[] = {
    {.name = "right_name", .request = good},
    {.name = "case_of_the_name_does_not_matter", .request = good, .site = "OCSPool.Contoso.Local"},
    {.name = "trailing_dot_of_the_site_does_not_matter",
     .request = good,
     .site = "ocspool.contoso.local."},
    {.name = "one_of_several_names",
     .request =
         [] {
           return server_request({"fe1.contoso.local", kSite});
         }},
    {.name = "wildcard_for_the_whole_label",
     .request = [] { return server_request({"*.contoso.local"}); }},
    {.name = "no_extended_key_usage",
     .request = [] { return with(good(), [](auto& r) { r.usage = Usage::any; }); }},
    {.name = "intermediate_sent",
     .request = good,
     .issuer = &Pki::intermediate,
     .sent = {&Pki::intermediate}},
    {.name = "intermediate_alone_is_trusted",
     .request = good,
     .issuer = &Pki::intermediate,
     .trusted = &Pki::intermediate},
    {.name = "address_in_the_certificate",
     .request = [] { return with(good(), [](auto& r) { r.ip_addresses = {"192.168.1.105"}; }); },
     .site = "192.168.1.105"},
    {.name = "v6_address_in_the_certificate",
     .request = [] { return with(good(), [](auto& r) { r.ip_addresses = {"fd00::105"}; }); },
     .site = "fd00::105"},

    {.name = "wrong_name",
     .request = [] { return server_request({"fe1.contoso.local"}); },
     .refused = "the certificate of ocspool.contoso.local names [fe1.contoso.local], not the site"},
    {.name = "name_below_the_site",
     .request = [] { return server_request({"a.ocspool.contoso.local"}); },
     .refused = "not the site"},
    {.name = "partial_wildcard",
     .request = [] { return server_request({"ocs*.contoso.local"}); },
     .refused = "names [ocs*.contoso.local], not the site"},
    {.name = "wildcard_two_levels_up",
     .request = [] { return server_request({"*.local"}); },
     .refused = "not the site"},
    {.name = "wildcard_for_a_deeper_name",
     .request = [] { return server_request({"*.contoso.local"}); },
     .site = "a.ocspool.contoso.local",
     .refused = "not the site"},
    {.name = "nul_in_a_name",
     .request =
         [] { return server_request({std::string("ocspool.contoso.local\0.evil.test", 32)}); },
     .refused = "names [ocspool.contoso.local\\x00.evil.test], not the site"},
    {.name = "common_name_only",
     .request = [] { return with(good(), [](auto& r) { r.dns_names.clear(); }); },
     .refused = "has no subject alternative names, only the common name \"ocspool.contoso.local\""},
    {.name = "address_wanted_and_a_name_given",
     .request = good,
     .site = "192.168.1.105",
     .refused = "the certificate of 192.168.1.105 names [ocspool.contoso.local], not the address"},
    {.name = "address_written_as_a_name",
     .request = [] { return server_request({"192.168.1.105"}); },
     .site = "192.168.1.105",
     .refused = "names [192.168.1.105], not the address"},
    {.name = "address_in_the_common_name",
     .request =
         [] {
           return with(good(), [](auto& r) {
             r.common_name = "192.168.1.105";
             r.dns_names.clear();
           });
         },
     .site = "192.168.1.105",
     .refused = "counts for nothing"},
    {.name = "for_clients_only",
     .request = [] { return with(good(), [](auto& r) { r.usage = Usage::client; }); },
     .refused = "is not for servers"},
    {.name = "unknown_root_not_sent",
     .request = good,
     .issuer = &Pki::stranger,
     .refused = "was issued by \"Somebody Else\", which is not in trusted_roots"},
    {.name = "unknown_root_sent",
     .request = good,
     .issuer = &Pki::stranger,
     .sent = {&Pki::stranger},
     .refused = "chains to \"Somebody Else\", which is not in trusted_roots"},
    {.name = "missing_intermediate",
     .request = good,
     .issuer = &Pki::intermediate,
     .refused = "if \"OCS Issuing CA\" is an intermediate CA, the site does not send it"},
    {.name = "root_of_the_same_name_with_another_key",
     .request = good,
     .issuer = &Pki::namesake,
     .refused = "OCS-ROOTCA"},
    {.name = "self_signed",
     .request = good,
     .issuer = nullptr,
     .refused = "is self-signed and not in trusted_roots"},
    {.name = "expired",
     .request =
         [] {
           return with(good(), [](auto& r) {
             r.not_before = system_clock::from_time_t(1700000000);
             r.not_after = system_clock::from_time_t(1704067200);
           });
         },
     .refused = "the certificate of ocspool.contoso.local expired on 2024-01-01 00:00:00 UTC"},
    {.name = "not_valid_yet",
     .request =
         [] {
           return with(good(), [](auto& r) { r.not_before = system_clock::now() + hours(24); });
         },
     .refused = "is not valid before"},
    {.name = "sha1",
     .request =
         [] { return with(good(), [](auto& r) { r.digest = CertificateRequest::Digest::sha1; }); },
     .refused = "`to.tls.legacy: true` would accept it for this target alone"},
    {.name = "rsa_1024",
     .request = [] { return with(good(), [](auto& r) { r.key = Key::rsa1024; }); },
     .refused = "has a key that is too weak (RSA 1024); `to.tls.legacy"},
    {.name = "rsa_1024_root",
     .request = good,
     .issuer = &Pki::weak_root,
     .trusted = &Pki::weak_root,
     .refused = "the CA certificate \"Weak CA\" in the chain of ocspool.contoso.local has a key"},

    {.name = "root_signed_by_itself_with_md5",  // no signature that anybody relies on
     .request = good,
     .issuer = &Pki::md5_root,
     .trusted = &Pki::md5_root},
    {.name = "root_signed_by_itself_with_md5_with_legacy",
     .request = good,
     .issuer = &Pki::md5_root,
     .trusted = &Pki::md5_root,
     .legacy = true},
    {.name = "sha1_with_legacy",
     .request =
         [] { return with(good(), [](auto& r) { r.digest = CertificateRequest::Digest::sha1; }); },
     .legacy = true},
    {.name = "rsa_1024_with_legacy",
     .request = [] { return with(good(), [](auto& r) { r.key = Key::rsa1024; }); },
     .legacy = true},
    {.name = "wrong_name_with_legacy",
     .request = [] { return server_request({"fe1.contoso.local"}); },
     .legacy = true,
     .refused = "not the site"},
    {.name = "common_name_only_with_legacy",
     .request = [] { return with(good(), [](auto& r) { r.dns_names.clear(); }); },
     .legacy = true,
     .refused = "counts for nothing"},
    {.name = "unknown_root_with_legacy",
     .request = good,
     .issuer = &Pki::stranger,
     .legacy = true,
     .refused = "not in trusted_roots"},
    {.name = "for_clients_only_with_legacy",
     .request = [] { return with(good(), [](auto& r) { r.usage = Usage::client; }); },
     .legacy = true,
     .refused = "is not for servers"},
    {.name = "md5_even_with_legacy",
     .request =
         [] { return with(good(), [](auto& r) { r.digest = CertificateRequest::Digest::md5; }); },
     .issuer = &Pki::rsa_root,
     .trusted = &Pki::rsa_root,
     .legacy = true,
     .refused = "which is too weak"},
};

INSTANTIATE_TEST_SUITE_P(Rows, UpstreamVerification, testing::ValuesIn(kCases),
                         [](const auto& tested) { return tested.param.name; });

// A site with a good certificate, and contexts for it.
class Upstream : public testing::Test {
 protected:
  UpstreamPolicy policy() {
    UpstreamPolicy made_policy;
    made_policy.roots = roots_of(pki().library, {pki().root});
    return made_policy;
  }
  std::unique_ptr<UpstreamContext> context(const UpstreamPolicy& of) {
    auto made_context = UpstreamContext::make(pki().library, of);
    EXPECT_TRUE(made_context);
    return std::move(*made_context);
  }
  SslPtr client(const UpstreamContext& from, std::string_view site = kSite) {
    auto ssl = from.new_ssl(site);
    EXPECT_TRUE(ssl);
    return std::move(*ssl);
  }

  MadeCertificate leaf_ = made(pki().library, good(), &pki().root);
  LooseServer server_{pki().library, leaf_};
};

TEST_F(Upstream, EmptyRootsTrustNobody) {
  UpstreamPolicy none;
  none.roots = std::make_shared<TrustedRoots>();
  const auto from = context(none);
  const SslPtr ssl = client(*from);
  const SslPtr peer = server_.new_ssl();
  EXPECT_EQ(handshake(ssl.get(), peer.get()).client.error.kind, ErrorKind::untrusted);
}

TEST_F(Upstream, TheSiteIsSentAsServerName) {
  const auto from = context(policy());
  const SslPtr ssl = client(*from);
  const SslPtr peer = server_.new_ssl();
  ASSERT_TRUE(handshake(ssl.get(), peer.get()).both_done());
  EXPECT_STREQ(SSL_get_servername(peer.get(), TLSEXT_NAMETYPE_host_name), kSite);
}

TEST_F(Upstream, AnAddressIsNotSentAsServerName) {
  auto request = good();
  request.ip_addresses = {"192.168.1.105"};
  const LooseServer by_address(pki().library, made(pki().library, request, &pki().root));
  const auto from = context(policy());
  const SslPtr ssl = client(*from, "192.168.1.105");
  const SslPtr peer = by_address.new_ssl();
  ASSERT_TRUE(handshake(ssl.get(), peer.get()).both_done());
  EXPECT_EQ(SSL_get_servername(peer.get(), TLSEXT_NAMETYPE_host_name), nullptr);
}

TEST_F(Upstream, ASiteThatCouldMeanManyIsRefused) {
  const auto from = context(policy());
  for (const char* site : {"", ".", ".contoso.local"}) EXPECT_FALSE(from->new_ssl(site)) << site;
}

TEST_F(Upstream, AProtocolThatWasNotOfferedIsFatal) {
  const std::string protocol = "h2";
  server_.set_protocol(protocol);
  const auto from = context(policy());
  const SslPtr ssl = client(*from);
  const SslPtr peer = server_.new_ssl();
  const Outcome outcome = handshake(ssl.get(), peer.get());
  // Older OpenSSL lets it pass, newer ends the handshake: no request may follow in either case.
  const bool accepted = outcome.client.done && accept_upstream_handshake(ssl.get());
  EXPECT_FALSE(accepted);
}

TEST_F(Upstream, AProtocolOtherThanOursIsNotAccepted) {
  const std::string protocol = "h2";
  server_.set_protocol(protocol);
  const auto from = context(policy());
  const SslPtr ssl = client(*from);
  const auto offered = as_bytes("\x02h2");
  SSL_set_alpn_protos(ssl.get(), offered.data(), static_cast<unsigned>(offered.size()));
  const SslPtr peer = server_.new_ssl();
  ASSERT_TRUE(handshake(ssl.get(), peer.get()).both_done());
  const Status accepted = accept_upstream_handshake(ssl.get());
  ASSERT_FALSE(accepted);
  EXPECT_EQ(accepted.error().kind, ErrorKind::tls);
  EXPECT_EQ(accepted.error().side, Side::upstream);
  EXPECT_THAT(accepted.error().detail, HasSubstr("\"h2\""));
}

TEST_F(Upstream, OurProtocolOrNoneIsAccepted) {
  const auto from = context(policy());
  const SslPtr silent = client(*from);
  const SslPtr silent_peer = server_.new_ssl();
  ASSERT_TRUE(handshake(silent.get(), silent_peer.get()).both_done());
  EXPECT_TRUE(accept_upstream_handshake(silent.get()));

  const std::string protocol = "http/1.1";
  server_.set_protocol(protocol);
  const SslPtr ssl = client(*from);
  const SslPtr peer = server_.new_ssl();
  ASSERT_TRUE(handshake(ssl.get(), peer.get()).both_done());
  EXPECT_TRUE(accept_upstream_handshake(ssl.get()));
}

TEST_F(Upstream, PlainHttpOnTheTlsPortIsCalledThat) {
  const auto from = context(policy());
  const SslPtr ssl = client(*from);
  const Ending ending = handshake_with_bytes(ssl.get(), "HTTP/1.1 400 Bad Request\r\n\r\n");
  ASSERT_FALSE(ending.done);
  EXPECT_EQ(ending.error.kind, ErrorKind::tls);
  EXPECT_THAT(ending.error.detail, HasSubstr("plain HTTP"));
  EXPECT_THAT(ending.error.detail, HasSubstr("bridging: http"));
}

TEST_F(Upstream, ARefusalByTheSiteIsExplained) {
  const auto from = context(policy());
  const std::vector<std::pair<char, std::string>> rows = {
      {40,
       "no cipher or TLS version in common with us, or it wants a client certificate; "
       "`to.tls.legacy: true` may help"},
      {70,
       "refuses our TLS versions; lower `to.tls.minimum_version` (below 1.2 it also needs "
       "`to.tls.legacy: true`)"},
      {112, "does not know this name (SNI)"},
      {80, "refuses the handshake with the alert \"internal error\""},
  };
  for (const auto& [alert, explained] : rows) {
    const SslPtr ssl = client(*from);
    const std::string fatal{0x15, 0x03, 0x03, 0x00, 0x02, 0x02, alert};
    const Ending ending = handshake_with_bytes(ssl.get(), fatal);
    ASSERT_FALSE(ending.done);
    EXPECT_EQ(ending.error.kind, ErrorKind::tls);
    EXPECT_THAT(ending.error.detail, HasSubstr(explained));
    EXPECT_THAT(ending.error.detail, HasSubstr(kSite));
  }
}

TEST_F(Upstream, AnEndInsteadOfAnAnswerIsATruncation) {
  const auto from = context(policy());
  const SslPtr ssl = client(*from);
  const Ending ending = handshake_with_bytes(ssl.get(), "");
  ASSERT_FALSE(ending.done);
  EXPECT_EQ(ending.error.kind, ErrorKind::truncated);
}

struct VersionCase {
  int server;
  settings::TlsVersion minimum;
  bool legacy;
  bool reached;
};

TEST_F(Upstream, OldVersionsAreReachedWithLegacyAlone) {
  using settings::TlsVersion;
  const VersionCase rows[] = {
      {TLS1_VERSION, TlsVersion::tls1_0, true, true},
      {TLS1_VERSION, TlsVersion::tls1_0, false, false},
      {TLS1_VERSION, TlsVersion::tls1_2, false, false},
      {TLS1_VERSION, TlsVersion::tls1_2, true, false},  // legacy for the chain's sake alone
      {TLS1_1_VERSION, TlsVersion::tls1_0, true, true},
      {TLS1_1_VERSION, TlsVersion::tls1_2, false, false},
      {TLS1_2_VERSION, TlsVersion::tls1_2, false, true},
      {TLS1_2_VERSION, TlsVersion::tls1_3, false, false},
      {TLS1_3_VERSION, TlsVersion::tls1_0, true, true},
      {TLS1_3_VERSION, TlsVersion::tls1_3, false, true},
  };
  auto old = good();
  old.key = Key::rsa2048;
  for (const VersionCase& row : rows) {
    old.digest = row.legacy ? CertificateRequest::Digest::sha1 : CertificateRequest::Digest::sha256;
    LooseServer server(pki().library, made(pki().library, old, &pki().root));
    server.set_version(row.server);
    UpstreamPolicy of = policy();
    of.minimum_version = row.minimum;
    of.legacy = row.legacy;
    const auto from = context(of);
    const SslPtr ssl = client(*from);
    const SslPtr peer = server.new_ssl();
    const Outcome outcome = handshake(ssl.get(), peer.get());
    const std::string label = std::string(SSL_get_version(peer.get())) + " minimum " +
                              std::to_string(static_cast<int>(row.minimum)) +
                              (row.legacy ? " legacy " : " ") + outcome.client.error.detail;
    EXPECT_EQ(outcome.client.done, row.reached) << label;
    if (!row.reached) {
      EXPECT_EQ(outcome.client.error.kind, ErrorKind::tls) << label;
      EXPECT_THAT(outcome.client.error.detail, HasSubstr("to.tls.minimum_version")) << label;
      EXPECT_EQ(outcome.client.error.detail.find("to.tls.legacy") == std::string::npos, row.legacy)
          << label;
    }
  }
}

TEST_F(Upstream, IdentityTellsPoliciesApart) {
  const UpstreamPolicy base = policy();
  UpstreamPolicy version = base;
  version.minimum_version = settings::TlsVersion::tls1_3;
  UpstreamPolicy legacy = base;
  legacy.legacy = true;
  UpstreamPolicy other_roots = base;
  other_roots.roots = roots_of(pki().library, {pki().namesake});
  UpstreamPolicy more_roots = base;
  more_roots.roots = roots_of(pki().library, {pki().root, pki().stranger});
  EXPECT_EQ(base.identity(), policy().identity());
  EXPECT_EQ(context(base)->identity(), base.identity());
  for (const UpstreamPolicy& other : {version, legacy, other_roots, more_roots}) {
    EXPECT_NE(base.identity(), other.identity());
  }
}

}  // namespace
}  // namespace ocsproxy
