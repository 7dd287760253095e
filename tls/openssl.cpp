#include "tls/openssl.h"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <string_view>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/rand.h>

#include "base/free_list.h"
#include "tls/key_schedule.h"

namespace ocsproxy {
namespace {

// Without memory or without random bytes there is no TLS, and no way to go on without it.
[[noreturn]] void give_up(const char* what) {
  const std::string why = openssl_errors();
  std::fprintf(stderr, "ocsproxy: %s: %s\n", what, why.c_str());
  std::abort();
}

#ifndef OCSPROXY_SANITIZED
void* list_allocate(std::size_t size, const char*, int) { return free_list::allocate(size); }
void list_release(void* block, const char*, int) { free_list::release(block); }
void* list_reallocate(void* block, std::size_t size, const char*, int) {
  if (size == 0) {  // CRYPTO_realloc promises to free then
    free_list::release(block);
    return nullptr;
  }
  return free_list::reallocate(block, size);
}
#endif

}  // namespace

BioPtr memory_bio(std::string_view text) {
  return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

std::string text_of(BIO* memory) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(memory, &data);
  return size > 0 ? std::string(data, static_cast<std::size_t>(size)) : std::string();
}

std::string openssl_errors() {
  std::string sentence;
  std::string previous;
  const char* data = nullptr;
  int flags = 0;
  while (const unsigned long code = ERR_get_error_all(nullptr, nullptr, nullptr, &data, &flags)) {
    const char* const reason = ERR_reason_error_string(code);
    std::string text = reason != nullptr ? reason : "error " + std::to_string(code);
    if ((flags & ERR_TXT_STRING) != 0 && data != nullptr && *data != '\0') {
      text += " (" + std::string(data) + ")";
    }
    if (text == previous) continue;
    if (!sentence.empty()) sentence += "; ";
    sentence += text;
    previous = std::move(text);
  }
  return sentence;
}

Library::Library(Algorithms algorithms) {
  constexpr std::uint64_t kOptions = OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_LOAD_SSL_STRINGS |
                                     OPENSSL_INIT_LOAD_CRYPTO_STRINGS;
  if (OPENSSL_init_ssl(kOptions, nullptr) != 1) {
    give_up("OpenSSL does not start");
  }
  context_.reset(OSSL_LIB_CTX_new());
  if (context_ == nullptr) give_up("OpenSSL gives no library context");
  default_.reset(OSSL_PROVIDER_load(context_.get(), "default"));
  if (default_ == nullptr) give_up("OpenSSL has no default provider");
  if (algorithms == Algorithms::legacy) {
    legacy_.reset(OSSL_PROVIDER_load(context_.get(), "legacy"));
    ERR_clear_error();
  }
  try {
    key_schedule_ = std::make_unique<KeySchedule>(context_.get());
  } catch (const std::bad_alloc&) {
    give_up("OpenSSL does not take our key schedule");
  }
}

Library::~Library() = default;

void Library::random(std::span<unsigned char> bytes) const {
  if (RAND_priv_bytes_ex(context_.get(), bytes.data(), bytes.size(), 0) != 1) {
    give_up("OpenSSL gives no random bytes");
  }
}

std::string sha256_hex(const Library& library, std::span<const unsigned char> bytes) {
  std::array<unsigned char, 32> digest{};
  if (EVP_Q_digest(library.get(), "SHA256", nullptr, bytes.data(), bytes.size(), digest.data(),
                   nullptr) != 1) {
    give_up("OpenSSL has no SHA-256");
  }
  static constexpr std::string_view kHex = "0123456789abcdef";
  std::string text;
  for (const unsigned char byte : digest) {
    text += kHex[byte >> 4];
    text += kHex[byte & 15];
  }
  return text;
}

bool use_free_lists() {
#ifdef OCSPROXY_SANITIZED
  return true;
#else
  return CRYPTO_set_mem_functions(list_allocate, list_reallocate, list_release) == 1;
#endif
}

}  // namespace ocsproxy
