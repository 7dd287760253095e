// The library's AES-GCM against OpenSSL's, which is the oracle.
#include "tls/vector_gcm.h"

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include <gmock/gmock.h>

namespace ocsproxy {
namespace {

using testing::HasSubstr;

class VectorGcms : public testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    if (!gcm_) GTEST_SKIP() << gcm_.to_string();
    const std::string key = some(static_cast<std::size_t>(GetParam()));
    ours_ = gcm_.expand(as_bytes(key));
    theirs_ = openssl_aead_key(cipher_.get(), as_bytes(key));
    ASSERT_TRUE(ours_ && theirs_);
  }
  std::string some(std::size_t size) {
    std::string text(size, '\0');
    for (char& c : text) c = static_cast<char>(random_());
    return text;
  }
  AeadKey::Nonce some_nonce() {
    AeadKey::Nonce nonce;
    for (unsigned char& byte : nonce) byte = static_cast<unsigned char>(random_());
    return nonce;
  }
  // The text cut at places at random, empty pieces too.
  std::vector<std::span<const char>> in_pieces(std::span<const char> text) {
    std::vector<std::span<const char>> pieces;
    while (random_() % 3 != 0) {
      const std::size_t size = random_() % (text.size() + 1);
      pieces.push_back(text.first(size));
      text = text.subspan(size);
    }
    pieces.push_back(text);
    return pieces;
  }
  std::string sealed(AeadKey& key, const AeadKey::Nonce& nonce, const std::string& header,
                     const std::vector<std::span<const char>>& pieces, std::size_t size) {
    // Bytes behind what is written must stay as they are.
    std::string out(size + AeadKey::kTagSize + kGuard.size(), '\0');
    out.replace(size + AeadKey::kTagSize, kGuard.size(), kGuard);
    EXPECT_TRUE(key.seal(nonce, header, pieces, out.data()));
    EXPECT_TRUE(out.ends_with(kGuard));
    return out.substr(0, size + AeadKey::kTagSize);
  }

  static constexpr std::string_view kGuard = "nothing is written here, not by wide vectors either";
  std::mt19937 random_{static_cast<unsigned>(GetParam())};
  Library library_;
  const VectorGcm gcm_ = VectorGcm::detect(library_);
  const EvpCipherPtr cipher_{
      EVP_CIPHER_fetch(library_.get(), GetParam() == 16 ? "AES-128-GCM" : "AES-256-GCM", nullptr)};
  std::unique_ptr<AeadKey> ours_, theirs_;
};

INSTANTIATE_TEST_SUITE_P(KeySizes, VectorGcms, testing::Values(16, 32));

TEST_P(VectorGcms, texts_of_every_size_and_cut_are_sealed_as_openssl_seals_them) {
  for (std::size_t round = 0; round < 3'000; ++round) {
    const std::size_t size = round < 1'000 ? round : random_() % 16'700;
    const std::string text = some(size);
    const std::string header = some(random_() % 24);
    const AeadKey::Nonce nonce = some_nonce();
    const std::string ours = sealed(*ours_, nonce, header, in_pieces(text), size);
    ASSERT_EQ(ours, sealed(*theirs_, nonce, header, {text}, size)) << size;

    std::string apart(size + kGuard.size(), '\0');
    apart.replace(size, kGuard.size(), kGuard);
    ASSERT_TRUE(ours_->open(nonce, header, ours, apart.data())) << size;
    ASSERT_EQ(apart, text + std::string(kGuard));
    std::string in_place = ours;
    ASSERT_TRUE(ours_->open(nonce, header, in_place, in_place.data())) << size;
    ASSERT_EQ(in_place.substr(0, size), text);
  }
}

TEST_P(VectorGcms, whatever_was_changed_is_refused) {
  const std::string text = some(400);
  const std::string header = "\x17\x03\x03\x01\xa1";
  const AeadKey::Nonce nonce = some_nonce();
  const std::string good = sealed(*ours_, nonce, header, {text}, text.size());
  std::string out(good.size(), '\0');
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::string bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ 1 << bit % 8);
    EXPECT_FALSE(ours_->open(nonce, header, bad, out.data())) << "bit " << bit;
  }
  for (std::size_t place = 0; place < nonce.size(); ++place) {
    AeadKey::Nonce other = nonce;
    other[place] ^= 0x80;
    EXPECT_FALSE(ours_->open(other, header, good, out.data()));
  }
  EXPECT_FALSE(ours_->open(nonce, "\x17\x03\x03\x01\xa0", good, out.data()));
  EXPECT_FALSE(ours_->open(nonce, header, std::string_view(good).substr(1), out.data()));
  EXPECT_TRUE(ours_->open(nonce, header, good, out.data()));
}

TEST(VectorGcm, the_log_learns_whose_cipher_it_is) {
  const VectorGcm found = VectorGcm::detect(Library());
  EXPECT_THAT(found.to_string(), HasSubstr(found ? "Intel IPsec MB" : "OpenSSL"));
  EXPECT_FALSE(VectorGcm());
  EXPECT_EQ(VectorGcm().to_string(), "OpenSSL");
}

}  // namespace
}  // namespace ocsproxy
