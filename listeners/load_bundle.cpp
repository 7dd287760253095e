#include "listeners/load_bundle.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>
#include <type_traits>

#include "base/wipe.h"

namespace ocsproxy {
namespace {

constexpr std::uint32_t kMagic = 0x4f435342;
constexpr std::uint64_t kLargest = 2ULL << 30;
constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;
constexpr std::size_t kPrefix = sizeof(kMagic) + sizeof(std::uint64_t);  // before the summary

Error broken(const std::string& what) {
  return Error{.kind = ErrorKind::malformed, .detail = "the handed-over load is broken: " + what};
}

// Integers in the machine's order (both ends are the same machine), strings with their length.
class Writer {
 public:
  template <typename T>
  void integer(T value) {
    static_assert(std::is_integral_v<T>);
    char bytes[sizeof value];
    std::memcpy(bytes, &value, sizeof value);
    out_.append(bytes, sizeof value);
  }
  void text(std::string_view value) {
    integer<std::uint64_t>(value.size());
    out_ += value;
  }
  std::string take() { return std::move(out_); }

 private:
  std::string out_;
};

// Once something did not fit, everything reads as empty and `ok` stays false.
class Reader {
 public:
  explicit Reader(std::string_view in) : in_(in) {}

  template <typename T>
  T integer() {
    T value{};
    if (in_.size() < sizeof value) {
      fail();
      return value;
    }
    std::memcpy(&value, in_.data(), sizeof value);
    in_.remove_prefix(sizeof value);
    return value;
  }
  std::string_view text() {
    const auto size = integer<std::uint64_t>();
    if (size > in_.size()) {
      fail();
      return {};
    }
    const std::string_view value = in_.substr(0, size);
    in_.remove_prefix(size);
    return value;
  }
  // How many elements follow, each of at least one byte.
  std::uint64_t count() {
    const auto n = integer<std::uint64_t>();
    if (n <= in_.size()) return n;
    fail();
    return 0;
  }
  bool ok() const { return ok_; }
  bool at_end() const { return in_.empty(); }

 private:
  void fail() {
    ok_ = false;
    in_ = {};
  }
  std::string_view in_;
  bool ok_ = true;
};

std::string encode_summary(const LoadSummary& summary) {
  Writer out;
  out.integer(summary.workers);
  out.integer<std::int64_t>(summary.drain.count());
  out.text(summary.access_log_path);
  out.text(summary.findings);
  return out.take();
}

Result<LoadSummary> parse_summary(std::string_view bytes) {
  Reader in(bytes);
  LoadSummary summary;
  summary.workers = in.integer<std::uint32_t>();
  summary.drain = std::chrono::milliseconds(in.integer<std::int64_t>());
  summary.access_log_path = in.text();
  summary.findings = in.text();
  if (!in.ok() || !in.at_end()) return broken("its summary does not read");
  return summary;
}

void write_files(Writer& out, const LoadBundle& bundle) {
  out.integer<std::uint64_t>(bundle.contents.size());
  for (const auto& [path, bytes] : bundle.contents) {
    out.text(path);
    out.text(bytes);
  }
  out.integer<std::uint64_t>(bundle.listings.size());
  for (const auto& [path, names] : bundle.listings) {
    out.text(path);
    out.integer<std::uint64_t>(names.size());
    for (const std::string& name : names) out.text(name);
  }
}

void read_files(Reader& in, LoadBundle& bundle) {
  for (auto n = in.count(); n > 0 && in.ok(); --n) {
    const auto path = in.text();
    bundle.contents.emplace(path, in.text());
  }
  for (auto n = in.count(); n > 0 && in.ok(); --n) {
    auto& names = bundle.listings[std::string(in.text())];
    for (auto m = in.count(); m > 0 && in.ok(); --m) names.emplace_back(in.text());
  }
}

void write_endpoints(Writer& out, const LoadBundle& bundle) {
  out.integer<std::uint64_t>(bundle.endpoints.size());
  for (const BoundEndpoint& endpoint : bundle.endpoints) {
    for (const std::uint8_t byte : endpoint.address.ip.bytes()) out.integer(byte);
    out.integer(endpoint.address.port);
    out.integer<std::uint8_t>(endpoint.secure);
    out.integer(endpoint.listener);
  }
  out.integer<std::uint8_t>(static_cast<bool>(bundle.access_log));
}

void read_endpoints(Reader& in, LoadBundle& bundle) {
  for (auto n = in.count(); n > 0 && in.ok(); --n) {
    IpAddress::Bytes bytes{};
    for (std::uint8_t& byte : bytes) byte = in.integer<std::uint8_t>();
    BoundEndpoint endpoint;
    endpoint.address.ip = IpAddress::from_v6(bytes);
    endpoint.address.port = in.integer<std::uint16_t>();
    endpoint.secure = in.integer<std::uint8_t>() != 0;
    endpoint.listener = in.integer<std::uint32_t>();
    bundle.endpoints.push_back(std::move(endpoint));
  }
}

Status hand_out(std::vector<Descriptor> descriptors, bool with_log, LoadBundle& bundle) {
  const std::uint64_t sockets = std::uint64_t{bundle.summary.workers} * bundle.endpoints.size();
  if (descriptors.size() != sockets + (with_log ? 1 : 0)) {
    return broken("it comes with " + std::to_string(descriptors.size()) +
                  " descriptors instead of " + std::to_string(sockets + (with_log ? 1 : 0)));
  }
  auto next = descriptors.begin();
  for (BoundEndpoint& endpoint : bundle.endpoints) {
    for (std::uint32_t i = 0; i < bundle.summary.workers; ++i) {
      endpoint.sockets.push_back(std::move(*next++));
    }
  }
  if (with_log) bundle.access_log = std::move(*next);
  return Done{};
}

// `size` bytes from `offset` of a memfd.
Result<std::string> read_range(int descriptor, std::uint64_t offset, std::uint64_t size) {
  std::string bytes(size, '\0');
  std::uint64_t got = 0;
  while (got < size) {
    const ssize_t n =
        ::pread(descriptor, bytes.data() + got, size - got, static_cast<off_t>(offset + got));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return broken("it ends too early");
    got += static_cast<std::uint64_t>(n);
  }
  return bytes;
}

Result<std::uint64_t> sealed_size(int descriptor) {
  struct stat info {};
  const int seals = ::fcntl(descriptor, F_GET_SEALS);
  if (seals < 0 || (seals & kSeals) != kSeals || ::fstat(descriptor, &info) != 0) {
    return broken("it is not sealed");
  }
  const auto size = static_cast<std::uint64_t>(info.st_size);
  if (size > kLargest) return broken("it is larger than 2 GiB");
  return size;
}

}  // namespace

Result<Descriptor> sealed_memory(const std::string& bytes) {
  Descriptor memory(::memfd_create("ocsproxy", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  const auto failed = [] {
    return Error{.detail = "cannot keep a load in memory: " + errno_text(errno)};
  };
  if (!memory) return failed();
  std::string_view rest = bytes;
  while (!rest.empty()) {
    const ssize_t wrote = ::write(memory.get(), rest.data(), rest.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return failed();
    rest.remove_prefix(static_cast<std::size_t>(wrote));
  }
  if (::fcntl(memory.get(), F_ADD_SEALS, kSeals) != 0) return failed();
  return memory;
}

Result<std::string> read_sealed_memory(int descriptor) {
  const auto size = sealed_size(descriptor);
  if (!size) return size.error();
  return read_range(descriptor, 0, *size);
}

Result<EncodedBundle> encode(LoadBundle bundle) {
  EncodedBundle encoded;
  Writer out;
  out.integer(kMagic);
  out.text(encode_summary(bundle.summary));
  write_files(out, bundle);
  write_endpoints(out, bundle);
  std::string text = out.take();
  const WipeAtEnd keys_are_in_it(text);
  auto payload = sealed_memory(text);
  if (!payload) return std::move(payload).error();
  encoded.payload = *std::move(payload);
  for (BoundEndpoint& endpoint : bundle.endpoints) {
    if (endpoint.sockets.size() != bundle.summary.workers) {
      return broken(endpoint.address.to_string() + " does not have one socket a worker");
    }
    for (Descriptor& socket : endpoint.sockets) encoded.descriptors.push_back(std::move(socket));
  }
  if (bundle.access_log) encoded.descriptors.push_back(std::move(bundle.access_log));
  return encoded;
}

Result<LoadBundle> decode(EncodedBundle encoded) {
  auto bytes = read_sealed_memory(encoded.payload.get());
  if (!bytes) return std::move(bytes).error();
  const WipeAtEnd keys_are_in_it(*bytes);
  Reader in(*bytes);
  if (in.integer<std::uint32_t>() != kMagic) return broken("it does not begin like one");
  auto summary = parse_summary(in.text());
  if (!summary) return std::move(summary).error();
  LoadBundle bundle;
  bundle.summary = *std::move(summary);
  read_files(in, bundle);
  read_endpoints(in, bundle);
  const bool with_log = in.integer<std::uint8_t>() != 0;
  if (!in.ok() || !in.at_end()) return broken("its lengths do not add up");
  if (const Status all = hand_out(std::move(encoded.descriptors), with_log, bundle); !all) {
    return all.error();
  }
  return bundle;
}

Result<LoadSummary> decode_summary(const EncodedBundle& encoded) {
  const auto size = sealed_size(encoded.payload.get());
  if (!size) return size.error();
  const auto prefix = read_range(encoded.payload.get(), 0, kPrefix);
  if (!prefix) return prefix.error();
  Reader in(*prefix);
  if (in.integer<std::uint32_t>() != kMagic) return broken("it does not begin like one");
  const auto length = in.integer<std::uint64_t>();
  if (length > *size - kPrefix) return broken("its summary does not read");
  const auto summary = read_range(encoded.payload.get(), kPrefix, length);
  if (!summary) return summary.error();
  return parse_summary(*summary);
}

Result<EncodedBundle> duplicate(const EncodedBundle& encoded) {
  EncodedBundle copy;
  const auto duplicated = [](const Descriptor& original) {
    return Descriptor(::fcntl(original.get(), F_DUPFD_CLOEXEC, 0));
  };
  copy.payload = duplicated(encoded.payload);
  bool all = static_cast<bool>(copy.payload);
  for (const Descriptor& original : encoded.descriptors) {
    copy.descriptors.push_back(duplicated(original));
    all = all && copy.descriptors.back();
  }
  if (!all) return Error{.detail = "cannot keep the sockets of a load: " + errno_text(errno)};
  return copy;
}

}  // namespace ocsproxy
