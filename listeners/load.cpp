#include "listeners/load.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <thread>

#include "listeners/access_log_file.h"

namespace ocsproxy {
namespace {

using settings::Settings;

std::uint32_t worker_count(const Settings& settings, const LoadBundle* last, Findings& findings) {
  const std::uint32_t wanted = *settings.workers != 0
                                   ? *settings.workers
                                   : std::max(1u, std::thread::hardware_concurrency());
  if (last == nullptr || last->summary.workers == wanted) return wanted;
  if (*settings.workers != 0) {
    findings.warning("workers-fixed", settings.workers.where,
                     std::to_string(last->summary.workers) + " workers run until the next restart",
                     "the number of workers is fixed when the server starts");
  }
  return last->summary.workers;
}

const BoundEndpoint* held_endpoint(const LoadBundle* last, const SocketAddress& address) {
  if (last == nullptr) return nullptr;
  const auto found =
      std::find_if(last->endpoints.begin(), last->endpoints.end(),
                   [&address](const BoundEndpoint& one) { return one.address == address; });
  return found == last->endpoints.end() ? nullptr : &*found;
}

Result<std::vector<Descriptor>> duplicates(const std::vector<Descriptor>& sockets) {
  std::vector<Descriptor> copies;
  for (const Descriptor& socket : sockets) {
    copies.emplace_back(::fcntl(socket.get(), F_DUPFD_CLOEXEC, 0));
    if (!copies.back()) return Error{.detail = "cannot keep a socket: " + errno_text(errno)};
  }
  return copies;
}

// Looks whether all endpoints could be had.
void probe(const std::vector<Endpoint>& endpoints, const LoadBundle* last, Findings& findings) {
  const std::set<ino_t> own = last != nullptr ? socket_inodes(last->endpoints) : std::set<ino_t>();
  for (const Endpoint& endpoint : endpoints) {
    if (held_endpoint(last, endpoint.address) != nullptr) continue;
    if (const Status free = probe_endpoint(endpoint, own); !free) {
      findings.error("cannot-listen", endpoint.where, free.error().detail);
    }
  }
}

void bind(const std::vector<Endpoint>& endpoints, const LoadBundle* last, LoadBundle& bundle,
          Findings& findings) {
  std::set<ino_t> own = last != nullptr ? socket_inodes(last->endpoints) : std::set<ino_t>();
  for (const Endpoint& endpoint : endpoints) {
    const BoundEndpoint* const held = held_endpoint(last, endpoint.address);
    auto sockets = held != nullptr ? duplicates(held->sockets)
                                   : bind_endpoint(endpoint, bundle.summary.workers, own);
    if (!sockets) {
      findings.error("cannot-listen", endpoint.where, sockets.error().detail);
      continue;
    }
    bundle.endpoints.push_back(
        {endpoint.address, endpoint.secure, endpoint.listener, *std::move(sockets)});
    // A wildcard and one of its addresses are in each other's way otherwise.
    own.merge(socket_inodes(bundle.endpoints));
  }
}

void open_log(const settings::AccessLog& access_log, LoadBundle& bundle, Findings& findings) {
  if (access_log.path->empty()) return;
  bundle.summary.access_log_path = *access_log.path;
  auto file = open_access_log(*access_log.path);
  if (file) {
    bundle.access_log = *std::move(file);
  } else {
    findings.error("cannot-open-log", access_log.path.where, file.error().detail);
  }
}

Error has_errors(Findings& findings, const Sources& sources) {
  findings.sort();
  return Error{.kind = ErrorKind::malformed, .detail = render(findings, sources)};
}

}  // namespace

Result<LoadBundle> load_bundle(const LoadOptions& options, const LoadBundle* last) {
  DiskFiles files;
  const Result<settings::Loaded> read = settings::load(options.path, files);
  if (!read) return read.error();
  const settings::Loaded& loaded = *read;
  Findings findings = loaded.findings;
  if (findings.has_errors()) return has_errors(findings, loaded.sources);

  if (options.validate) options.validate(loaded, files, findings);
  const auto interfaces = network_interfaces();
  if (!interfaces) return interfaces.error();
  const auto endpoints = endpoints_of(loaded.settings, *interfaces, findings);
  probe(endpoints, last, findings);
  LoadBundle bundle;
  open_log(loaded.settings.access_log, bundle, findings);
  // Only what is fit to be served may listen: a client that connects wants an answer.
  if (findings.has_errors()) return has_errors(findings, loaded.sources);

  bundle.summary.workers = worker_count(loaded.settings, last, findings);
  bundle.summary.drain = *loaded.settings.drain;
  bind(endpoints, last, bundle, findings);
  if (findings.has_errors()) return has_errors(findings, loaded.sources);
  findings.sort();
  bundle.summary.findings = render(findings, loaded.sources);
  bundle.contents = files.contents();
  bundle.listings = files.listings();
  return bundle;
}

}  // namespace ocsproxy
