// HTTP filters (rules/http_filter.h) before the messages of this proxy: what they are asked, what a
// client is told, and how the beginning of a body is held back until it may go on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "proxy/body_relay.h"
#include "proxy/chunked.h"
#include "proxy/failure.h"
#include "proxy/framing.h"
#include "proxy/head.h"
#include "proxy/judgement.h"
#include "rules/http_filter.h"

namespace ocsproxy {

// Views into their arguments.
rules::HeadFields fields_of(const FieldList& fields);
rules::FilteredRequest filtered_request(const RequestHead& head, const ExaminedRequest& asked);

// What the client of a refused message is told; the code is ISA Server's.
Failure filter_failure(rules::FilterCheck check);

// The beginning of a body, seen without being taken: it stays in the window in which it arrives,
// and goes on from there as if it had just come. Only the data of chunks is copied, into `room`.
class BodyStart {
 public:
  // `length` when `kind` is BodyKind::length. `room` is for the data that is wanted of a chunked
  // body.
  BodyStart(BodyKind kind, std::uint64_t length, Side sender, std::span<char> room);

  // Takes note of what `window` has received since the last call.
  void look(const Window& window);
  // Nothing more comes: the sender has closed, which ends such a body.
  void end() { ended_ = true; }

  // The data so far. Chunked: as much of it as there is room for.
  std::string_view data() const { return data_; }
  // All of the body is there, or what is there is none.
  bool ended() const { return ended_; }
  // What is wrong with the chunked coding so far: nothing of such a body may go on.
  Refusal refusal() const { return decoder_ ? decoder_->refusal() : Refusal(); }
  // How many bytes may be read to the window's end, 0 when there is no room.
  std::size_t wanted(const Window& window) const;

 private:
  void look_into_chunks(std::span<const char> received);

  BodyKind kind_;
  std::uint64_t length_;
  std::span<char> room_;
  std::optional<ChunkedDecoder> decoder_;
  std::size_t decoded_ = 0;  // bytes of the window that the decoder has seen
  std::string_view data_;
  bool ended_ = false;
};

}  // namespace ocsproxy
