#include "common/config/schedule_config.h"

#include "common/config/model_chunks.h"
#include "common/schedule/presets.h"

namespace paci {
namespace {

Milestones MilestonesOf(const v1::JobSpec& spec) {
  Milestones milestones;
  milestones.updates = static_cast<int64_t>(spec.train().updates());
  if (spec.has_emulation()) return milestones;
  if (!spec.data().validation().empty()) {
    milestones.eval_every = static_cast<int64_t>(spec.train().eval_every());
    milestones.eval_batches = spec.train().eval_batches();
  }
  if (!spec.checkpoint().dir().empty()) {
    milestones.checkpoint_every = static_cast<int64_t>(spec.checkpoint().every());
    milestones.checkpoint_last = true;
    milestones.checkpoints_drain = spec.checkpoint().cut() != v1::CHECKPOINT_CUT_RUNNING;
  }
  return milestones;
}

}  // namespace

ScheduleConfig ScheduleConfigOf(const v1::JobSpec& spec, int64_t first_update) {
  ScheduleConfig config;
  config.stages = spec.pipeline().stages();
  config.chunks = ModelChunks(spec.pipeline());
  config.accumulation = spec.pipeline().accumulation();
  config.order = spec.pipeline().order() == v1::ORDER_STRICT ? Order::kStrict : Order::kDrainFirst;
  config.extra_in_flight = spec.pipeline().extra_in_flight();
  ApplyPreset(*FindPreset(spec.pipeline().schedule()), config);
  config.flush_first = static_cast<int64_t>(spec.pipeline().flush_first());
  config.flush_last = static_cast<int64_t>(spec.pipeline().flush_last());
  config.first_update = first_update;
  config.milestones = MilestonesOf(spec);
  return config;
}

}  // namespace paci
