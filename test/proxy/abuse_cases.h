// The cases of test/abuse/*.json that unit tests run; the format is in test/abuse/README.md.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace ocsproxy::test {

struct ClientCase {
  std::string name;
  std::string kind;                   // the case's class
  std::string bytes;                  // what is sent, expanded
  std::set<std::string> ok;           // the verdicts that are right: accept, normalise, reject
  std::set<int> status;               // of a refusal; empty: any 4xx or 5xx
  std::vector<std::string> must;      // in what the site receives, in lower case
  std::vector<std::string> must_not;  // likewise
  std::string why;
};
std::vector<ClientCase> client_cases(const std::set<std::string>& kinds);

struct UpstreamCase {
  std::string name;
  std::string kind;
  std::string bytes;  // what the site sends first, expanded; endless parts are cut at 1 MiB
  std::set<int> client_status;
  std::string why;
};
std::vector<UpstreamCase> upstream_cases(const std::set<std::string>& kinds);

}  // namespace ocsproxy::test
