// Which messages authenticate the TCP connection they travel on rather than themselves. NTLM and
// Negotiate do; such a connection must never serve another client. The questions are asked so that
// every doubt counts as yes: the price of a needless yes is a connection that is not shared.
// No allocation; pure functions.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "proxy/head.h"

namespace ocsproxy {

// Does an Authorization field (RFC 9110 11.6.2) use a scheme other than Basic, Bearer and Digest,
// or break the form of these, or stand there twice?
bool request_authenticates_connection(const RequestHead& head);

// Does WWW-Authenticate (RFC 9110 11.6.1) offer a scheme other than these, or is it malformed;
// does Persistent-Auth say that the connection is authenticated? Asked of every status: the last
// leg of Negotiate comes with a 200.
bool response_offers_connection_authentication(const ResponseHead& head);

// The user name that Basic credentials claim, for the log: nobody has verified it. "" when there is
// none. `buffer` receives it; a longer name is cut.
std::string_view claimed_user(const RequestHead& head, std::span<char> buffer);

}  // namespace ocsproxy
