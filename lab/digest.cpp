#include "lab/digest.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstdlib>

#include <openssl/core_names.h>
#include <openssl/params.h>

namespace ocsproxy::lab {
namespace {

using Block = std::array<std::uint32_t, 16>;
using State = std::array<std::uint32_t, 4>;

Block words_of(std::span<const unsigned char> bytes) {
  Block words{};
  for (std::size_t i = 0; i < 64; ++i) {
    words[i / 4] |= static_cast<std::uint32_t>(bytes[i]) << (8 * (i % 4));
  }
  return words;
}

// The three rounds of RFC 1320 3.4: each takes the words in its own order, with its own function,
// constant and rotations.
void add_block(State& state, const Block& words) {
  struct Round {
    std::array<std::uint8_t, 16> order;
    std::array<std::uint8_t, 4> rotations;
    std::uint32_t constant;
  };
  static constexpr std::array<Round, 3> kRounds = {{
      {{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, {3, 7, 11, 19}, 0},
      {{0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15}, {3, 5, 9, 13}, 0x5a827999},
      {{0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15}, {3, 9, 11, 15}, 0x6ed9eba1},
  }};
  auto [a, b, c, d] = state;
  for (std::size_t round = 0; round < kRounds.size(); ++round) {
    const Round& rules = kRounds[round];
    for (std::size_t step = 0; step < 16; ++step) {
      const std::uint32_t mixed = round == 0   ? (b & c) | (~b & d)
                                  : round == 1 ? (b & c) | (b & d) | (c & d)
                                               : b ^ c ^ d;
      const std::uint32_t sum = a + mixed + words[rules.order[step]] + rules.constant;
      a = d;
      d = c;
      c = b;
      b = std::rotl(sum, rules.rotations[step % 4]);
    }
  }
  state = {state[0] + a, state[1] + b, state[2] + c, state[3] + d};
}

}  // namespace

Digest128 md4(std::span<const unsigned char> bytes) {
  State state = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
  const std::size_t whole = bytes.size() / 64 * 64;
  for (std::size_t at = 0; at < whole; at += 64) {
    add_block(state, words_of(bytes.subspan(at, 64)));
  }

  // The rest, a one bit, zeros, and the length in bits: one block or two.
  std::array<unsigned char, 128> tail{};
  const std::size_t rest = bytes.size() - whole;
  std::ranges::copy(bytes.subspan(whole), tail.begin());
  tail[rest] = 0x80;
  const std::size_t padded = rest + 9 <= 64 ? 64 : 128;
  const std::uint64_t bits = static_cast<std::uint64_t>(bytes.size()) * 8;
  for (std::size_t i = 0; i < 8; ++i) {
    tail[padded - 8 + i] = static_cast<unsigned char>(bits >> (8 * i));
  }
  for (std::size_t at = 0; at < padded; at += 64) {
    add_block(state, words_of(std::span(tail).subspan(at, 64)));
  }

  Digest128 digest{};
  for (std::size_t i = 0; i < digest.size(); ++i) {
    digest[i] = static_cast<unsigned char>(state[i / 4] >> (8 * (i % 4)));
  }
  return digest;
}

Digest128 hmac_md5(const Library& library, std::span<const unsigned char> key,
                   std::span<const unsigned char> first, std::span<const unsigned char> second) {
  using MacPtr = std::unique_ptr<EVP_MAC, OpensslDeleter<EVP_MAC_free>>;
  using MacContextPtr = std::unique_ptr<EVP_MAC_CTX, OpensslDeleter<EVP_MAC_CTX_free>>;
  const MacPtr mac(EVP_MAC_fetch(library.get(), "HMAC", nullptr));
  const MacContextPtr context(EVP_MAC_CTX_new(mac.get()));
  std::array<char, 4> name = {"MD5"};
  const std::array<OSSL_PARAM, 2> parameters = {
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name.data(), 0),
      OSSL_PARAM_construct_end()};
  Digest128 digest{};
  std::size_t length = 0;
  if (context == nullptr ||
      EVP_MAC_init(context.get(), key.data(), key.size(), parameters.data()) != 1 ||
      EVP_MAC_update(context.get(), first.data(), first.size()) != 1 ||
      EVP_MAC_update(context.get(), second.data(), second.size()) != 1 ||
      EVP_MAC_final(context.get(), digest.data(), &length, digest.size()) != 1) {
    std::abort();
  }
  return digest;
}

Sha256::Sha256(const Library& library) : context_(EVP_MD_CTX_new()) {
  const EvpMdPtr digest(EVP_MD_fetch(library.get(), "SHA256", nullptr));
  if (EVP_DigestInit_ex(context_.get(), digest.get(), nullptr) != 1) std::abort();
}

void Sha256::add(std::span<const unsigned char> bytes) {
  if (EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) != 1) std::abort();
}

std::string Sha256::hex() {
  std::array<unsigned char, 32> digest{};
  if (EVP_DigestFinal_ex(context_.get(), digest.data(), nullptr) != 1) std::abort();
  return to_hex(digest);
}

std::string to_hex(std::span<const unsigned char> bytes) {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const unsigned char byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

}  // namespace ocsproxy::lab
