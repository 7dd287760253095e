// A pool on a port of its own, and what tests do with it.
#pragma once

#include <chrono>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include <gtest/gtest.h>

#include "lab/content.h"
#include "lab/pool.h"
#include "test/lab/ntlm_client.h"
#include "test/lab/plain_client.h"

namespace ocsproxy::lab {

inline PoolOptions plain_options() {
  PoolOptions options;
  options.endpoints.push_back({*IpAddress::parse("127.0.0.1"), 0, std::nullopt});
  return options;
}

inline Pool started(PoolOptions options = plain_options()) {
  auto pool = Pool::start(std::move(options));
  if (!pool) throw std::runtime_error(pool.error().detail);
  return std::move(*pool);
}

// Until it is so, for at most ten seconds.
inline bool becomes_true(const std::function<bool()>& what) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!what()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

inline std::string content(std::uint64_t offset, std::size_t size) {
  std::string text(size, '\0');
  fill_content(offset, text);
  return text;
}

class PoolTest : public testing::Test {
 protected:
  std::uint16_t port() const { return pool_.ports().front(); }
  const Counters& counters() const { return pool_.counters(); }
  // Logs the client's connection in; the last answer.
  Answer log_in(PlainClient& client, std::string_view user, std::string_view password = "password",
                std::string_view target = "/lab/whoami") {
    const Answer first = client.ask("GET", target, "Authorization: " + ntlm_negotiate() + "\r\n");
    EXPECT_EQ(first.status, 401);
    const std::string answer =
        ntlm_answer(library_, first.value("WWW-Authenticate"), "CONTOSO", user, password);
    return client.ask("GET", target, "Authorization: " + answer + "\r\n");
  }

  Library library_;
  Pool pool_ = started();
};

}  // namespace ocsproxy::lab
