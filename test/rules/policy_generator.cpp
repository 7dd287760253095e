#include "policy_generator.h"

#include <array>

#include "rules/canonical_target.h"

namespace ocsproxy::rules {
namespace {

using Words = std::vector<std::string_view>;

const Words kNames = {"a.test",     "b.a.test", "c.b.a.test", "test",        "*.test",  "*.a.test",
                      "*.b.a.test", "*",        "192.0.2.1",  "2001:db8::5", "*.0.2.1", "xa.test"};
const Words kAskedNames = {"a.test",  "b.a.test",    "c.b.a.test", "test",
                           "xa.test", "d.test",      "192.0.2.1",  "2001:db8::5",
                           "-",       "a.test.test", "x.y.a.test"};
const Words kPaths = {
    "/*",     "/a/*",          "/A/b/*",       "/a/b/c/*",   "/a",    "/a/",       "/",
    "/b",     "/a/b",          "/a/B/",        "/a/*>/x/*",  "/a;p",  "/a;p/*",    "/b/*>/*",
    "~/a.*",  "~/a/b.*",       "~/A/[bc]",     "~/(a|b)/c?", "~.*/b", "~/a/b/?c*", "~/a;.*",
    "~.*b.*", "~/a/b\\.?c/d*", "~/b/.*|/a/.*", "/ab"};
const Words kSegments = {"a", "b", "c", "A", "B", "ab", "bc", "a;p", "b;q=1", ";p", "a%20", "b.c"};
const Words kSources = {"External",        "Internal",      "Perimeter",         "Local_Host",
                        "Anywhere",        "10.0.0.0/8",    "10.0.0.0-10.0.0.7", "198.51.100.7",
                        "198.51.100.0/24", "2001:db8::/32", "2001:db8:1::5",     "fd00::/8",
                        "0.0.0.0/0",       "::/0"};
const Words kMethods = {"GET", "POST", "get", "*"};
const Words kActions = {"allow",          "allow",         "allow",
                        "allow intranet", "deny",          "deny",
                        "deny web",       "redirect",      "redirect intranet",
                        "disabled deny",  "disabled allow"};
const Words kClients = {
    "198.51.100.6",  "198.51.100.7", "198.51.100.8", "198.51.101.0",
    "10.0.0.0",      "10.0.0.1",     "10.0.0.7",     "10.0.0.8",
    "172.16.0.1",    "203.0.113.1",  "127.0.0.1",    "255.255.255.255",
    "0.0.0.0",       "::",           "::1",          "2001:db8::5",
    "2001:db8:1::5", "2001:db9::",   "fd00::1",      "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"};

}  // namespace

std::mt19937::result_type Choices::operator()() {
  if (!bytes_) return random_();
  if (bytes_->empty()) return 0;
  const auto byte = static_cast<unsigned char>(bytes_->front());
  bytes_->remove_prefix(1);
  return byte;
}

std::string Generator::list(const Words& words, unsigned most) {
  std::string result(pick(words));
  for (auto more = random_() % most; more > 0; --more) result += ',' + std::string(pick(words));
  return result;
}

std::string Generator::source_list() {
  std::string result = list(kSources, 3);
  if (one_in(4)) result += ",198.51.100." + std::to_string(random_() % 16);
  return result;
}

std::string Generator::rule() {
  std::string text(pick(kActions));
  if (!one_in(3)) text += " from " + source_list();
  if (one_in(3)) text += " except " + source_list();
  if (!one_in(3)) text += " names " + list(kNames, 3);
  if (!one_in(4)) text += " paths " + list(kPaths, 3);
  if (one_in(3)) text += " methods " + list(kMethods, 2);
  return text;
}

// Many rules that differ in their addresses alone: the shape that is looked up and not scanned.
std::string Generator::rule_of_one_address() {
  return (one_in(3) ? "deny web from 198.51.100." : "allow from 198.51.100.") +
         std::to_string(random_() % 64) + (one_in(2) ? " paths /a/*" : "");
}

std::vector<std::string> Generator::policy() {
  std::vector<std::string> rules;
  const bool wide = one_in(20);
  const auto count = wide ? 30 + random_() % 40 : 1 + random_() % 12;
  for (unsigned i = 0; i < count; ++i) {
    rules.push_back(wide && !one_in(10) ? rule_of_one_address() : rule());
  }
  return rules;
}

std::string Generator::request() {
  std::string text(pick(Words{"GET", "GET", "POST", "get", "PUT"}));
  text += ' ' + std::string(pick(kAskedNames));
  const auto segments = random_() % 5;
  for (unsigned i = 0; i < segments; ++i) text += '/' + std::string(pick(kSegments));
  if (segments == 0 || one_in(3)) text += '/';
  text += ' ';
  text += one_in(3) ? "198.51.100." + std::to_string(random_() % 64) : std::string(pick(kClients));
  return text + (one_in(3) ? " intranet" : " web");
}

std::vector<std::string> Generator::edited(std::vector<std::string> rules) {
  const auto place = [&] {
    return rules.begin() + static_cast<std::ptrdiff_t>(random_() % rules.size());
  };
  switch (random_() % 4) {
    case 0:
      rules.insert(place(), rule());
      break;
    case 1:
      *place() = rule();
      break;
    case 2:
      std::iter_swap(place(), place());
      break;
    default:
      if (rules.size() > 1) rules.erase(place());
  }
  return rules;
}

bool is_canonical(const std::string& path) {
  std::array<char, 512> buffer{};
  CanonicalTarget target;
  return canonicalize(path, true, buffer, target) == TargetError::none && target.path == path &&
         reservation(target) == TargetError::none;
}

std::string print(const std::vector<std::string>& rules) {
  std::string text;
  for (std::size_t i = 0; i < rules.size(); ++i) {
    text += "\n  " + std::to_string(i) + ": " + rules[i];
  }
  return text;
}

}  // namespace ocsproxy::rules
