#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "common/rpc/descriptor.h"

namespace paci {

// Hears all TCP of the loopback interface, as somebody on the way does. Thread-safe.
class Wiretap {
 public:
  // PERMISSION_DENIED: this process may not listen.
  static absl::StatusOr<std::unique_ptr<Wiretap>> Create();
  ~Wiretap();

  // What was said to `port` so far, a string a connection: each up to its first gap, at most
  // kMost bytes.
  std::vector<std::string> SaidTo(uint16_t port);

 private:
  static constexpr size_t kMost = 1 << 16;
  struct Said {
    uint32_t next = 0;  // sequence number of TCP
    std::string bytes;
  };

  Wiretap(Descriptor socket, Descriptor end);
  void Listen();
  void Hear(const std::string& packet);

  const Descriptor socket_;
  const Descriptor end_;  // an eventfd
  absl::Mutex mutex_;
  // By the port that is spoken to and the one that speaks.
  std::map<std::pair<uint16_t, uint16_t>, Said> said_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace paci
