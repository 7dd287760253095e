// The parser against Boost.Beast's: whatever we take, Beast takes too and splits in the same
// places. What Beast takes and we refuse (bare LF, obs-fold, ...) is in the tables of the other
// head tests.
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <boost/beast/http/basic_parser.hpp>
#include <gtest/gtest.h>

#include "proxy/framing.h"
#include "proxy/head_parser.h"

namespace ocsproxy {
namespace {

namespace http = boost::beast::http;
using boost::beast::string_view;
using boost::system::error_code;

struct Split {
  bool accepted = false;
  std::string method_or_reason;
  std::string target;
  int version = 0;
  int status = 0;
  std::vector<std::pair<std::string, std::string>> fields;

  friend bool operator==(const Split&, const Split&) = default;
};

template <bool kRequest>
class Oracle final : public http::basic_parser<kRequest> {
 public:
  explicit Oracle(std::string_view text) {
    this->header_limit(static_cast<std::uint32_t>(kMaxHeadBytes));
    this->body_limit(boost::none);
    this->skip(true);
    error_code ec;
    const std::size_t used = this->put({text.data(), text.size()}, ec);
    split_.accepted = !ec && used == text.size() && this->is_header_done();
  }
  const Split& split() const { return split_; }

 protected:
  void on_field_impl(http::field, string_view name, string_view value, error_code&) override {
    split_.fields.emplace_back(name, value);
  }
  void on_request_impl(http::verb, string_view method, string_view target, int version,
                       error_code&) override {
    split_.method_or_reason = std::string(method);
    split_.target = std::string(target);
    split_.version = version;
  }
  void on_response_impl(int status, string_view reason, int version, error_code&) override {
    split_.status = status;
    split_.method_or_reason = std::string(reason);
    split_.version = version;
  }
  void on_header_impl(error_code&) override {}
  void on_finish_impl(error_code&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
  std::size_t on_body_impl(string_view, error_code&) override { return 0; }
  void on_chunk_header_impl(std::uint64_t, string_view, error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, string_view, error_code&) override { return 0; }

 private:
  Split split_;
};

// What both kinds of heads have.
template <typename Head>
void take_common(const Head& head, bool whole, Split& split) {
  split.accepted = whole;
  split.version = head.version == Version::http1_0 ? 10 : 11;
  for (const FieldView& field : head.fields) split.fields.emplace_back(field.name, field.value);
}

Split split_request(std::string_view text) {
  Split split;
  RequestHead head;
  HeadProgress progress;
  const HeadOutcome outcome = parse_request_head(text, progress, head);
  RequestFraming framing;
  if (outcome.state != HeadOutcome::State::complete || request_framing(head, framing)) return split;
  split.method_or_reason = head.method;
  split.target = head.target;
  take_common(head, outcome.size == text.size(), split);
  return split;
}

Split split_response(std::string_view text) {
  Split split;
  ResponseHead head;
  HeadProgress progress;
  const HeadOutcome outcome = parse_response_head(text, progress, head);
  ResponseFraming framing;
  if (outcome.state != HeadOutcome::State::complete || response_framing(head, {}, framing)) {
    return split;
  }
  split.status = head.status;
  split.method_or_reason = head.reason;
  take_common(head, outcome.size == text.size(), split);
  return split;
}

class Generator {
 public:
  explicit Generator(unsigned seed) : random_(seed) {}

  std::string head(bool request) {
    std::string text = request
                           ? pick({"GET /a HTTP/1.1", "POST /b?c=%20 HTTP/1.0", "X!~ * HTTP/1.1",
                                   "GET  /a HTTP/1.1", "G(T /a HTTP/1.1", "GET /a HTTP/1.1 "})
                           : pick({"HTTP/1.1 200 OK", "HTTP/1.0 304 Not Modified", "HTTP/1.1 299 ",
                                   "HTTP/1.1 2000 X", "HTTP/1.1 100 Continue"});
    text += "\r\n";
    for (std::size_t i = below(6); i > 0; --i) text += line();
    text += "\r\n";
    if (below(4) == 0) text[below(text.size())] = static_cast<char>(below(256));
    return text;
  }

 private:
  std::size_t below(std::size_t limit) {
    return std::uniform_int_distribution<std::size_t>(0, limit - 1)(random_);
  }
  std::string pick(std::initializer_list<std::string_view> words) {
    return std::string(words.begin()[below(words.size())]);
  }
  std::string line() {
    return pick({"Host", "Content-Length", "Transfer-Encoding", "Connection", "X-Field", "a",
                 "!#$%", "na me", "", "Upgrade", "X-\xc3\xa4"}) +
           pick({":", ": ", ":", ": \t ", " :", ""}) +
           pick({"", "value", "12", "chunked", "close, x", "\xff\x80 text", "a\tb", "x : y",
                 "\"q\"", "12, 12", "18446744073709551616", "-1", "gzip, chunked"}) +
           pick({"", "", " ", "\t", " \t "}) + pick({"\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\n"});
  }
  std::minstd_rand random_;
};

void expect_agreement(bool request) {
  Generator generator(request ? 1 : 2);
  std::size_t accepted = 0;
  constexpr std::size_t kHeads = 200'000;
  for (std::size_t i = 0; i < kHeads && !testing::Test::HasFailure(); ++i) {
    const std::string text = generator.head(request);
    const Split ours = request ? split_request(text) : split_response(text);
    if (!ours.accepted) continue;
    ++accepted;
    const Split theirs = request ? Oracle<true>(text).split() : Oracle<false>(text).split();
    EXPECT_EQ(ours, theirs) << testing::PrintToString(text);
  }
  // Enough of both, or nothing was compared.
  EXPECT_GT(accepted, kHeads / 20);
  EXPECT_LT(accepted, kHeads * 19 / 20);
}

TEST(HeadOracle, RequestsThatWeTakeAreSplitByBeastInTheSamePlaces) { expect_agreement(true); }
TEST(HeadOracle, ResponsesThatWeTakeAreSplitByBeastInTheSamePlaces) { expect_agreement(false); }

}  // namespace
}  // namespace ocsproxy
