#pragma once

#include <cstdint>

#include "absl/types/span.h"
#include "paci/v1/job.pb.h"

namespace paci {

// What a stage of the GPT of worker/model keeps in tensors, float32, in bytes. An estimate from
// shapes (tests/parity/memory_test.cc: within a tenth of a running stage); what the library and the
// sockets need comes on top.
struct StageMemory {
  int64_t weights_bytes = 0;
  int64_t gradients_bytes = 0;    // one accumulated gradient a weight
  int64_t optimizer_bytes = 0;    // two a weight, and what Soap and corrections for lag add
  int64_t copies_bytes = 0;       // further weights of the weight policy
  int64_t activations_bytes = 0;  // what backwards need, and what a recomputation holds meanwhile
  int64_t working_bytes = 0;      // frames that come and go, temporaries of one backward

  int64_t TotalBytes() const {
    return weights_bytes + gradients_bytes + optimizer_bytes + copies_bytes + activations_bytes +
           working_bytes;
  }
};

// Of unit 0 (embedding), 1..layers (blocks) or layers + 1 (head).
int64_t UnitParameters(const v1::ModelSpec& model, int unit);

// What units first_unit .. end_unit-1 keep of one micro-batch between forward and backward, by the
// spec's `recompute`. The formulas are in docs/planner.md.
int64_t ActivationElementBytes(const v1::JobSpec& spec);  // of what travels between stages
int64_t ActivationBytes(const v1::JobSpec& spec, int first_unit, int end_unit);
// What the recomputation of a backward holds on top, once a stage; 0 without it.
int64_t RecomputationBytes(const v1::JobSpec& spec, int first_unit, int end_unit);

// What a stage with these units needs besides, whatever is in flight.
int64_t WorkingBytes(const v1::JobSpec& spec, int first_unit, int end_unit);

// Of a stage with units first_unit .. end_unit-1, at most `held` micro-batches whose activations
// are kept and at most `weight_versions` copies of its weights.
StageMemory MemoryOfStage(const v1::JobSpec& spec, int first_unit, int end_unit, int64_t held,
                          int64_t weight_versions);
// Of a stage with several chunks: at most `held` passes in all, and of each chunk at most
// `held_of_chunk`.
StageMemory MemoryOfStage(const v1::JobSpec& spec,
                          const google::protobuf::RepeatedPtrField<v1::UnitRange>& chunks,
                          int64_t held, absl::Span<const int64_t> held_of_chunk,
                          int64_t weight_versions);

}  // namespace paci
