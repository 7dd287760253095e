#include "listeners/access_log_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "scratch.h"

namespace ocsproxy {
namespace {

using testing::HasSubstr;

mode_t permissions(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 ? info.st_mode & 0777 : 0;
}

void put(const Descriptor& file, const std::string& text) {
  EXPECT_EQ(::write(file.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
}

std::string failure(const Result<Descriptor>& result) {
  return result ? "" : result.error().detail;
}

class AccessLogFile : public testing::Test {
 protected:
  test::Folder folder_;
  const std::string path_ = folder_.path("access.log");
};

TEST_F(AccessLogFile, is_made_with_its_directories_for_its_owner_and_group) {
  const std::string path = folder_.path("var/log/access.log");
  ::umask(0);
  ASSERT_EQ(failure(open_access_log(path)), "");
  ::umask(022);
  EXPECT_EQ(permissions(path), 0640u);
  EXPECT_EQ(permissions(folder_.path("var/log")), 0750u);
}

TEST_F(AccessLogFile, is_appended_to) {
  test::write_file(path_, "old\n");
  const auto first = open_access_log(path_);
  const auto second = open_access_log(path_);
  ASSERT_TRUE(first && second);
  put(*first, "a\n");
  put(*second, "b\n");
  put(*first, "c\n");
  EXPECT_EQ(test::read_file(path_), "old\na\nb\nc\n");
}

TEST_F(AccessLogFile, that_is_a_link_is_refused_and_its_target_left_alone) {
  const std::string victim = folder_.path("victim");
  std::filesystem::create_symlink(victim, path_);
  EXPECT_EQ(failure(open_access_log(path_)),
            "cannot open the access log " + path_ +
                ": it is a symbolic link; name the file that it points at");
  EXPECT_FALSE(std::filesystem::exists(victim));
}

TEST_F(AccessLogFile, that_is_no_file_is_refused_at_once) {
  const std::string pipe = folder_.path("pipe");
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_THAT(failure(open_access_log(pipe)), HasSubstr("it is not a regular file"));
  EXPECT_THAT(failure(open_access_log("/dev/null")), HasSubstr("it is not a regular file"));
  EXPECT_THAT(failure(open_access_log(folder_.path())), HasSubstr("Is a directory"));
}

TEST_F(AccessLogFile, whose_directory_cannot_be_made_says_so) {
  test::write_file(folder_.path("file"), "");
  EXPECT_THAT(failure(open_access_log(folder_.path("file/x/access.log"))),
              HasSubstr("its directory cannot be made: Not a directory"));
}

TEST_F(AccessLogFile, may_be_the_standard_output) {
  const auto file = open_access_log("/dev/stdout");
  ASSERT_TRUE(file);
  EXPECT_NE(file->get(), STDOUT_FILENO);
  struct stat ours {};
  struct stat standard {};
  ASSERT_EQ(::fstat(file->get(), &ours), 0);
  ASSERT_EQ(::fstat(STDOUT_FILENO, &standard), 0);
  EXPECT_EQ(ours.st_ino, standard.st_ino);
}

TEST_F(AccessLogFile, opened_again_is_the_new_file_for_the_server_and_for_its_successor) {
  LoadBundle bundle;
  bundle.summary.access_log_path = path_;
  bundle.access_log = *open_access_log(path_);
  auto encoded = encode(std::move(bundle));
  ASSERT_TRUE(encoded);
  std::filesystem::rename(path_, folder_.path("access.log.1"));
  const auto handed_on = reopen_access_log(*encoded);
  ASSERT_TRUE(handed_on) << handed_on.error().detail;
  put(*handed_on, "server\n");
  put(encoded->descriptors.back(), "successor\n");
  EXPECT_EQ(test::read_file(path_), "server\nsuccessor\n");
  EXPECT_EQ(test::read_file(folder_.path("access.log.1")), "");
}

TEST_F(AccessLogFile, that_is_not_configured_cannot_be_opened_again) {
  auto encoded = encode(LoadBundle{});
  ASSERT_TRUE(encoded);
  EXPECT_THAT(failure(reopen_access_log(*encoded)), HasSubstr("`access_log` is not configured"));
}

}  // namespace
}  // namespace ocsproxy
