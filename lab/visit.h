// What a page of the pool is given, and the answers that many of them give.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "lab/exchange.h"
#include "lab/pool.h"

namespace ocsproxy::lab {

// One request as a page sees it. All references outlive the page's coroutine.
struct Visit {
  Exchange& exchange;
  const std::string& user;   // of the connection: "CONTOSO\alice", or ""
  std::uint64_t connection;  // counts from 1
  const PoolOptions& options;
  const Counters& counters;
  const Library& library;

  const RequestHead& head() const { return exchange.head(); }
  // A parameter of the query as a number, or `otherwise`. Sizes may be written "64k".
  std::uint64_t number(std::string_view name, std::uint64_t otherwise) const;
};

using Page = Awaitable<void> (*)(Visit visit);

// A short page as IIS writes them, which names the user if the connection has one.
Awaitable<void> html(Visit visit, unsigned status, std::string title, std::string text);
Awaitable<void> not_found(Visit visit);
// A directory whose listing is denied.
Awaitable<void> listing_denied(Visit visit);
// False, with 405 sent, when the method is not one of `allowed` ("GET, HEAD").
Awaitable<bool> check_method(Visit visit, std::string_view allowed);
// A file of `size` bytes of lab/content.h, its first bytes replaced by `heading`; serves Range.
Awaitable<void> send_file(Visit visit, std::string heading, std::uint64_t size);

}  // namespace ocsproxy::lab
