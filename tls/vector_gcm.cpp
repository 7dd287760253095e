#include "tls/vector_gcm.h"

#ifdef OCSPROXY_IPSEC_MB

#include <intel-ipsec-mb.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

#include <openssl/crypto.h>
#include <openssl/err.h>

namespace ocsproxy {
namespace {

const std::uint8_t* bytes(const char* text) { return reinterpret_cast<const std::uint8_t*>(text); }
std::uint8_t* bytes(char* text) { return reinterpret_cast<std::uint8_t*>(text); }

class VectorGcmKey final : public AeadKey {
 public:
  VectorGcmKey(const VectorGcm::Functions& functions, const unsigned char* key)
      : functions_(functions) {
    functions_.expand(key, &key_);
  }
  VectorGcmKey(const VectorGcmKey&) = delete;
  VectorGcmKey& operator=(const VectorGcmKey&) = delete;
  ~VectorGcmKey() override { OPENSSL_cleanse(&key_, sizeof key_); }

  bool seal(const Nonce& nonce, std::span<const char> header,
            std::span<const std::span<const char>> pieces, char* out) override {
    gcm_context_data state;
    functions_.begin(&key_, &state, nonce.data(), bytes(header.data()), header.size());
    for (const std::span<const char> piece : pieces) {
      if (piece.empty()) continue;
      functions_.seal(&key_, &state, bytes(out), bytes(piece.data()), piece.size());
      out += piece.size();
    }
    functions_.finish(&key_, &state, bytes(out), kTagSize);
    return true;
  }

  bool open(const Nonce& nonce, std::span<const char> header, std::span<const char> sealed,
            char* out) override {
    const std::span<const char> text = sealed.first(sealed.size() - kTagSize);
    std::array<std::uint8_t, kTagSize> claimed, computed;
    std::copy_n(bytes(text.data() + text.size()), kTagSize, claimed.begin());
    gcm_context_data state;
    functions_.open(&key_, &state, bytes(out), bytes(text.data()), text.size(), nonce.data(),
                    bytes(header.data()), header.size(), computed.data(), kTagSize);
    return CRYPTO_memcmp(claimed.data(), computed.data(), kTagSize) == 0;
  }

 private:
  const VectorGcm::Functions& functions_;
  gcm_key_data key_;
};

std::string_view vectors_of(std::uint64_t features) {
  if ((features & IMB_FEATURE_VAES) != 0) return "VAES";
  if ((features & IMB_FEATURE_AVX2) != 0) return "AVX2";
  return (features & IMB_FEATURE_AVX) != 0 ? "AVX" : "SSE";
}

}  // namespace

VectorGcm VectorGcm::detect(const Library& library) {
  VectorGcm found;
  const std::unique_ptr<IMB_MGR, OpensslDeleter<free_mb_mgr>> manager(alloc_mb_mgr(0));
  if (manager == nullptr) {
    found.text_ = "OpenSSL (no memory for Intel IPsec MB)";
    return found;
  }
  init_mb_mgr_auto(manager.get(), nullptr);
  constexpr std::uint64_t kWanted = IMB_FEATURE_AESNI | IMB_FEATURE_PCLMULQDQ;
  if (imb_get_errno(manager.get()) != 0 || (manager->features & kWanted) != kWanted) {
    found.text_ = "OpenSSL (this processor has no AES-NI)";
    return found;
  }
  found.aes_128_ = {.expand = manager->gcm128_pre,
                    .begin = manager->gcm128_init,
                    .seal = manager->gcm128_enc_update,
                    .finish = manager->gcm128_enc_finalize,
                    .open = manager->gcm128_dec};
  found.aes_256_ = {.expand = manager->gcm256_pre,
                    .begin = manager->gcm256_init,
                    .seal = manager->gcm256_enc_update,
                    .finish = manager->gcm256_enc_finalize,
                    .open = manager->gcm256_dec};
  found.available_ = found.agrees(library);
  const std::string name = std::string("Intel IPsec MB ") + imb_get_version_str();
  found.text_ = found.available_
                    ? name + " with " + std::string(vectors_of(manager->features))
                    : "OpenSSL (the answers of " + name + " are not OpenSSL's on this processor)";
  return found;
}

std::unique_ptr<AeadKey> VectorGcm::expand(std::span<const unsigned char> key) const {
  return std::unique_ptr<AeadKey>(
      new VectorGcmKey(key.size() == 16 ? aes_128_ : aes_256_, key.data()));
}

// A cipher that is wrong must be found before the first record: sizes around its strides, in one
// piece and in several, there and back.
bool VectorGcm::agrees(const Library& library) const {
  constexpr std::string_view kHeader = "\x17\x03\x03\x40\x11";
  std::vector<char> text(16'384 + 1);
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * 31 + i / 251);
  std::vector<char> ours(text.size() + AeadKey::kTagSize), theirs(ours.size()), back(ours.size());
  std::array<unsigned char, 32> key;
  AeadKey::Nonce nonce;
  library.random(key);
  library.random(nonce);
  for (const auto& [name, size] : {std::pair("AES-128-GCM", 16), std::pair("AES-256-GCM", 32)}) {
    const EvpCipherPtr cipher(EVP_CIPHER_fetch(library.get(), name, nullptr));
    const std::span<const unsigned char> used =
        std::span(key).first(static_cast<std::size_t>(size));
    const auto openssl = cipher == nullptr ? nullptr : openssl_aead_key(cipher.get(), used);
    const auto vector = expand(used);
    if (openssl == nullptr || vector == nullptr) return false;
    for (const std::size_t length : {1, 16, 17, 255, 256, 257, 1'025, 4'097, 16'385}) {
      const std::span<const char> whole = std::span(text).first(length);
      const std::array pieces{whole.first(length / 3), whole.subspan(length / 3).first(length / 5),
                              whole.subspan(length / 3 + length / 5)};
      const std::span<char> sealed = std::span(ours).first(length + AeadKey::kTagSize);
      if (!openssl->seal(nonce, kHeader, {&whole, 1}, theirs.data()) ||
          !vector->seal(nonce, kHeader, pieces, ours.data()) ||
          !std::equal(sealed.begin(), sealed.end(), theirs.begin()) ||
          !vector->open(nonce, kHeader, sealed, back.data()) ||
          !std::equal(whole.begin(), whole.end(), back.begin())) {
        return false;
      }
      sealed[length / 2] = static_cast<char>(sealed[length / 2] ^ 1);
      if (vector->open(nonce, kHeader, sealed, back.data())) return false;
    }
  }
  return true;
}

}  // namespace ocsproxy

#else

namespace ocsproxy {

VectorGcm VectorGcm::detect(const Library&) {
  VectorGcm none;
  none.text_ = "OpenSSL (built without Intel IPsec MB)";
  return none;
}

std::unique_ptr<AeadKey> VectorGcm::expand(std::span<const unsigned char>) const { return nullptr; }

}  // namespace ocsproxy

#endif
