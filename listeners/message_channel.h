// Messages with descriptors between the processes of one server.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/descriptor.h"
#include "base/error.h"
#include "listeners/load_bundle.h"

namespace ocsproxy {

enum class MessageType : std::uint8_t {
  bundle = 1,  // descriptors: the payload, then the bundle's
  unloadable,  // loader to supervisor; descriptor: a sealed text, the findings
  reopen_log,  // supervisor to server; descriptor: the log
  drain,       // supervisor to server
  accepted,    // server to supervisor
  refused,     // server to supervisor; text: why
  reload,      // server to supervisor
};

struct Message {
  MessageType type = MessageType::drain;
  std::string text;
  std::vector<Descriptor> descriptors;
};

// One end of a SOCK_SEQPACKET pair. One thread.
class MessageChannel {
 public:
  // What is longer is cut.
  static constexpr std::size_t kLongestText = 8192;
  // What the kernel takes in one packet is 253; a message with more is spread over several.
  static constexpr std::size_t kDescriptorsAPacket = 200;
  static constexpr std::size_t kMostDescriptors = 65'536;

  enum class Descriptors : std::uint8_t { accept, refuse };

  MessageChannel() = default;
  // With `refuse`, descriptors that the peer sends are closed by the kernel and a message that has
  // some is an error: this end does not trust the other.
  MessageChannel(Descriptor socket, Descriptors descriptors);

  static Result<std::pair<Descriptor, Descriptor>> pair();

  explicit operator bool() const { return static_cast<bool>(socket_); }
  int descriptor() const { return socket_.get(); }

  // Waits at most `patience` for a peer that does not read. After an error the peer may have seen a
  // part of the message: give it up.
  Status send(MessageType type, std::string_view text, std::span<const int> descriptors,
              std::chrono::milliseconds patience);
  // The next whole message, or nothing for now. Errors: the peer is gone (kind closed), or it does
  // not keep to the form (kind malformed).
  Result<std::optional<Message>> receive();

 private:
  struct Header {
    MessageType type;
    std::uint8_t more;  // packets with further descriptors of this message follow
  };
  Status send_packet(const Header& header, std::string_view text, std::span<const int> descriptors,
                     std::chrono::milliseconds patience);
  // False when there is nothing to read. Adds to `arriving_`; `complete` when it was the last.
  Result<bool> receive_packet(bool& complete);

  Descriptor socket_;
  Descriptors descriptors_ = Descriptors::refuse;
  std::optional<Message> arriving_;
};

// A bundle as a message.
Status send_bundle(MessageChannel& channel, const EncodedBundle& bundle,
                   std::chrono::milliseconds patience);
Result<EncodedBundle> bundle_of(Message message);

}  // namespace ocsproxy
