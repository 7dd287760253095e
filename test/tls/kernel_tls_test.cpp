// What of kernel TLS can be shown without a kernel that has it: that the keys handed over are the
// connection's. test/e2e/test_kernel_tls.py shows the rest.
#include "tls/kernel_tls.h"

#include <gtest/gtest.h>
#include <openssl/err.h>

#include "handshake.h"
#include "tls/record_layer.h"

namespace ocsproxy {
namespace {

constexpr const char* kSuites[] = {"ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384",
                                   "ECDHE-ECDSA-CHACHA20-POLY1305"};

class Tls12Keys : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const MadeCertificate root = made(library_, authority_request("Root"));
    server_context_ = std::make_unique<LooseServer>(
        library_, made(library_, server_request({"site.test"}), &root));
    server_context_->set_version(TLS1_2_VERSION);
    server_ = server_context_->new_ssl();
    client_ = client_context_.new_ssl("site.test");
    SSL_set_cipher_list(client_.get(), GetParam());
    servers_.watch(server_.get());
    clients_.watch(client_.get());
    ASSERT_TRUE(handshake(client_.get(), server_.get()).both_done());
    ASSERT_STREQ(SSL_get_cipher_name(client_.get()), GetParam());
  }

  // The record that OpenSSL writes for `text`; the other end does not get it.
  static std::string sealed_by(SSL* ssl, SSL* other, std::string_view text) {
    EXPECT_EQ(SSL_write(ssl, text.data(), static_cast<int>(text.size())),
              static_cast<int>(text.size()));
    BIO* const out = SSL_get_rbio(other);
    std::string record(BIO_ctrl_pending(out), '\0');
    EXPECT_EQ(BIO_read(out, record.data(), static_cast<int>(record.size())),
              static_cast<int>(record.size()));
    return record;
  }

  // As RFC 5246 6.2.3.3, RFC 5288 3 and RFC 7905 2 have it.
  static std::string opened(const RecordProtection& keys, std::string record) {
    const bool explicit_nonce = EVP_CIPHER_get_nid(keys.cipher()) != NID_chacha20_poly1305;
    const std::size_t head = explicit_nonce ? 13 : 5;
    const std::size_t size = record.size() - head - 16;
    unsigned char nonce[12];
    std::copy(keys.iv().begin(), keys.iv().end(), nonce);
    unsigned char additional[13];
    for (int i = 0; i < 8; ++i) {
      additional[i] = static_cast<unsigned char>(keys.sequence() >> (56 - 8 * i));
      if (explicit_nonce) nonce[4 + i] = static_cast<unsigned char>(record[5 + i]);
      if (!explicit_nonce) nonce[4 + i] ^= additional[i];
    }
    std::copy_n(record.begin(), 3, additional + 8);
    additional[11] = static_cast<unsigned char>(size >> 8);
    additional[12] = static_cast<unsigned char>(size);
    const EvpCipherCtxPtr context(EVP_CIPHER_CTX_new());
    std::string text(size, '\0');
    int done = 0;
    auto* const in = reinterpret_cast<unsigned char*>(record.data());
    EVP_DecryptInit_ex(context.get(), keys.cipher(), nullptr, keys.key().data(), nonce);
    EVP_DecryptUpdate(context.get(), nullptr, &done, additional, sizeof additional);
    EVP_DecryptUpdate(context.get(), reinterpret_cast<unsigned char*>(text.data()), &done,
                      in + head, static_cast<int>(size));
    EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_TAG, 16, in + head + size);
    return EVP_DecryptFinal_ex(context.get(), nullptr, &done) == 1 ? text : "not authentic";
  }

  Library library_;
  TrafficKeys keys_{library_};
  std::unique_ptr<LooseServer> server_context_;
  LooseClient client_context_{library_};
  RecordLayer servers_, clients_;  // outlive what they watch
  SslPtr server_, client_;
};

TEST_P(Tls12Keys, open_what_openssl_sealed_with_them) {
  for (int round = 0; round < 3; ++round) {
    const BothWays server = servers_.after_openssl(server_.get(), keys_);
    EXPECT_EQ(opened(server.out, sealed_by(server_.get(), client_.get(), "to the client")),
              "to the client");
    const BothWays client = clients_.after_openssl(client_.get(), keys_);
    EXPECT_EQ(opened(client.out, sealed_by(client_.get(), server_.get(), "to the server")),
              "to the server");
  }
}

TEST_P(Tls12Keys, are_the_same_at_both_ends) {
  ASSERT_EQ(pass_on(client_.get(), server_.get(), "a"), "a");
  ASSERT_EQ(pass_on(client_.get(), server_.get(), "b"), "b");
  ASSERT_EQ(pass_on(server_.get(), client_.get(), "c"), "c");
  const BothWays server = servers_.after_openssl(server_.get(), keys_);
  const BothWays client = clients_.after_openssl(client_.get(), keys_);
  for (const auto& [out, in] : {std::pair(&client.out, &server.in), {&server.out, &client.in}}) {
    EXPECT_TRUE(std::ranges::equal(out->key(), in->key()));
    EXPECT_EQ(out->sequence(), in->sequence());
  }
  EXPECT_FALSE(std::ranges::equal(client.out.key(), client.in.key()));
  // Finished, what the handshake of the test passed, and the data.
  EXPECT_EQ(client.out.sequence(), 3U);
  EXPECT_EQ(client.in.sequence(), 3U);
}

INSTANTIATE_TEST_SUITE_P(Suites, Tls12Keys, testing::ValuesIn(kSuites),
                         [](const auto& suite) { return std::to_string(suite.index); });

TEST(Tls12KeysOf, a_connection_of_another_version_are_none) {
  const Library library;
  TrafficKeys keys(library);
  const MadeCertificate root = made(library, authority_request("Root"));
  const LooseServer server(library, made(library, server_request({"site.test"}), &root));
  const LooseClient client(library);
  RecordLayer layer;
  const SslPtr at_server = server.new_ssl();
  const SslPtr at_client = client.new_ssl("site.test");
  layer.watch(at_client.get());
  ASSERT_TRUE(handshake(at_client.get(), at_server.get()).both_done());
  ASSERT_EQ(SSL_version(at_client.get()), TLS1_3_VERSION);
  const BothWays none = layer.after_openssl(at_client.get(), keys);
  EXPECT_FALSE(none.in);
  EXPECT_FALSE(none.out);
}

TEST(KernelTls, takes_nothing_when_it_was_not_asked) {
  const KernelTls off;
  EXPECT_FALSE(off.anything());
  EXPECT_EQ(off.to_string(), "off (kernel_tls: false)");
  static constexpr std::array<unsigned char, 16> kKey{};
  static constexpr std::array<unsigned char, 12> kIv{};
  EXPECT_FALSE(off.offers(TLS1_2_VERSION, RecordProtection(EVP_aes_128_gcm(), nullptr, kKey, kIv)));
}

TEST(KernelTls, says_what_was_found_or_why_nothing_was) {
  const KernelTls found = KernelTls::detect();
  if (found.anything()) {
    EXPECT_TRUE(found.to_string().starts_with("TLS 1.2 (")) << found.to_string();
  } else {
    EXPECT_TRUE(found.to_string().starts_with("none: ")) << found.to_string();
  }
  EXPECT_FALSE(found.offers(TLS1_3_VERSION, RecordProtection()));
}

}  // namespace
}  // namespace ocsproxy
