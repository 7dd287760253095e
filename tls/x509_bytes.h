// Certificates between bytes and OpenSSL's objects.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "tls/openssl.h"

namespace ocsproxy {

// Null when `der` is not exactly one certificate. The error queue then says why.
X509Ptr parse_der_certificate(const Library& library, std::span<const unsigned char> der);
std::vector<unsigned char> der_of(const X509* certificate);

// All certificates of a PEM text in their order, without the text's other blocks; none at all is
// no error. Fails when a block is broken; the error's detail says which.
Result<std::vector<X509Ptr>> parse_pem_certificates(const Library& library, std::string_view pem);

}  // namespace ocsproxy
