#include "golden_file.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include "settings_text.h"
#include "test/source_path.h"

namespace ocsproxy::settings {
namespace {

const std::string kFolder = test::source_path("test/settings/golden");
constexpr std::string_view kMark = "=== ";
constexpr std::string_view kExpected = "=== expected\n";

std::map<std::string, std::string> certificates() {
  std::map<std::string, std::string> files;
  for (const char* name : {"web.pem", "web.key", "mail.pem", "mail.key", "web.pfx", "secret.txt",
                           "root.pem", "other-root.pem"}) {
    files[std::string("conf/certs/") + name] = "what it holds is not looked at here";
  }
  return files;
}

}  // namespace

std::vector<std::string> golden_names() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(kFolder)) {
    if (entry.path().extension() == ".yaml") names.push_back(entry.path().stem().string());
  }
  std::ranges::sort(names);
  return names;
}

GoldenFile read_golden(const std::string& name) {
  GoldenFile golden;
  golden.path = std::string(kFolder) + '/' + name + ".yaml";
  std::ifstream stream(golden.path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(stream), {}};
  const std::size_t end = text.find(kExpected);
  golden.input = text.substr(0, end);
  if (end != std::string::npos) golden.expected = text.substr(end + kExpected.size());
  std::string file = "conf/a.yaml";
  std::string content;
  std::size_t at = 0;
  while (at < golden.input.size()) {
    const std::size_t next = std::min(golden.input.find('\n', at), golden.input.size() - 1) + 1;
    const std::string line = golden.input.substr(at, next - at);
    at = next;
    if (line.starts_with(kMark)) {
      golden.files[file] = std::exchange(content, {});
      file = "conf/" + line.substr(kMark.size(), line.size() - kMark.size() - 1);
    } else {
      content += line;
    }
  }
  golden.files[file] = content;
  return golden;
}

void rewrite_golden(const GoldenFile& golden, const std::string& expected) {
  std::ofstream stream(golden.path, std::ios::binary);
  stream << golden.input << kExpected << expected;
}

Loaded load_conf(std::map<std::string, std::string> files) {
  std::vector<std::string> listing;
  for (const auto& [path, text] : files) listing.push_back(path);
  files.merge(certificates());
  MemoryFiles memory(std::move(files), {{"conf", listing}});
  auto loaded = load("conf", memory);
  if (!loaded) throw std::runtime_error(loaded.error().detail);
  return *std::move(loaded);
}

Loaded load_text(const std::string& text) { return load_conf({{"conf/a.yaml", text}}); }

std::string outcome(const Loaded& loaded) {
  std::string text = render(loaded.findings, loaded.sources);
  if (!loaded.findings.has_errors()) text += settings_text(loaded.settings);
  return text;
}

}  // namespace ocsproxy::settings
