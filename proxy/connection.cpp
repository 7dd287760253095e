#include "proxy/connection.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "proxy/head_parser.h"

namespace ocsproxy {
namespace {

using std::chrono::milliseconds;

// After our last byte: how long, and how much, we listen to a client that is still sending, so that
// its kernel does not throw our answer away with a reset (RFC 9112 9.6).
constexpr milliseconds kLinger{2'000};
constexpr std::size_t kLingerBytes = 4u << 20;
// Before that, where the kernel seals: how long the client may take to make room for the end.
constexpr milliseconds kMakesRoom{120'000};
// A client that has been idle this long gives back what its next request takes anew.
constexpr milliseconds kRestsAfter{1'000};

}  // namespace

ClientConnection::ClientConnection(Services& services, EndpointState& endpoint, Counter& load,
                                   FloodAccount flood, Descriptor fd, SocketAddress peer,
                                   OnEnd on_end, void* owner)
    : services_(services),
      endpoint_(endpoint),
      load_(load),
      stream_(services.reactor, std::move(fd), false, services.tls),
      client_{.stream = stream_,
              .id = services.next_id(),
              .peer = peer,
              .local = endpoint.address,
              .secure = endpoint.secure,
              .listener = 0,
              .position = {},
              .tls = {},
              .pins = {},
              .flood = std::move(flood)},
      deadline_(services.reactor.timers(), &ClientConnection::on_deadline, this),
      on_end_(on_end),
      owner_(owner) {
  ++endpoint_.open_connections;
  load_.add();
  services_.counters.connections.add();
  services_.counters.open_connections.add();
}

ClientConnection::~ClientConnection() {
  --endpoint_.open_connections;
  load_.subtract();
  services_.counters.open_connections.subtract();
}

// Whatever becomes of it, it ends by `on_end`.
Task<> ClientConnection::run() {
  try {
    co_await live();
  } catch (const std::bad_alloc&) {
    starve();
  }
  deadline_.clear();
  on_end_(owner_, *this);
}

// There was no memory to go on with. What waited in frames that are gone must not be called.
void ClientConnection::starve() {
  services_.counters.allocation_failures.add();
  exchange_ = nullptr;
  idle_.leave();
  client_.pins.clear();
  stream_.socket().forget_waiters();
  stream_.abort();
}

Task<> ClientConnection::live() {
  bool usable =
      endpoint_.listener != EndpointState::kNoListener && enter_snapshot(services_.snapshot);
  if (!usable) services_.counters.refused_connections[RefusedConnection::network].add();
  if (usable && client_.secure) usable = co_await handshake();
  bool in_order = false;
  if (usable) in_order = co_await serve_requests();
  if (shed_) {
    stream_.finish_writing();
  } else if (in_order) {
    co_await linger();
  }
}

// What the policy says of this client may have changed since its last request.
bool ClientConnection::enter_snapshot(const LocalRef<WorkerSnapshot>& snapshot) {
  client_.listener = endpoint_.listener;
  if (generation_ != snapshot->global->generation) {
    generation_ = snapshot->global->generation;
    services_.flood->renew(client_.flood, client_.peer.ip);
    client_.position = snapshot->table().locate(client_.peer.ip);
  }
  return snapshot->table().serves(client_.listener, client_.position);
}

Task<bool> ClientConnection::handshake() {
  const settings::Listener& listener = services_.snapshot->settings().listeners[client_.listener];
  client_.tls = services_.snapshot->listeners[client_.listener];
  SslPtr ssl = client_.tls->context->new_ssl();
  if (!ssl) co_return false;
  stream_.start_tls(std::move(ssl));
  deadline_name_ = Deadline::handshake;
  deadline_.arm(*listener.timeouts.handshake);
  const IoStatus status = co_await stream_.handshake();
  deadline_.clear();
  client_.flood.handshake_ended();
  if (status != IoStatus::ok) {
    count_failed_handshake();
    co_return false;
  }
  const bool resumed = SSL_session_reused(stream_.ssl()) == 1;
  services_.counters.handshakes[resumed ? Handshake::resumed : Handshake::full].add();
  client_.certificate = ServerContext::choice_of(stream_.ssl());
  stream_.forget_handshake();
  co_return true;
}

void ClientConnection::count_failed_handshake() {
  Error error = stream_.error();
  if (error.kind == ErrorKind::cancelled) return;  // by us
  error.side = Side::client;
  error.phase = Phase::handshake;
  services_.counters.errors[error].add();
}

// False: the connection is to be dropped as it is; true: it ends in order.
Task<bool> ClientConnection::serve_requests() {
  while (true) {
    const bool request = co_await wait_for_request();
    if (!request) co_return !stream_.socket().cancelled();
    const After after = co_await serve_one();
    switch (after) {
      case After::next_request:
        break;
      case After::close:
        co_return true;
      case After::cut:
        co_return false;
      case After::reset:
        stream_.abort();
        co_return false;
    }
    keep_pipelined();
  }
}

// A frame of its own, because it is large and an idle connection is not to keep it.
Task<ClientConnection::After> ClientConnection::serve_one() {
  if (!buffer_) {
    buffer_ = Buffer::take();
    window_ = Window{buffer_.data(), 0, Buffer::kSize, 0, 0};
  }
  RequestHead head;
  HeadOutcome outcome;
  const HeadEnd end = co_await read_head(head, outcome);
  if (end == HeadEnd::gone) co_return After::close;
  if (end == HeadEnd::nothing) co_return After::next_request;

  const LocalRef<WorkerSnapshot> snapshot = services_.snapshot;
  if (endpoint_.listener == EndpointState::kNoListener) co_return After::close;
  (void)enter_snapshot(snapshot);  // the exchange answers a client that is no longer served
  state_ = State::exchange;
  window_.begin += outcome.size;
  // The head stays where it is: the body is relayed through what is behind it.
  window_.floor = window_.begin;
  Exchange exchange(services_, client_, snapshot, head, outcome.size, window_, outcome.refusal);
  exchange_ = &exchange;
  const After after = co_await exchange.run();
  exchange_ = nullptr;
  co_return after == After::next_request && (ending_ || services_.draining) ? After::close : after;
}

// What came behind the request is the beginning of the next one.
void ClientConnection::keep_pipelined() {
  if (window_.empty()) {
    buffer_.give_back();
    return;
  }
  std::memmove(window_.data, window_.data + window_.begin, window_.end - window_.begin);
  window_ = Window{buffer_.data(), 0, Buffer::kSize, 0, window_.end - window_.begin};
}

// Holds no buffer while it waits.
Task<bool> ClientConnection::wait_for_request() {
  if (buffer_) co_return true;  // pipelined
  state_ = State::idle;
  if (ending_ || services_.draining || endpoint_.listener == EndpointState::kNoListener)
    co_return false;
  const settings::Listener& listener = services_.snapshot->settings().listeners[endpoint_.listener];
  deadline_name_ = Deadline::idle;
  const milliseconds idle = *listener.timeouts.idle;
  idle_left_ = idle - std::min(idle, kRestsAfter);
  deadline_.arm(idle - idle_left_);
  watch_pins(true);
  services_.idle->add(idle_);
  bool readable = false;
  if (!ending_) readable = co_await stream_.readable();
  idle_.leave();
  watch_pins(false);
  deadline_.clear();
  co_return readable;
}

Task<ClientConnection::HeadEnd> ClientConnection::read_head(RequestHead& head,
                                                            HeadOutcome& outcome) {
  HeadProgress progress;
  while (true) {
    outcome = parse_request_head(window_.received(), progress, head);
    if (outcome.state != HeadOutcome::State::need_more) break;
    const bool begun = !window_.empty();
    if (begun && state_ != State::head) {
      state_ = State::head;
      const settings::Listener& listener =
          services_.snapshot->settings().listeners[client_.listener];
      deadline_name_ = Deadline::request_head;
      deadline_.arm(*listener.timeouts.request_head);
    }
    const std::span<char> room(window_.data + window_.end, window_.capacity - window_.end);
    IoResult got;
    if (begun) {
      got = co_await stream_.read(room);
    } else {
      got = stream_.try_read(room);
    }
    if (got.status == IoStatus::ok) {
      window_.end += got.bytes;
      continue;
    }
    if (got.status == IoStatus::would_block) {
      // It was readable for TLS's own business. Back to waiting without a buffer.
      co_return HeadEnd::nothing;
    }
    if (!progress.started() || stream_.socket().cancelled()) co_return HeadEnd::gone;
    // A head that began and does not end is answered, as far as somebody is there to hear it.
    const bool late =
        got.status == IoStatus::failed && stream_.error().kind == ErrorKind::cancelled;
    if (!late && got.status == IoStatus::failed) co_return HeadEnd::gone;
    outcome = {
        HeadOutcome::State::refused, window_.end - window_.begin,
        late ? Refusal{408, "the request head did not arrive within the deadline request_head"}
             : Refusal{400, "the connection ended in the middle of the request head"}};
    head = RequestHead();
    break;
  }
  deadline_.clear();
  co_return HeadEnd::read;
}

Task<> ClientConnection::linger() {
  state_ = State::lingering;
  stream_.finish_writing();
  deadline_name_ = Deadline::linger;
  deadline_.arm(kMakesRoom);
  co_await stream_.finished();
  deadline_.clear();
  if (stream_.socket().hung_up()) co_return;
  if (!buffer_) buffer_ = Buffer::take();
  deadline_.arm(kLinger);
  std::size_t seen = 0;
  while (seen < kLingerBytes) {
    const IoResult got = co_await stream_.read(buffer_.span());
    if (got.status != IoStatus::ok) break;
    seen += got.bytes;
  }
  deadline_.clear();
}

// ---- ends

void ClientConnection::close_when_idle() {
  ending_ = true;
  if (state_ == State::idle) stream_.socket().interrupt_reader();
}

void ClientConnection::shed() {
  shed_ = true;
  idle_.leave();
  close_when_idle();
}

void ClientConnection::abort() {
  ending_ = true;
  Error why{.kind = ErrorKind::cancelled, .detail = "the process stops"};
  if (exchange_ != nullptr) {
    exchange_->abort(std::move(why));
  } else {
    stream_.socket().cancel(std::move(why));
  }
}

// A pinned upstream connection that dies while its client idles takes the client connection along:
// what it was authenticated for is gone.
void ClientConnection::watch_pins(bool watch) {
  for (PinnedConnection& pin : client_.pins) {
    Socket& socket = pin.use(client_.id)->stream().socket();
    socket.on_hangup(watch ? &ClientConnection::on_pin_hangup : nullptr, this);
    if (watch && socket.hung_up()) on_pin_hangup(this);
  }
}

void ClientConnection::on_pin_hangup(void* self) {
  static_cast<ClientConnection*>(self)->close_when_idle();
}

void ClientConnection::on_deadline(void* self) {
  auto& connection = *static_cast<ClientConnection*>(self);
  Counters& counters = connection.services_.counters;
  if (connection.state_ == State::head) {
    counters.deadlines[Deadline::request_head].add();
    connection.stream_.socket().interrupt_reader();  // it is told
    return;
  }
  if (connection.state_ == State::idle && connection.idle_left_.count() > 0) {
    connection.stream_.shed();
    connection.deadline_.arm(std::exchange(connection.idle_left_, milliseconds(0)));
    return;
  }
  if (connection.state_ == State::idle) {
    counters.idle_clients_closed.add();
    connection.close_when_idle();
    return;
  }
  counters.deadlines[connection.deadline_name_].add();
  connection.stream_.socket().cancel(
      Error{.kind = ErrorKind::timeout,
            .side = Side::client,
            .phase = connection.state_ == State::handshake ? Phase::handshake : Phase::none,
            .deadline = connection.deadline_name_});
}

}  // namespace ocsproxy
