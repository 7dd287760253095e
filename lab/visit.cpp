#include "lab/visit.h"

#include <algorithm>
#include <vector>

#include "base/text.h"
#include "base/units.h"
#include "lab/content.h"

namespace ocsproxy::lab {
namespace {

bool names_token(std::string_view list, std::string_view token) {
  while (!list.empty()) {
    const std::size_t end = std::min(list.find(','), list.size());
    if (trim(list.substr(0, end)) == token) return true;
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return false;
}

void fill_file(std::string_view heading, std::uint64_t offset, std::span<char> into) {
  fill_content(offset, into);
  if (offset < heading.size()) {
    const std::string_view seen = heading.substr(offset, into.size());
    std::ranges::copy(seen, into.begin());
  }
}

}  // namespace

std::uint64_t Visit::number(std::string_view name, std::uint64_t otherwise) const {
  const auto text = head().parameter(name);
  return text ? parse_size(*text).value_or(otherwise) : otherwise;
}

Awaitable<void> html(Visit visit, unsigned status, std::string title, std::string text) {
  std::string body = "<!DOCTYPE html>\n<html><head><title>" + title +
                     "</title></head>\n<body><h1>" + title + "</h1>\n<p>" + text + "</p>\n";
  if (!visit.user.empty()) body += "<p>You are " + visit.user + ".</p>\n";
  body += "</body></html>\n";
  co_await visit.exchange.reply(typed_reply(status, "text/html; charset=utf-8"), body);
}

Awaitable<void> not_found(Visit visit) {
  co_await html(visit, 404, "404 - File or directory not found.",
                "The resource might have been removed, or is temporarily unavailable.");
}

Awaitable<void> listing_denied(Visit visit) {
  co_await html(visit, 403, "403 - Forbidden: Access is denied.",
                "The contents of this directory are not listed.");
}

Awaitable<bool> check_method(Visit visit, std::string_view allowed) {
  if (names_token(allowed, visit.head().method)) co_return true;
  Reply reply{405, {{"Allow", std::string(allowed)}, {"Content-Type", "text/html"}}};
  co_await visit.exchange.reply(std::move(reply),
                                "405 - HTTP verb used to access this page is not allowed.\n");
  co_return false;
}

Awaitable<void> send_file(Visit visit, std::string heading, std::uint64_t size) {
  if (!co_await check_method(visit, "GET, HEAD")) co_return;
  const std::string tag = "\"" + std::to_string(size) + ":0\"";
  Reply reply{200,
              {{"Content-Type", "application/octet-stream"},
               {"Accept-Ranges", "bytes"},
               {"ETag", tag},
               {"Last-Modified", "Mon, 02 Feb 2009 09:00:00 GMT"}}};
  if (visit.head().field("If-None-Match") == tag) {
    reply.status = 304;
    co_await visit.exchange.reply(std::move(reply), "");
    co_return;
  }
  const RangeAnswer answer = range_of(visit.head().field("Range"), size);
  if (answer.kind == RangeKind::unsatisfiable) {
    reply.status = 416;
    reply.fields.emplace_back("Content-Range", "bytes */" + std::to_string(size));
    co_await visit.exchange.reply(std::move(reply), "");
    co_return;
  }
  std::uint64_t at = answer.range.first;
  const std::uint64_t end = at + answer.range.length;
  if (answer.kind == RangeKind::part) {
    reply.status = 206;
    reply.fields.emplace_back(
        "Content-Range",
        "bytes " + std::to_string(at) + '-' + std::to_string(end - 1) + '/' + std::to_string(size));
  }
  if (!co_await visit.exchange.begin(std::move(reply), answer.range.length)) co_return;
  std::vector<char> block(64 * kKiB);
  while (at < end) {
    const auto length = static_cast<std::size_t>(std::min<std::uint64_t>(block.size(), end - at));
    fill_file(heading, at, std::span(block).first(length));
    if (!co_await visit.exchange.piece({block.data(), length})) co_return;
    at += length;
  }
}

}  // namespace ocsproxy::lab
