// The faults that the pool shows on request, so that a proxy in front of it can be tested against
// them. Three ways ask for one, all with the same words:
//   GET /lab/misbehave?how=truncate&bytes=1000     in the query
//   X-Lab-Misbehave: how=truncate&bytes=1000       in a field of any request
//   PoolOptions::misbehaviour                      for every request
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ocsproxy::lab {

struct Misbehaviour {
  enum class Kind : std::uint8_t {
    slow_head,           // slow-head: the head comes byte by byte, over `seconds`
    slow_body,           // slow-body: `bytes` of body come one by one, over `seconds`
    truncate,            // truncate: closes after `bytes` of a body whose length says more
    truncate_chunked,    // truncate-chunked: closes after `bytes`, between two chunks
    truncate_chunk,      // truncate-chunk: closes after `bytes`, inside a chunk
    reset,               // reset: a TCP reset after `bytes` of body; without `bytes` before a head
    close,               // close: an orderly end instead of an answer
    no_close_notify,     // no-close-notify: a body that ends by closing, and TLS that does not end
    close_between_legs,  // close-between-legs: ends the connection after the NTLM challenge
    close_after_401,     // close-after-401: the 401 says `Connection: close` and means it
    early_answer,        // early-answer: answers `status` after `bytes` of the request's body have
                         // come, and reads the rest afterwards
    interim,             // interim: 100 and 103 come before the 200
    bogus_head,          // bogus-head: an answer that is not HTTP
    big_head,            // big-head: a field of `bytes`
    raw,                 // raw: sends `answer` as it is, and closes
  };

  Kind kind = Kind::close;
  std::optional<std::uint64_t> bytes;        // 0 when left out, except where said above
  std::chrono::milliseconds duration{2000};  // `seconds`, fractions allowed
  unsigned status = 401;                     // 200 to 599
  std::string answer;                        // percent-decoded

  // Does it strike in the NTLM handshake (and leaves all else as it is)?
  bool concerns_authentication() const {
    return kind == Kind::close_between_legs || kind == Kind::close_after_401;
  }

  // From "how=KIND&bytes=N&seconds=S&status=N&answer=TEXT"; empty when a word is unknown.
  static std::optional<Misbehaviour> parse(std::string_view words);
  // "slow-head, slow-body, ...", for messages.
  static std::string kinds();
};

}  // namespace ocsproxy::lab
