// What one load of the configuration is made of, and how it travels from the process that may read
// and bind to the one that serves.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/descriptor.h"
#include "base/error.h"
#include "listeners/endpoint.h"

namespace ocsproxy {

// What the supervisor itself has to know of a load; it never looks at the rest.
struct LoadSummary {
  std::uint32_t workers = 0;                // sockets an endpoint; fixed by the first load
  std::chrono::milliseconds drain{30'000};  // how long the server may take to end
  std::string access_log_path;              // "" : no access log
  std::string findings;                     // warnings and notes, rendered; "" when none
};

// A load that was found good. The server makes a MemoryFiles of `contents` and `listings` and
// parses the configuration from there, whatever the disk says by then.
struct LoadBundle {
  LoadSummary summary;
  std::map<std::string, std::string> contents;               // path -> bytes of every file read
  std::map<std::string, std::vector<std::string>> listings;  // as Files::configuration_files
  std::vector<BoundEndpoint> endpoints;                      // each with `summary.workers` sockets
  Descriptor access_log;                                     // empty: no access log
};

// A bundle as it travels: everything but the descriptors in one sealed memfd.
struct EncodedBundle {
  Descriptor payload;
  std::vector<Descriptor> descriptors;  // the sockets in the order of the endpoints, then the log
};

// Takes the bundle's descriptors over. Fails when memory is out, or an endpoint does not have
// `summary.workers` sockets.
Result<EncodedBundle> encode(LoadBundle bundle);
// Every length is checked against what is there; whatever does not fit is an error.
Result<LoadBundle> decode(EncodedBundle encoded);
// The first part alone.
Result<LoadSummary> decode_summary(const EncodedBundle& encoded);
// Another set of descriptors for the same bundle.
Result<EncodedBundle> duplicate(const EncodedBundle& encoded);

// Bytes in a memfd that nobody can change any more.
Result<Descriptor> sealed_memory(const std::string& bytes);
// The bytes of a memfd. Fails unless it is sealed, or when it holds more than 2 GiB.
Result<std::string> read_sealed_memory(int descriptor);

}  // namespace ocsproxy
