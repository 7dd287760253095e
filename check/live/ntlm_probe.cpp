#include "check/live/ntlm_probe.h"

#include <optional>
#include <utility>

#include "base/text.h"
#include "check/live/ntlm_messages.h"

namespace ocsproxy {
namespace {

using Kind = NtlmVerdict::Kind;

// The name of the computer that challenges; empty when the answer is no challenge.
std::optional<std::string> challenger(const SiteAnswer& answer, std::string_view scheme) {
  const std::string* const offer = answer.challenge(scheme);
  if (answer.status != 401 || offer == nullptr || offer->size() <= scheme.size()) {
    return std::nullopt;
  }
  return ntlm_computer(trim(std::string_view(*offer).substr(scheme.size())));
}

NtlmVerdict closed(const Error& error) {
  return {Kind::closed, "ends the connection after its challenge, before the answer to it (" +
                            std::string(to_string(error.kind)) + ")"};
}

NtlmVerdict judge_last(const SiteAnswer& answer, std::string_view scheme) {
  if (challenger(answer, scheme)) {
    return {Kind::spread,
            "answers the last message with a new challenge, as a server does that "
            "has not seen the first"};
  }
  if (answer.status == 400 || answer.status >= 500) {
    return {Kind::spread, "answers the last message with " + std::to_string(answer.status) +
                              ", as a server does that has not seen the first"};
  }
  return {Kind::refused, "refuses a login as \"" + std::string(kProbeAccount) + "\" with " +
                             std::to_string(answer.status)};
}

}  // namespace

Task<Result<NtlmVerdict>> probe_ntlm(Stream& stream, std::string_view scheme,
                                     const HeadWith& head_with) {
  const std::string prefix = std::string(scheme) + ' ';
  const std::string first = head_with(prefix + ntlm_first_message());
  std::string computer;
  // Twice: a second server gives itself away by its name.
  for (int round = 0; round < 2; ++round) {
    Result<SiteAnswer> answer = co_await ask(stream, first);
    if (!answer && round == 0) co_return std::move(answer).error();
    if (!answer) co_return closed(answer.error());
    const auto name = challenger(*answer, scheme);
    if (!name) {
      co_return NtlmVerdict{
          Kind::without_challenge,
          "answers the first message with " + std::to_string(answer->status) + " and no challenge"};
    }
    if (round > 0 && *name != computer) {
      co_return NtlmVerdict{Kind::spread, "hands the requests of one connection to \"" + computer +
                                              "\" and to \"" + *name + '"'};
    }
    if (!answer->keep_alive) co_return closed(Error{.kind = ErrorKind::closed});
    computer = *name;
  }
  Result<SiteAnswer> last = co_await ask(stream, head_with(prefix + ntlm_last_message()));
  if (!last) co_return closed(last.error());
  co_return judge_last(*last, scheme);
}

}  // namespace ocsproxy
