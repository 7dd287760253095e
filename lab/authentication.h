// Integrated Windows authentication as IIS does it: the connection logs in, once, and from then on
// every request on it is that user's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lab/ntlm.h"

namespace ocsproxy::lab {

// The lab's domain: alice, bob, carol and dave, and for tests with many users user0 to user9999.
inline constexpr std::string_view kLabDomain = "CONTOSO";
inline constexpr std::string_view kLabPassword = "password";

// The full name, "CONTOSO\alice", of a user of the lab's domain; empty when there is none. `domain`
// is CONTOSO, contoso.local, contoso.com or "" in any case; without a domain the user may be
// written alice@contoso.com.
std::optional<std::string> lab_user(std::string_view domain, std::string_view user);

// The login of one connection. `library` must outlive it.
class Authentication {
 public:
  explicit Authentication(const Library& library) : library_(&library) {}

  enum class Step : std::uint8_t {
    remembered,     // no new credentials, and the connection has logged in before
    offered,        // no credentials that we know: what we accept is offered
    challenged,     // the first leg: the challenge goes out
    authenticated,  // the second leg, and it is good
    refused,        // the second leg, and it is not: password, user, or a challenge of another
                    // connection
  };
  struct Outcome {
    Step step = Step::offered;
    // The values of WWW-Authenticate that go with the answer.
    std::vector<std::string> fields;
  };

  // `authorization`: the value of the request's field, "" when it has none. What is not the next
  // leg of a handshake ends the handshake.
  Outcome accept(std::string_view authorization);

  // "CONTOSO\alice" from the first successful login on; a login under way does not change it.
  const std::string& user() const { return user_; }

 private:
  Outcome first_leg(std::string_view scheme, bool wrapped, std::span<const unsigned char> message);
  Outcome second_leg(std::string_view scheme, bool wrapped, std::span<const unsigned char> message);

  const Library* library_;
  std::optional<Challenge> challenge_;  // of the handshake under way
  std::string user_;
};

// Base64, RFC 4648 section 4, with padding. Empty when `text` is not.
std::string encode_base64(std::span<const unsigned char> bytes);
std::optional<Bytes> decode_base64(std::string_view text);

}  // namespace ocsproxy::lab
