#include "listeners/load_bundle.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "scratch.h"

namespace ocsproxy {
namespace {

using testing::HasSubstr;

Descriptor some_descriptor() { return Descriptor(::memfd_create("test", MFD_CLOEXEC)); }

ino_t inode(const Descriptor& descriptor) {
  struct stat info {};
  return ::fstat(descriptor.get(), &info) == 0 ? info.st_ino : 0;
}

LoadBundle some_bundle() {
  LoadBundle bundle;
  bundle.summary = {.workers = 2,
                    .drain = std::chrono::milliseconds(1500),
                    .access_log_path = "/log/access.log",
                    .findings = "warning: ü"};
  bundle.contents = {{"a.yaml", "x: 1\n"}, {"key", std::string("\0\1\n", 3)}, {"empty", ""}};
  bundle.listings = {{"conf", {"conf/a.yaml", "conf/b.yaml"}}, {"none", {}}};
  for (const char* const ip : {"192.0.2.1", "2001:db8::1"}) {
    BoundEndpoint endpoint{.address = {*IpAddress::parse(ip), 443},
                           .secure = ip[0] == '1',
                           .listener = 7,
                           .sockets = {}};
    endpoint.sockets.push_back(some_descriptor());
    endpoint.sockets.push_back(some_descriptor());
    bundle.endpoints.push_back(std::move(endpoint));
  }
  bundle.access_log = some_descriptor();
  return bundle;
}

std::string failure(const Result<LoadBundle>& result) {
  return result ? "" : result.error().detail;
}

// An encoded bundle with these bytes and this number of descriptors.
EncodedBundle with_bytes(const std::string& bytes, std::size_t descriptors) {
  EncodedBundle encoded{.payload = *sealed_memory(bytes), .descriptors = {}};
  for (std::size_t i = 0; i < descriptors; ++i) encoded.descriptors.push_back(some_descriptor());
  return encoded;
}

TEST(LoadBundle, arrives_as_it_was_sent) {
  const LoadBundle sent = some_bundle();
  auto encoded = encode(some_bundle());
  ASSERT_TRUE(encoded);
  const auto arrived = decode(*std::move(encoded));
  ASSERT_TRUE(arrived) << arrived.error().detail;
  EXPECT_EQ(arrived->contents, sent.contents);
  EXPECT_EQ(arrived->listings, sent.listings);
  EXPECT_EQ(arrived->summary.workers, 2u);
  EXPECT_EQ(arrived->summary.drain.count(), 1500);
  EXPECT_EQ(arrived->summary.access_log_path, "/log/access.log");
  EXPECT_EQ(arrived->summary.findings, "warning: ü");
  ASSERT_EQ(arrived->endpoints.size(), 2u);
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(arrived->endpoints[i].address, sent.endpoints[i].address);
    EXPECT_EQ(arrived->endpoints[i].secure, sent.endpoints[i].secure);
    EXPECT_EQ(arrived->endpoints[i].listener, 7u);
  }
}

TEST(LoadBundle, keeps_each_descriptor_at_its_endpoint) {
  LoadBundle bundle = some_bundle();
  const ino_t first = inode(bundle.endpoints[0].sockets[1]);
  const ino_t second = inode(bundle.endpoints[1].sockets[0]);
  const ino_t log = inode(bundle.access_log);
  auto encoded = encode(std::move(bundle));
  ASSERT_TRUE(encoded);
  auto copy = duplicate(*encoded);
  ASSERT_TRUE(copy);
  for (EncodedBundle* one : {&*encoded, &*copy}) {
    const auto arrived = decode(std::move(*one));
    ASSERT_TRUE(arrived);
    EXPECT_EQ(inode(arrived->endpoints[0].sockets[1]), first);
    EXPECT_EQ(inode(arrived->endpoints[1].sockets[0]), second);
    EXPECT_EQ(inode(arrived->access_log), log);
  }
}

TEST(LoadBundle, without_a_log_and_endpoints_is_one_too) {
  auto encoded = encode(LoadBundle{});
  ASSERT_TRUE(encoded);
  const auto arrived = decode(*std::move(encoded));
  ASSERT_TRUE(arrived) << arrived.error().detail;
  EXPECT_FALSE(arrived->access_log);
}

TEST(LoadBundle, gives_its_summary_without_the_rest) {
  const auto encoded = encode(some_bundle());
  ASSERT_TRUE(encoded);
  const auto summary = decode_summary(*encoded);
  ASSERT_TRUE(summary);
  EXPECT_EQ(summary->access_log_path, "/log/access.log");
}

TEST(LoadBundle, with_an_endpoint_short_of_sockets_is_not_sent) {
  LoadBundle bundle = some_bundle();
  bundle.endpoints[1].sockets.pop_back();
  const auto encoded = encode(std::move(bundle));
  ASSERT_FALSE(encoded);
  EXPECT_THAT(encoded.error().detail, HasSubstr("[2001:db8::1]:443"));
}

TEST(LoadBundle, cut_at_any_byte_is_refused) {
  auto encoded = encode(some_bundle());
  ASSERT_TRUE(encoded);
  const std::string bytes = *read_sealed_memory(encoded->payload.get());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_NE(failure(decode(with_bytes(bytes.substr(0, size), 5))), "") << "at " << size;
  }
  EXPECT_NE(failure(decode(with_bytes(bytes + 'x', 5))), "");
  EXPECT_EQ(failure(decode(with_bytes(bytes, 5))), "");
}

// Whatever a length says, nothing beyond the bytes is read and no memory is taken for it.
TEST(LoadBundle, with_any_byte_changed_is_read_safely) {
  auto encoded = encode(some_bundle());
  ASSERT_TRUE(encoded);
  const std::string bytes = *read_sealed_memory(encoded->payload.get());
  std::size_t refused = 0;
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    for (const char value : {'\x00', '\x7f', '\xff'}) {
      std::string changed = bytes;
      changed[at] = value;
      EncodedBundle broken = with_bytes(changed, 5);
      (void)decode_summary(broken);
      refused += failure(decode(std::move(broken))).empty() ? 0 : 1;
    }
  }
  EXPECT_GT(refused, 100u);
}

TEST(LoadBundle, with_too_many_or_too_few_descriptors_is_refused) {
  auto encoded = encode(some_bundle());
  ASSERT_TRUE(encoded);
  const std::string bytes = *read_sealed_memory(encoded->payload.get());
  for (const std::size_t count : {0u, 4u, 6u}) {
    EXPECT_THAT(failure(decode(with_bytes(bytes, count))), HasSubstr("descriptors instead of 5"));
  }
}

TEST(SealedMemory, cannot_be_changed_and_what_could_be_is_not_read) {
  const auto sealed = sealed_memory("text");
  ASSERT_TRUE(sealed);
  EXPECT_EQ(::write(sealed->get(), "x", 1), -1);
  EXPECT_EQ(::ftruncate(sealed->get(), 0), -1);
  EXPECT_EQ(*read_sealed_memory(sealed->get()), "text");

  EXPECT_FALSE(read_sealed_memory(some_descriptor().get()));
  int pipe[2];
  ASSERT_EQ(::pipe2(pipe, O_CLOEXEC), 0);
  const Descriptor read_end(pipe[0]);
  const Descriptor write_end(pipe[1]);
  EXPECT_FALSE(read_sealed_memory(read_end.get()));  // and does not wait for it
}

}  // namespace
}  // namespace ocsproxy
