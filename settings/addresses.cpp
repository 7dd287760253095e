#include "settings/addresses.h"

#include <algorithm>

#include "base/text.h"
#include "base/units.h"
#include "settings/fields.h"
#include "settings/shown_text.h"

namespace ocsproxy::settings {
namespace {

constexpr std::size_t kMaxName = 253;  // RFC 1035 3.1, in text without the last dot
constexpr std::size_t kMaxLabel = 63;  // RFC 1035 2.3.4
constexpr std::size_t kV4Offset = 96;  // of an IPv4 address in the 128 bits of IpAddress

struct Fault {
  std::string why;  // "... is no address" and so on, behind the quoted text
  std::string mend;
};

// RFC 4291 2.5.5.2. Such an address would be neither the IPv4 nor the IPv6 address that it looks
// like.
bool is_mapped(std::string_view text) {
  return (istarts_with(text, "::ffff:") || istarts_with(text, "0:0:0:0:0:ffff:")) &&
         !IpAddress::parse(text);
}

Fault mapped_fault(std::string_view text) {
  const std::string_view v4 = text.substr(text.rfind(':') + 1);
  return {" is an IPv4-mapped address",
          IpAddress::parse(v4) ? "write " + std::string(v4) : "write the IPv4 address"};
}

// "10.1.2.3/8" was meant to be "10.0.0.0/8", or 10.1.2.3 alone.
std::optional<Fault> host_bits_fault(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto address = IpAddress::parse(text.substr(0, slash));
  const auto prefix = parse_number(text.substr(slash + 1));
  if (!address || !prefix) return std::nullopt;
  const std::uint64_t longest = address->is_v4() ? 32 : 128;
  if (*prefix > longest) {
    return Fault{" is no range: its prefix has at most " + std::to_string(longest) + " bits", {}};
  }
  IpAddress::Bytes bytes = address->bytes();
  for (std::size_t bit = *prefix + (address->is_v4() ? kV4Offset : 0); bit < 128; ++bit) {
    bytes[bit / 8] &= static_cast<std::uint8_t>(~(0x80U >> (bit % 8)));
  }
  return Fault{" has bits behind its prefix",
               "write " + IpAddress::from_v6(bytes).to_string() + '/' + std::to_string(*prefix) +
                   " for the whole network, or " + address->to_string() + " alone"};
}

Fault range_fault(std::string_view text) {
  if (is_mapped(text.substr(0, text.find_first_of("/-")))) {
    return mapped_fault(text.substr(0, text.find_first_of("/-")));
  }
  if (const auto fault = host_bits_fault(text)) return *fault;
  return {" is no address or range",
          "for example 192.0.2.7, 10.0.0.0/8, 10.0.0.1-10.0.0.99 or 2001:db8::/32"};
}

void report(ErrorCode code, const Node& node, const Fault& fault, Findings& findings) {
  findings.error(code, node.where, shown(node.text) + fault.why, fault.mend);
}

bool is_label_char(char c) { return is_alpha(c) || is_digit(c) || c == '-' || c == '_'; }

std::optional<Fault> label_fault(std::string_view label) {
  if (label.empty()) return Fault{" has an empty label between its dots", {}};
  if (label.size() > kMaxLabel) return Fault{" has a label of more than 63 characters", {}};
  if (label.front() == '-' || label.back() == '-') {
    return Fault{" has a label that begins or ends with a hyphen", {}};
  }
  return std::nullopt;
}

// What is most often put where a name belongs.
Fault character_fault(std::string_view name) {
  const bool ascii = std::ranges::all_of(name, [](char c) { return (c & '\x80') == 0; });
  if (!ascii) {
    return {" is not ASCII", "write the name in its xn-- form (punycode), as browsers send it"};
  }
  if (name.find("//") != std::string_view::npos) {
    return {" is a URL, and only its host name belongs here", {}};
  }
  if (name.find('/') != std::string_view::npos) return {" has a path behind the name", {}};
  if (name.find(':') != std::string_view::npos) {
    return {" has a port behind the name", "only the name belongs here"};
  }
  if (name.find('*') != std::string_view::npos) {
    return {" has its * in the wrong place",
            "only \"*.\" in front of a public name stands for one label or more"};
  }
  return {" is no host name", "letters, digits, hyphens and dots make one"};
}

// `name` is without its last dot.
std::optional<Fault> name_fault(std::string_view name) {
  const auto known = [](char c) { return is_label_char(c) || c == '.'; };
  if (!std::ranges::all_of(name, known)) return character_fault(name);
  if (name.size() > kMaxName) return Fault{" is longer than 253 characters", {}};
  std::string_view rest = name;
  std::string_view last;
  while (true) {
    last = rest.substr(0, rest.find('.'));
    if (auto fault = label_fault(last)) return fault;
    if (last.size() == rest.size()) break;
    rest.remove_prefix(last.size() + 1);
  }
  if (std::ranges::all_of(last, is_digit)) {
    return Fault{" is neither an IP address nor a name", "no name ends in a number"};
  }
  return std::nullopt;
}

std::string_view without_brackets(std::string_view text) {
  if (text.starts_with('[') && text.ends_with(']')) return text.substr(1, text.size() - 2);
  return text;
}

struct NameKind {
  ErrorCode code;
  bool underscores;  // Windows lets computers have them; certificates for the public may not
};
constexpr NameKind kPublic{"bad-public-name", false};
constexpr NameKind kInternal{"bad-host", true};

std::optional<std::string> host_of(const Node& node, std::string_view text, NameKind kind,
                                   Findings& findings) {
  const std::string_view bare = without_brackets(text);
  if (const auto address = IpAddress::parse(bare)) return address->to_string();
  if (is_mapped(bare)) {
    report(kind.code, node, mapped_fault(bare), findings);
    return std::nullopt;
  }
  if (text.size() > 1 && text.ends_with('.')) text.remove_suffix(1);
  if (const auto fault = name_fault(text)) {
    report(kind.code, node, *fault, findings);
    return std::nullopt;
  }
  if (!kind.underscores && text.find('_') != std::string_view::npos) {
    report(kind.code, node, {" has an underscore, which no public name may have", {}}, findings);
    return std::nullopt;
  }
  return lower(text);
}

}  // namespace

std::optional<IpAddress> read_address(const Node& node, std::string_view key, Findings& findings) {
  const auto text = read_text(node, key, findings);
  if (!text) return std::nullopt;
  const auto address = IpAddress::parse(without_brackets(*text));
  if (address) return address;
  if (is_mapped(*text)) {
    report("bad-address", node, mapped_fault(*text), findings);
  } else if (*text == "*") {
    report("bad-address", node,
           {" is no address",
            "0.0.0.0 is every IPv4 address of the machine, \"::\" every IPv6 "
            "address"},
           findings);
  } else {
    report("bad-address", node, {" is no IP address", "for example 203.0.113.10 or 2001:db8::10"},
           findings);
  }
  return std::nullopt;
}

std::optional<AddressRange> read_range(const Node& node, std::string_view key, Findings& findings) {
  const auto text = read_text(node, key, findings);
  if (!text) return std::nullopt;
  const auto range = AddressRange::parse(*text);
  if (!range) report("bad-range", node, range_fault(*text), findings);
  return range;
}

bool looks_like_range(std::string_view text) {
  const auto part_of_one = [](char c) {
    return hex_value(c) >= 0 || c == '.' || c == ':' || c == '/' || c == '-';
  };
  const std::size_t slash = text.find('/');
  return AddressRange::parse(text) || text.find(':') != std::string_view::npos ||
         (slash != std::string_view::npos && parse_number(text.substr(slash + 1))) ||
         (!text.empty() && is_digit(text.front()) && text.find('.') != std::string_view::npos &&
          std::ranges::all_of(text, part_of_one));
}

std::optional<std::string> read_host(const Node& node, std::string_view key, Findings& findings) {
  const auto text = read_text(node, key, findings);
  if (!text) return std::nullopt;
  return host_of(node, *text, kInternal, findings);
}

std::optional<std::string> read_public_name(const Node& node, Findings& findings) {
  const auto text = read_text(node, "public_names", findings);
  if (!text) return std::nullopt;
  if (*text == "*") return "*";
  if (!text->starts_with("*.")) return host_of(node, *text, kPublic, findings);
  const std::string_view name = text->substr(2);
  if (IpAddress::parse(name)) {
    report("bad-public-name", node, {" has a * in front of an IP address", {}}, findings);
    return std::nullopt;
  }
  auto host = host_of(node, name, kPublic, findings);
  if (host) host->insert(0, "*.");
  return host;
}

}  // namespace ocsproxy::settings
