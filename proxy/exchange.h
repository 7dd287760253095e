// One request and its response, from the complete request head to the log line.
//
// `run` is the story in numbered steps; the steps are below it, the relaying of bodies is in
// proxy/body_relay, getting a connection in proxy/connector. Both bodies are relayed at once: the
// upload runs as a task beside the download, so an early response reaches its client while the
// client is still sending.
//
// Who ends what: the first failure is kept in `failure_` and decides what the client is told and
// what the log says. A side that is at fault is cancelled, the other is not, so that the client can
// still be answered; everything that waits is woken and finds the failure.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "net/buffer.h"
#include "net/task.h"
#include "proxy/access_log.h"
#include "proxy/body_relay.h"
#include "proxy/client_side.h"
#include "proxy/connector.h"
#include "proxy/failure.h"
#include "proxy/framing.h"
#include "proxy/head.h"
#include "proxy/judgement.h"
#include "proxy/request_writer.h"
#include "proxy/response_writer.h"
#include "proxy/services.h"
#include "rules/canonical_target.h"
#include "rules/http_filter.h"

namespace ocsproxy {

class Exchange {
 public:
  // What the client connection does after it.
  enum class After : std::uint8_t {
    next_request,  // bytes of the next one may be in `received`
    close,         // announce the end, then see off what still comes in
    cut,           // no announcement: the client must see that the response is not complete
    reset,         // the same for a client that takes any orderly end for the end of the response
  };

  // `received` is the client's window: its bytes from `begin` on follow the head. `head` and all
  // that it views stay as they are until the exchange has ended. `refusal`: the head was refused by
  // the parser, and all there is to do is to say so.
  Exchange(Services& services, ClientSide& client, LocalRef<WorkerSnapshot> snapshot,
           const RequestHead& head, std::size_t head_bytes, Window& received, Refusal refusal);
  ~Exchange();
  Exchange(const Exchange&) = delete;  // tasks and timers point at it
  Exchange& operator=(const Exchange&) = delete;

  Task<After> run();
  // The process stops: whatever waits ends, and the client is cut off.
  void abort(Error why);

 private:
  // What `check` and `judge` can end in besides going on.
  struct Reply {
    Failure what;
    std::string_view location{};
    std::string_view allow{};
    std::uint32_t retry_after = 0;
  };

  // Steps 1 to 3: what is asked, and may it be?
  std::optional<Reply> check();
  std::optional<Reply> judge();
  std::optional<Reply> refuse(Refusal why);
  Reply refuse(const FloodRefusal& why);
  Reply refuse_for_memory();
  void count_judgement(rules::Answer answer);
  Entrance entrance() const;

  // What the rule's HTTP filter says, at each step where it is asked (proxy/exchange_filter.cpp).
  // False: it was refused, or failed.
  using FilterPlace = rules::HttpFilter::Place;
  std::optional<Reply> filter_head();
  Task<bool> filter_request_body();
  Task<bool> filter_response();
  bool filters_response() const;
  bool looks_into(FilterPlace body) const;
  Task<bool> hold_back(FilterPlace body, Stream& from, Window& window, Side side, Phase phase,
                       BodyRelay::Progress& progress);
  bool weigh(const std::optional<rules::FilterRefusal>& objection, Side side, Phase phase);
  void object(const rules::FilterRefusal& why, Side side, Phase phase);
  void report(const rules::FilterRefusal& why);
  void count_payload(const Body& body, RelayEnd& end);

  // Steps 4 to 6: an upstream connection, the request, the head of the response. False: `failure_`
  // says why.
  Task<bool> get_response_head();
  Task<bool> reach_upstream();
  Task<bool> take_connection(const LocalRef<Target>& target);
  bool build_request_head();
  bool fail_sending(Error error);
  Task<bool> read_response_head();
  Task<bool> read_one_head();
  Task<bool> pass_interim();
  void fail_response(ErrorKind kind, std::string_view why);
  bool repeatable() const;
  bool may_retry() const;
  Reuse reuse(bool authenticates) const;
  PinnedConnection* pin_for(const Target& target);
  void pin_lease();
  void drop_connection();

  // Step 7: the response, and the upload beside it.
  Task<After> relay_response();
  Task<After> tunnel();
  Task<> tunnel_up();
  Task<> end_of_direction(const RelayEnd& end, Stream& receiver);
  std::chrono::milliseconds tunnel_patience() const;
  void examine_response();
  bool client_can_tell_end() const;
  Body response_body() const;
  ResponseRewrite response_rewrite(bool keep_alive) const;
  std::span<const char> build_response_head(bool keep_alive);
  void settle_connection(bool reusable);
  Task<> upload();
  Task<> end_upload(bool upstream_lives);
  RelayEnd starved_relay();
  bool upload_clean() const;

  // Answers of our own.
  Task<After> reply(Reply answer);
  Task<After> reply_failure();
  Task<After> reply_forbidden();
  Task<After> starve();

  // Step 8.
  void finish();
  LogAction log_action() const;

  // Failure, deadlines, and the client that goes.
  void note_failure(Error error);
  void fail(Error error);
  void watch_client();
  void client_hung_up();
  void client_gone(Error error);
  static void on_download_timeout(void* self);
  static void on_upload_timeout(void* self);
  static void on_slow_reader(void* self);
  static void on_slow_sender(void* self);
  static void on_half_close_timeout(void* self);
  static void on_client_hangup(void* self);

  const settings::Listener::Limits& listener_limits() const {
    return snapshot_->settings().listeners[client_.listener].limits;
  }
  const settings::Rule& rule() const { return snapshot_->settings().rules[decision_.rule]; }
  std::string_view request_id() const { return {id_text_.data(), id_text_.size() - 1}; }

  Services& services_;
  ClientSide& client_;
  const LocalRef<WorkerSnapshot> snapshot_;
  const RequestHead& head_;
  const std::size_t head_bytes_;
  Window& received_;
  const Refusal refusal_;
  std::array<char, 17> id_text_;

  // What was found out about the request.
  ExaminedRequest asked_;
  rules::Decision decision_;
  std::array<char, kHostBytes> host_buffer_;
  std::string redirect_;
  const rules::HttpFilter* filter_ = nullptr;     // of the rule, once it is known
  std::optional<rules::FilterCheck> refused_by_;  // the check of it that failed
  std::string filter_report_;                     // its objection, when it only reports
  bool refused_ = false;                          // the message, though a rule allowed it

  // The upstream connection: leased, or one of the client's pins.
  Lease lease_;
  UpstreamConnection* upstream_ = nullptr;
  SocketAddress upstream_address_;
  bool pinned_ = false;
  UpstreamWait upstream_wait_;
  bool retried_ = false;

  // The canonical path and the request head, until the request is sent.
  Buffer request_out_;
  std::span<const char> request_head_;

  // The response.
  Buffer down_;
  Window response_window_;
  Buffer response_out_;  // its head as rewritten, where there was no room in front of the body
  ResponseHead response_;
  ResponseFraming response_framing_;
  bool response_came_ = false;      // a byte of it; the request is not to be sent again
  bool response_started_ = false;   // bytes of the final response went to the client
  bool response_complete_ = false;  // all of them did
  bool in_tunnel_ = false;
  bool strip_challenge_ = false;  // a 401 that may not be passed on

  // The upload.
  Task<> upload_task_;
  RelayEnd upload_end_;
  bool upload_ended_ = true;

  bool must_close_ = false;  // the client connection carries no further request
  std::optional<Error> failure_;
  Timer download_timer_;
  Timer upload_timer_;
  Timer half_close_timer_;
  Deadline download_deadline_ = Deadline::none;
  ClientPace download_pace_;
  ClientPace upload_pace_;
  BodyRelay::Progress download_progress_;
  BodyRelay::Progress upload_progress_;

  // For the log.
  const std::chrono::milliseconds started_;
  std::uint16_t status_ = 0;
  std::uint32_t result_code_ = 0;
  bool went_pinned_ = false;
  KernelPart upstream_kernel_tls_ = KernelPart::none;
  std::size_t request_head_bytes_ = 0;
  std::size_t upstream_head_bytes_ = 0;
  std::size_t response_head_bytes_ = 0;
  std::array<char, 64> mime_type_;
  std::size_t mime_type_size_ = 0;
};

}  // namespace ocsproxy
