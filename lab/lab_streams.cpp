// Pages below /lab whose answer takes its time.
#include <algorithm>
#include <string>

#include "lab/content.h"
#include "lab/routes.h"

namespace ocsproxy::lab {
namespace {

std::chrono::milliseconds interval(const Visit& visit, std::uint64_t otherwise) {
  return std::chrono::milliseconds(visit.number("interval", otherwise));
}

}  // namespace

// ?count=8&bytes=1024&interval=0 (milliseconds)&trailers=1
Awaitable<void> chunks(Visit visit) {
  const std::uint64_t count = visit.number("count", 8);
  std::vector<char> block(std::min<std::uint64_t>(visit.number("bytes", 1024), 16 * kMiB));
  const bool trailers = visit.number("trailers", 0) != 0;
  Reply reply = typed_reply(200, "application/octet-stream");
  if (trailers) reply.fields.emplace_back("Trailer", "X-Lab-Chunks");
  if (!co_await visit.exchange.begin(std::move(reply), std::nullopt)) co_return;
  for (std::uint64_t i = 0; i < count; ++i) {
    if (i > 0 && !co_await visit.exchange.pause(interval(visit, 0))) co_return;
    fill_content(i * block.size(), block);
    if (!co_await visit.exchange.piece({block.data(), block.size()})) co_return;
  }
  Fields end;
  if (trailers) end.emplace_back("X-Lab-Chunks", std::to_string(count));
  co_await visit.exchange.end(end);
}

// Server-sent events: ?count=10&interval=200
Awaitable<void> drip_events(Visit visit) {
  Reply reply{200, {{"Content-Type", "text/event-stream"}, {"Cache-Control", "no-store"}}};
  if (!co_await visit.exchange.begin(std::move(reply), std::nullopt)) co_return;
  const std::uint64_t count = visit.number("count", 10);
  for (std::uint64_t i = 0; i < count; ++i) {
    if (i > 0 && !co_await visit.exchange.pause(interval(visit, 200))) co_return;
    const std::string event =
        "id: " + std::to_string(i) + "\ndata: event " + std::to_string(i) + "\n\n";
    if (!co_await visit.exchange.piece(event)) co_return;
  }
  co_await visit.exchange.end();
}

// ?seconds=30: nothing happens for so long, then the answer comes.
Awaitable<void> long_poll(Visit visit) {
  const std::chrono::seconds wait(visit.number("seconds", 30));
  if (!co_await visit.exchange.pause(wait)) co_return;
  co_await visit.exchange.reply(typed_reply(200, "application/json"),
                                "{\"waited\": " + std::to_string(wait.count()) + "}\n");
}

// Sends the body back while it comes.
Awaitable<void> mirror(Visit visit) {
  if (!co_await visit.exchange.begin(typed_reply(200, "application/octet-stream"), std::nullopt)) {
    co_return;
  }
  std::vector<char> block(64 * kKiB);
  while (true) {
    const std::size_t size = co_await visit.exchange.read_body(block);
    if (size == 0) break;
    if (!co_await visit.exchange.piece({block.data(), size})) co_return;
  }
  co_await visit.exchange.end();
}

}  // namespace ocsproxy::lab
