#pragma once

// Room: which stage holds which layers. Pure.
//
// Units are what is never split: 0 the embedding, 1..layers the blocks, layers+1 the head. A
// partition gives every stage a contiguous range of at least one unit, and every unit to exactly
// one stage. Coordinator and command line may depend on it; it depends on the protocol alone.

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "paci/v1/job.pb.h"

namespace paci {

struct Partition {
  // Stage s holds the units bounds[s] .. bounds[s+1]-1; one entry more than stages.
  std::vector<int> bounds;
  // Mean over slowest stage's time, in (0, 1]: the share of the time that stages compute when
  // nothing else is in the way.
  double balance = 1;
  // "stage 3 is the slowest with 1.08 of the mean: blocks 10-12 and the head"
  std::string reason;

  int stages() const { return static_cast<int>(bounds.size()) - 1; }
};

// The partition whose slowest stage is the fastest that can be; of those, the one with the least
// sum of squared stage times; of those, the one that gives earlier stages fewer units, since they
// hold more micro-batches in flight. `unit_costs` are in any unit, finite and >= 0, with a sum > 0;
// `stage_speeds`, one a stage, relative to each other, finite and > 0. A stage's time is the sum of
// its units' costs over its speed. INVALID_ARGUMENT otherwise, and when there are more stages than
// units.
absl::StatusOr<Partition> BalancedPartition(absl::Span<const double> unit_costs,
                                            absl::Span<const double> stage_speeds);

// The partition that gives stage s the next units_per_stage[s] units. INVALID_ARGUMENT when that is
// no partition.
absl::StatusOr<Partition> ExplicitPartition(absl::Span<const int> units_per_stage,
                                            absl::Span<const double> unit_costs,
                                            absl::Span<const double> stage_speeds);

// What each chunk of stage `stage` of `stages` holds: chunk c is part c * stages + stage. With one
// chunk a stage, the stage's part.
google::protobuf::RepeatedPtrField<v1::UnitRange> ChunksOfStage(const Partition& partition,
                                                                int stage, int stages);

// What a job's spec asks for, each of its chunks being a stage of the partition: its explicit
// partition if it has one, else the balanced one.
absl::StatusOr<Partition> PartitionOf(const v1::JobSpec& spec, absl::Span<const double> unit_costs,
                                      absl::Span<const double> stage_speeds);

}  // namespace paci
