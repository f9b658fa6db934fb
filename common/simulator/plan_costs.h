#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/partition/partition.h"
#include "common/simulator/costs.h"
#include "paci/v1/job.pb.h"

namespace paci {

// Seconds of each unit of a model: embedding, blocks, head. Of one micro-batch, `update_seconds` of
// one update.
struct UnitSeconds {
  std::vector<double> forward_seconds;
  std::vector<double> backward_seconds;  // both halves, and what is recomputed
  std::vector<double> weights_seconds;   // of backward_seconds, the half of the weights
  std::vector<double> update_seconds;

  // What the stages are balanced by.
  std::vector<double> MicroBatchSeconds() const;
};

inline constexpr double kDefaultDeviceFlops = 1e13;

// From the arithmetic of the model on a device of so many float32 operations a second: a backward
// takes two forwards, one for each half, and one more where the spec recomputes. Updates take
// nothing.
UnitSeconds SecondsByFlops(const v1::JobSpec& spec, double device_flops);

// From the JSON of a file of measurements: an object of lists with an entry a unit, seconds >= 0,
// "forward_seconds" and "backward_seconds" of a micro-batch, and, if they were measured,
// "weights_seconds" (else half of backward_seconds) and "update_seconds" (else 0).
// INVALID_ARGUMENT names `file_name`, the key and what was expected.
absl::StatusOr<UnitSeconds> SecondsFromJson(const std::string& json, const std::string& file_name,
                                            const v1::ModelSpec& model);
// The same of a file. INVALID_ARGUMENT, too, when it cannot be read.
absl::StatusOr<UnitSeconds> SecondsFromFile(const std::string& path, const v1::ModelSpec& model);

// The stages of `partition`; with several chunks a stage, its parts.
std::vector<StageCosts> StagesOf(const UnitSeconds& units, const Partition& partition);

// The job's `emulation`, its work shared evenly by so many parts, each a stage or a chunk of one,
// instead of its own stages.
std::vector<StageCosts> EmulatedParts(const v1::JobSpec& spec, int64_t parts);

}  // namespace paci
