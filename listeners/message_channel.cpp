#include "listeners/message_channel.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace ocsproxy {
namespace {

// Room for the descriptors of one packet, aligned as the kernel wants it.
struct alignas(cmsghdr) ControlBuffer {
  std::array<char, CMSG_SPACE(MessageChannel::kDescriptorsAPacket * sizeof(int))> bytes{};
};

Error out_of_form(const char* what) {
  return Error{.kind = ErrorKind::malformed,
               .detail = std::string("a message between our processes is broken: ") + what};
}

void attach(msghdr& message, ControlBuffer& buffer, std::span<const int> descriptors) {
  if (descriptors.empty()) return;
  message.msg_control = buffer.bytes.data();
  message.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
  cmsghdr* const control = CMSG_FIRSTHDR(&message);
  control->cmsg_level = SOL_SOCKET;
  control->cmsg_type = SCM_RIGHTS;
  control->cmsg_len = CMSG_LEN(descriptors.size_bytes());
  std::memcpy(CMSG_DATA(control), descriptors.data(), descriptors.size_bytes());
}

// Takes the descriptors over, whatever becomes of the message.
std::vector<Descriptor> attached(msghdr& message) {
  std::vector<Descriptor> descriptors;
  for (cmsghdr* control = CMSG_FIRSTHDR(&message); control != nullptr;
       control = CMSG_NXTHDR(&message, control)) {
    if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (control->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(control) + i * sizeof fd, sizeof fd);
      descriptors.emplace_back(fd);
    }
  }
  return descriptors;
}

}  // namespace

MessageChannel::MessageChannel(Descriptor socket, Descriptors descriptors)
    : socket_(std::move(socket)), descriptors_(descriptors) {}

Result<std::pair<Descriptor, Descriptor>> MessageChannel::pair() {
  int fds[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) != 0) {
    return Error{.detail = "cannot connect our processes: " + errno_text(errno)};
  }
  return std::pair(Descriptor(fds[0]), Descriptor(fds[1]));
}

Status MessageChannel::send(MessageType type, std::string_view text,
                            std::span<const int> descriptors, std::chrono::milliseconds patience) {
  text = text.substr(0, kLongestText);
  do {
    const auto now = descriptors.first(std::min(descriptors.size(), kDescriptorsAPacket));
    descriptors = descriptors.subspan(now.size());
    const Header header{type, !descriptors.empty()};
    if (Status sent = send_packet(header, text, now, patience); !sent) return sent;
    text = {};
  } while (!descriptors.empty());
  return Done{};
}

Status MessageChannel::send_packet(const Header& header, std::string_view text,
                                   std::span<const int> descriptors,
                                   std::chrono::milliseconds patience) {
  std::string bytes{static_cast<char>(header.type), static_cast<char>(header.more)};
  bytes += text;
  iovec data{bytes.data(), bytes.size()};
  ControlBuffer buffer;
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  attach(message, buffer, descriptors);
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (::sendmsg(socket_.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
    if (errno == EINTR) continue;
    if (errno == EPIPE || errno == ECONNRESET) {
      return Error{.kind = ErrorKind::closed, .detail = "the other process has ended"};
    }
    if (errno != EAGAIN) {
      return Error{.detail = "cannot write to the other process: " + errno_text(errno)};
    }
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    pollfd wait{socket_.get(), POLLOUT, 0};
    if (left.count() <= 0 || ::poll(&wait, 1, static_cast<int>(left.count())) == 0) {
      return Error{.kind = ErrorKind::timeout, .detail = "the other process does not listen"};
    }
  }
  return Done{};
}

Result<std::optional<Message>> MessageChannel::receive() {
  while (true) {
    bool complete = false;
    const auto read = receive_packet(complete);
    if (!read) return read.error();
    if (!*read) return std::optional<Message>();
    if (complete) return std::exchange(arriving_, std::nullopt);
  }
}

Result<bool> MessageChannel::receive_packet(bool& complete) {
  std::array<char, 2 + kLongestText> bytes;
  iovec data{bytes.data(), bytes.size()};
  ControlBuffer buffer;
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  if (descriptors_ == Descriptors::accept) {
    message.msg_control = buffer.bytes.data();
    message.msg_controllen = buffer.bytes.size();
  }
  ssize_t got = 0;
  do {
    got = ::recvmsg(socket_.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  } while (got < 0 && errno == EINTR);
  if (got < 0 && errno == EAGAIN) return false;
  if (got < 0 && errno != ECONNRESET) {
    return Error{.detail = "cannot read from the other process: " + errno_text(errno)};
  }
  std::vector<Descriptor> descriptors = attached(message);
  if (got <= 0) return Error{.kind = ErrorKind::closed, .detail = "the other process has ended"};
  if (got < 2 || (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
    return out_of_form("it is cut, or carries what it may not");
  }
  const auto type = static_cast<MessageType>(bytes[0]);
  if (!arriving_) {
    arriving_.emplace(
        Message{.type = type,
                .text = std::string(bytes.data() + 2, static_cast<std::size_t>(got) - 2),
                .descriptors = {}});
  } else if (arriving_->type != type || got != 2) {
    return out_of_form("another one begins inside it");
  }
  for (Descriptor& one : descriptors) arriving_->descriptors.push_back(std::move(one));
  if (arriving_->descriptors.size() > kMostDescriptors) return out_of_form("too many descriptors");
  complete = bytes[1] == 0;
  return true;
}

Status send_bundle(MessageChannel& channel, const EncodedBundle& bundle,
                   std::chrono::milliseconds patience) {
  std::vector<int> descriptors{bundle.payload.get()};
  for (const Descriptor& one : bundle.descriptors) descriptors.push_back(one.get());
  return channel.send(MessageType::bundle, {}, descriptors, patience);
}

Result<EncodedBundle> bundle_of(Message message) {
  if (message.type != MessageType::bundle || message.descriptors.empty()) {
    return out_of_form("it is no load");
  }
  EncodedBundle bundle;
  bundle.payload = std::move(message.descriptors.front());
  message.descriptors.erase(message.descriptors.begin());
  bundle.descriptors = std::move(message.descriptors);
  return bundle;
}

}  // namespace ocsproxy
