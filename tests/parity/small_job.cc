#include "tests/parity/small_job.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "common/config/model_chunks.h"
#include "common/transport/inproc/inproc_transport.h"
#include "tests/support/delaying_transport.h"
#include "tests/support/session_pipeline.h"
#include "worker/compute/torch_compute.h"

namespace paci {
namespace {

// Words in an order that a seed decides: something can be learnt, and no two windows are equal.
std::string Text(uint64_t seed, int words) {
  static constexpr const char* kWords[] = {"and",  "the",   "earth", "was",  "without", "form",
                                           "void", "light", "day",   "said", "waters",  "heaven"};
  std::string text;
  uint64_t state = seed;
  for (int i = 0; i < words; ++i) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    absl::StrAppend(&text, kWords[(state >> 33) % std::size(kWords)], i % 9 == 8 ? "\n" : " ");
  }
  return text;
}

}  // namespace

SmallData::SmallData() {
  std::string name = std::filesystem::temp_directory_path() / "paci-parity-XXXXXX";
  if (mkdtemp(name.data()) == nullptr) ADD_FAILURE() << "no temporary folder";
  folder_ = name;
  std::ofstream(train()) << Text(1, 600);
  std::ofstream(validation()) << Text(2, 100);
}

SmallData::~SmallData() { std::filesystem::remove_all(folder_); }

std::string SmallData::NewCheckpointFolder() {
  return absl::StrCat(folder_, "/checkpoints-", checkpoint_folders_++);
}

v1::JobSpec SmallJob(SmallData& data, const std::string& schedule, uint32_t accumulation) {
  v1::JobSpec spec;
  spec.set_name("parity");
  spec.mutable_model()->set_layers(3);
  spec.mutable_model()->set_hidden(16);
  spec.mutable_model()->set_heads(2);
  spec.mutable_model()->set_context(12);
  spec.mutable_model()->set_vocabulary(256);
  spec.mutable_data()->add_train(data.train());
  spec.mutable_data()->set_validation(data.validation());
  spec.mutable_data()->set_tokenizer(v1::TOKENIZER_BYTES);
  spec.mutable_pipeline()->set_schedule(schedule);
  spec.mutable_pipeline()->set_accumulation(accumulation);
  spec.mutable_pipeline()->set_micro_batch(2);
  spec.mutable_pipeline()->set_order(v1::ORDER_STRICT);
  spec.mutable_pipeline()->set_frame_checksums(true);
  spec.mutable_optimizer()->set_name("adamw");
  spec.mutable_optimizer()->set_lr(1e-2);
  spec.mutable_optimizer()->set_beta1(0.9);
  spec.mutable_optimizer()->set_beta2(0.95);
  spec.mutable_optimizer()->set_eps(1e-8);
  spec.mutable_optimizer()->set_weight_decay(0.1);
  spec.mutable_optimizer()->set_warmup_updates(4);
  spec.mutable_optimizer()->set_lr_floor(0.1);
  spec.mutable_optimizer()->set_correction_decay(0.135);
  spec.mutable_optimizer()->set_rescale_updates(4);
  spec.mutable_optimizer()->set_momentum(0.95);
  spec.mutable_optimizer()->set_split_qkv(true);
  spec.mutable_optimizer()->set_lag_correction_strength(1);
  spec.mutable_optimizer()->set_rotation_every(3);
  spec.mutable_optimizer()->set_rotation_limit(10000);
  spec.mutable_train()->set_updates(24);
  spec.mutable_train()->set_seed(7);
  spec.mutable_train()->set_eval_every(8);
  spec.mutable_train()->set_eval_batches(3);
  spec.mutable_train()->set_threads(1);
  spec.mutable_train()->set_device("cpu");
  spec.mutable_checkpoint()->set_dir(data.NewCheckpointFolder());
  spec.mutable_checkpoint()->set_keep(1);
  return spec;
}

void MakeLlama(v1::JobSpec& spec) {
  v1::ModelSpec& model = *spec.mutable_model();
  model.set_family(v1::MODEL_FAMILY_LLAMA);
  model.set_heads(4);
  model.set_kv_heads(2);
  model.set_ffn_hidden(3 * model.hidden());
  model.set_rope_theta(500);
  // Of the rates of a head, some turn more often over 16 tokens than they would, some less.
  model.set_rope_factor(4);
  model.set_rope_low_frequency(0.1);
  model.set_rope_high_frequency(1.5);
  model.set_rope_original_context(16);
  model.set_norm_epsilon(1e-4);
}

RunResult Train(v1::JobSpec spec, const std::vector<uint32_t>& units_per_part,
                std::optional<uint64_t> delay_seed, const std::function<void(uint32_t)>& on_thread,
                const v1::Checkpoint* resume_from,
                const std::function<std::unique_ptr<Transport>()>& make_transport, int gpu) {
  const size_t stages = units_per_part.size() / ModelChunks(spec.pipeline());
  spec.mutable_pipeline()->set_stages(static_cast<uint32_t>(stages));
  const std::shared_ptr<InprocHub> hub = MakeInprocHub();
  std::vector<std::unique_ptr<Transport>> owned;
  std::vector<Transport*> transports;
  for (size_t i = 0; i < stages; ++i) {
    owned.push_back(make_transport ? make_transport() : MakeInprocTransport(hub));
    if (delay_seed) {
      owned.back() =
          MakeDelayingTransport(std::move(owned.back()), *delay_seed + i, absl::Microseconds(500));
    }
    transports.push_back(owned.back().get());
  }
  const std::unique_ptr<Engine> engine =
      MakeStageEngine([&](const v1::PrepareStage& command, const StateCopy* state) {
        if (on_thread) on_thread(command.key().stage());
        return MakeTorchCompute(command, /*threads=*/1, state, gpu);
      });
  RunResult result;
  for (const v1::StageReport& report :
       RunPipeline(spec, units_per_part, transports, engine.get(), resume_from)) {
    EXPECT_EQ(report.status().state(), v1::STAGE_STATE_FINISHED) << report.status().error();
    result.stages.push_back(report.status());
    for (const v1::MetricPoint& point : report.points()) {
      if (point.has_loss()) result.losses.push_back(point.loss());
      if (point.has_validation_loss()) {
        result.validation_losses[point.update()] = point.validation_loss();
      }
    }
    for (const v1::CheckpointPart& part : report.checkpoints()) {
      result.checkpoints[part.update()].mutable_files()->MergeFrom(part.files());
      for (const v1::CheckpointFile& file : part.files()) {
        result.checksums[file.path()] = file.checksum();
      }
    }
  }
  return result;
}

}  // namespace paci
