#pragma once

// Whole pipelines of emulated stages for the tests of the runtime: real stage loops, real sessions,
// any transport, and every action of every stage recorded.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "common/schedule/schedule.h"
#include "common/transport/channel.h"
#include "tests/support/session_pipeline.h"

namespace paci {

struct RuntimeShape {
  int stages = 3;
  int chunks = 1;  // a stage
  int accumulation = 2;
  int updates = 4;
  std::string schedule = "paci";
  v1::Order order = v1::ORDER_DRAIN_FIRST;
  int extra_in_flight = 0;
  int flush_first = 0;  // updates
  int flush_last = 0;
  int hidden = 8;      // 4 * hidden bytes an activation
  int eval_every = 0;  // 0: no validation
  int eval_batches = 1;
  int checkpoint_every = -1;  // negative: no checkpoints
};
v1::JobSpec SpecOf(const RuntimeShape& shape);

enum class Wire { kInproc, kTcp };
// One a stage.
std::vector<std::unique_ptr<Transport>> MakeTransports(int stages, Wire wire);
std::vector<Transport*> PointersTo(const std::vector<std::unique_ptr<Transport>>& transports);

// On the thread that writes a stage's checkpoint; an error is the write's result.
using WatchStageWrite = std::function<absl::Status(int stage, int64_t update)>;

// Before an action of a stage, on its thread; an error fails it there.
using WatchStage = std::function<absl::Status(int stage, Action action)>;

// Used from one thread.
class RuntimePipeline {
 public:
  // Transfers are delayed at random up to `max_delay`, from `seed`.
  RuntimePipeline(const RuntimeShape& shape, Wire wire, uint64_t seed, absl::Duration max_delay,
                  WatchStage watch = nullptr, WatchStageWrite watch_write = nullptr);

  SessionPipeline& sessions() { return *sessions_; }
  // Runs to the end; the reports.
  std::vector<v1::StageReport> Run();
  // What a stage has done, in order.
  std::vector<Action> Trace(int stage) const;

 private:
  absl::StatusOr<std::unique_ptr<StageCompute>> MakeCompute(const v1::PrepareStage& command);

  const WatchStage watch_;
  const WatchStageWrite watch_write_;
  mutable absl::Mutex mutex_;
  std::vector<std::vector<Action>> traces_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::unique_ptr<Transport>> transports_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<SessionPipeline> sessions_;
};

}  // namespace paci
