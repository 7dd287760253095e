#include "tls/key_schedule.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <optional>

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

namespace ocsproxy {
namespace {

constexpr std::size_t kLargestBlock = 128;  // of SHA-384

void wipe(std::span<unsigned char> bytes) { OPENSSL_cleanse(bytes.data(), bytes.size()); }

KeySchedule::Bytes bytes_of(const OSSL_PARAM& parameter) {
  return {static_cast<const unsigned char*>(parameter.data), parameter.data_size};
}

std::string_view text_of(const OSSL_PARAM& parameter) {
  return {static_cast<const char*>(parameter.data), parameter.data_size};
}

}  // namespace

TrafficSecret::~TrafficSecret() { wipe(value); }

// ---- HMAC and HKDF

KeySchedule::Hasher::Hasher(OSSL_LIB_CTX* library, const char* name, std::size_t block)
    : algorithm(EVP_MD_fetch(library, name, nullptr)),
      context(EVP_MD_CTX_new()),
      size(0),
      block_size(block) {
  unsigned int written = 0;
  if (algorithm == nullptr || context == nullptr ||
      EVP_DigestInit_ex2(context.get(), algorithm.get(), nullptr) != 1 ||
      EVP_DigestFinal_ex(context.get(), of_nothing.data(), &written) != 1) {
    throw std::bad_alloc();
  }
  size = written;
}

// RFC 2104; the key is no longer than a block.
bool KeySchedule::hmac(Hasher& hasher, Bytes key, Bytes text, unsigned char* into) {
  EVP_MD_CTX* const context = hasher.context.get();
  std::array<unsigned char, kLargestBlock> pad;
  const auto begin = [&](unsigned char mask) {
    std::fill_n(pad.begin(), hasher.block_size, mask);
    for (std::size_t i = 0; i < key.size(); ++i) pad[i] ^= key[i];
    return EVP_DigestInit_ex2(context, nullptr, nullptr) == 1 &&
           EVP_DigestUpdate(context, pad.data(), hasher.block_size) == 1;
  };
  const bool done = begin(0x36) && EVP_DigestUpdate(context, text.data(), text.size()) == 1 &&
                    EVP_DigestFinal_ex(context, into, nullptr) == 1 && begin(0x5c) &&
                    EVP_DigestUpdate(context, into, hasher.size) == 1 &&
                    EVP_DigestFinal_ex(context, into, nullptr) == 1;
  // The context would remember its last block.
  pad.fill(0);
  (void)EVP_DigestInit_ex2(context, nullptr, nullptr);
  (void)EVP_DigestUpdate(context, pad.data(), hasher.block_size - 1);
  wipe(pad);
  return done;
}

// RFC 8446 7.1 over HKDF-Expand (RFC 5869 2.3).
bool KeySchedule::expand_label(Hash hash, Bytes secret, std::string_view prefix,
                               std::string_view label, Bytes data, std::span<unsigned char> into) {
  Hasher& with = hasher(hash);
  const std::size_t label_size = prefix.size() + label.size();
  if (secret.size() > with.block_size || label_size > 255 || data.size() > 255 ||
      into.size() > 255 * with.size) {
    return false;
  }
  // The block before, the label as the RFC writes it, the number of the block.
  std::array<unsigned char, TrafficSecret::kLargest + 2 + 256 + 256 + 1> text;
  std::size_t size = TrafficSecret::kLargest;
  const auto add = [&](std::size_t byte) { text[size++] = static_cast<unsigned char>(byte); };
  const auto add_all = [&](const auto& bytes) {
    std::copy(bytes.begin(), bytes.end(), text.begin() + static_cast<std::ptrdiff_t>(size));
    size += bytes.size();
  };
  add(into.size() >> 8);
  add(into.size() & 0xff);
  add(label_size);
  add_all(prefix);
  add_all(label);
  add(data.size());
  add_all(data);
  std::array<unsigned char, TrafficSecret::kLargest> block{};
  std::size_t before = 0;  // bytes of the block before
  bool done = true;
  for (std::size_t at = 0, number = 1; done && at < into.size(); at += with.size, ++number) {
    text[size] = static_cast<unsigned char>(number);
    unsigned char* const begin = text.data() + TrafficSecret::kLargest - before;
    std::copy_n(block.begin(), before, begin);
    const std::size_t length = before + size - TrafficSecret::kLargest + 1;
    done = hmac(with, secret, {begin, length}, block.data());
    std::copy_n(block.begin(), std::min(with.size, into.size() - at),
                into.begin() + static_cast<std::ptrdiff_t>(at));
    before = with.size;
  }
  wipe(block);
  wipe(text);
  return done;
}

// ---- what OpenSSL asks

struct KeySchedule::Question {
  std::optional<Hash> hash;
  int mode = EVP_KDF_HKDF_MODE_EXTRACT_AND_EXPAND;
  std::optional<Bytes> key, salt;
  std::string_view prefix, label;
  Bytes data;
};

// The next secret: HKDF-Extract of the new input and of what the secret before derives for this.
// Where there is neither, zeros take the place (RFC 8446 7.1).
bool KeySchedule::extract(const Question& question, std::span<unsigned char> into) {
  Hasher& with = hasher(*question.hash);
  if (into.size() != with.size) return false;
  static constexpr std::array<unsigned char, TrafficSecret::kLargest> kZeros{};
  const Bytes zeros = std::span(kZeros).first(with.size);
  std::array<unsigned char, TrafficSecret::kLargest> derived{};
  const std::span<unsigned char> salt = std::span(derived).first(with.size);
  const bool done = (!question.salt ||
                     expand_label(*question.hash, *question.salt, question.prefix, question.label,
                                  Bytes(with.of_nothing).first(with.size), salt)) &&
                    hmac(with, salt, question.key.value_or(zeros), into.data());
  wipe(derived);
  return done;
}

bool KeySchedule::answer(const OSSL_PARAM* parameters, std::span<unsigned char> into) {
  Question question;
  for (const OSSL_PARAM* one = parameters; one != nullptr && one->key != nullptr; ++one) {
    const std::string_view name(one->key);
    if (name == OSSL_KDF_PARAM_KEY)
      question.key = bytes_of(*one);
    else if (name == OSSL_KDF_PARAM_SALT)
      question.salt = bytes_of(*one);
    else if (name == OSSL_KDF_PARAM_PREFIX)
      question.prefix = text_of(*one);
    else if (name == OSSL_KDF_PARAM_LABEL)
      question.label = text_of(*one);
    else if (name == OSSL_KDF_PARAM_DATA)
      question.data = bytes_of(*one);
    else if (name == OSSL_KDF_PARAM_MODE && OSSL_PARAM_get_int(one, &question.mode) != 1)
      return false;
    else if (name == OSSL_KDF_PARAM_DIGEST) {
      for (const Hash hash : {Hash::sha256, Hash::sha384}) {
        // OpenSSL names it as it names its own, so that the first question is answered at once.
        const EVP_MD* const algorithm = hasher(hash).algorithm.get();
        const auto* const digest = static_cast<const char*>(one->data);
        if (std::strcmp(digest, EVP_MD_get0_name(algorithm)) == 0 ||
            EVP_MD_is_a(algorithm, digest) == 1) {
          question.hash = hash;
          break;
        }
      }
    }
  }
  if (!question.hash) return false;
  if (question.mode == EVP_KDF_HKDF_MODE_EXTRACT_ONLY) return extract(question, into);
  if (question.mode != EVP_KDF_HKDF_MODE_EXPAND_ONLY || !question.key) return false;
  if (!expand_label(*question.hash, *question.key, question.prefix, question.label, question.data,
                    into)) {
    return false;
  }
  if (secrets_ == nullptr || into.size() > TrafficSecret::kLargest) return true;
  TrafficSecret* const secret = question.label == "c ap traffic"   ? &secrets_->client
                                : question.label == "s ap traffic" ? &secrets_->server
                                                                   : nullptr;
  if (secret != nullptr) {
    std::copy(into.begin(), into.end(), secret->value.begin());
    secret->size = into.size();
  }
  return true;
}

// ---- the provider

// What OpenSSL holds is a pointer to the schedule, null once that is gone: OpenSSL may keep a
// provider beyond its unloading, for what it fetched from it.
struct KeySchedule::Provider {
  using Slot = KeySchedule*;

  template <class Function>
  static OSSL_DISPATCH entry(int id, Function* function) {
    return {id, reinterpret_cast<void (*)()>(function)};
  }

  // A context is the slot itself: libssl says all in one call, so that there is nothing to keep.
  static void* context(void* slot) { return slot; }
  static void release_context(void*) {}
  static int derive(void* slot, unsigned char* into, std::size_t size,
                    const OSSL_PARAM parameters[]) {
    KeySchedule* const schedule = *static_cast<Slot*>(slot);
    return schedule != nullptr && schedule->answer(parameters, {into, size}) ? 1 : 0;
  }

  static const OSSL_ALGORITHM* query(void*, int operation, int* no_cache) {
    static const OSSL_DISPATCH kFunctions[] = {entry(OSSL_FUNC_KDF_NEWCTX, &context),
                                               entry(OSSL_FUNC_KDF_FREECTX, &release_context),
                                               entry(OSSL_FUNC_KDF_DERIVE, &derive),
                                               {0, nullptr}};
    static const OSSL_ALGORITHM kAlgorithms[] = {
        {OSSL_KDF_NAME_TLS1_3_KDF, "provider=ocsproxy", kFunctions, nullptr},
        {nullptr, nullptr, nullptr, nullptr}};
    *no_cache = 0;
    return operation == OSSL_OP_KDF ? kAlgorithms : nullptr;
  }
  static void teardown(void* slot) { delete static_cast<Slot*>(slot); }

  static int begin(const OSSL_CORE_HANDLE*, const OSSL_DISPATCH*, const OSSL_DISPATCH** functions,
                   void** slot) {
    static const OSSL_DISPATCH kFunctions[] = {entry(OSSL_FUNC_PROVIDER_QUERY_OPERATION, &query),
                                               entry(OSSL_FUNC_PROVIDER_TEARDOWN, &teardown),
                                               {0, nullptr}};
    *functions = kFunctions;
    *slot = new (std::nothrow) Slot(nullptr);
    return *slot != nullptr ? 1 : 0;
  }
};

KeySchedule::KeySchedule(OSSL_LIB_CTX* context)
    : hashers_{Hasher(context, "SHA256", 64), Hasher(context, "SHA384", 128)} {
  constexpr const char* kName = "ocsproxy";
  if (OSSL_PROVIDER_add_builtin(context, kName, &Provider::begin) == 1)
    provider_.reset(OSSL_PROVIDER_load(context, kName));
  if (provider_ == nullptr || EVP_set_default_properties(context, "?provider=ocsproxy") != 1)
    throw std::bad_alloc();
  *static_cast<Provider::Slot*>(OSSL_PROVIDER_get0_provider_ctx(provider_.get())) = this;
}

KeySchedule::~KeySchedule() {
  *static_cast<Provider::Slot*>(OSSL_PROVIDER_get0_provider_ctx(provider_.get())) = nullptr;
}

}  // namespace ocsproxy
