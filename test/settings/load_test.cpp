// What golden files cannot hold: bytes that are no text, paths on a disk, and which files are read.
#include <filesystem>
#include <fstream>
#include <set>

#include <gtest/gtest.h>

#include "golden_file.h"

namespace ocsproxy::settings {
namespace {

constexpr char kGood[] = R"(trusted_roots: [certs/root.pem]
listeners:
  - name: Web
    networks: [External]
    addresses: [203.0.113.10]
    https:
      certificates:
        - {chain: certs/web.pem, key: certs/web.key}
        - {pfx: certs/web.pfx, passphrase_file: certs/secret.txt}
rules:
  - {name: Closed, action: deny, paths: [/admin/*]}
)";

// A folder that is gone after the test.
class Folder {
 public:
  Folder() {
    std::string name = testing::TempDir() + "settings-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder");
    path_ = name;
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  std::string write(const std::string& name, const std::string& text) const {
    const std::filesystem::path file = path_ / name;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << text;
    return file.string();
  }
  std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

void write_good(const Folder& folder, const std::string& configuration) {
  folder.write(configuration, kGood);
  for (const char* name : {"root.pem", "web.pem", "web.key", "web.pfx", "secret.txt"}) {
    folder.write(std::string("certs/") + name, name);
  }
}

struct NotText {
  const char* name;
  std::string bytes;
  const char* says;
};

class NoText : public testing::TestWithParam<NotText> {};

TEST_P(NoText, IsRefusedAndNotShown) {
  const Loaded loaded = load_text(GetParam().bytes);
  ASSERT_EQ(loaded.findings.all().size(), 1U);
  EXPECT_EQ(loaded.findings.all()[0].code, "not-text");
  EXPECT_EQ(loaded.findings.all()[0].text, GetParam().says);
  EXPECT_EQ(render(loaded.findings, loaded.sources).find(GetParam().bytes), std::string::npos);
}

using namespace std::string_literals;
INSTANTIATE_TEST_SUITE_P(
    All, NoText,
    testing::Values(
        NotText{"Nul", "workers: 1\0"s, "line 1 of the file has a control character in it"},
        NotText{"Escape", "# \n# \x1b[2J\n", "line 2 of the file has a control character in it"},
        NotText{"CarriageReturnAlone", "# a\rb: c\n",
                "line 1 of the file has a control character in it"},
        NotText{"Latin1", "# M\xfcnchen\n", "line 1 of the file has bytes that are not UTF-8"},
        NotText{"Utf16", "\xff\xfew\0o\0"s, "line 1 of the file has bytes that are not UTF-8"},
        NotText{"Pfx", "0\x82\x0a\x31\x02"s, "line 1 of the file has bytes that are not UTF-8"}),
    [](const auto& one) { return one.param.name; });

TEST(Load, AByteOrderMarkIsNoPartOfTheText) {
  const Loaded loaded = load_text(std::string("\xef\xbb\xbf") + "wrokers: 1\n");
  ASSERT_FALSE(loaded.findings.all().empty());
  const auto& findings = loaded.findings.all();
  EXPECT_EQ(findings[0].where, (Location{0, 1, 1}));
  EXPECT_EQ(loaded.sources.line({0, 1, 1}), "wrokers: 1");
}

TEST(Load, ADirectoryIsReadInTheOrderOfItsNames) {
  const Folder folder;
  write_good(folder, "10.yaml");
  folder.write("9.yml", "rules: [{name: Last, action: deny}]");
  folder.write("README.txt", "rules: [");
  DiskFiles files;
  const auto loaded = load(folder.path(), files);
  ASSERT_TRUE(loaded);
  EXPECT_EQ(render(loaded->findings, loaded->sources), "");
  ASSERT_EQ(loaded->settings.rules.size(), 2U);
  EXPECT_EQ(*loaded->settings.rules[0].name, "Closed");
  EXPECT_EQ(*loaded->settings.rules[1].name, "Last");
}

TEST(Load, EveryNamedFileIsReadThroughFiles) {
  const Folder folder;
  write_good(folder, "a.yaml");
  DiskFiles files;
  ASSERT_TRUE(load(folder.path(), files));
  std::set<std::string> read;
  for (const auto& [path, text] : files.contents()) read.insert(path);
  const std::string certs = folder.path() + "/certs/";
  EXPECT_EQ(read,
            (std::set<std::string>{folder.path() + "/a.yaml", certs + "root.pem", certs + "web.pem",
                                   certs + "web.key", certs + "web.pfx", certs + "secret.txt"}));
  // So another process can do the same without the disk.
  MemoryFiles memory(files.contents(), files.listings());
  const auto again = load(folder.path(), memory);
  ASSERT_TRUE(again);
  EXPECT_EQ(render(again->findings, again->sources), "");
}

TEST(Load, NamedFilesNeedNotBeThereWhenTheyComeLater) {
  MemoryFiles files({{"conf/a.yaml", kGood}}, {{"conf", {"conf/a.yaml"}}});
  const auto later = load("conf", files, NamedFiles::later);
  ASSERT_TRUE(later);
  EXPECT_EQ(render(later->findings, later->sources), "");
  const auto now = load("conf", files);
  ASSERT_TRUE(now);
  EXPECT_EQ(now->findings.count(Severity::error), 5U);
}

TEST(Load, PathsAreRelativeToTheDirectoryOfASingleFile) {
  const Folder folder;
  write_good(folder, "site.conf");
  DiskFiles files;
  const auto loaded = load(folder.path() + "/site.conf", files);
  ASSERT_TRUE(loaded);
  EXPECT_EQ(render(loaded->findings, loaded->sources), "");
  EXPECT_EQ(loaded->settings.directory, folder.path());
  EXPECT_EQ(*loaded->settings.trusted_roots[0], folder.path() + "/certs/root.pem");
}

TEST(Load, AFileInTheWorkingDirectoryHasPathsAsTheyAreWritten) {
  MemoryFiles files({{"site.yaml", "trusted_roots: [certs/root.pem]"}},
                    {{"site.yaml", {"site.yaml"}}});
  const auto loaded = load("site.yaml", files);
  ASSERT_TRUE(loaded);
  EXPECT_EQ(loaded->settings.directory, ".");
  EXPECT_EQ(*loaded->settings.trusted_roots[0], "certs/root.pem");
}

TEST(Load, APathThatIsNotThereIsNoFinding) {
  DiskFiles files;
  const auto loaded = load("/nonexistent/conf", files);
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().detail, "cannot read /nonexistent/conf: No such file or directory");
}

TEST(Load, AFileThatTheListingHasAndTheDiskHasNotIsOne) {
  MemoryFiles files({{"conf/a.yaml", kGood}}, {{"conf", {"conf/a.yaml", "conf/b.yaml"}}});
  const auto loaded = load("conf", files, NamedFiles::later);
  ASSERT_TRUE(loaded);
  ASSERT_EQ(loaded->findings.all().size(), 1U);
  EXPECT_EQ(loaded->findings.all()[0].code, "file-unreadable");
}

TEST(Load, ADirectoryWithoutFilesIsAnError) {
  MemoryFiles files({}, {{"conf", {}}});
  const auto loaded = load("conf", files);
  ASSERT_TRUE(loaded);
  EXPECT_EQ(render(loaded->findings, loaded->sources),
            "error: conf has no *.yaml or *.yml file in it [no-files]\n");
}

TEST(Load, AnEscapeThatTheFileEndsIsShownWithoutTheParsersMarkOfTheEnd) {
  const Loaded loaded = load_text("workers: \"\\");
  EXPECT_EQ(render(loaded.findings, loaded.sources),
            "conf/a.yaml:1:12: error: this is not YAML: unknown escape character:  [yaml-syntax]\n"
            "    workers: \"\\\n"
            "               ^\n"
            "    between \" and \" a backslash is written \\\\; between ' and ' it is itself\n");
}

TEST(Load, ValuesKnowTheirPlace) {
  const Loaded loaded = load_text(kGood);
  const Settings& settings = loaded.settings;
  EXPECT_EQ(settings.trusted_roots[0].where, (Location{0, 1, 17}));
  const Listener& listener = settings.listeners[0];
  EXPECT_EQ(listener.where, (Location{0, 3, 5}));
  EXPECT_EQ(listener.name.where, (Location{0, 3, 11}));
  EXPECT_EQ(listener.networks[0].where, (Location{0, 4, 16}));
  EXPECT_EQ(listener.addresses[0].where, (Location{0, 5, 17}));
  EXPECT_EQ(listener.https->certificates[0].key.where, (Location{0, 8, 39}));
  EXPECT_EQ(listener.https->port.where.file, Location::kNoFile);
  EXPECT_EQ(settings.rules[0].action.where, (Location{0, 11, 28}));
  EXPECT_EQ(settings.rules[0].paths[0].where, (Location{0, 11, 42}));
}

}  // namespace
}  // namespace ocsproxy::settings
