#include "lab/authentication.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/text.h"
#include "base/units.h"
#include "lab/spnego.h"

namespace ocsproxy::lab {
namespace {

constexpr std::string_view kComputer = "OCSPOOL";

bool is_lab_domain(std::string_view domain) {
  return domain.empty() || iequals(domain, kLabDomain) || iequals(domain, "contoso.local") ||
         iequals(domain, "contoso.com");
}

bool is_known(std::string_view user) {
  static constexpr std::array<std::string_view, 4> kNames = {"alice", "bob", "carol", "dave"};
  if (std::ranges::find(kNames, user) != kNames.end()) return true;
  constexpr std::string_view kNumbered = "user";
  const auto number =
      user.starts_with(kNumbered) ? parse_number(user.substr(kNumbered.size())) : std::nullopt;
  return number && *number <= 9999;
}

std::string field_value(std::string_view scheme, bool wrapped, const Bytes& ntlm) {
  return std::string(scheme) + ' ' + encode_base64(wrapped ? spnego_challenge(ntlm) : ntlm);
}

}  // namespace

std::optional<std::string> lab_user(std::string_view domain, std::string_view user) {
  if (const auto at = user.find('@'); at != std::string_view::npos && domain.empty()) {
    domain = user.substr(at + 1);
    user = user.substr(0, at);
  }
  const std::string name = lower(user);
  if (!is_lab_domain(domain) || !is_known(name)) return std::nullopt;
  return std::string(kLabDomain) + '\\' + name;
}

Authentication::Outcome Authentication::accept(std::string_view authorization) {
  const std::size_t space = std::min(authorization.find(' '), authorization.size());
  const std::string_view given = authorization.substr(0, space);
  const std::string_view scheme = iequals(given, "NTLM")        ? "NTLM"
                                  : iequals(given, "Negotiate") ? "Negotiate"
                                                                : "";
  const auto token = decode_base64(trim(authorization.substr(space)));
  if (!scheme.empty() && token) {
    const auto message = ntlm_inside(*token);
    const bool wrapped = message.size() != token->size();
    switch (ntlm_message_type(message)) {
      case 1:
        return first_leg(scheme, wrapped, message);
      case 3:
        return second_leg(scheme, wrapped, message);
      default:
        break;
    }
  }
  challenge_.reset();
  if (!user_.empty()) return {Step::remembered, {}};
  return {Step::offered, {"Negotiate", "NTLM"}};
}

Authentication::Outcome Authentication::first_leg(std::string_view scheme, bool wrapped,
                                                  std::span<const unsigned char> message) {
  const auto negotiate = NegotiateMessage::parse(message);
  if (!negotiate) return {Step::offered, {"Negotiate", "NTLM"}};
  library_->random(challenge_.emplace());
  const ChallengeMessage challenge{*challenge_, std::string(kLabDomain), std::string(kComputer),
                                   std::chrono::system_clock::now()};
  return {Step::challenged, {field_value(scheme, wrapped, challenge.encode(negotiate->flags))}};
}

Authentication::Outcome Authentication::second_leg(std::string_view scheme, bool wrapped,
                                                   std::span<const unsigned char> message) {
  // A challenge is good for one answer, on the connection that it was made for.
  const auto challenge = std::exchange(challenge_, std::nullopt);
  const auto answer = AuthenticateMessage::parse(message);
  if (challenge && answer) {
    const auto user = lab_user(answer->domain, answer->user);
    if (user && answer->proves(*library_, kLabPassword, *challenge)) {
      user_ = *user;
      Outcome outcome{Step::authenticated, {}};
      if (wrapped) {
        outcome.fields.push_back(std::string(scheme) + ' ' + encode_base64(spnego_accepted()));
      }
      return outcome;
    }
  }
  return {Step::refused, {"Negotiate", "NTLM"}};
}

std::string encode_base64(std::span<const unsigned char> bytes) {
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), bytes.data(),
                                   static_cast<int>(bytes.size()));
  text.resize(static_cast<std::size_t>(size));
  return text;
}

std::optional<Bytes> decode_base64(std::string_view text) {
  if (text.empty() || text.size() % 4 != 0) return std::nullopt;
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  if (text.find('=') < text.size() - padding) return std::nullopt;
  Bytes bytes(text.size() / 4 * 3);
  const int size =
      EVP_DecodeBlock(bytes.data(), as_bytes(text).data(), static_cast<int>(text.size()));
  if (size < 0) return std::nullopt;
  bytes.resize(static_cast<std::size_t>(size) - padding);
  return bytes;
}

}  // namespace ocsproxy::lab
