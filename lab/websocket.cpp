#include "lab/websocket.h"

#include <array>
#include <optional>
#include <string>
#include <utility>

#include "base/text.h"
#include "lab/authentication.h"

namespace ocsproxy::lab {
namespace {

constexpr std::size_t kLongestFrame = 16 * kMiB;

// RFC 6455 5.2
enum Opcode : unsigned char { kClose = 8, kPing = 9, kPong = 10 };
constexpr unsigned char kFinal = 0x80;
constexpr unsigned char kReserved = 0x70;
constexpr unsigned char kMasked = 0x80;

struct Frame {
  unsigned char first = 0;  // FIN, reserved bits, opcode
  std::string payload;      // unmasked

  unsigned char opcode() const { return first & 0x0f; }
};

// RFC 6455 4.2.2
std::string accept_value(const Library& library, std::string_view key) {
  const std::string text = std::string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  const EvpMdPtr sha1(EVP_MD_fetch(library.get(), "SHA1", nullptr));
  std::array<unsigned char, 20> digest{};
  EVP_Digest(text.data(), text.size(), digest.data(), nullptr, sha1.get(), nullptr);
  return encode_base64(digest);
}

std::string encode(unsigned char first, std::string_view payload) {
  std::string bytes(1, static_cast<char>(first));
  const std::size_t size = payload.size();
  const int length_bytes = size < 126 ? 0 : size < 65536 ? 2 : 8;
  bytes += static_cast<char>(length_bytes == 0 ? size : length_bytes == 2 ? 126 : 127);
  for (int i = length_bytes - 1; i >= 0; --i) bytes += static_cast<char>(size >> (8 * i));
  bytes += payload;
  return bytes;
}

class Peer {
 public:
  Peer(Wire& wire, std::string pending) : wire_(wire), pending_(std::move(pending)) {}

  // Until either side closes.
  Awaitable<void> echo() {
    while (true) {
      const std::optional<Frame> frame = co_await read();
      if (!frame) {
        co_await send(kFinal | kClose, std::string("\x03\xea", 2));  // 1002, protocol error
        co_return;
      }
      const bool ping = frame->opcode() == kPing;
      const unsigned char first = ping ? kFinal | kPong : frame->first;
      if (frame->opcode() != kPong && !co_await send(first, frame->payload)) co_return;
      if (frame->opcode() == kClose) co_return;
    }
  }

 private:
  // False when the stream ends before so many bytes have come.
  Awaitable<bool> need(std::size_t size) {
    std::vector<char> bytes(16 * kKiB);
    while (pending_.size() < size) {
      const std::size_t got = co_await wire_.read(bytes);
      if (got == 0) co_return false;
      pending_.append(bytes.data(), got);
    }
    co_return true;
  }

  // Empty when the stream ends, or breaks the protocol.
  Awaitable<std::optional<Frame>> read() {
    if (!co_await need(2)) co_return std::nullopt;
    Frame frame{static_cast<unsigned char>(pending_[0]), {}};
    const auto second = static_cast<unsigned char>(pending_[1]);
    const std::size_t code = second & 0x7f;
    const std::size_t length_bytes = code == 127 ? 8 : code == 126 ? 2 : 0;
    if ((frame.first & kReserved) != 0 || (second & kMasked) == 0) co_return std::nullopt;
    if (!co_await need(2 + length_bytes + 4)) co_return std::nullopt;
    std::uint64_t size = length_bytes == 0 ? code : 0;
    for (std::size_t i = 0; i < length_bytes; ++i) {
      size = size << 8 | static_cast<unsigned char>(pending_[2 + i]);
    }
    if (size > kLongestFrame) co_return std::nullopt;
    const std::string mask = pending_.substr(2 + length_bytes, 4);
    pending_.erase(0, 2 + length_bytes + 4);
    if (!co_await need(size)) co_return std::nullopt;
    frame.payload = pending_.substr(0, size);
    pending_.erase(0, size);
    for (std::size_t i = 0; i < frame.payload.size(); ++i) {
      frame.payload[i] = static_cast<char>(frame.payload[i] ^ mask[i % 4]);
    }
    co_return frame;
  }

  Awaitable<bool> send(unsigned char first, std::string_view payload) {
    const std::string bytes = encode(first, payload);
    co_return co_await wire_.write(bytes);
  }

  Wire& wire_;
  std::string pending_;  // read, and not yet part of a frame
};

}  // namespace

Awaitable<void> web_socket(Visit visit) {
  Exchange& exchange = visit.exchange;
  const RequestHead& head = exchange.head();
  const std::string_view key = head.field("Sec-WebSocket-Key");
  if (!iequals(head.field("Upgrade"), "websocket") || key.empty() || head.method != "GET" ||
      head.field("Sec-WebSocket-Version") != "13") {
    co_await exchange.reply(typed_reply(400, "text/plain"), "Here speaks a WebSocket.\n");
    co_return;
  }
  Reply reply{101, {}};
  reply.fields.emplace_back("Upgrade", "websocket");
  reply.fields.emplace_back("Connection", "Upgrade");
  reply.fields.emplace_back("Sec-WebSocket-Accept", accept_value(visit.library, key));
  const std::string answer = exchange.head_text(reply, "");
  if (!co_await exchange.raw(answer)) co_return;
  Peer peer(exchange.wire(), exchange.take_pending());
  co_await peer.echo();
  exchange.close_afterwards();
}

}  // namespace ocsproxy::lab
