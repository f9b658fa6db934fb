#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "common/transport/channel.h"
#include "paci/v1/worker.pb.h"
#include "worker/agent/engine.h"
#include "worker/agent/stage_session.h"

namespace paci {

// Every stage of a job in this process (part p of the model is a chunk of stage p modulo stages),
// each a StageSession on its own thread as in a worker, over the given transports (one a stage),
// without a coordinator. Used from one thread.
class SessionPipeline {
 public:
  SessionPipeline(const v1::JobSpec& spec, const std::vector<uint32_t>& units_per_part,
                  const std::vector<Transport*>& transports, Engine* engine,
                  const v1::Checkpoint* resume_from = nullptr);

  StageSession& stage(size_t index) { return *sessions_[index]; }
  // Blocks until every stage is prepared or has failed to; starts those that are.
  void Start();
  // Blocks until every stage is over: each one's last report, with every point it made.
  std::vector<v1::StageReport> AwaitEnd();

 private:
  absl::Mutex mutex_;  // taken at every change, so that one may wait for it
  std::vector<std::unique_ptr<StageSession>> sessions_;
};

// All of the above at once.
std::vector<v1::StageReport> RunPipeline(const v1::JobSpec& spec,
                                         const std::vector<uint32_t>& units_per_part,
                                         const std::vector<Transport*>& transports, Engine* engine,
                                         const v1::Checkpoint* resume_from = nullptr);

// An engine whose stages come from `make` and that does nothing else.
using MakeStage = std::function<absl::StatusOr<std::unique_ptr<StageCompute>>(
    const v1::PrepareStage&, const StateCopy*)>;
std::unique_ptr<Engine> MakeStageEngine(MakeStage make);

}  // namespace paci
