#include "proxy/trailer_section.h"

#include <algorithm>

#include "base/text.h"
#include "proxy/head.h"

namespace ocsproxy {
namespace {

// Fields that steer how a message, a request or a client's state is handled, beside those that have
// an id of their own.
constexpr std::string_view kForbiddenPrefixes[] = {
    "accept", "access-control-", "if-", "proxy-", "sec-", "set-cookie", "x-http-method",
};
constexpr std::string_view kForbiddenNames[] = {
    "allow",   "alt-svc",    "clear-site-data",           "early-data",
    "refresh", "soapaction", "strict-transport-security", "x-frame-options",
};

}  // namespace

bool trailer_may_pass(std::string_view name) {
  if (field_id(name) != FieldId::other) return false;
  const auto is_prefix = [name](std::string_view prefix) { return istarts_with(name, prefix); };
  const auto is_name = [name](std::string_view known) { return iequals(name, known); };
  return !std::any_of(std::begin(kForbiddenPrefixes), std::end(kForbiddenPrefixes), is_prefix) &&
         !std::any_of(std::begin(kForbiddenNames), std::end(kForbiddenNames), is_name);
}

TrailerSection::Step TrailerSection::finish_line() {
  const std::string_view line(text_.data() + line_, size_ - line_ - 2);
  if (line.empty()) return Step::complete;
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos || !is_token(line.substr(0, colon))) {
    return fail("a trailer field has no colon or no valid name");
  }
  if (++fields_ > kMaxFields) return too_large("more than 32 trailer fields");
  if (!trailer_may_pass(line.substr(0, colon))) size_ = line_;
  line_ = size_;
  return Step::more;
}

TrailerSection::Step TrailerSection::take(char c) {
  if (received_ == 0) {
    std::copy(kLastChunk.begin(), kLastChunk.end(), text_.begin());
    size_ = line_ = kLastChunk.size();
  }
  if (++received_ > kMaxBytes) return too_large("the trailer section is larger than 8 KiB");
  text_[size_++] = c;
  if (cr_) {
    cr_ = false;
    return c == '\n' ? finish_line() : fail("the trailer section holds a CR without LF");
  }
  if (c == '\r') {
    cr_ = true;
    return Step::more;
  }
  const auto byte = static_cast<unsigned char>(c);
  if ((byte < 0x20 && c != '\t') || byte == 0x7f) {
    return fail("the trailer section holds a control byte or an LF without CR");
  }
  return Step::more;
}

}  // namespace ocsproxy
