// What --exposure says of small policies: the lines of rules, and the rows that come out.
#include "check/exposure.h"

#include "policy_text.h"

namespace ocsproxy {
namespace {

using Lines = std::vector<std::string>;

// "External: R0 web www.test GET External: /a/*; /b", with a "?" where a regex has a say, then the
// example.
Lines rows(const Lines& lines) {
  settings::Settings settings = rules::make_settings(lines);
  Findings findings;
  const auto table = rules::RuleTable::compile(settings, rules::own_addresses(), findings);
  Lines result;
  for (const NetworkExposure& network :
       examine_exposure(rules::RequestSpace({{&settings, table.get()}}))) {
    for (const Exposed& one : network.exposed) {
      std::string row = network.network + ": R" + std::to_string(one.rule) + ' ' + one.listener +
                        ' ' + one.names + ' ' + one.methods + ' ' + one.from + ':';
      for (const std::string& path : one.paths) row += ' ' + path;
      if (!one.is_certain()) row += '?';
      result.push_back(row + " | " + (one.example ? one.example->to_string() : "-"));
    }
  }
  return result;
}

struct Case {
  std::string_view situation;
  Lines policy, rows;

  friend void PrintTo(const Case& one, std::ostream* out) { *out << one.situation; }
};

const Case kCases[] = {
    {"nothing is allowed", {"deny web"}, {}},
    {"a rule that is switched off opens nothing", {"disabled allow web"}, {}},
    {"a redirect opens nothing", {"redirect web names www.test"}, {}},
    {"one rule, each network that its listener serves",
     {"allow web names www.test paths /a/*,/b methods GET"},
     {"External: R0 web www.test GET External: /a/* | GET http://www.test/a from 203.0.113.9",
      "External: R0 web www.test GET External: /b | GET http://www.test/b from 203.0.113.9",
      "Perimeter: R0 web www.test GET Perimeter: /a/* | GET http://www.test/a from 172.16.0.1",
      "Perimeter: R0 web www.test GET Perimeter: /b | GET http://www.test/b from 172.16.0.1"}},
    {"a deny before it takes a directory out",
     {"deny web paths /a/int/*", "allow web from External names www.test paths /a/*"},
     {"External: R1 web www.test any method External: /a/* but not /a/int/* | GET "
      "http://www.test/a from 203.0.113.9"}},
    {"an exception takes addresses out",
     {"allow web from 203.0.113.0/24,198.51.100.7 except 203.0.113.0/25 names www.test paths /x"},
     {"External: R0 web www.test any method 198.51.100.7, 203.0.113.128/25: /x | GET "
      "http://www.test/x from 198.51.100.7"}},
    {"the paths are those of the site",
     {"allow web from External names www.test paths /a/*>/b/c/*,/d>/e"},
     {"External: R0 web www.test any method External: /b/c/* | GET http://www.test/a from "
      "203.0.113.9",
      "External: R0 web www.test any method External: /e | GET http://www.test/d from "
      "203.0.113.9"}},
    {"a rule that another covers opens nothing more",
     {"allow web from External names www.test",
      "allow web from External names www.test paths /a/*"},
     {"External: R0 web www.test any method External: /* | GET http://www.test/x from "
      "203.0.113.9"}},
    {"names of the same rules are one row",
     {"allow web from External names a.test,b.test paths /x"},
     {"External: R0 web a.test, b.test any method External: /x | GET http://a.test/x from "
      "203.0.113.9"}},
    {"a regex has a say",
     {"deny web paths ~/a/.*\\.exe", "allow web from External names www.test paths /a/*,/b"},
     {"External: R1 web www.test any method External: /a | GET http://www.test/a from 203.0.113.9",
      "External: R1 web www.test any method External: /a/* but not /a? | GET http://www.test/a/x "
      "from 198.51.100.9",
      "External: R1 web www.test any method External: /b | GET http://www.test/b from "
      "203.0.113.9"}},
    {"what a regex allows has an example that it matches",
     {"allow web from External names www.test paths ~/a/[0-9]+"},
     {"External: R0 web www.test any method External: /a/* but not /a? | GET http://www.test/a/1 "
      "from 198.51.100.9"}},
    {"the example is one of the names that have one",
     {"deny web names a.test paths ~/a/\\d+",
      "allow web from External names a.test,b.test paths ~/a/[0-9]+"},
     {"External: R1 web a.test, b.test any method External: /a/* but not /a? | GET "
      "http://b.test/a/1 from 198.51.100.9"}},
    {"where no request is found, there is no example",
     {"deny web paths ~/a/[0-9]+", "allow web from External names www.test paths ~/a/\\d+"},
     {"External: R1 web www.test any method External: /a/* but not /a? | -"}},
    {"what a deny with the same regex takes is not opened",
     {"deny web paths ~/a/[0-9]+", "allow web from External names www.test paths ~/a/[0-9]+"},
     {}},
    {"a regex opens nothing where no path begins with its letters",
     {"deny web paths /b/*", "allow web from External names www.test paths ~/a[0-9]+"},
     {"External: R1 web www.test any method External: /* but not /b/*? | GET "
      "http://www.test/a1 from 198.51.100.9"}},
    {"each listener for itself",
     {"allow intranet from Internal names www.test paths /i",
      "allow web from Perimeter names "
      "www.test paths /p"},
     {"Internal: R0 intranet www.test any method Internal: /i | GET http://www.test/i from "
      "10.0.0.0",
      "Perimeter: R1 web www.test any method Perimeter: /p | GET http://www.test/p from "
      "172.16.0.1"}},
};

class Exposure : public testing::TestWithParam<Case> {};

TEST_P(Exposure, IsWhatTheRulesAllow) {
  EXPECT_EQ(rows(GetParam().policy), GetParam().rows) << GetParam().situation;
}

INSTANTIATE_TEST_SUITE_P(All, Exposure, testing::ValuesIn(kCases));

}  // namespace
}  // namespace ocsproxy
