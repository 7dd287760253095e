#include "tls/ticket_keys.h"

#include <algorithm>

namespace ocsproxy {
namespace {

std::shared_ptr<const TicketKeys::Key> new_key(const Library& library) {
  const auto key = std::make_shared<TicketKeys::Key>();
  library.random(key->name);
  library.random(key->cipher.bytes());
  library.random(key->mac.bytes());
  return key;
}

}  // namespace

std::shared_ptr<const TicketKeys> TicketKeys::make(const Library& library) {
  return std::shared_ptr<const TicketKeys>(new TicketKeys({new_key(library)}));
}

std::shared_ptr<const TicketKeys> TicketKeys::rotated(const Library& library) const {
  std::vector<std::shared_ptr<const Key>> keys{new_key(library)};
  const std::size_t kept = std::min(keys_.size(), kKept - 1);
  keys.insert(keys.end(), keys_.begin(), keys_.begin() + static_cast<std::ptrdiff_t>(kept));
  return std::shared_ptr<const TicketKeys>(new TicketKeys(std::move(keys)));
}

const TicketKeys::Key* TicketKeys::find(std::span<const unsigned char, kNameSize> name) const {
  for (const auto& key : keys_) {
    if (std::equal(name.begin(), name.end(), key->name.begin())) return key.get();
  }
  return nullptr;
}

}  // namespace ocsproxy
