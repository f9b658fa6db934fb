#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/transport/channel.h"
#include "paci/v1/worker.pb.h"

namespace paci {

// A folder with a small text to train on, removed with the object.
class SmallData {
 public:
  SmallData();
  ~SmallData();

  std::string train() const { return folder_ + "/train.txt"; }
  std::string validation() const { return folder_ + "/validation.txt"; }
  std::string NewCheckpointFolder();

 private:
  std::string folder_;
  int checkpoint_folders_ = 0;
};

// A job of a model that trains in a moment: 3 blocks (5 units), 24 updates, no clipping, which is
// local to a stage and so depends on the partition.
v1::JobSpec SmallJob(SmallData& data, const std::string& schedule, uint32_t accumulation);

// Makes the model of such a job a Llama, two of whose four heads share a key.
void MakeLlama(v1::JobSpec& spec);

// What a run computed.
struct RunResult {
  std::vector<double> losses;                          // of every update
  std::map<uint64_t, double> validation_losses;        // by update
  std::map<std::string, std::string> checksums;        // of the last checkpoint's files
  std::map<uint64_t, v1::CheckpointPart> checkpoints;  // by update: the parts of all stages
  std::vector<v1::StageStatus> stages;
};

// Trains `spec` over stages with so many units each, on threads of this process. `delay_seed`: the
// network holds every frame for a random while; nullopt: it does not. `on_thread`: called on each
// stage's thread, with its stage, before that has built anything. `make_transport`: of the network
// in place of the one in memory. `gpu`: the CUDA device of all stages; below 0: the CPU. Fails the
// test if a stage fails.
RunResult Train(v1::JobSpec spec, const std::vector<uint32_t>& units_per_part,
                std::optional<uint64_t> delay_seed = std::nullopt,
                const std::function<void(uint32_t)>& on_thread = nullptr,
                const v1::Checkpoint* resume_from = nullptr,
                const std::function<std::unique_ptr<Transport>()>& make_transport = nullptr,
                int gpu = -1);

}  // namespace paci
