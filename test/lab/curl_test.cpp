// A client that we did not write: curl, against the lab_pool program.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <memory>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/descriptor.h"
#include "test/lab/temporary_folder.h"

namespace ocsproxy::lab {
namespace {

using testing::HasSubstr;
using testing::Not;

struct Output {
  int status = -1;
  std::string text;
};

// A shell command's standard output and exit status.
Output run(const std::string& command) {
  Output output;
  FILE* const pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) return output;
  char bytes[4096];
  for (std::size_t size = 0; (size = std::fread(bytes, 1, sizeof bytes, pipe)) > 0;) {
    output.text.append(bytes, size);
  }
  const int status = ::pclose(pipe);
  output.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return output;
}

// The program, from its start until its standard input is closed.
class LabPool {
 public:
  explicit LabPool(const std::string& certs) {
    int input[2];
    int output[2];
    if (::pipe2(input, O_CLOEXEC) != 0 || ::pipe2(output, O_CLOEXEC) != 0) return;
    child_ = ::fork();
    if (child_ == 0) {
      ::dup2(input[0], STDIN_FILENO);
      ::dup2(output[1], STDOUT_FILENO);
      ::execl(LAB_POOL_PROGRAM, "lab_pool", "--certs", certs.c_str(), nullptr);
      ::_exit(127);
    }
    ::close(input[0]);
    ::close(output[1]);
    input_.reset(input[1]);
    FILE* const stream = ::fdopen(output[0], "r");
    char line[4096];
    if (std::fgets(line, sizeof line, stream) != nullptr) announcement_ = line;
    std::fclose(stream);
  }
  ~LabPool() {
    if (child_ > 0) end();
  }

  // Closes its standard input; its exit status.
  int end() {
    return wait_after([this] { input_.reset(); });
  }
  int terminate() {
    return wait_after([this] { ::kill(child_, SIGTERM); });
  }

  const std::string& announcement() const { return announcement_; }
  std::string port(const std::string& name) const {
    const std::string key = "\"" + name + "\": ";
    const std::size_t at = announcement_.find(key) + key.size();
    return announcement_.substr(at, announcement_.find_first_of(",}", at) - at);
  }

 private:
  template <typename Act>
  int wait_after(Act act) {
    act();
    int status = 0;
    ::waitpid(child_, &status, 0);
    child_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  pid_t child_ = -1;
  Descriptor input_;
  std::string announcement_;
};

class CurlTest : public testing::Test {
 protected:
  // "-u ..." and so on, then the path. The answer's body is followed by its status and how many
  // connections curl made.
  Output curl(const std::string& arguments, const std::string& path,
              const std::string& port_name = "https") const {
    const std::string port = pool_.port(port_name);
    const std::string scheme = port_name == "http" ? "http" : "https";
    return run("curl -sS --noproxy '*' --max-time 60 --cacert " + folder_ / "lab-rootca.pem" +
               " --resolve ocspool.contoso.local:" + port + ":127.0.0.1 -w '[%{http_code} in " +
               "%{num_connects}]' " + arguments + " '" + scheme +
               "://ocspool.contoso.local:" + port + path + "' 2>&1");
  }

  TemporaryFolder folder_;
  LabPool pool_{folder_.path()};
};

constexpr const char* kAlice = "--ntlm -u 'CONTOSO\\alice:password' ";

TEST_F(CurlTest, LogsInWithNtlmOnOneConnection) {
  const Output output = curl(kAlice, "/ABS/Ext/Handler");
  EXPECT_EQ(output.status, 0);
  EXPECT_THAT(output.text, HasSubstr("CONTOSO\\alice"));
  EXPECT_THAT(output.text, HasSubstr("[200 in 1]"));
}

TEST_F(CurlTest, LogsInOverPlainHttpToo) {
  EXPECT_THAT(curl(kAlice, "/lab/whoami", "http").text, HasSubstr("[200 in 1]"));
}

TEST_F(CurlTest, WithTheWrongPasswordIsRefused) {
  const Output output = curl("--ntlm -u 'CONTOSO\\alice:wrong'", "/ABS/Ext/Handler");
  EXPECT_THAT(output.text, HasSubstr("[401 in "));
  EXPECT_THAT(output.text, Not(HasSubstr("You are")));
}

TEST_F(CurlTest, PostsWithTheSecondLeg) {
  const Output output =
      curl(std::string(kAlice) + "-d '<Envelope/>'", "/GroupExpansion/Ext/service.asmx");
  EXPECT_THAT(output.text, HasSubstr("<AskedBy>CONTOSO\\alice</AskedBy>"));
  EXPECT_THAT(output.text, HasSubstr("<AskedWithBytes>11</AskedWithBytes>"));
}

TEST_F(CurlTest, UploadsAfterTheLoginAndIsToldToContinue) {
  const Output output =
      run("head -c 50000000 /dev/zero | curl -sS --noproxy '*' --max-time 60 --cacert " +
          folder_ / "lab-rootca.pem" + " --resolve ocspool.contoso.local:" + pool_.port("https") +
          ":127.0.0.1 " + kAlice + "-T - 'https://ocspool.contoso.local:" + pool_.port("https") +
          "/lab/private' 2>&1");
  EXPECT_THAT(output.text, HasSubstr("\"body_length\": 50000000"));
  EXPECT_THAT(output.text, HasSubstr("\"user\": \"CONTOSO\\\\alice\""));
}

TEST_F(CurlTest, LogsInWithNtlmInsideNegotiateWhereTheMachineCan) {
  if (run("curl --version").text.find("SPNEGO") == std::string::npos ||
      run("ls /usr/lib/*/gss/gssntlmssp.so /etc/gss/mech.d/*ntlmssp* 2>/dev/null").text.empty()) {
    GTEST_SKIP() << "no gss-ntlmssp on this machine";
  }
  folder_.write("users", "CONTOSO:alice:password\n");
  ::setenv("NTLM_USER_FILE", (folder_ / "users").c_str(), 1);
  const Output output = curl("--negotiate -u 'CONTOSO\\alice:'", "/lab/whoami");
  ::unsetenv("NTLM_USER_FILE");
  EXPECT_THAT(output.text, HasSubstr("\"CONTOSO\\\\alice\""));
  EXPECT_THAT(output.text, HasSubstr("[200 in 1]"));
}

TEST_F(CurlTest, ResumesADownload) {
  EXPECT_THAT(curl("-r 16-31", "/DeviceUpdateFiles_Ext/firmware.nbt").text,
              HasSubstr("000000000000001\n[206 in 1]"));
}

TEST_F(CurlTest, RefusesTheCertificateOfAnotherName) {
  const Output output = curl("", "/lab/page", "wrong_name");
  EXPECT_EQ(output.status, 60);
  EXPECT_THAT(output.text, HasSubstr("no alternative certificate subject name matches"));
}

TEST_F(CurlTest, SeesABodyThatIsCutShort) {
  EXPECT_EQ(curl("", "/lab/misbehave?how=truncate&bytes=10").status, 18);
  EXPECT_EQ(curl("", "/lab/misbehave?how=truncate-chunked&bytes=10").status, 18);
}

// curl does not mind; OpenSSL's own client says it.
TEST_F(CurlTest, TlsEndsWithoutCloseNotifyOnlyWhenAskedTo) {
  const auto ending = [this](const std::string& how) {
    return run("printf 'GET /lab/misbehave?how=" + how + " HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n' | " +
               "timeout 60 openssl s_client -quiet -connect 127.0.0.1:" + pool_.port("https") +
               " 2>&1")
        .text;
  };
  EXPECT_THAT(ending("no-close-notify"), HasSubstr("unexpected eof"));
  EXPECT_THAT(ending("truncate"), Not(HasSubstr("unexpected eof")));
}

TEST_F(CurlTest, TheProgramEndsWithItsInputOrOnSigterm) {
  EXPECT_THAT(pool_.announcement(), HasSubstr("\"site\": \"ocspool.contoso.local\""));
  EXPECT_EQ(pool_.end(), 0);
  LabPool another(folder_.path());
  EXPECT_EQ(another.terminate(), 0);
}

}  // namespace
}  // namespace ocsproxy::lab
