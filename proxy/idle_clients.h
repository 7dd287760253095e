// The client connections of a worker that wait for a request, the one that is idle for longest
// first.
#pragma once

namespace ocsproxy {

class ClientConnection;

// A place in the list; out of it when destroyed. Worker's thread only.
class IdleClient {
 public:
  explicit IdleClient(ClientConnection& connection) : connection_(connection) {}
  ~IdleClient() { leave(); }
  IdleClient(const IdleClient&) = delete;  // linked by address
  IdleClient& operator=(const IdleClient&) = delete;
  void leave();

 private:
  friend class IdleClients;
  ClientConnection& connection_;
  class IdleClients* list_ = nullptr;
  IdleClient* before_ = nullptr;
  IdleClient* behind_ = nullptr;
};

class IdleClients {
 public:
  // Behind all others.
  void add(IdleClient& client) {
    client.leave();
    client.list_ = this;
    client.before_ = last_;
    client.behind_ = nullptr;
    (last_ == nullptr ? first_ : last_->behind_) = &client;
    last_ = &client;
  }
  // nullptr when none is idle.
  ClientConnection* longest() const { return first_ == nullptr ? nullptr : &first_->connection_; }

 private:
  friend class IdleClient;
  IdleClient* first_ = nullptr;
  IdleClient* last_ = nullptr;
};

inline void IdleClient::leave() {
  if (list_ == nullptr) return;
  (before_ == nullptr ? list_->first_ : before_->behind_) = behind_;
  (behind_ == nullptr ? list_->last_ : behind_->before_) = before_;
  list_ = nullptr;
}

}  // namespace ocsproxy
