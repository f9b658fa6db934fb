#include "tests/unit/worker/runtime_pipeline.h"

#include <algorithm>
#include <utility>

#include "common/transport/inproc/inproc_transport.h"
#include "common/transport/tcp/tcp_transport.h"
#include "tests/support/delaying_transport.h"
#include "tests/support/watched_compute.h"
#include "worker/stage/emulated_compute.h"

namespace paci {

v1::JobSpec SpecOf(const RuntimeShape& shape) {
  v1::JobSpec spec;
  spec.mutable_model()->set_context(1);
  spec.mutable_model()->set_hidden(shape.hidden);
  v1::PipelineSpec& pipeline = *spec.mutable_pipeline();
  pipeline.set_stages(shape.stages);
  pipeline.set_chunks(shape.chunks);
  pipeline.set_accumulation(shape.accumulation);
  pipeline.set_schedule(shape.schedule);
  pipeline.set_order(shape.order);
  pipeline.set_extra_in_flight(shape.extra_in_flight);
  pipeline.set_flush_first(shape.flush_first);
  pipeline.set_flush_last(shape.flush_last);
  pipeline.set_micro_batch(1);
  pipeline.set_frame_checksums(true);
  spec.mutable_train()->set_updates(shape.updates);
  if (shape.eval_every > 0) {
    spec.mutable_data()->set_validation("validation.txt");
    spec.mutable_train()->set_eval_every(shape.eval_every);
    spec.mutable_train()->set_eval_batches(shape.eval_batches);
  }
  if (shape.checkpoint_every >= 0) {
    spec.mutable_checkpoint()->set_dir("checkpoints");
    spec.mutable_checkpoint()->set_every(shape.checkpoint_every);
  }
  return spec;
}

std::vector<std::unique_ptr<Transport>> MakeTransports(int stages, Wire wire) {
  const auto hub = MakeInprocHub();
  std::vector<std::unique_ptr<Transport>> transports;
  transports.reserve(stages);
  for (int i = 0; i < stages; ++i) {
    transports.push_back(wire == Wire::kTcp ? *ListenTcp(TcpOptions()) : MakeInprocTransport(hub));
  }
  return transports;
}

std::vector<Transport*> PointersTo(const std::vector<std::unique_ptr<Transport>>& transports) {
  std::vector<Transport*> pointers;
  pointers.reserve(transports.size());
  for (const auto& transport : transports) pointers.push_back(transport.get());
  return pointers;
}

RuntimePipeline::RuntimePipeline(const RuntimeShape& shape, Wire wire, uint64_t seed,
                                 absl::Duration max_delay, WatchStage watch,
                                 WatchStageWrite watch_write)
    : watch_(std::move(watch)),
      watch_write_(std::move(watch_write)),
      traces_(shape.stages),
      engine_(MakeStageEngine(
          [this](const v1::PrepareStage& c, const StateCopy*) { return MakeCompute(c); })) {
  for (auto& inner : MakeTransports(shape.stages, wire)) {
    transports_.push_back(MakeDelayingTransport(std::move(inner), ++seed, max_delay));
  }
  sessions_ = std::make_unique<SessionPipeline>(
      SpecOf(shape), std::vector<uint32_t>(shape.stages * shape.chunks, 1), PointersTo(transports_),
      engine_.get());
}

absl::StatusOr<std::unique_ptr<StageCompute>> RuntimePipeline::MakeCompute(
    const v1::PrepareStage& command) {
  const int stage = static_cast<int>(command.key().stage());
  const auto watch = [this, stage](Action action) {
    {
      absl::MutexLock lock(&mutex_);
      traces_[stage].push_back(action);
    }
    return watch_ == nullptr ? absl::OkStatus() : watch_(stage, action);
  };
  const auto watch_write = [this, stage](int64_t update) {
    return watch_write_ == nullptr ? absl::OkStatus() : watch_write_(stage, update);
  };
  return MakeWatchedCompute(MakeEmulatedCompute(command.spec(), stage), watch, watch_write);
}

std::vector<v1::StageReport> RuntimePipeline::Run() {
  sessions_->Start();
  return sessions_->AwaitEnd();
}

std::vector<Action> RuntimePipeline::Trace(int stage) const {
  absl::MutexLock lock(&mutex_);
  return traces_[stage];
}

}  // namespace paci
