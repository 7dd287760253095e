// One connection of the pool, from its TLS handshake to its end.
#pragma once

#include <cstdint>
#include <string>

#include "lab/authentication.h"
#include "lab/exchange.h"
#include "lab/pool.h"
#include "lab/visit.h"

namespace ocsproxy::lab {

class Session {
 public:
  // What all sessions share; outlives them.
  struct Shared {
    const PoolOptions& options;
    Counters& counters;
    const Library& library;
  };

  // `tls`: null for plain HTTP. `number` names the connection in X-Lab-Connection.
  Session(boost::asio::ip::tcp::socket socket, boost::asio::ssl::context* tls, Shared shared,
          std::uint64_t number);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Serves requests until the connection ends.
  Awaitable<void> run();

 private:
  Awaitable<bool> serve_one();
  Awaitable<void> answer(Visit visit);
  // True when the request may go on; else it has been answered with 401.
  Awaitable<bool> log_in(Visit visit, const Misbehaviour* fault);
  void count_login(const std::string& former_user);

  Shared shared_;
  std::uint64_t number_;
  Wire wire_;
  Authentication authentication_;
  std::string pending_;  // read from the wire behind a request
  bool second_user_ = false;
};

}  // namespace ocsproxy::lab
