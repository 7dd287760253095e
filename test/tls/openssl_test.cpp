// The ground under TLS: library contexts, the error queue, and whose settings count.
#include "tls/openssl.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <openssl/err.h>

#include "base/free_list.h"
#include "handshake.h"
#include "tls/protocol.h"
#include "tls/secret.h"

namespace ocsproxy {
namespace {

using testing::HasSubstr;

TEST(ErrorQueue, IsOneSentenceWithTheCauseFirstAndEmptyAfterwards) {
  const Library library;  // OpenSSL knows its own texts once it has started
  EXPECT_EQ(openssl_errors(), "");
  ERR_raise_data(ERR_LIB_SSL, SSL_R_NO_SHARED_CIPHER, "of %d", 3);
  ERR_raise(ERR_LIB_SSL, SSL_R_BAD_LENGTH);
  ERR_raise(ERR_LIB_SSL, SSL_R_BAD_LENGTH);  // said once
  EXPECT_EQ(openssl_errors(), "no shared cipher (of 3); bad length");
  EXPECT_EQ(ERR_peek_error(), 0U);
  EXPECT_EQ(openssl_errors(), "");
}

TEST(LibraryContext, HasOldAlgorithmsOnlyWhenAsked) {
  const auto has_rc2 = [](const Library& library) {
    const EvpCipherPtr cipher(EVP_CIPHER_fetch(library.get(), "RC2-40-CBC", nullptr));
    ERR_clear_error();
    return cipher != nullptr;
  };
  const Library modern;
  EXPECT_FALSE(modern.has_legacy());
  EXPECT_FALSE(has_rc2(modern));
  const Library legacy(Library::Algorithms::legacy);
  EXPECT_EQ(has_rc2(legacy), legacy.has_legacy());
}

TEST(LibraryContext, HashesToLowerCaseHex) {
  const Library library;
  EXPECT_EQ(sha256_hex(library, as_bytes("abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(SecretBytes, MoveWithoutLeavingACopy) {
  Secret first(std::string_view("passphrase"));
  Secret second(std::move(first));
  EXPECT_TRUE(first.empty());  // NOLINT: what is left behind is the point
  EXPECT_EQ(second.text(), "passphrase");
  Secret third(std::string_view("other"));
  third = std::move(second);
  EXPECT_TRUE(second.empty());  // NOLINT: as above
  EXPECT_EQ(third.text(), "passphrase");
}

// What an openssl.cnf says to a program that asks for nothing special, and to ours. Each runs in a
// process of its own, since OpenSSL reads the file once a process.
class MachineConfiguration : public testing::Test {
 protected:
  void SetUp() override {
    testing::FLAGS_gtest_death_test_style = "threadsafe";  // starts the binary anew
    // The new process runs this again, and then must find the file that the first one wrote.
    path_ = std::filesystem::temp_directory_path() /
            ("ocsproxy_openssl_" + std::to_string(parent()) + ".cnf");
    std::ofstream(path_) << "openssl_conf = init\n[init]\nssl_conf = ssl\n[ssl]\n"
                            "system_default = default\n[default]\n"
                            "MinProtocol = TLSv1.3\nCipherString = DEFAULT@SECLEVEL=5\n"
                            "Options = -SessionTicket\n";
    ::setenv("OPENSSL_CONF", path_.c_str(), 1);
    ::setenv("OCSPROXY_TEST_PARENT", std::to_string(parent()).c_str(), 1);
  }
  void TearDown() override {
    ::unsetenv("OPENSSL_CONF");
    ::unsetenv("OCSPROXY_TEST_PARENT");
    std::filesystem::remove(path_);
  }
  static long parent() {
    const char* const told = std::getenv("OCSPROXY_TEST_PARENT");
    return told != nullptr ? std::atol(told) : static_cast<long>(::getpid());
  }

  std::filesystem::path path_;
};
using MachineConfigurationDeathTest = MachineConfiguration;

TEST_F(MachineConfigurationDeathTest, ReachesOrdinaryProgramsAndThisTestWouldSeeIt) {
  EXPECT_EXIT(
      {
        const SslCtxPtr context(SSL_CTX_new(TLS_server_method()));
        std::exit(SSL_CTX_get_min_proto_version(context.get()) == TLS1_3_VERSION &&
                          SSL_CTX_get_security_level(context.get()) == 5 &&
                          (SSL_CTX_get_options(context.get()) & SSL_OP_NO_TICKET) != 0
                      ? 0
                      : 1);
      },
      testing::ExitedWithCode(0), "");
}

TEST_F(MachineConfigurationDeathTest, DoesNotReachOurContexts) {
  EXPECT_EXIT(
      {
        const Library library;
        const auto context =
            make_context(library, TLS_server_method(), settings::TlsVersion::tls1_2);
        std::exit(context && SSL_CTX_get_min_proto_version(context->get()) == TLS1_2_VERSION &&
                          SSL_CTX_get_security_level(context->get()) == 2 &&
                          (SSL_CTX_get_options(context->get()) & SSL_OP_NO_TICKET) == 0
                      ? 0
                      : 1);
      },
      testing::ExitedWithCode(0), "");
}

// Under sanitizers use_free_lists changes nothing and always answers true.
#ifndef OCSPROXY_SANITIZED
TEST(FreeListsDeathTest, ArePutUnderAnOpensslThatHasNotStarted) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(
      {
        const bool put = use_free_lists();
        const Library library;
        const std::uint64_t before = free_list::system_calls();
        const MadeCertificate root = made(library, authority_request("Root"));
        const bool used = free_list::system_calls() > before;
        std::exit(put && used && !root.certificate.empty() ? 0 : 1);
      },
      testing::ExitedWithCode(0), "");
}

TEST(FreeListsDeathTest, AreNotPutUnderAnOpensslThatHas) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(
      {
        const Library library;
        std::exit(use_free_lists() ? 1 : 0);
      },
      testing::ExitedWithCode(0), "");
}
#endif

}  // namespace
}  // namespace ocsproxy
