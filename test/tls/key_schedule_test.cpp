// Ours against OpenSSL's own TLS13-KDF, which is the oracle.
#include "tls/key_schedule.h"

#include <random>

#include <gmock/gmock.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/kdf.h>

#include "tls/openssl.h"

namespace ocsproxy {
namespace {

using Bytes = std::vector<unsigned char>;

// What libssl asks for; what is absent is not among the parameters.
struct Asked {
  int mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY;
  std::string digest = "SHA2-256";
  std::optional<Bytes> key = std::nullopt, salt = std::nullopt, data = std::nullopt;
  std::string label = "key";
  std::size_t size = 32;

  // Empty when it is refused.
  Bytes of(EVP_KDF* algorithm) {
    std::vector<OSSL_PARAM> parameters{
        OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest.data(), 0)};
    std::string prefix = "tls13 ";
    const auto add = [&](const char* name, auto& value) {
      parameters.push_back(OSSL_PARAM_construct_octet_string(name, value.data(), value.size()));
    };
    if (key) add(OSSL_KDF_PARAM_KEY, *key);
    if (salt) add(OSSL_KDF_PARAM_SALT, *salt);
    add(OSSL_KDF_PARAM_PREFIX, prefix);
    add(OSSL_KDF_PARAM_LABEL, label);
    if (data) add(OSSL_KDF_PARAM_DATA, *data);
    parameters.push_back(OSSL_PARAM_construct_end());
    const EvpKdfCtxPtr context(EVP_KDF_CTX_new(algorithm));
    Bytes into(size);
    const bool done =
        EVP_KDF_derive(context.get(), into.data(), into.size(), parameters.data()) == 1;
    ERR_clear_error();
    return done ? into : Bytes();
  }
};

class KeySchedules : public testing::Test {
 protected:
  EvpKdfPtr fetch(const char* properties) {
    return EvpKdfPtr(EVP_KDF_fetch(library_.get(), OSSL_KDF_NAME_TLS1_3_KDF, properties));
  }
  Bytes some(std::size_t size) {
    Bytes bytes(size);
    for (unsigned char& byte : bytes) byte = static_cast<unsigned char>(random_());
    return bytes;
  }

  std::mt19937 random_{8446};
  const Library library_;
  const EvpKdfPtr ours_ = fetch(nullptr);
  const EvpKdfPtr theirs_ = fetch("provider=default");
};

TEST_F(KeySchedules, are_what_the_library_fetches_and_nothing_else_of_it_is_ours) {
  const auto provider_of = [](const auto* fetched, auto get) {
    return std::string(OSSL_PROVIDER_get0_name(get(fetched)));
  };
  EXPECT_EQ(provider_of(ours_.get(), EVP_KDF_get0_provider), "ocsproxy");
  EXPECT_EQ(provider_of(theirs_.get(), EVP_KDF_get0_provider), "default");
  const EvpKdfPtr hkdf(EVP_KDF_fetch(library_.get(), "HKDF", nullptr));
  EXPECT_EQ(provider_of(hkdf.get(), EVP_KDF_get0_provider), "default");
  const EvpCipherPtr cipher(EVP_CIPHER_fetch(library_.get(), "AES-128-GCM", nullptr));
  EXPECT_EQ(provider_of(cipher.get(), EVP_CIPHER_get0_provider), "default");
}

TEST_F(KeySchedules, expand_as_openssl_does) {
  for (const auto& [digest, hash] :
       {std::pair{"SHA2-256", 32U}, {"SHA256", 32U}, {"SHA2-384", 48U}, {"SHA384", 48U}}) {
    for (const std::size_t size : {1U, 12U, 16U, 31U, 32U, 33U, 48U, 49U, 96U, 200U}) {
      for (const std::size_t label : {1U, 6U, 12U, 249U}) {
        for (const int data : {-1, 1, 32, 48, 64}) {
          Asked asked{
              .digest = digest, .key = some(hash), .label = std::string(label, 'l'), .size = size};
          if (data >= 0) asked.data = some(static_cast<std::size_t>(data));
          const Bytes expected = asked.of(theirs_.get());
          ASSERT_EQ(expected.size(), size);
          EXPECT_EQ(asked.of(ours_.get()), expected) << digest << size << ' ' << label << data;
        }
      }
    }
  }
}

TEST_F(KeySchedules, extract_as_openssl_does) {
  for (const auto& [digest, hash] : {std::pair{"SHA2-256", 32U}, {"SHA2-384", 48U}}) {
    for (const int key : {-1, 32, 48, 66, 1'000}) {
      for (const bool salted : {false, true}) {
        Asked asked{.mode = EVP_KDF_HKDF_MODE_EXTRACT_ONLY,
                    .digest = digest,
                    .label = "derived",
                    .size = hash};
        if (key >= 0) asked.key = some(static_cast<std::size_t>(key));
        if (salted) asked.salt = some(hash);
        const Bytes expected = asked.of(theirs_.get());
        ASSERT_EQ(expected.size(), hash);
        EXPECT_EQ(asked.of(ours_.get()), expected) << digest << ' ' << key << salted;
      }
    }
  }
}

TEST_F(KeySchedules, refuse_what_tls_1_3_never_asks) {
  const Asked good{.key = some(32), .label = "key"};
  ASSERT_EQ(Asked(good).of(ours_.get()).size(), 32U);
  const auto refused = [&](const char* what, auto spoil) {
    Asked asked = good;
    spoil(asked);
    EXPECT_EQ(asked.of(ours_.get()), Bytes()) << what;
  };
  refused("another hash", [](Asked& asked) { asked.digest = "SHA2-512"; });
  refused("no hash", [](Asked& asked) { asked.digest = ""; });
  refused("no secret", [](Asked& asked) { asked.key.reset(); });
  refused("a long secret", [&](Asked& asked) { asked.key = some(65); });
  refused("a long label", [](Asked& asked) { asked.label.assign(250, 'l'); });
  refused("long data", [&](Asked& asked) { asked.data = some(256); });
  refused("more than HKDF gives", [](Asked& asked) { asked.size = 255 * 32 + 1; });
  refused("both at once", [](Asked& asked) { asked.mode = EVP_KDF_HKDF_MODE_EXTRACT_AND_EXPAND; });
  refused("half a secret", [](Asked& asked) {
    asked.mode = EVP_KDF_HKDF_MODE_EXTRACT_ONLY;
    asked.size = 16;
  });
}

TEST_F(KeySchedules, tell_traffic_secrets_to_whom_follows_and_only_while_it_does) {
  Asked client{.key = some(32), .label = "c ap traffic"};
  Asked server{.key = some(32), .label = "s ap traffic"};
  Asked handshake{.key = some(32), .label = "c hs traffic"};
  TrafficSecrets secrets;
  {
    const KeySchedule::Following following(library_.key_schedule(), &secrets);
    const Bytes clients = client.of(ours_.get());
    EXPECT_THAT(secrets.client.bytes(), testing::ElementsAreArray(clients));
    EXPECT_FALSE(secrets.server.known());
    handshake.of(ours_.get());
    const Bytes servers = server.of(ours_.get());
    EXPECT_THAT(secrets.client.bytes(), testing::ElementsAreArray(clients));
    EXPECT_THAT(secrets.server.bytes(), testing::ElementsAreArray(servers));
  }
  TrafficSecrets later;
  client.key = some(32);
  const Bytes other = client.of(ours_.get());
  EXPECT_THAT(secrets.client.bytes(), testing::Not(testing::ElementsAreArray(other)));
  const KeySchedule::Following nobody(library_.key_schedule(), nullptr);
  EXPECT_EQ(client.of(ours_.get()), other);
  EXPECT_FALSE(later.client.known());
}

TEST_F(KeySchedules, that_are_gone_answer_nothing_more) {
  OSSL_LIB_CTX* const context = OSSL_LIB_CTX_new();
  OSSL_PROVIDER* const algorithms = OSSL_PROVIDER_load(context, "default");
  auto schedule = std::make_unique<KeySchedule>(context);
  EvpKdfPtr fetched(EVP_KDF_fetch(context, OSSL_KDF_NAME_TLS1_3_KDF, nullptr));
  Asked asked{.key = some(32), .label = "key"};
  EXPECT_EQ(asked.of(fetched.get()).size(), 32U);
  schedule.reset();
  EXPECT_EQ(asked.of(fetched.get()), Bytes());
  fetched.reset();
  OSSL_PROVIDER_unload(algorithms);
  OSSL_LIB_CTX_free(context);
}

}  // namespace
}  // namespace ocsproxy
