#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/telemetry/log.h"
#include "coordinator/store/store_contents.h"
#include "paci/v1/worker.pb.h"

namespace paci {

// One connection of a worker; never used again after it is closed.
using StreamId = uint64_t;
// One Generate call that waits for its outcome.
using GenerateTicket = uint64_t;
// One TraceJob call that waits for its outcome.
using TraceTicket = uint64_t;

struct OutgoingMessage {
  StreamId stream = 0;
  v1::CoordinatorMessage message;
};

struct ClosedStream {
  StreamId stream = 0;
  absl::Status reason;
};

struct GenerateOutcome {
  GenerateTicket ticket = 0;
  absl::StatusOr<v1::GenerateResponse> response;
};

struct TraceOutcome {
  TraceTicket ticket = 0;
  std::vector<v1::StageTrace> stages;  // as the call answers them
};

// Something for the log that is no event of a job.
struct LogNote {
  LogLevel level = LogLevel::kInfo;
  std::string message;
  std::string job_id;
  std::string worker;
};

// What the decisions since the last time ask for. Whoever carries them out must
//   1. bring `writes` into the store as one transaction, and stop if that fails; then
//   2. send `messages`, in this order, and close `closed`; then
//   3. show `writes.jobs` to those who watch them, and answer the calls that caused the decisions.
struct Effects {
  StoreWrites writes;
  std::vector<OutgoingMessage> messages;
  std::vector<ClosedStream> closed;
  std::vector<GenerateOutcome> generated;
  std::vector<TraceOutcome> traced;
  std::vector<LogNote> notes;
};

}  // namespace paci
