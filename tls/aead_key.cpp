#include "tls/aead_key.h"

#include <algorithm>
#include <utility>

#include "base/free_list.h"

namespace ocsproxy {
namespace {

const unsigned char* bytes(const char* text) {
  return reinterpret_cast<const unsigned char*>(text);
}
unsigned char* bytes(char* text) { return reinterpret_cast<unsigned char*>(text); }

class OpensslAeadKey final : public AeadKey {
 public:
  explicit OpensslAeadKey(EvpCipherCtxPtr context) : context_(std::move(context)) {}

  bool seal(const Nonce& nonce, std::span<const char> header,
            std::span<const std::span<const char>> pieces, char* out) override {
    if (!begin(1, nonce, header)) return false;
    int size = 0;
    for (const std::span<const char> piece : pieces) {
      if (piece.empty()) continue;
      if (EVP_EncryptUpdate(context_.get(), bytes(out), &size, bytes(piece.data()),
                            static_cast<int>(piece.size())) != 1) {
        return false;
      }
      out += size;
    }
    return EVP_EncryptFinal_ex(context_.get(), bytes(out), &size) == 1 &&
           EVP_CIPHER_CTX_ctrl(context_.get(), EVP_CTRL_AEAD_GET_TAG, kTagSize, out) == 1;
  }

  bool open(const Nonce& nonce, std::span<const char> header, std::span<const char> sealed,
            char* out) override {
    if (!begin(0, nonce, header)) return false;
    const std::span<const char> text = sealed.first(sealed.size() - kTagSize);
    std::array<char, kTagSize> tag;
    std::copy_n(sealed.end() - kTagSize, kTagSize, tag.begin());
    int size = 0;
    return EVP_DecryptUpdate(context_.get(), bytes(out), &size, bytes(text.data()),
                             static_cast<int>(text.size())) == 1 &&
           EVP_CIPHER_CTX_ctrl(context_.get(), EVP_CTRL_AEAD_SET_TAG, kTagSize, tag.data()) == 1 &&
           EVP_DecryptFinal_ex(context_.get(), bytes(out) + size, &size) == 1;
  }

 private:
  bool begin(int sealing, const Nonce& nonce, std::span<const char> header) {
    int size = 0;
    return EVP_CipherInit_ex(context_.get(), nullptr, nullptr, nullptr, nonce.data(), sealing) ==
               1 &&
           EVP_CipherUpdate(context_.get(), nullptr, &size, bytes(header.data()),
                            static_cast<int>(header.size())) == 1;
  }

  EvpCipherCtxPtr context_;
};

}  // namespace

void* AeadKey::operator new(std::size_t size) noexcept { return free_list::allocate(size); }
void AeadKey::operator delete(void* block) noexcept { free_list::release(block); }

std::unique_ptr<AeadKey> openssl_aead_key(const EVP_CIPHER* cipher,
                                          std::span<const unsigned char> key) {
  EvpCipherCtxPtr context(EVP_CIPHER_CTX_new());
  if (context == nullptr ||
      EVP_CipherInit_ex(context.get(), cipher, nullptr, key.data(), nullptr, 1) != 1) {
    return nullptr;
  }
  return std::unique_ptr<AeadKey>(new OpensslAeadKey(std::move(context)));
}

}  // namespace ocsproxy
