#include "listeners/supervisor_channel.h"

namespace ocsproxy {
namespace {

// The supervisor reads at once unless the machine is in great trouble.
constexpr std::chrono::milliseconds kPatience{10'000};

}  // namespace

Result<std::optional<ControlMessage>> SupervisorChannel::receive() {
  while (true) {
    Result<std::optional<Message>> received = channel_.receive();
    if (!received) return std::move(received).error();
    if (!*received) return std::optional<ControlMessage>();
    Message message = *std::move(*received);
    ControlMessage control;
    switch (message.type) {
      case MessageType::drain:
        return std::optional(std::move(control));
      case MessageType::reopen_log:
        control.kind = ControlMessage::Kind::reopen_log;
        if (!message.descriptors.empty()) {
          control.access_log = std::move(message.descriptors.front());
        }
        return std::optional(std::move(control));
      default:
        break;
    }
    auto encoded = bundle_of(std::move(message));
    auto bundle = encoded ? decode(*std::move(encoded)) : std::move(encoded).error();
    if (bundle) {
      control.kind = ControlMessage::Kind::bundle;
      control.bundle = *std::move(bundle);
      return std::optional(std::move(control));
    }
    refused(bundle.error().detail);
  }
}

void SupervisorChannel::send(MessageType type, std::string_view text) {
  // When it fails the supervisor is gone, and `receive` says so.
  (void)channel_.send(type, text, {}, kPatience);
}

}  // namespace ocsproxy
