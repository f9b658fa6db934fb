#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/rpc/deadline.h"
#include "common/telemetry/clock_offset.h"
#include "coordinator/job/effects.h"
#include "paci/v1/worker.pb.h"

namespace paci {

struct TracingOptions {
  // Exchanges of clocks with each worker, before the window and after it.
  int exchanges = 8;
  absl::Duration exchange_patience = absl::Seconds(5);  // for all of them
  // From the end of the longest window to the last of what its workers send.
  absl::Duration patience = absl::Seconds(10);
  size_t max_traces = 8;         // at once
  size_t max_spans = 2'000'000;  // of a trace
  size_t max_stage_spans = 65'536;
};

inline constexpr uint64_t kMaxTraceUpdates = 1000;

// One stage of the job that is to be traced.
struct TraceTarget {
  v1::StageKey key;
  std::string worker_id;
  std::string worker_name;
  std::string out_of_reach;  // why it cannot be asked; empty: it can
};

// The traces that are being taken: what goes to which worker next, and what came of it. Each worker
// is asked for its clock a few times, then all are told to record at once, then each sends what it
// recorded, and is asked for its clock again. Who does not answer in time is left out, and the
// trace says so. Single-threaded.
class Tracing {
 public:
  // Sends a command to a worker; the id that it gave to the command.
  using Send = absl::FunctionRef<uint64_t(const std::string& worker_id, v1::Command command)>;

  explicit Tracing(TracingOptions options = {}) : options_(options) {}

  // INVALID_ARGUMENT: no such window. FAILED_PRECONDITION: the job is being traced.
  // RESOURCE_EXHAUSTED: too many traces. Else the outcome comes by itself.
  absl::Status Begin(TraceTicket ticket, const v1::TraceJobRequest& request,
                     const std::vector<TraceTarget>& targets, absl::Time now, Send send);
  // Nobody waits for it any more.
  void Abandon(TraceTicket ticket) { traces_.erase(ticket); }

  void OnPart(const std::string& worker_id, const v1::TracePart& part);
  // Whether it was the result of one of this class's commands.
  bool OnResult(const std::string& worker_id, const v1::CommandResult& result, absl::Time now,
                Send send);
  void OnWorkerLost(const std::string& worker_id, absl::string_view why, absl::Time now, Send send);
  void Tick(absl::Time now, Send send);

  std::vector<TraceOutcome> TakeOutcomes() { return std::exchange(outcomes_, {}); }

 private:
  enum class Phase { kComparingBefore, kReady, kRecording, kComparingAfter, kDone };

  struct Stage {
    TraceTarget target;
    Phase phase = Phase::kComparingBefore;
    absl::Time deadline;                   // of the phase
    uint64_t in_flight = 0;                // id of the command
    std::vector<ClockExchange> exchanges;  // of this phase
    std::optional<ClockOffset> before;
    std::optional<ClockOffset> after;
    std::vector<v1::StageTrace> parts;
    size_t spans = 0;
    std::string error;
  };
  struct Trace {
    std::string job_id;
    uint64_t updates = 0;
    absl::Duration limit;
    size_t max_stage_spans = 0;
    std::vector<Stage> stages;
  };

  Stage* Find(const std::string& worker_id, uint64_t command_id);
  void AskForClock(Stage& stage, Send send);
  void OnClock(Stage& stage, const v1::ClockReading& clock, absl::Time now, Send send);
  void Fail(Stage& stage, absl::string_view why);
  // Lets the stages record when none is left to wait for; ends the traces that are complete.
  void Advance(absl::Time now, Send send);
  // All that are ready for it.
  void Record(Trace& trace, absl::Time now, Send send);
  static std::vector<v1::StageTrace> MakeStageTraces(Stage& stage);

  const TracingOptions options_;
  std::map<TraceTicket, Trace> traces_;
  std::vector<TraceOutcome> outcomes_;
};

}  // namespace paci
