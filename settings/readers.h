// One function for each top-level key: what it may say, and into which settings it goes.
#pragma once

#include <optional>
#include <string_view>

#include "base/finding.h"
#include "settings/node.h"
#include "settings/settings.h"

namespace ocsproxy::settings {

// Was all read that stands under a key? Else nobody is blamed for referring to what is not there.
struct Complete {
  bool networks = true;
  bool trusted_roots = true;
  bool listeners = true;
  bool rules = true;
  bool http_filters = true;
};

// What the reading of all files adds to.
struct Reading {
  const Sources& sources;
  Findings& findings;
  Settings settings{};
  Complete complete{};
};

void read_networks(const Node& node, Reading& reading);
void read_trusted_roots(const Node& node, Reading& reading);
void read_listener(const Node& node, Reading& reading);
void read_rule(const Node& node, Reading& reading);
void read_http_filter(const Node& node, Reading& reading);
void read_expectation(const Node& node, Reading& reading);
void read_dns_record(const Node& node, Reading& reading);
void read_flood_mitigation(const Node& node, Reading& reading);
void read_process_limits(const Node& node, Reading& reading);
void read_access_log(const Node& node, Reading& reading);
void read_workers(const Node& node, Reading& reading);
void read_drain(const Node& node, Reading& reading);
void read_kernel_tls(const Node& node, Reading& reading);

// Parts that several of them read.

// The name of a listener or rule.
class Fields;
void read_name(Fields& fields, Located<std::string>& name);
// The text of a path to a file, made absolute or relative to where the program was started.
void read_file_path(Fields& fields, std::string_view key, Located<std::string>& path,
                    const Reading& reading);

// One entry of `from`: the name of a network, or addresses.
std::optional<Source> read_source(const Node& node, std::string_view key, Findings& findings);
// All entries of the list under `key`, which may be absent.
void read_sources(Fields& fields, std::string_view key, std::vector<Source>& sources);
// "/dir/*" or "/file".
std::optional<Path> read_plain_path(const Node& node, Findings& findings);

// A list of methods that can be forwarded. `key` is for the messages.
void read_method_list(const Node& list, std::string_view key,
                      std::vector<Located<std::string>>& methods, Findings& findings);
// `http_filter`: a name, or the keys of a filter of the rule's own.
void read_filter_of_rule(Fields& fields, Reading& reading, Rule& rule);

// A rule's `paths` and `to`, and an allow's or deny's own demands, are in files of their own.
void read_paths(const Node& list, std::vector<Path>& paths, Findings& findings);
void read_target(const Node& node, Bridging bridging, Target& target, Findings& findings);

}  // namespace ocsproxy::settings
