// What the TLS streams of one worker share.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "net/pipe_pool.h"
#include "tls/kernel_tls.h"
#include "tls/traffic_keys.h"
#include "tls/vector_gcm.h"

namespace ocsproxy {

// What this machine does faster than OpenSSL; nothing, unless it was looked for.
struct TlsAcceleration {
  KernelTls kernel;  // what the kernel may take over
  VectorGcm gcm;
};

// One per worker, on its thread; outlives its streams. The two buffers belong to nobody outside a
// call to a stream: what a stream cannot finish with in one call it keeps for itself.
struct TlsResources {
  explicit TlsResources(const Library& library, const TlsAcceleration& found = {})
      : keys(library, found.gcm), kernel(found.kernel) {}

  // What one send takes away: the records of a full Buffer and the head in front of it.
  static constexpr std::size_t kGathered = std::size_t{96} * 1024;
  std::array<char, kGathered> gathered;
  std::size_t gathered_size = 0;

  // What one receive brings.
  static constexpr std::size_t kReceived = 5 * RecordProtection::kLargestRecord;
  std::array<char, kReceived> received;

  TrafficKeys keys;
  const KernelTls kernel;
  PipePool pipes;
  // After so many records the keys for writing are updated: AES-GCM's limit is some 2^24.5 full
  // ones (RFC 8446 5.5).
  std::uint64_t records_per_key = std::uint64_t{1} << 24;
};

}  // namespace ocsproxy
