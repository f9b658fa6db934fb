#include "common/config/job_rules.h"

#include <numeric>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/config/job_key.h"
#include "common/config/key_value.h"
#include "common/config/lag.h"
#include "common/config/model_chunks.h"
#include "common/config/model_rules.h"
#include "common/config/spec_field.h"
#include "common/schedule/presets.h"

namespace paci {
namespace {

// Products of counts are taken as doubles: they cannot overflow, and the limits need no exactness.
constexpr double kMaxLogitsBytes = 256.0 * (1ull << 30);
constexpr double kMaxTokens = 1e18;
constexpr double kFloatBytes = 4;

double Double(uint64_t value) { return static_cast<double>(value); }

double TokensOfMicroBatch(const v1::JobSpec& spec) {
  return Double(spec.pipeline().micro_batch()) * Double(spec.model().context());
}

std::string TrainingHasAFile(const v1::JobSpec& spec) {
  const auto& paths = spec.data().train();
  const bool has_empty =
      absl::c_any_of(paths, [](const std::string& path) { return path.empty(); });
  if (has_empty) return "has an entry that is empty; expected the path of a file to train on";
  if (!paths.empty() || spec.has_emulation()) return "";
  return "is empty; expected the path of a file to train on";
}

std::string EveryPathHasAWeight(const v1::JobSpec& spec) {
  const v1::DataSpec& data = spec.data();
  if (data.weights().empty() || data.weights_size() == data.train_size()) return "";
  return absl::StrCat("[", absl::StrJoin(data.weights(), ", "), "] has ", data.weights_size(),
                      " entries; expected one for each of the ", data.train_size(),
                      " paths of data.train");
}

std::string VocabularyHoldsBytes(const v1::JobSpec& spec) {
  if (spec.data().tokenizer() != v1::TOKENIZER_BYTES) return "";
  if (spec.model().vocabulary() >= 256) return "";
  return absl::StrCat(spec.model().vocabulary(),
                      " is less than the 256 values of a byte; expected at least 256 with "
                      "data.tokenizer bytes");
}

std::string VocabularyFitsUint16(const v1::JobSpec& spec) {
  if (spec.data().tokenizer() != v1::TOKENIZER_UINT16) return "";
  if (spec.model().vocabulary() <= 65536) return "";
  return absl::StrCat(spec.model().vocabulary(),
                      " is more than 16 bits can say; expected at most 65536 with data.tokenizer "
                      "uint16");
}

std::string ActivationIsOfBearableSize(const v1::JobSpec& spec) {
  const double bytes = TokensOfMicroBatch(spec) * Double(spec.model().hidden()) * kFloatBytes;
  if (bytes <= kMaxFrameBytes) return "";
  return absl::StrCat("an activation of ", spec.pipeline().micro_batch(), " x ",
                      spec.model().context(), " x ", spec.model().hidden(), " floats has ", bytes,
                      " bytes; expected at most 16 GiB, so a smaller micro_batch or model.context");
}

std::string LogitsAreOfBearableSize(const v1::JobSpec& spec) {
  const double bytes = TokensOfMicroBatch(spec) * Double(spec.model().vocabulary()) * kFloatBytes;
  if (bytes <= kMaxLogitsBytes) return "";
  return absl::StrCat("logits of ", spec.pipeline().micro_batch(), " x ", spec.model().context(),
                      " x ", spec.model().vocabulary(), " floats have ", bytes,
                      " bytes; expected at most 256 GiB, so a smaller micro_batch");
}

std::string TokensCanBeCounted(const v1::JobSpec& spec) {
  const double tokens = Double(spec.train().updates()) * Double(spec.pipeline().accumulation()) *
                        TokensOfMicroBatch(spec);
  if (tokens <= kMaxTokens) return "";
  return absl::StrCat(spec.train().updates(), " updates take ", tokens,
                      " tokens; expected at most ", kMaxTokens);
}

uint64_t PartsOf(const v1::PipelineSpec& pipeline) {
  return uint64_t{pipeline.stages()} * ModelChunks(pipeline);
}

std::string StagesHaveAUnitEach(const v1::JobSpec& spec) {
  const uint32_t units = spec.model().layers() + 2;
  if (PartsOf(spec.pipeline()) <= units) return "";
  if (spec.pipeline().chunks() > 1) {
    return absl::StrCat(spec.pipeline().stages(), " stages of ", spec.pipeline().chunks(),
                        " chunks are more than the ", units, " units of the model (embedding, ",
                        spec.model().layers(), " blocks, head); expected at most ", units,
                        " chunks in all");
  }
  return absl::StrCat(spec.pipeline().stages(), " stages are more than the ", units,
                      " units of the model (embedding, ", spec.model().layers(),
                      " blocks, head); expected at most ", units);
}

std::string PartitionHasAnEntryAStage(const v1::JobSpec& spec) {
  const v1::PipelineSpec& pipeline = spec.pipeline();
  if (pipeline.partition().empty() ||
      static_cast<uint64_t>(pipeline.partition_size()) == PartsOf(pipeline)) {
    return "";
  }
  return absl::StrCat(
      "[", absl::StrJoin(pipeline.partition(), ", "), "] has ", pipeline.partition_size(),
      " entries; expected one for each of the ", pipeline.stages(), " stages",
      pipeline.chunks() > 1 ? absl::StrCat(" and each of their ", pipeline.chunks(), " chunks")
                            : "");
}

std::string PartitionHasEveryUnit(const v1::JobSpec& spec) {
  const auto& partition = spec.pipeline().partition();
  const uint64_t sum = std::accumulate(partition.begin(), partition.end(), uint64_t{0});
  const uint64_t units = spec.model().layers() + 2;
  if (partition.empty() || sum == units) return "";
  return absl::StrCat("[", absl::StrJoin(partition, ", "), "] adds up to ", sum, "; expected ",
                      units, ": the embedding, ", spec.model().layers(), " blocks and the head");
}

std::string ScheduleTakesItsAccumulation(const v1::JobSpec& spec) {
  const absl::StatusOr<Preset> preset = FindPreset(spec.pipeline().schedule());
  if (!preset.ok() || !preset->only_without_accumulation) return "";
  if (spec.pipeline().accumulation() == 1) return "";
  return absl::StrCat(
      "schedule ", preset->name, " updates after every backward, and pipeline.accumulation is ",
      spec.pipeline().accumulation(), "; expected 1 there, or with it the schedule paci");
}

std::string ChunksAreInterleaved(const v1::JobSpec& spec) {
  const v1::PipelineSpec& pipeline = spec.pipeline();
  const bool is_interleaved = pipeline.schedule() == "interleaved";
  if (is_interleaved == (pipeline.chunks() > 1)) return "";
  if (is_interleaved) {
    return absl::StrCat(pipeline.chunks(),
                        " leaves nothing to interleave; expected at least 2, or the schedule 1f1b");
  }
  return absl::StrCat(pipeline.chunks(), " chunks a stage go with schedule interleaved, not with ",
                      pipeline.schedule(), "; expected 1");
}

std::string InterleavingHasARing(const v1::JobSpec& spec) {
  if (spec.pipeline().schedule() != "interleaved" || spec.pipeline().stages() > 1) return "";
  return "1 stage has nobody to interleave with; expected at least 2, or the schedule 1f1b";
}

std::string InterleavingGoesInGroups(const v1::JobSpec& spec) {
  const v1::PipelineSpec& pipeline = spec.pipeline();
  if (pipeline.schedule() != "interleaved" || pipeline.accumulation() % pipeline.stages() == 0) {
    return "";
  }
  const uint32_t above = (pipeline.accumulation() / pipeline.stages() + 1) * pipeline.stages();
  return absl::StrCat(pipeline.accumulation(), " is no multiple of pipeline.stages ",
                      pipeline.stages(),
                      ", in groups of which micro-batches pass a stage's chunks; "
                      "expected for example ",
                      above);
}

std::string SplitBackwardsKeepAll(const v1::JobSpec& spec) {
  const absl::StatusOr<Preset> preset = FindPreset(spec.pipeline().schedule());
  const bool splits =
      preset.ok() && (preset->order == Order::kSplit1 || preset->order == Order::kSplit2);
  if (!splits || spec.pipeline().recompute() == v1::RECOMPUTE_NONE) return "";
  return absl::StrCat("schedule ", preset->name,
                      " splits backwards, which needs all of the forward; expected recompute none");
}

std::string PrecisionGoesWithTheSchedule(const v1::JobSpec& spec) {
  const absl::StatusOr<Preset> preset = FindPreset(spec.pipeline().schedule());
  if (!preset.ok()) return "";
  const bool splits = preset->order == Order::kSplit1 || preset->order == Order::kSplit2;
  if (spec.train().precision() == v1::PRECISION_BF16_AUTOCAST && splits) {
    return absl::StrCat("bf16_autocast casts within a backward, which schedule ", preset->name,
                        " splits; expected bf16 or fp32");
  }
  if (spec.train().precision() == v1::PRECISION_BF16 && preset->weights == WeightPolicy::kCorrect) {
    return absl::StrCat("bf16 cannot hold the small changes of weights that schedule ",
                        preset->name, " averages; expected fp32 or bf16_autocast");
  }
  return "";
}

std::string WeightsHalfIsAPart(const v1::JobSpec& spec) {
  if (!spec.has_emulation()) return "";
  if (spec.emulation().weights_seconds() <= spec.emulation().backward_seconds()) return "";
  return absl::StrCat(spec.emulation().weights_seconds(), "s is more than the backward of ",
                      spec.emulation().backward_seconds(), "s that it is a part of");
}

std::string WarmupEnds(const v1::JobSpec& spec) {
  if (spec.optimizer().warmup_updates() <= spec.train().updates()) return "";
  return absl::StrCat(spec.optimizer().warmup_updates(), " is more than train.updates ",
                      spec.train().updates(), "; expected at most that");
}

std::string ValidationHasAFile(const v1::JobSpec& spec) {
  if (spec.train().eval_every() == 0 || !spec.data().validation().empty() || spec.has_emulation()) {
    return "";
  }
  return absl::StrCat(spec.train().eval_every(),
                      " asks for validation, and data.validation is empty; expected a file there, "
                      "or 0 here");
}

std::string ValidationHasBatches(const v1::JobSpec& spec) {
  if (spec.train().eval_every() == 0 || spec.train().eval_batches() > 0) return "";
  return absl::StrCat("0 leaves nothing to validate on; expected at least 1 with train.eval_every ",
                      spec.train().eval_every());
}

std::string NormsTravelAlongALine(const v1::JobSpec& spec) {
  if (spec.optimizer().clip_scope() != v1::CLIP_SCOPE_PIPELINE || spec.pipeline().chunks() <= 1) {
    return "";
  }
  return absl::StrCat("pipeline needs stages in a line, and with pipeline.chunks ",
                      spec.pipeline().chunks(), " they are a ring; expected stage here");
}

std::string CheckpointsHaveAFolder(const v1::JobSpec& spec) {
  if (spec.checkpoint().every() == 0 || !spec.checkpoint().dir().empty()) return "";
  return absl::StrCat(
      spec.checkpoint().every(),
      " asks for checkpoints, and checkpoint.dir is empty; expected a folder there, "
      "or 0 here");
}

std::string FastRecoveryHasASource(const v1::JobSpec& spec) {
  const v1::RecoverySpec& recovery = spec.recovery();
  const bool has_source = !spec.checkpoint().dir().empty() ||
                          recovery.replicate() == v1::REPLICATE_NEIGHBOUR || spec.has_emulation();
  if (recovery.mode() != v1::RECOVERY_MODE_FAST || has_source) return "";
  return "fast leaves a stage that failed nothing to go on from; expected checkpoint.dir, or "
         "recovery.replicate neighbour, or exact here";
}

std::string CopiesAreForFastRecovery(const v1::JobSpec& spec) {
  const v1::RecoverySpec& recovery = spec.recovery();
  if (recovery.replicate() != v1::REPLICATE_NEIGHBOUR ||
      recovery.mode() == v1::RECOVERY_MODE_FAST) {
    return "";
  }
  return "copies at a neighbour are of use to recovery.mode fast only; expected that, or none here";
}

std::vector<JobRule> MakeRules() {
  return {
      {{"data.train"}, "`data.train` is not empty, except with an `emulation`.", TrainingHasAFile},
      {{"data.weights", "data.train"},
       "`weights` is empty or has an entry for each path of `train`.",
       EveryPathHasAWeight},
      {{"model.vocabulary", "data.tokenizer"},
       "With `tokenizer: bytes`, `vocabulary` is at least 256.",
       VocabularyHoldsBytes},
      {{"model.vocabulary", "data.tokenizer"},
       "With `tokenizer: uint16`, `vocabulary` is at most 65536.",
       VocabularyFitsUint16},
      {{"pipeline.stages", "model.layers", "pipeline.chunks"},
       "`stages` x `chunks` is at most `layers` + 2: the embedding, every block and the head are a "
       "unit, and a chunk has at least one.",
       StagesHaveAUnitEach},
      {{"pipeline.chunks", "pipeline.schedule"},
       "`chunks` is above 1 with `schedule: interleaved`, and 1 with any other.",
       ChunksAreInterleaved},
      {{"pipeline.stages", "pipeline.schedule"},
       "With `schedule: interleaved`, `stages` is at least 2.",
       InterleavingHasARing},
      {{"pipeline.accumulation", "pipeline.stages", "pipeline.schedule"},
       "With `schedule: interleaved`, `accumulation` is a multiple of `stages`.",
       InterleavingGoesInGroups},
      {{"pipeline.partition", "pipeline.stages", "pipeline.chunks"},
       "`partition` is empty or has an entry a stage and chunk.",
       PartitionHasAnEntryAStage},
      {{"pipeline.partition", "model.layers"},
       "The entries of `partition` add up to `layers` + 2.",
       PartitionHasEveryUnit},
      {{"pipeline.micro_batch", "model.context", "model.hidden"},
       "The activation of a micro-batch, `micro_batch` x `context` x `hidden` floats, has at most "
       "16 GiB.",
       ActivationIsOfBearableSize},
      {{"pipeline.micro_batch", "model.context", "model.vocabulary"},
       "The logits of a micro-batch, `micro_batch` x `context` x `vocabulary` floats, have at most "
       "256 GiB.",
       LogitsAreOfBearableSize},
      {{"pipeline.schedule", "pipeline.accumulation"},
       "With `schedule: async`, `accumulation` is 1.",
       ScheduleTakesItsAccumulation},
      {{"pipeline.recompute", "pipeline.schedule"},
       "With `schedule: zb-h1` and `zb-2p`, `recompute` is `none`.",
       SplitBackwardsKeepAll},
      {{"train.precision", "pipeline.schedule"},
       "With `schedule: zb-h1` and `zb-2p`, `precision` is not `bf16_autocast`, and with "
       "`pipemare` "
       "not `bf16`.",
       PrecisionGoesWithTheSchedule},
      {{"emulation.weights_seconds", "emulation.backward_seconds"},
       "`weights_seconds` is at most `backward_seconds`.",
       WeightsHalfIsAPart},
      {{"optimizer.warmup_updates", "train.updates"},
       "`warmup_updates` is at most `train.updates`.",
       WarmupEnds},
      {{"optimizer.clip_scope", "pipeline.chunks"},
       "`clip_scope: pipeline` needs `pipeline.chunks` of 1.",
       NormsTravelAlongALine},
      {{"train.updates", "pipeline.accumulation", "pipeline.micro_batch", "model.context"},
       "The run has at most 10^18 tokens.",
       TokensCanBeCounted},
      {{"train.eval_every", "data.validation"},
       "`eval_every` above 0 needs `data.validation`, except with an `emulation`.",
       ValidationHasAFile},
      {{"train.eval_batches", "train.eval_every"},
       "`eval_every` above 0 needs `eval_batches` of at least 1.",
       ValidationHasBatches},
      {{"checkpoint.every", "checkpoint.dir"},
       "`checkpoint.every` above 0 needs `checkpoint.dir`.",
       CheckpointsHaveAFolder},
      {{"recovery.mode", "recovery.replicate", "checkpoint.dir"},
       "`recovery.mode: fast` needs `checkpoint.dir` or `recovery.replicate: neighbour`, except "
       "with an `emulation`.",
       FastRecoveryHasASource},
      {{"recovery.replicate", "recovery.mode"},
       "`recovery.replicate: neighbour` needs `recovery.mode: fast`.",
       CopiesAreForFastRecovery},
  };
}

}  // namespace

const std::vector<JobRule>& JobRules() {
  static const auto* const rules = [] {
    auto* const all = new std::vector<JobRule>(ModelRules());
    for (JobRule& rule : MakeRules()) all->push_back(std::move(rule));
    for (JobRule& rule : LagRules()) all->push_back(std::move(rule));
    return all;
  }();
  return *rules;
}

std::vector<JobProblem> BrokenRules(const v1::JobSpec& spec,
                                    const std::set<absl::string_view>& wrong_keys) {
  std::vector<JobProblem> broken;
  for (const JobRule& rule : JobRules()) {
    const bool can_be_judged = absl::c_none_of(
        rule.keys, [&](absl::string_view key) { return wrong_keys.count(key) > 0; });
    if (!can_be_judged) continue;
    std::string text = rule.problem(spec);
    if (!text.empty()) broken.push_back({&rule, std::move(text)});
  }
  return broken;
}

absl::Status ValidateSpec(const v1::JobSpec& spec) {
  std::vector<std::string> lines;
  std::set<absl::string_view> wrong_keys;
  for (const JobKey& key : JobKeys()) {
    if (IsOptionalSection(key.section()) && !HasSection(spec, key.section())) continue;
    const std::string problem = ProblemOf(key, GetField(spec, key));
    if (problem.empty()) continue;
    wrong_keys.insert(key.path);
    lines.push_back(absl::StrCat(key.path, ": ", problem));
  }
  for (const JobProblem& problem : BrokenRules(spec, wrong_keys)) {
    lines.push_back(absl::StrCat(problem.rule->keys[0], ": ", problem.text));
  }
  if (lines.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrJoin(lines, "\n"));
}

}  // namespace paci
