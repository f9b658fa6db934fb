#pragma once

#include "paci/v1/job.pb.h"

namespace paci {

// A stage of which every figure is another one.
inline v1::StageStatus FullStatus() {
  v1::StageStatus status;
  status.set_index(1);
  status.set_worker_name("two");
  status.set_state(v1::STAGE_STATE_RUNNING);
  for (const uint32_t first : {2, 8}) {
    v1::UnitRange& chunk = *status.add_chunks();
    chunk.set_first_unit(first);
    chunk.set_end_unit(first + 2);
  }
  status.set_parameters(1000);
  status.set_forwards(183);
  status.set_backwards(181);
  status.set_updates(25);
  status.set_first_update(20);
  status.set_skipped_updates(1);
  status.set_in_flight(2);
  status.set_in_flight_cap(3);
  for (const uint64_t count : {60, 30, 11}) status.mutable_lag()->add_counts(count);
  status.mutable_lag()->set_bound(2);
  v1::ActivitySeconds& activity = *status.mutable_activity();
  activity.set_forward(1.5);
  activity.set_backward(3.25);
  activity.set_weights(0.375);
  activity.set_update(0.5);
  activity.set_evaluate(0.75);
  activity.set_checkpoint(0.125);
  activity.set_wait_activation(2);
  activity.set_wait_gradient(4);
  activity.set_wait_send(0.0625);
  activity.set_other(0.25);
  status.set_running_seconds(12.4375);
  status.set_sent_bytes(4096);
  status.set_received_bytes(8192);
  status.set_resident_bytes(500000);
  status.set_peak_resident_bytes(600000);
  status.set_policy_bytes(4000);
  status.set_drift(0.001);
  status.set_drift_max(0.004);
  status.set_gradient_norm(1.75);
  status.set_pipeline_norm(3.5);
  status.set_pipeline_norm_age(2);
  status.set_learning_rate(0.0007);
  return status;
}

}  // namespace paci
