#include "lab/misbehave.h"

#include <algorithm>
#include <string>

#include "lab/content.h"

namespace ocsproxy::lab {
namespace {

using std::chrono::milliseconds;
constexpr std::size_t kBlock = 64 * kKiB;

Reply binary() { return typed_reply(200, "application/octet-stream"); }

std::uint64_t bytes_of(const Misbehaviour& fault) { return fault.bytes.value_or(0); }

// One byte after the other, the last at the end of `duration`.
Awaitable<bool> drip(Visit visit, std::string_view bytes, milliseconds duration) {
  const milliseconds pause = duration / std::max<std::int64_t>(std::ssize(bytes), 1);
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    if (!co_await visit.exchange.pause(pause)) co_return false;
    if (!co_await visit.exchange.raw(bytes.substr(at, 1))) co_return false;
  }
  co_return true;
}

// `count` bytes of content as body, framed by the answer that has begun.
Awaitable<bool> send_bytes(Visit visit, std::uint64_t count) {
  std::vector<char> block(kBlock);
  for (std::uint64_t at = 0; at < count;) {
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(kBlock, count - at));
    fill_content(at, std::span(block).first(size));
    if (!co_await visit.exchange.piece({block.data(), size})) co_return false;
    at += size;
  }
  co_return true;
}

std::string content(std::size_t size) {
  std::string text(size, '\0');
  fill_content(0, text);
  return text;
}

Awaitable<void> close(Visit visit) {
  co_await visit.exchange.wire().close();
  visit.exchange.closed();
}

Awaitable<void> slow_head(Visit visit, const Misbehaviour& fault) {
  const std::string head = visit.exchange.head_text(binary(), "Content-Length: 4\r\n");
  if (co_await drip(visit, head, fault.duration)) co_await visit.exchange.raw("done");
}

Awaitable<void> slow_body(Visit visit, const Misbehaviour& fault) {
  const std::string body = content(std::min<std::uint64_t>(fault.bytes.value_or(64), kBlock));
  if (!co_await visit.exchange.begin(binary(), body.size())) co_return;
  co_await drip(visit, body, fault.duration);
}

Awaitable<void> truncate(Visit visit, const Misbehaviour& fault) {
  constexpr std::uint64_t kMissing = 1024;
  const std::uint64_t bytes = bytes_of(fault);
  const bool counted = fault.kind == Misbehaviour::Kind::truncate;
  const auto length = counted ? std::optional(bytes + kMissing) : std::nullopt;
  if (!co_await visit.exchange.begin(binary(), length)) co_return;
  if (!co_await send_bytes(visit, bytes)) co_return;
  // A chunk of 1024 bytes of which only five come.
  if (fault.kind == Misbehaviour::Kind::truncate_chunk) co_await visit.exchange.raw("400\r\nshort");
  co_await close(visit);
}

Awaitable<void> reset(Visit visit, const Misbehaviour& fault) {
  const bool in_body = fault.bytes.has_value();
  if (in_body) {
    if (!co_await visit.exchange.begin(binary(), *fault.bytes + 1024)) co_return;
    if (!co_await send_bytes(visit, *fault.bytes)) co_return;
    // A reset throws away what the client has not read yet, so it is given the time to.
    if (!co_await visit.exchange.pause(milliseconds(100))) co_return;
  }
  visit.exchange.wire().reset();
  visit.exchange.closed();
}

Awaitable<void> no_close_notify(Visit visit, const Misbehaviour& fault) {
  visit.exchange.close_afterwards();
  const std::string head = visit.exchange.head_text(binary(), "");
  if (!co_await visit.exchange.raw(head)) co_return;
  const std::string body = content(std::min<std::uint64_t>(fault.bytes.value_or(1000), kBlock));
  if (!co_await visit.exchange.raw(body)) co_return;
  visit.exchange.wire().drop();
  visit.exchange.closed();
}

Awaitable<void> early_answer(Visit visit, const Misbehaviour& fault) {
  std::vector<char> block(kBlock);
  for (std::uint64_t left = bytes_of(fault); left > 0;) {
    const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(kBlock, left));
    const std::size_t size = co_await visit.exchange.read_body(std::span(block).first(wanted));
    if (size == 0) break;
    left -= size;
  }
  Reply reply{fault.status, {{"Content-Type", "text/plain"}}};
  if (fault.status == 401) {
    reply.fields.insert(reply.fields.end(),
                        {{"WWW-Authenticate", "Negotiate"}, {"WWW-Authenticate", "NTLM"}});
  }
  co_await visit.exchange.reply(std::move(reply), "answered early\n");
}

Awaitable<void> interim(Visit visit) {
  constexpr std::string_view kInterim =
      "HTTP/1.1 100 Continue\r\n\r\n"
      "HTTP/1.1 103 Early Hints\r\nLink: </lab/page.js>; rel=preload\r\n\r\n";
  if (!co_await visit.exchange.raw(kInterim)) co_return;
  co_await visit.exchange.reply(binary(), "after two interim answers\n");
}

Awaitable<void> send_raw(Visit visit, std::string_view bytes) {
  const bool sent = co_await visit.exchange.raw(bytes);
  if (sent) co_await close(visit);
}

Awaitable<void> big_head(Visit visit, const Misbehaviour& fault) {
  constexpr std::uint64_t kMost = 64 * kMiB;
  Reply reply = binary();
  reply.fields.emplace_back("X-Lab-Big", std::string(std::min(bytes_of(fault), kMost), 'b'));
  co_await visit.exchange.reply(std::move(reply), "behind a big head\n");
}

}  // namespace

Awaitable<void> misbehave(Visit visit, const Misbehaviour& fault) {
  using Kind = Misbehaviour::Kind;
  switch (fault.kind) {
    case Kind::slow_head:
      co_return co_await slow_head(visit, fault);
    case Kind::slow_body:
      co_return co_await slow_body(visit, fault);
    case Kind::truncate:
    case Kind::truncate_chunked:
    case Kind::truncate_chunk:
      co_return co_await truncate(visit, fault);
    case Kind::reset:
      co_return co_await reset(visit, fault);
    case Kind::close:
      co_return co_await close(visit);
    case Kind::no_close_notify:
      co_return co_await no_close_notify(visit, fault);
    case Kind::early_answer:
      co_return co_await early_answer(visit, fault);
    case Kind::interim:
      co_return co_await interim(visit);
    case Kind::bogus_head:
      co_return co_await send_raw(visit, "This is not HTTP.\r\n\r\n");
    case Kind::big_head:
      co_return co_await big_head(visit, fault);
    case Kind::raw:
      co_return co_await send_raw(visit, fault.answer);
    case Kind::close_between_legs:
    case Kind::close_after_401:
      co_return;  // excluded by the precondition
  }
}

Awaitable<void> explain_misbehaviour(Visit visit) {
  const std::string body =
      "Ask with ?how=KIND&bytes=N&seconds=S&status=N&answer=TEXT, where KIND is one of " +
      Misbehaviour::kinds() + ".\n";
  co_await visit.exchange.reply(typed_reply(400, "text/plain"), body);
}

}  // namespace ocsproxy::lab
