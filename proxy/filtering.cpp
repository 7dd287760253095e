#include "proxy/filtering.h"

#include <algorithm>
#include <cstring>

namespace ocsproxy {

rules::HeadFields fields_of(const FieldList& fields) {
  return {.list = &fields, .size = fields.size(), .at = [](const void* list, std::size_t index) {
            const FieldView& field = (*static_cast<const FieldList*>(list))[index];
            return rules::HeadField{field.name, field.value};
          }};
}

rules::FilteredRequest filtered_request(const RequestHead& head, const ExaminedRequest& asked) {
  return {.method = head.method,
          .target = asked.target,
          .fields = fields_of(head.fields),
          .payload = asked.framing.body == BodyKind::length ? asked.framing.length : 0};
}

Failure filter_failure(rules::FilterCheck check) {
  using rules::FilterCheck;
  const auto status = [check]() -> std::uint16_t {
    switch (check) {
      case FilterCheck::header_length:
        return 431;
      case FilterCheck::url_length:
      case FilterCheck::query_length:
        return 414;
      case FilterCheck::payload_length:
        return 413;
      case FilterCheck::method:
        return 405;
      default:
        return 403;
    }
  };
  Failure failure = failure_of(status());
  failure.code = kCodeFiltered;
  return failure;
}

BodyStart::BodyStart(BodyKind kind, std::uint64_t length, Side sender, std::span<char> room)
    : kind_(kind), length_(length), room_(room) {
  if (kind == BodyKind::chunked) decoder_.emplace(ChunkedDecoder::Mode::data, sender);
}

void BodyStart::look(const Window& window) {
  const std::span<const char> received = window.received();
  if (kind_ == BodyKind::chunked) {
    look_into_chunks(received);
    return;
  }
  std::size_t size = received.size();
  if (kind_ == BodyKind::length) {
    size = static_cast<std::size_t>(std::min<std::uint64_t>(size, length_));
    ended_ = size == length_;
  }
  data_ = {received.data(), size};
}

void BodyStart::look_into_chunks(std::span<const char> received) {
  while (!ended_ && decoded_ < received.size()) {
    ChunkedDecoder::Output output;
    const ChunkedDecoder::State state = decoder_->feed(received.subspan(decoded_), output);
    for (const auto& piece : output.list()) {
      const std::size_t size = std::min(piece.size(), room_.size() - data_.size());
      std::memcpy(room_.data() + data_.size(), piece.data(), size);
      data_ = {room_.data(), data_.size() + size};
    }
    decoded_ += output.consumed;
    ended_ = state != ChunkedDecoder::State::more;
  }
}

std::size_t BodyStart::wanted(const Window& window) const {
  // Behind the body's end stands what follows it; behind a window's, the end of a chunk of ours.
  const std::size_t limit = window.capacity - Window::kChunkTail;
  const std::size_t room = window.end < limit ? limit - window.end : 0;
  if (kind_ != BodyKind::length) return room;
  return static_cast<std::size_t>(std::min<std::uint64_t>(room, length_ - data_.size()));
}

}  // namespace ocsproxy
