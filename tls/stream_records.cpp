// The records of a TLS 1.3 connection, from the end of its handshake on.

#include <algorithm>
#include <array>
#include <cstring>
#include <string>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "tls/post_handshake.h"
#include "tls/stream.h"

namespace ocsproxy {
namespace {

using Protection = RecordProtection;

// Smaller records are read by the dozen anyway.
constexpr std::uint16_t kSmallestUnit = 1024;

// How many bytes the record at the front of `bytes` has, header and all; 0 while that is not known.
std::size_t record_size(std::span<const char> bytes) {
  if (bytes.size() < Protection::kHeaderSize) return 0;
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
  return Protection::kHeaderSize + (static_cast<std::size_t>(byte(3)) << 8 | byte(4));
}

// Can it be application data at all?
bool is_sealed(std::span<const char> bytes) {
  const std::size_t size = record_size(bytes);
  return bytes[0] == SSL3_RT_APPLICATION_DATA && size <= Protection::kLargestRecord &&
         size >= Protection::kHeaderSize + Protection::kTagSize;
}

// The record at the front of `bytes`; empty while it is not complete. What cannot be a record is
// not waited for: it comes as it is.
std::span<const char> front_record(std::span<const char> bytes) {
  const std::size_t size = record_size(bytes);
  if (size == 0) return {};
  if (!is_sealed(bytes)) return bytes;
  return bytes.size() < size ? std::span<const char>() : bytes.first(size);
}

}  // namespace

// From the end of the handshake on the records may be ours.
void Stream::take_over() {
  handshaken_ = true;
  layer_.engage(ssl_.get(), shared_.keys);
  if (layer_.engaged()) {
    record_waits_ = !front_record(received_.pending()).empty();
    return;
  }
  // Now, because later OpenSSL may have read half a record.
  hand_over_tls1_2();
  SSL_set_read_ahead(ssl_.get(), 1);
}

// ---- reading

// As many records as are there and fit, opened where the caller wants their contents. With no room
// at all one record is opened for the next call.
IoResult Stream::read_records(std::span<char> into) {
  if (!plain_.empty()) return take_plain(into);
  char* const data = shared_.received.data();
  std::size_t begin = 0;
  std::size_t end = received_.size();
  std::copy_n(received_.pending().begin(), end, data);
  received_.consume(end);

  std::size_t total = 0;
  IoStatus status = IoStatus::ok;
  const auto served = [&] { return total != 0 || !plain_.empty(); };
  while (status == IoStatus::ok) {
    const std::span<const char> record = front_record({data + begin, end - begin});
    if (record.empty()) {
      if (served()) break;
      std::memmove(data, data + begin, end - begin);
      end -= begin;
      begin = 0;
      const IoResult got = receive_records(into.size(), end);
      status = got.status;
      end += got.bytes;
      continue;
    }
    if (served() && record.size() > into.size() - total) break;
    begin += record.size();
    status = take_record(record, into, total);
  }
  const std::span<const char> left(data + begin, end - begin);
  if (!left.empty()) received_.append(left);
  record_waits_ = !front_record(left).empty();
  if (status != IoStatus::ok && status != IoStatus::would_block) ended_ = status;
  if (served()) return {total, IoStatus::ok};
  return {0, status == IoStatus::ok ? IoStatus::would_block : status};
}

IoResult Stream::take_plain(std::span<char> into) {
  const std::size_t size = std::min(into.size(), plain_.size());
  std::copy_n(plain_.pending().begin(), size, into.begin());
  plain_.consume(size);
  return {size, IoStatus::ok};
}

// Behind `held` bytes of the shared buffer. As much as `room` can hold the contents of, in whole
// records as far as can be told from the size of the last one: what comes in halves is moved.
IoResult Stream::receive_records(std::size_t room, std::size_t held) {
  const std::size_t fitting = room / (record_size_ - Protection::kOverhead);
  const std::size_t most = TlsResources::kReceived / record_size_;
  const std::size_t aligned = record_size_ * std::clamp<std::size_t>(fitting, 1, most);
  const std::size_t known = record_size({shared_.received.data(), held});
  const std::size_t least = known != 0 ? known : held + Protection::kHeaderSize;
  const IoResult got =
      socket_.receive(std::span(shared_.received).subspan(held, std::max(aligned, least) - held));
  if (got.status == IoStatus::closed) {
    eof_ = true;
    return {0, fail_read(SSL_ERROR_SYSCALL)};
  }
  if (got.status == IoStatus::failed) return {0, fail_read(SSL_ERROR_SYSCALL)};
  return got;
}

IoStatus Stream::take_record(std::span<const char> record, std::span<char> into,
                             std::size_t& total) {
  if (!is_sealed(record)) {
    return record[0] == SSL3_RT_APPLICATION_DATA && record_size(record) > Protection::kLargestRecord
               ? refuse(SSL_AD_RECORD_OVERFLOW, "a TLS record is too long")
               : refuse(SSL_AD_UNEXPECTED_MESSAGE, "what came is no protected TLS record");
  }
  const std::size_t size = record.size() - Protection::kHeaderSize - Protection::kTagSize;
  const std::span<char> room = into.subspan(total);
  const bool fits = size <= room.size();
  char* const body =
      shared_.received.data() + (record.data() - shared_.received.data()) + Protection::kHeaderSize;
  const RecordLayer::Opened opened = layer_.open(record, fits ? room.data() : body);
  switch (opened.type) {
    case SSL3_RT_APPLICATION_DATA:
      break;
    case SSL3_RT_ALERT:
      return take_alert(opened.content);
    case SSL3_RT_HANDSHAKE:
      return take_handshake(opened.content);
    default:
      return refuse(opened.alert, opened.offence);
  }
  if (!messages_.at_end())
    return refuse(SSL_AD_UNEXPECTED_MESSAGE, "data came in the middle of a TLS handshake message");
  if (!opened.content.empty()) {
    record_size_ = std::max(static_cast<std::uint16_t>(record.size()), kSmallestUnit);
    warnings_ = 0;
  }
  const std::size_t first = std::min(room.size(), opened.content.size());
  if (!fits) std::copy_n(opened.content.begin(), first, room.begin());
  total += first;
  if (first < opened.content.size()) plain_.append(opened.content.subspan(first));
  return IoStatus::ok;
}

// ---- what is not data, in TLS 1.3

// In TLS 1.3 all alerts but two are fatal, whatever their level (RFC 8446 6); before, the level
// decides. As in OpenSSL a refusal to renegotiate, which nobody has asked for, is fatal too.
IoStatus Stream::take_alert(std::span<const char> content) {
  if (content.size() != 2) return refuse(SSL_AD_DECODE_ERROR, "a TLS alert is not two bytes long");
  const int level = static_cast<unsigned char>(content[0]);
  const int description = static_cast<unsigned char>(content[1]);
  const bool tls1_3 = layer_.engaged();
  if (!tls1_3 && level != SSL3_AL_WARNING && level != SSL3_AL_FATAL)
    return refuse(SSL_AD_ILLEGAL_PARAMETER, "a TLS alert is neither a warning nor fatal");
  if (description == SSL_AD_CLOSE_NOTIFY && (tls1_3 || level == SSL3_AL_WARNING))
    return IoStatus::closed;
  const bool ends_nothing =
      tls1_3 ? description == SSL_AD_USER_CANCELLED
             : level == SSL3_AL_WARNING && description != SSL_AD_NO_RENEGOTIATION;
  if (ends_nothing) {
    return ++warnings_ > kMostWarnings ? refuse(SSL_AD_UNEXPECTED_MESSAGE, kWarnings)
                                       : IoStatus::ok;
  }
  error_ = Error{.kind = ErrorKind::tls,
                 .detail = std::string("the peer ended TLS with the alert \"") +
                           SSL_alert_desc_string_long(description) + "\""};
  broken_ = true;
  return IoStatus::failed;
}

IoStatus Stream::take_handshake(std::span<const char> content) {
  messages_.add(content);
  for (auto message = messages_.next(); !message.empty(); message = messages_.next()) {
    const IoStatus status = take_message(message);
    if (status != IoStatus::ok) return status;
  }
  return messages_.too_long() ? refuse(SSL_AD_DECODE_ERROR, "a TLS handshake message is too long")
                              : IoStatus::ok;
}

IoStatus Stream::take_message(std::span<const char> message) {
  if (message[0] == SSL3_MT_KEY_UPDATE) return take_key_update(message);
  // Tickets, which only servers send. OpenSSL keeps the SSL object of a client for them.
  if (message[0] == SSL3_MT_NEWSESSION_TICKET && ssl_ != nullptr && SSL_is_server(ssl_.get()) != 1)
    return feed_openssl(message);
  return refuse(SSL_AD_UNEXPECTED_MESSAGE, "a TLS handshake message has no place here");
}

// RFC 8446 4.6.3.
IoStatus Stream::take_key_update(std::span<const char> message) {
  if (message.size() != 5 || static_cast<unsigned char>(message[4]) > 1)
    return refuse(SSL_AD_ILLEGAL_PARAMETER, "a TLS key update is malformed");
  if (!messages_.at_end())
    return refuse(SSL_AD_UNEXPECTED_MESSAGE, "a TLS key update is not the end of its record");
  if (++key_updates_ > kMostKeyUpdates)
    return refuse(SSL_AD_UNEXPECTED_MESSAGE, kTooManyKeyUpdates);
  if (!layer_.update_read_keys()) return out_of_memory();
  const bool answer = message[4] == SSL_KEY_UPDATE_REQUESTED && !said_goodbye_;
  return !answer || update_keys() ? IoStatus::ok : IoStatus::failed;
}

// Says so, and seals with new keys from the next record on.
bool Stream::update_keys() {
  if (kernel_sends_) {
    return refuse(
               SSL_AD_INTERNAL_ERROR,
               "the peer asks for new TLS keys, and the kernel, which seals what is sent, cannot "
               "change them (kernel_tls: false avoids that)") == IoStatus::ok;
  }
  constexpr char kNotRequested[] = {SSL3_MT_KEY_UPDATE, 0, 0, 1, SSL_KEY_UPDATE_NOT_REQUESTED};
  if (!seal_record(SSL3_RT_HANDSHAKE, kNotRequested, {})) return false;
  if (layer_.update_write_keys()) return true;
  (void)out_of_memory();
  return false;
}

// Lets OpenSSL make a session of a ticket.
IoStatus Stream::feed_openssl(std::span<const char> message) {
  std::array<char, Protection::kLargestRecord> record;
  while (!message.empty()) {
    const auto part = message.first(std::min(message.size(), Protection::kLargestContent));
    message = message.subspan(part.size());
    feed_ = layer_.for_openssl(part, record.data());
    if (feed_.empty()) return out_of_memory();
    char byte = 0;
    std::size_t got = 0;
    const bool data = SSL_read_ex(ssl_.get(), &byte, 1, &got) == 1;
    const bool taken =
        !data && SSL_get_error(ssl_.get(), 0) == SSL_ERROR_WANT_READ && feed_.empty();
    feed_ = {};
    if (taken) continue;
    ERR_clear_error();
    return refuse(SSL_AD_DECODE_ERROR, "a TLS session ticket is malformed");
  }
  return IoStatus::ok;
}

// Tells the peer, and the administrator.
IoStatus Stream::refuse(int alert, const char* offence) {
  const char message[] = {SSL3_AL_FATAL, static_cast<char>(alert)};
  if (!said_goodbye_) (void)seal_record(SSL3_RT_ALERT, message, {});
  error_ = Error{.kind = ErrorKind::tls, .detail = offence};
  broken_ = true;
  return IoStatus::failed;
}

IoStatus Stream::out_of_memory() {
  ERR_clear_error();
  error_ = Error{.kind = ErrorKind::system, .detail = "OpenSSL has no memory"};
  broken_ = true;
  return IoStatus::failed;
}

// ---- writing

bool Stream::seal(std::span<const char> first, std::span<const char> second) {
  while (!first.empty() || !second.empty()) {
    const auto head = first.first(std::min(first.size(), Protection::kLargestContent));
    const auto tail =
        second.first(std::min(second.size(), Protection::kLargestContent - head.size()));
    if (layer_.sealed() >= shared_.records_per_key && !update_keys()) return false;
    if (!seal_record(SSL3_RT_APPLICATION_DATA, head, tail)) return false;
    first = first.subspan(head.size());
    second = second.subspan(tail.size());
  }
  return true;
}

bool Stream::seal_record(char type, std::span<const char> first, std::span<const char> second) {
  // Alerts alone: data goes straight to the socket, and new keys there are none.
  if (kernel_sends_) return send_kernel_alert(first) != IoStatus::failed;
  const std::size_t needed = first.size() + second.size() + Protection::kOverhead;
  if (needed > TlsResources::kGathered - shared_.gathered_size && !send_gathered()) return false;
  const std::size_t size =
      layer_.seal(type, first, second, shared_.gathered.data() + shared_.gathered_size);
  shared_.gathered_size += size;
  if (size != 0) return true;
  shared_.gathered_size = 0;
  (void)out_of_memory();
  return false;
}

}  // namespace ocsproxy
