// The server's end of its connection to the supervisor.
#pragma once

#include "listeners/control.h"
#include "listeners/message_channel.h"

namespace ocsproxy {

class SupervisorChannel final : public ControlSource {
 public:
  // `channel` accepts descriptors: the supervisor is trusted.
  explicit SupervisorChannel(MessageChannel channel) : channel_(std::move(channel)) {}

  int descriptor() const override { return channel_.descriptor(); }
  Result<std::optional<ControlMessage>> receive() override;
  void accepted() override { send(MessageType::accepted, {}); }
  void refused(std::string_view why) override { send(MessageType::refused, why); }
  void request_reload() override { send(MessageType::reload, {}); }

 private:
  void send(MessageType type, std::string_view text);

  MessageChannel channel_;
};

}  // namespace ocsproxy
