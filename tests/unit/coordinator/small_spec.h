#pragma once

#include <string>

#include "common/config/job_file.h"
#include "common/config/job_reference.h"

namespace paci {

// A valid spec of 4 blocks, which asks for nothing but training: no validation, no checkpoints,
// a partition by arithmetic.
inline v1::JobSpec SmallSpec(const std::string& name, uint32_t stages, uint64_t updates) {
  v1::JobSpec spec = ParseJobFile(ExampleJobFile(), "example.yaml", {}).value();
  spec.set_name(name);
  spec.clear_emulation();
  spec.mutable_model()->set_layers(4);
  spec.mutable_pipeline()->set_stages(stages);
  spec.mutable_pipeline()->clear_partition();
  spec.mutable_pipeline()->set_partition_by(v1::PARTITION_BY_FLOPS);
  spec.mutable_train()->set_updates(updates);
  spec.mutable_train()->set_eval_every(0);
  spec.mutable_data()->clear_validation();
  spec.mutable_optimizer()->set_warmup_updates(1);
  spec.mutable_checkpoint()->clear_dir();
  spec.mutable_checkpoint()->set_every(0);
  spec.mutable_recovery()->set_max_restarts(0);
  return spec;
}

}  // namespace paci
