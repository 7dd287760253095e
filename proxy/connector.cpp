#include "proxy/connector.h"

#include <algorithm>

#include "tls/upstream_context.h"
#include "tls/verify_failure.h"

namespace ocsproxy {
namespace {

using std::chrono::milliseconds;

Error upstream_error(Error error, Phase phase) {
  error.side = Side::upstream;
  error.phase = phase;
  return error;
}

// co_await Addresses(...) -> the addresses of a name, by the worker's resolver.
class Lookup final : public UpstreamWait::Cancellable {
 public:
  Lookup(Resolver& resolver, std::string name) : resolver_(resolver), name_(std::move(name)) {}

  bool await_ready() const { return false; }
  bool await_suspend(std::coroutine_handle<> awaiting) {
    awaiting_ = awaiting;
    in_call_ = true;
    query_ = resolver_.resolve(name_, [this](const Result<std::vector<IpAddress>>& answer) { finish(answer); });
    in_call_ = false;
    return !answer_;
  }
  Result<std::vector<IpAddress>> await_resume() { return std::move(*answer_); }
  void cancel_wait() override {
    query_.cancel();
    if (!answer_) finish(Error{.kind = ErrorKind::cancelled});
  }

 private:
  void finish(Result<std::vector<IpAddress>> answer) {
    answer_ = std::move(answer);
    if (!in_call_) awaiting_.resume();
  }

  Resolver& resolver_;
  std::string name_;
  Resolver::Query query_;
  bool in_call_ = false;
  std::optional<Result<std::vector<IpAddress>>> answer_;
  std::coroutine_handle<> awaiting_;
};

}  // namespace

}  // namespace ocsproxy
