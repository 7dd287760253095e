// The stand-in pool alone, for tests: prints where it listens as one line of JSON on standard
// output, and ends on SIGTERM, SIGINT, or when its standard input does.
#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/descriptor.h"
#include "base/files.h"
#include "base/log.h"
#include "base/units.h"
#include "lab/json.h"
#include "lab/lab_ca.h"
#include "lab/pool.h"

namespace {

using namespace ocsproxy;

constexpr int kWrongUsage = 2;

constexpr std::string_view kUsage =
    R"(usage: lab_pool [OPTION]...
Runs the stand-in pool and prints one line of JSON: the ports it listens on.

  --address A         loopback address to listen on (127.0.0.1)
  --http PORT         plain HTTP (0: the kernel chooses, which is the default)
  --https PORT        TLS with the pool's certificate (0)
  --wrong-name PORT   TLS with a certificate for another name (0)
  --site NAME         the pool's name (ocspool.contoso.local)
  --certs FOLDER      where the lab's root CA and its certificates are, and are made when they are
                      missing; without it there is plain HTTP only
  --certificate FILE  a certificate for --https instead of the lab's, with
  --key FILE          its key
  --misbehave WORDS   do this to every request: how=KIND&bytes=N&seconds=S&status=N&answer=TEXT
  --idle SECONDS      close a connection without a byte for so long (120)

)";

struct Options {
  std::string address = "127.0.0.1";
  std::uint16_t http = 0;
  std::uint16_t https = 0;
  std::uint16_t wrong_name = 0;
  std::string site = "ocspool.contoso.local";
  std::string certs;
  std::string certificate;
  std::string key;
  std::string misbehave;
  std::uint64_t idle = 120;
};

// Empty, with the reason on standard error, when the command line is wrong.
std::optional<Options> parse(int count, char** words) {
  Options options;
  const std::array<std::pair<std::string_view, std::string*>, 6> texts = {{
      {"--address", &options.address},
      {"--site", &options.site},
      {"--certs", &options.certs},
      {"--certificate", &options.certificate},
      {"--key", &options.key},
      {"--misbehave", &options.misbehave},
  }};
  const std::array<std::pair<std::string_view, std::uint16_t*>, 3> ports = {{
      {"--http", &options.http},
      {"--https", &options.https},
      {"--wrong-name", &options.wrong_name},
  }};
  for (int i = 1; i < count; i += 2) {
    const std::string_view name = words[i];
    if (i + 1 == count) {
      std::fprintf(stderr, "lab_pool: %s needs a value, or is no option\n", words[i]);
      return std::nullopt;
    }
    const std::string value = words[i + 1];
    bool known = false;
    for (const auto& [option, text] : texts) {
      if (option == name) *text = value, known = true;
    }
    const auto number = parse_number(value);
    for (const auto& [option, port] : ports) {
      if (option != name || !number || *number > 65535) continue;
      *port = static_cast<std::uint16_t>(*number);
      known = true;
    }
    if (name == "--idle" && number && *number > 0 && *number < 86400) {
      options.idle = *number;
      known = true;
    }
    if (!known) {
      std::fprintf(stderr, "lab_pool: \"%s %s\" is no option, or not such a value\n", words[i],
                   value.c_str());
      return std::nullopt;
    }
  }
  return options;
}

struct Certificates {
  std::optional<MadeCertificate> pool;
  std::optional<MadeCertificate> wrong_name;
  std::string authority;  // path
};

Result<Certificates> certificates_for(const Options& options, const Log& log) {
  Certificates found;
  const Library library;
  if (!options.certs.empty()) {
    const auto paths = [&options](const std::string& stem) {
      return lab::CertificatePaths{options.certs + '/' + stem + ".pem",
                                   options.certs + '/' + stem + ".key"};
    };
    auto ca = lab::LabCa::open(library, paths("lab-rootca"), log);
    if (!ca) return std::move(ca).error();
    auto pool = ca->issue(paths("lab-pool"), {options.site});
    if (!pool) return std::move(pool).error();
    auto wrong = ca->issue(paths("lab-wrong-name"), {"another." + options.site});
    if (!wrong) return std::move(wrong).error();
    found = {std::move(*pool), std::move(*wrong), ca->certificate_path()};
  }
  if (!options.certificate.empty()) {
    DiskFiles files;
    auto certificate = files.read(options.certificate);
    if (!certificate) return std::move(certificate).error();
    auto key = files.read(options.key.empty() ? options.certificate : options.key);
    if (!key) return std::move(key).error();
    found.pool = MadeCertificate{std::move(*certificate), std::move(*key)};
  }
  return found;
}

Result<lab::Pool> start(const Options& options, const Certificates& certificates) {
  const auto address = IpAddress::parse(options.address);
  if (!address) {
    return Error{.detail = "\"" + options.address + "\" is no IP address"};
  }
  lab::PoolOptions pool;
  pool.site = options.site;
  pool.idle = std::chrono::seconds(options.idle);
  if (!options.misbehave.empty()) {
    pool.misbehaviour = lab::Misbehaviour::parse(options.misbehave);
    if (!pool.misbehaviour) {
      return Error{.detail = "\"" + options.misbehave + "\" is no misbehaviour; the kinds are " +
                             lab::Misbehaviour::kinds()};
    }
  }
  pool.endpoints.push_back({*address, options.http, std::nullopt});
  if (certificates.pool) pool.endpoints.push_back({*address, options.https, certificates.pool});
  if (certificates.wrong_name) {
    pool.endpoints.push_back({*address, options.wrong_name, certificates.wrong_name});
  }
  return lab::Pool::start(std::move(pool));
}

void announce(const Options& options, const Certificates& certificates, const lab::Pool& pool) {
  std::string line = "{\"address\": " + lab::json_string(options.address) +
                     ", \"site\": " + lab::json_string(options.site);
  std::size_t next = 0;
  const auto add_port = [&](std::string_view name) {
    line += ", " + lab::json_string(name) + ": " + std::to_string(pool.ports()[next++]);
  };
  add_port("http");
  if (certificates.pool) add_port("https");
  if (certificates.wrong_name) add_port("wrong_name");
  if (!certificates.authority.empty()) {
    line += ", \"authority\": " + lab::json_string(certificates.authority);
  }
  std::puts((line + '}').c_str());
  std::fflush(stdout);
}

// Returns when it is time to end.
void wait_for_end(int signals) {
  while (true) {
    std::array<pollfd, 2> polls = {{{signals, POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}}};
    if (::poll(polls.data(), polls.size(), -1) < 0 && errno != EINTR) return;
    if (polls[0].revents != 0) return;
    std::array<char, 256> ignored{};
    if (polls[1].revents != 0 && ::read(STDIN_FILENO, ignored.data(), ignored.size()) <= 0) return;
  }
}

}  // namespace

int main(int count, char** words) {
  for (int i = 1; i < count; ++i) {
    if (std::string_view(words[i]) != "--help") continue;
    std::fputs(kUsage.data(), stdout);
    return 0;
  }
  const auto options = parse(count, words);
  if (!options) {
    std::fputs(kUsage.data(), stderr);
    return kWrongUsage;
  }
  // Blocked before the pool's thread starts, which inherits it: the signals come to signalfd alone.
  std::signal(SIGPIPE, SIG_IGN);
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  ::pthread_sigmask(SIG_BLOCK, &ends, nullptr);
  const Descriptor signals(::signalfd(-1, &ends, SFD_CLOEXEC));

  const Log log;
  const auto certificates = certificates_for(*options, log);
  if (!certificates) {
    log.error(certificates.error().detail);
    return 1;
  }
  const auto pool = start(*options, *certificates);
  if (!pool) {
    log.error(pool.error().detail);
    return 1;
  }
  announce(*options, *certificates, *pool);
  wait_for_end(signals.get());
  return 0;
}
