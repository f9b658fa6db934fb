#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "common/transport/channel.h"
#include "paci/v1/worker.pb.h"
#include "worker/agent/engine.h"

namespace paci {

// Runs every stage of a job in this process, each a StageSession on its own thread as in a worker,
// over the given transports (one a stage), without a coordinator. Returns each stage's last report,
// with every point it made; all of them are over.
std::vector<v1::StageReport> RunPipeline(const v1::JobSpec& spec,
                                         const std::vector<uint32_t>& units_per_stage,
                                         const std::vector<Transport*>& transports, Engine* engine);

// An engine whose stages come from `make` and that does nothing else.
std::unique_ptr<Engine> MakeStageEngine(
    std::function<absl::StatusOr<std::unique_ptr<StageCompute>>(const v1::PrepareStage&)> make);

}  // namespace paci
