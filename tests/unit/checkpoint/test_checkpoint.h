#pragma once

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/checkpoint/checkpoint.h"
#include "common/config/checkpoint_directory.h"

namespace paci {

template <typename T>
absl::Span<const std::byte> BytesOf(const std::vector<T>& values) {
  return {reinterpret_cast<const std::byte*>(values.data()), values.size() * sizeof(T)};
}

// Checkpoints of a job of two layers, four units, whose weights have `floats` elements.
class TestCheckpoint {
 public:
  explicit TestCheckpoint(const std::string& dir, size_t floats = 100)
      : values_(floats, 0.5F), steps_{7} {
    spec_.set_name("small");
    spec_.mutable_model()->set_layers(2);
    spec_.mutable_model()->set_context(16);
    spec_.mutable_pipeline()->set_accumulation(4);
    spec_.mutable_pipeline()->set_micro_batch(3);
    spec_.mutable_optimizer()->set_lr(7e-4);
    spec_.mutable_checkpoint()->set_dir(dir);
    spec_.mutable_checkpoint()->set_keep(2);
  }

  v1::JobSpec& spec() { return spec_; }
  const v1::JobSpec& spec() const { return spec_; }
  std::string Directory(uint64_t update, uint64_t generation = 1) const {
    return CheckpointDirectory(spec_, "small-1", {update, generation});
  }
  std::vector<UnitTensors> Units(uint32_t first = 0, uint32_t end = 4) const {
    std::vector<UnitTensors> units;
    for (uint32_t unit = first; unit < end; ++unit) {
      const int64_t size = static_cast<int64_t>(values_.size());
      units.push_back({unit,
                       {{"weight", Dtype::kF32, {size}, BytesOf(values_)}},
                       {{"step", Dtype::kI64, {}, BytesOf(steps_)}}});
    }
    return units;
  }
  // What a stage reports of units first..end-1, after writing them.
  absl::StatusOr<v1::CheckpointPart> Write(uint64_t update, uint32_t first = 0, uint32_t end = 4,
                                           uint64_t generation = 1) const {
    return WritePart(Directory(update, generation), update, Units(first, end));
  }
  v1::CommitCheckpoint Command(uint64_t update, const v1::CheckpointPart& part,
                               uint64_t generation = 1) const {
    v1::CommitCheckpoint command;
    command.mutable_key()->set_job_id("small-1");
    command.mutable_key()->set_generation(generation);
    command.set_update(update);
    *command.mutable_files() = part.files();
    return command;
  }
  absl::Status WriteAndCommit(uint64_t update, uint64_t generation = 1) const {
    const auto part = Write(update, 0, 4, generation);
    if (!part.ok()) return part.status();
    return CommitManifest(spec_, Command(update, *part, generation));
  }
  void Fill(float value) { values_.assign(values_.size(), value); }

 private:
  v1::JobSpec spec_;
  std::vector<float> values_;
  std::vector<int64_t> steps_;
};

}  // namespace paci
