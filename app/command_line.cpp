#include "app/command_line.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <vector>

#include "base/text.h"
#include "base/units.h"
#include "net/socket_address.h"

namespace ocsproxy {
namespace {

// An option that starts a mode.
struct ModeOption {
  std::string_view name;
  Mode mode;
  std::string_view value = {};  // what it wants behind it; "": nothing
};
constexpr std::array<ModeOption, 10> kModes{{{"--check", Mode::check},
                                             {"--explain", Mode::explain, "a URL"},
                                             {"--diff", Mode::diff},
                                             {"--exposure", Mode::exposure},
                                             {"--replay", Mode::replay},
                                             {"--stats", Mode::stats},
                                             {"--lab", Mode::lab},
                                             {"--help", Mode::help},
                                             {"-h", Mode::help},
                                             {"--version", Mode::version}}};

// Modes as bits.
using ModeSet = unsigned;
constexpr ModeSet in(auto... modes) { return (0U | ... | (1U << static_cast<unsigned>(modes))); }
constexpr ModeSet kEvery = ~0U;

constexpr std::uint16_t kDnsPort = 53;

// How a mode can print, in the order of ReportFormat.
struct Format {
  std::string_view name;
  ModeSet modes;
};
constexpr std::array<Format, 4> kFormats{
    {{"text", in(Mode::check, Mode::explain, Mode::diff, Mode::exposure, Mode::replay)},
     {"json", in(Mode::check, Mode::explain, Mode::diff, Mode::exposure, Mode::replay)},
     {"sarif", in(Mode::check)},
     {"html", in(Mode::exposure)}}};

// An option that changes how a mode works.
struct Option {
  std::string_view name;
  std::string_view value;  // what it wants behind it; "": nothing
  ModeSet modes;           // in which it has a meaning
  void (*apply)(CommandLine& line, std::string_view value);
};

void set_format(CommandLine& line, std::string_view value) {
  const auto* const found = std::ranges::find(kFormats, value, &Format::name);
  if (found == kFormats.end()) {
    line.error = "--format is text, json, sarif or html, not \"" + std::string(value) + "\"";
  } else {
    line.format = static_cast<ReportFormat>(found - kFormats.begin());
  }
}

std::optional<IpAddress> read_address(CommandLine& line, std::string_view option,
                                      std::string_view value) {
  const auto address = IpAddress::parse(value);
  if (!address) {
    line.error = std::string(option) + " wants an IP address, not \"" + std::string(value) + "\"";
  }
  return address;
}

void add_local_address(CommandLine& line, std::string_view value) {
  const auto address = read_address(line, "--local-address", value);
  if (address) line.local_addresses.push_back(*address);
}

void set_method(CommandLine& line, std::string_view value) {
  line.method = value;
  if (!is_token(value)) line.error = '"' + std::string(value) + "\" is no method such as GET";
}

// "192.0.2.53", "2001:db8::53" or "[2001:db8::53]".
std::optional<IpAddress> host_only(std::string_view text) {
  if (text.starts_with('[') && text.ends_with(']')) text = text.substr(1, text.size() - 2);
  return IpAddress::parse(text);
}

// The same, perhaps with a port.
void set_resolver(CommandLine& line, std::string_view value) {
  std::string_view host = value;
  std::uint64_t port = kDnsPort;
  if (const auto colon = value.rfind(':'); colon != std::string_view::npos && !host_only(value)) {
    host = value.substr(0, colon);
    port = parse_number(value.substr(colon + 1)).value_or(0);
  }
  const auto address = host_only(host);
  if (!address || port < 1 || port > 65535) {
    line.error = "--resolver wants the IP address of a name server, perhaps with a port, not \"" +
                 std::string(value) + "\"";
    return;
  }
  line.resolver = SocketAddress{*address, static_cast<std::uint16_t>(port)}.to_string();
}

constexpr std::array<Option, 12> kOptions{{
    {"--format", "text, json, sarif or html",
     in(Mode::check, Mode::explain, Mode::diff, Mode::exposure, Mode::replay), set_format},
    {"--from", "an IP address", in(Mode::explain),
     [](CommandLine& line, std::string_view value) {
       line.from = read_address(line, "--from", value);
     }},
    {"--header", "\"Name: value\"", in(Mode::explain),
     [](CommandLine& line, std::string_view value) { line.headers.emplace_back(value); }},
    {"--listener", "the name of a listener", in(Mode::replay),
     [](CommandLine& line, std::string_view value) { line.listener = value; }},
    {"--live", "", in(Mode::check), [](CommandLine& line, std::string_view) { line.live = true; }},
    {"--local-address", "an IP address",
     in(Mode::check, Mode::explain, Mode::diff, Mode::exposure, Mode::replay), add_local_address},
    {"--method", "a method", in(Mode::explain), set_method},
    {"--no-color", "", kEvery, [](CommandLine& line, std::string_view) { line.colour = false; }},
    {"--resolver", "the IP address of a name server", in(Mode::check), set_resolver},
    {"--socket", "the path of a socket", in(Mode::run, Mode::lab, Mode::explain, Mode::stats),
     [](CommandLine& line, std::string_view value) { line.socket = value; }},
    {"--strict", "", in(Mode::check),
     [](CommandLine& line, std::string_view) { line.strict = true; }},
    {"--user", "the name of an account", in(Mode::run),
     [](CommandLine& line, std::string_view value) { line.user = value; }},
}};

// Reads the arguments one by one; the first that is wrong ends it.
class Parser {
 public:
  explicit Parser(std::span<const std::string_view> arguments) : arguments_(arguments) {}

  CommandLine run() {
    while (next_ < arguments_.size() && line_.error.empty()) {
      const std::string_view argument = arguments_[next_++];
      if (options_end_ || argument.size() < 2 || argument.front() != '-') {
        add_path(argument);
      } else if (argument == "--") {
        options_end_ = true;
      } else {
        add_option(argument);
      }
    }
    if (line_.error.empty()) check_whole();
    return std::move(line_);
  }

 private:
  void add_path(std::string_view path) {
    if (path.empty()) line_.error = "the path of the configuration is empty";
    paths_.emplace_back(path);
  }

  void add_option(std::string_view argument) {
    const std::string_view name = argument.substr(0, argument.find('='));
    if (const auto* mode = std::ranges::find(kModes, name, &ModeOption::name);
        mode != kModes.end()) {
      const auto value = value_of(name, mode->value, argument);
      if (value) set_mode(mode->mode, *value);
      return;
    }
    const auto* const option = std::ranges::find(kOptions, name, &Option::name);
    if (option == kOptions.end()) {
      report_unknown(argument);
      return;
    }
    given_.push_back(option);
    const auto value = value_of(name, option->value, argument);
    if (value) option->apply(line_, *value);
  }

  // The text behind "=", or the next argument; empty after an error.
  std::optional<std::string_view> value_of(std::string_view name, std::string_view wanted,
                                           std::string_view argument) {
    const bool joined = argument.size() > name.size();
    if (wanted.empty()) {
      if (!joined) return "";
      line_.error = std::string(name) + " takes no value";
      return std::nullopt;
    }
    std::string_view value;
    if (joined) {
      value = argument.substr(name.size() + 1);
    } else if (next_ < arguments_.size()) {
      value = arguments_[next_++];
    }
    if (!value.empty()) return value;
    line_.error = std::string(name) + " wants " + std::string(wanted) + " behind it";
    return std::nullopt;
  }

  void set_mode(Mode mode, std::string_view value) {
    if (line_.mode != Mode::run && line_.mode != mode) {
      line_.error =
          "give one of --check, --explain, --diff, --exposure, --replay, --stats, --lab, --help "
          "and --version, not two";
    }
    line_.mode = mode;
    line_.url = value;
  }

  void report_unknown(std::string_view option) {
    std::array<std::string_view, kModes.size() + kOptions.size()> known;
    const auto end = std::ranges::transform(kModes, known.begin(), &ModeOption::name).out;
    std::ranges::transform(kOptions, end, &Option::name);
    line_.error = "there is no option " + std::string(option);
    const std::string_view near = nearest_word(option, known);
    if (!near.empty()) line_.error += "; did you mean " + std::string(near) + "?";
  }

  // "--check", or "serving".
  static std::string_view name_of(Mode mode) {
    const auto* const found = std::ranges::find(kModes, mode, &ModeOption::mode);
    return found == kModes.end() ? "serving" : found->name;
  }

  void check_whole() {
    for (const Option* option : given_) {
      if ((option->modes & in(line_.mode)) != 0) continue;
      line_.error = std::string(option->name) + " has no meaning here: it belongs to ";
      for (const auto mode : {Mode::run, Mode::check, Mode::explain, Mode::diff, Mode::exposure,
                              Mode::replay, Mode::stats, Mode::lab}) {
        if ((option->modes & in(mode)) == 0) continue;
        line_.error += (line_.error.ends_with(' ') ? "" : " and ") + std::string(name_of(mode));
      }
      return;
    }
    if (line_.live && !line_.local_addresses.empty()) {
      line_.error = "--live tries this machine, so --local-address cannot ask for another";
      return;
    }
    if (!line_.live && !line_.resolver.empty()) {
      line_.error = "--resolver says whom --live asks: add  --live";
      return;
    }
    const Format& format = kFormats[static_cast<std::size_t>(line_.format)];
    if (line_.format != ReportFormat::text && (format.modes & in(line_.mode)) == 0) {
      line_.error = std::string(name_of(line_.mode)) + " cannot print " + std::string(format.name);
      return;
    }
    if (line_.mode != Mode::help && line_.mode != Mode::version) take_paths();
  }

  void take_paths() {
    const std::size_t wanted = line_.mode == Mode::diff ? 2 : 1;
    if (line_.mode == Mode::replay) {
      take_logs();
    } else if (line_.mode == Mode::stats) {
      check_stats();
    } else if (line_.mode == Mode::explain && !line_.from) {
      line_.error = "--explain wants to know who asks: add  --from IP";
    } else if (line_.mode == Mode::explain && !line_.socket.empty()) {
      check_running();
    } else if (wanted == 2 && paths_.size() != 2) {
      line_.error = "--diff compares two configurations: name the old one and then the new one";
    } else if (paths_.empty()) {
      line_.error = "no configuration was given: name its directory, for example  ocsproxy conf/";
    } else if (paths_.size() > wanted) {
      line_.error =
          "one configuration at a time: \"" + paths_[0] + "\" and \"" + paths_[1] + "\" were given";
    } else {
      line_.configuration = paths_.front();
      if (wanted == 2) line_.compared_with = paths_.back();
    }
  }

  // The running proxy is asked: it knows its configuration and its machine.
  void check_running() {
    if (!paths_.empty()) {
      line_.error = "--explain asks the proxy at --socket or a configuration: give one of the two";
    } else if (!line_.local_addresses.empty()) {
      line_.error = "--local-address has no meaning with --socket: the proxy runs on its machine";
    }
  }

  void check_stats() {
    if (line_.socket.empty()) {
      line_.error = "--stats asks the running proxy: add  --socket PATH, as it was started with";
    } else if (!paths_.empty()) {
      line_.error =
          "--stats asks the proxy at --socket, which knows its configuration: leave out \"" +
          paths_.front() + '"';
    }
  }

  void take_logs() {
    if (paths_.size() < 2) {
      line_.error =
          "--replay wants access logs and behind them a configuration, for example  ocsproxy "
          "--replay access.log conf/";
      return;
    }
    line_.configuration = std::move(paths_.back());
    paths_.pop_back();
    line_.logs = std::move(paths_);
    if (std::ranges::count(line_.logs, "-") > 1) line_.error = "standard input is but one log";
  }

  const std::span<const std::string_view> arguments_;
  CommandLine line_;
  std::size_t next_ = 0;
  bool options_end_ = false;
  std::vector<const Option*> given_;
  std::vector<std::string> paths_;
};

}  // namespace

CommandLine parse_command_line(std::span<const std::string_view> arguments) {
  return Parser(arguments).run();
}

std::string_view help_text() {
  return R"(ocsproxy publishes internal web sites: listeners terminate TLS, rules judge each request,
allowed requests are re-encrypted to the verified internal site.

  ocsproxy [--user NAME] [--socket PATH] CONF
                                serve, in the foreground
  ocsproxy --check CONF         report every error, warning and note about the configuration
  ocsproxy --explain URL --from IP CONF
                                say what becomes of one request, and why: what each rule says to it,
                                and what the internal site would be sent
  ocsproxy --explain URL --from IP --socket PATH
                                the same of the proxy that runs, by what it serves at this moment
  ocsproxy --diff OLD NEW       report each set of requests that NEW answers otherwise than OLD
  ocsproxy --replay LOG... CONF report which requests of access logs CONF answers otherwise
  ocsproxy --exposure CONF      report which network reaches which URLs of internal sites
  ocsproxy --stats --socket PATH
                                print what the proxy that runs has counted, for Prometheus
  ocsproxy --lab CONF           serve with a lab: makes certificates that are missing, starts a
                                stand-in OCS pool, prints curl commands to try
  ocsproxy --help | --version

CONF is a directory of YAML files, read in the byte order of their names, or one file. Paths in it
are relative to the directory.

With --check:
  --format text|json|sarif   how findings are printed (default: text); docs/findings.md explains
                             each code
  --strict                   warnings end with 1, as errors do
  --live                     also try what can be tried from here, and say what is well: ports are
                             free, or who holds them; names are in DNS as the configuration has
                             them; sites prove to be who they are; published directories answer,
                             and redirect clients to what they may have; a login by NTLM could
                             work (it is tried with an account that nobody has: the site's log
                             will show it as failed)
  --resolver IP[:PORT]       the name server that --live asks (default: the system's)

With --explain:
  --from IP                  the client's address
  --method METHOD            default: GET
  --header "NAME: VALUE"     what else the client sends; may be given several times
  --format text|json

With --diff:
  --format text|json         how differences are printed (default: text). Each is exact and has a
                             request as an example. Compared is who is allowed what, where it goes
                             and how it authenticates; not timeouts, limits and certificates.

With --replay:
  LOG                        an access log of ocsproxy, W3C or JSON, or the W3C web proxy log of ISA
                             Server or TMG; - is standard input. What a line says became of the
                             request is compared with what CONF answers: is it allowed, to which
                             site, is it redirected. Logs of ISA Server do not say which site.
  --listener NAME            the listener of CONF for requests of which the log does not say where
                             they came in (ISA Server's never does) or names a listener that CONF
                             does not have. Without it: the one with the port of the URL, for this
                             client and this name, where only one answer is possible
  --format text|json

With --exposure:
  --format text|json|html    html is a page for an auditor, complete in itself

With all of them:
  --local-address IP         answer for a machine with this address, not for this one; may be given
                             several times

  --socket PATH the socket at which the running proxy answers --explain and --stats: made by the
                proxy, for its owner alone; nothing can be changed by it (default: none)
  --user NAME   the account to serve as when started as root: a supervisor keeps the privilege to
                read keys and to bind ports, the server runs as NAME (default: ocsproxy if there is
                such an account, else nobody)
  --no-color    findings without colours on a terminal

Signals: SIGHUP loads the configuration again without losing a request (one that has errors changes
nothing), SIGTERM and SIGINT drain (a second one ends at once), SIGUSR1 opens the access log again
after it was renamed.

Exit status: 0 all is well, and for --diff and --replay: nothing differs; 1 the configuration has
errors, or it cannot be served, or --diff or --replay found a difference or could not exclude one
(a line that cannot be judged); 2 the command line is wrong, or CONF or a LOG cannot be read.
)";
}

}  // namespace ocsproxy
