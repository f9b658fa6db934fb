#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace paci {

struct WaitingJob {
  std::string id;
  std::string device;
  size_t stages = 0;
};

// Of one device.
struct WorkerSupply {
  std::string device;
  size_t free = 0;
  size_t usable = 0;  // free, or may become so
  size_t kept = 0;    // not free, being kept for jobs that recover
};

struct QueueDecision {
  std::string job_id;
  bool is_placed = false;
  std::string reason;  // why it waits, or why it does not
};

// Which of the waiting jobs, oldest first, get workers now. First come, first served among the jobs
// of a device: one that waits for busy workers makes those behind it wait, so that small jobs do
// not starve a large one. A job that asks for more workers than there are makes nobody wait.
std::vector<QueueDecision> DecideQueue(const std::vector<WaitingJob>& waiting,
                                       std::vector<WorkerSupply> supplies);

}  // namespace paci
