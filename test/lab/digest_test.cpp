#include "lab/digest.h"

#include <gtest/gtest.h>

#include "test/lab/bytes.h"

namespace ocsproxy::lab {
namespace {

// RFC 1320 A.5
TEST(Md4, GivesTheDigestsOfItsSpecification) {
  const std::vector<std::pair<std::string, std::string>> rows = {
      {"", "31d6cfe0d16ae931b73c59d7e0c089c0"},
      {"a", "bde52cb31de33e46245e05fbdbd6fb24"},
      {"abc", "a448017aaf21d8525fc10ae87aa6729d"},
      {"message digest", "d9130a8164549fe818874806e1c7014b"},
      {"abcdefghijklmnopqrstuvwxyz", "d79e1c308aa5bbcdeea8ed63df412da9"},
      {"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
       "043f8582f241db351ce627e153e7f0e4"},
      {"12345678901234567890123456789012345678901234567890123456789012345678901234567890",
       "e33b4ddc9c38f2199c3e7b164fcc0536"},
  };
  for (const auto& [text, digest] : rows) EXPECT_EQ(to_hex(md4(as_bytes(text))), digest) << text;
}

// The padding goes into a second block from 56 bytes on: the digests around it differ, and a block
// more or less would make some of them equal to none of an independent implementation.
TEST(Md4, AgreesWithOpensslAtEveryLengthAroundTheBlock) {
  const Library legacy(Library::Algorithms::legacy);
  if (!legacy.has_legacy()) GTEST_SKIP() << "this machine has no legacy provider";
  const EvpMdPtr reference(EVP_MD_fetch(legacy.get(), "MD4", nullptr));
  ASSERT_NE(reference, nullptr);
  for (std::size_t size = 0; size < 200; ++size) {
    const std::string text(size, 'x');
    Digest128 expected{};
    ASSERT_EQ(EVP_Digest(text.data(), size, expected.data(), nullptr, reference.get(), nullptr), 1);
    EXPECT_EQ(md4(as_bytes(text)), expected) << size;
  }
}

// RFC 2202 2
TEST(HmacMd5, GivesTheDigestsOfItsSpecification) {
  const Library library;
  const Bytes key(16, 0x0b);
  EXPECT_EQ(to_hex(hmac_md5(library, key, as_bytes("Hi There"))),
            "9294727a3638bb1c13f48ef8158bfc9d");
  EXPECT_EQ(to_hex(hmac_md5(library, as_bytes("Jefe"), as_bytes("what do ya want "),
                            as_bytes("for nothing?"))),
            "750c783e6ab0b503eaa86e310a5db738");
}

TEST(Sha256, IsTheSameWhateverThePieces) {
  const Library library;
  Sha256 digest(library);
  digest.add(as_bytes("a"));
  digest.add({});
  digest.add(as_bytes("bc"));
  EXPECT_EQ(digest.hex(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

}  // namespace
}  // namespace ocsproxy::lab
